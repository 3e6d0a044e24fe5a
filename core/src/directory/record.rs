//! Records: live and ended connections (`docs/rules/message-center.md#records`).

use serde::{Deserialize, Serialize};

use super::membership::Membership;
use crate::{
    id::{RecordId, TenantId},
    serial::{Began, Serial},
    time::Timestamp,
};

/// The source of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Source {
    /// Published and ended by its user's aggregate.
    Live,
    /// Imported; it counts as live until its lease expires.
    Import,
}

/// A connection in the directory. "Online" is derived, see [`Record::ended_at`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// The id, ascending in the order of creation.
    pub id: RecordId,
    /// The user's tenant; part of every key and every query.
    pub tenant: TenantId,
    /// The message center's user number.
    pub user: i64,
    /// The user's name at the opening.
    pub full_name: String,
    /// The address of a picture, if the token's issuer names one.
    pub avatar: Option<String>,
    /// The client's user agent, cut to [`USER_AGENT_BYTES`].
    pub user_agent: String,
    /// The client's device; `unknown` when the client sent none.
    pub device_id: String,
    /// The peer's address, or the one that a trusted proxy forwarded.
    pub remote_address: String,
    /// The instant of the opening.
    pub online_at: Timestamp,
    /// The instant of the end; never changes once it is set.
    pub offline_at: Option<Timestamp>,
    /// The end of an imported record's lease: it counts as ended from here on.
    pub lease_until: Option<Timestamp>,
    /// The source of the record.
    pub source: Source,
    /// The departments and groups of the user at the opening.
    pub member_of: Option<Membership>,
    /// The serial that its opening had loaded. Imported records have none.
    pub under: Serial,
    /// Grows with every change of this record; an upsert without a newer generation is ignored.
    pub generation: i64,
}

/// The longest stored user agent, in bytes.
pub const USER_AGENT_BYTES: usize = 512;

/// The longest [`Record::full_name`] of a connection, in bytes.
pub const NAME_BYTES: usize = 512;

impl Record {
    /// The record of a connection that opens, without what its client and the user's account say.
    pub const fn opened(id: RecordId, tenant: TenantId, user: i64, began: Began) -> Self {
        Self {
            id,
            tenant,
            user,
            full_name: String::new(),
            avatar: None,
            user_agent: String::new(),
            device_id: String::new(),
            remote_address: String::new(),
            online_at: began.at,
            offline_at: None,
            lease_until: None,
            source: Source::Live,
            member_of: None,
            under: began.under,
            generation: 1,
        }
    }

    /// Its beginning.
    pub const fn began(&self) -> Began {
        Began { under: self.under, at: self.online_at }
    }

    /// The end of this record at `now`, without a cutoff: its own end, or the end of its lease.
    pub fn ended_at(&self, now: Timestamp) -> Option<Timestamp> {
        self.offline_at.or(self.lease_until.filter(|until| *until <= now))
    }
}
