//! The directory's row of a new connection (`docs/rules/message-center.md#records`).

use super::Client;
use crate::{
    directory::membership::Membership,
    directory::record::{Record, Source, USER_AGENT_BYTES},
    id::{RecordId, TenantId, UserId},
    time::Moment,
};

/// What the directory shows in place of a text that the client did not send.
const UNKNOWN: &str = "unknown";
const NAME_BYTES: usize = 512;
const DEVICE_ID_BYTES: usize = 160;
const REMOTE_ADDRESS_BYTES: usize = 45;

/// The details of a connection at its opening.
pub(super) struct Details<'a> {
    pub(super) full_name: &'a str,
    pub(super) avatar: Option<&'a str>,
    pub(super) client: &'a Client,
    pub(super) member_of: Option<Membership>,
}

/// A new record, for users that have a number.
pub(super) fn open(user: &UserId, tenant: TenantId, details: Details<'_>, at: Moment) -> Option<Record> {
    let or_unknown = |text: &Option<String>, most| match text.as_deref() {
        None | Some("") => UNKNOWN.to_owned(),
        Some(text) => cut(text, most).to_owned(),
    };
    Some(Record {
        id: RecordId::draw(at.now, at.entropy),
        tenant,
        user: user.number()?,
        full_name: cut(details.full_name, NAME_BYTES).to_owned(),
        avatar: details.avatar.map(str::to_owned),
        user_agent: or_unknown(&details.client.user_agent, USER_AGENT_BYTES),
        device_id: or_unknown(&details.client.device_id, DEVICE_ID_BYTES),
        remote_address: or_unknown(&details.client.remote_address, REMOTE_ADDRESS_BYTES),
        online_at: at.now,
        offline_at: None,
        lease_until: None,
        source: Source::Live,
        member_of: details.member_of,
        generation: 1,
    })
}

/// The longest beginning of `text` that fits and ends between characters.
fn cut(text: &str, most: usize) -> &str {
    text.get(..text.floor_char_boundary(most)).unwrap_or(text)
}
