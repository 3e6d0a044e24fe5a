//! Records in answers (`docs/rules/message-center.md#records`).

use rollcall_core::directory::{record::Record, view::View, zone::Zone};
use serde::Serialize;

/// One connection that is or was. Numbers are texts: they have 64 bits.
#[derive(Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct Shown {
    /// Of the record, ordered by time of birth
    #[schema(example = "301222970049691648")]
    id: String,
    /// The user's number
    #[schema(example = "101")]
    user_id: String,
    /// The name when the connection opened
    full_name: String,
    /// A picture's address; left out where none is known
    #[serde(skip_serializing_if = "Option::is_none")]
    avatar: Option<String>,
    /// Of the handshake; `unknown` without one
    user_agent: String,
    /// `unknown` where nobody told
    device_id: String,
    /// Where the connection came from
    remote_address: String,
    /// Whether the connection is live
    online: bool,
    /// When it opened, `yyyy-MM-dd HH:mm:ss`
    #[schema(example = "2025-07-16 09:00:00")]
    online_date: String,
    /// When it ended; left out while it is live
    #[serde(skip_serializing_if = "Option::is_none")]
    offline_date: Option<String>,
}

/// A page of records.
#[derive(Serialize, utoipa::ToSchema)]
#[schema(as = Page)]
pub(super) struct RecordPage {
    /// Of all records that match, wherever the page lies
    #[schema(example = "1")]
    total: String,
    /// The page
    list: Vec<Shown>,
}

impl Shown {
    pub(super) fn new(record: Record, view: &View, zone: &Zone) -> Self {
        let ended_at = view.ended_at(&record);
        Self {
            id: record.id.to_string(),
            user_id: record.user.to_string(),
            full_name: record.full_name,
            avatar: record.avatar,
            user_agent: record.user_agent,
            device_id: record.device_id,
            remote_address: record.remote_address,
            online: ended_at.is_none(),
            online_date: zone.format(record.online_at),
            offline_date: ended_at.map(|end| zone.format(end)),
        }
    }
}

impl RecordPage {
    pub(super) fn new(total: u64, records: Vec<Record>, view: &View, zone: &Zone) -> Self {
        let list = records.into_iter().map(|record| Shown::new(record, view, zone)).collect();
        Self { total: total.to_string(), list }
    }
}
