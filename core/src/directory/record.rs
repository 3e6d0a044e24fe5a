//! One record: a connection that is or was (`docs/rules/message-center.md#records`).

use serde::{Deserialize, Serialize};

use super::membership::Membership;
use crate::{
    id::{RecordId, TenantId},
    time::Timestamp,
};

/// Who keeps a record true.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Source {
    /// Its user's aggregate publishes it and ends it.
    Live,
    /// It came through the import and lives until its lease runs out.
    Import,
}

/// A connection in the directory. Whether it is online is derived, see [`Record::ended_at`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// Sorts by time of birth.
    pub id: RecordId,
    /// Part of every key and every query.
    pub tenant: TenantId,
    /// The message center's user number.
    pub user: i64,
    /// The name at the time of connecting.
    pub full_name: String,
    /// Where the issuer of the token told it.
    pub avatar: Option<String>,
    /// Cut to [`USER_AGENT_BYTES`].
    pub user_agent: String,
    /// `unknown` when the client did not tell.
    pub device_id: String,
    /// The peer, or what a trusted proxy said of it.
    pub remote_address: String,
    /// When the connection opened.
    pub online_at: Timestamp,
    /// When it ended; kept for ever after.
    pub offline_at: Option<Timestamp>,
    /// An imported record reads as ended from here on.
    pub lease_until: Option<Timestamp>,
    /// Who keeps it true.
    pub source: Source,
    /// What its user belonged to when it opened.
    pub member_of: Option<Membership>,
    /// Grows with every change of this record; an upsert that is not newer is ignored.
    pub generation: i64,
}

/// The longest user agent that is kept.
pub const USER_AGENT_BYTES: usize = 512;

impl Record {
    /// When this record ended as seen at `now`: its own end, or the end of its lease.
    pub fn ended_at(&self, now: Timestamp) -> Option<Timestamp> {
        self.offline_at.or(self.lease_until.filter(|until| *until <= now))
    }
}
