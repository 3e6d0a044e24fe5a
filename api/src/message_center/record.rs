//! Records in answers (`docs/rules/message-center.md#records`).

use rollcall_core::directory::{record::Record, view::View, zone::Zone};
use serde::Serialize;

/// A connection, live or ended. Numbers are texts: they have 64 bits.
#[derive(Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Shown {
    /// The record's id; ids are ordered by time of creation
    #[schema(example = "301222970049691648")]
    pub(crate) id: String,
    /// The user's number
    #[schema(example = "101")]
    user_id: String,
    /// The user's name at the opening of the connection
    full_name: String,
    /// The URL of a picture; left out without one
    #[serde(skip_serializing_if = "Option::is_none")]
    avatar: Option<String>,
    /// The handshake's `User-Agent`; `unknown` without one
    pub(crate) user_agent: String,
    /// The client's device id; `unknown` without one
    pub(crate) device_id: String,
    /// The client's address
    pub(crate) remote_address: String,
    /// Whether the connection is live
    online: bool,
    /// The opening of the connection, `yyyy-MM-dd HH:mm:ss`
    #[schema(example = "2025-07-16 09:00:00")]
    online_date: String,
    /// The end of the connection; left out while it is live
    #[serde(skip_serializing_if = "Option::is_none")]
    offline_date: Option<String>,
}

/// A page of records.
#[derive(Serialize, utoipa::ToSchema)]
#[schema(as = Page)]
pub(super) struct RecordPage {
    /// The number of all matching records, on every page
    #[schema(example = "1")]
    total: String,
    /// The records of the page
    list: Vec<Shown>,
}

impl Shown {
    pub(crate) fn new(record: Record, view: &View, zone: &Zone) -> Self {
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
