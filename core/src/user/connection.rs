//! One live socket of a user.

use serde::{Deserialize, Serialize};

use super::ending::Leaving;
use crate::{
    gateway::Wire,
    id::{ConnId, RecordId},
    platform::Platform,
    secret,
    time::Timestamp,
    token::{TokenText, Verified},
};

/// What is known of a live connection. On the edge this is the socket's attachment, so it stays small.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Connection {
    /// Its name on the wire.
    pub id: ConnId,
    /// The login it lives on.
    pub token: Verified,
    /// Whether the application said it is in the background. Background is not offline.
    pub background: bool,
    /// Its place among its user's connections: each is one more than the last that is live. Two may open within one
    /// millisecond, so [`Self::opened_at`] cannot tell.
    pub order: u64,
    /// When it opened.
    pub opened_at: Timestamp,
    /// What it speaks.
    pub wire: Wire,
    /// Its record in the directory, if its user has records.
    pub record: Option<RecordId>,
    /// When sockets of this token were replaced by their own client's next one, of late; see
    /// `docs/rules/openim.md#same-token`.
    pub replacements: Vec<Timestamp>,
}

/// A connection as administrators see it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Presence {
    /// Its name.
    pub connection: ConnId,
    /// Its platform.
    pub platform: Platform,
    /// Whether the application is in the background.
    pub background: bool,
    /// The token it was opened with.
    #[serde(with = "secret::exposed")]
    pub token: TokenText,
}

impl Connection {
    pub(super) const fn leaving(&self) -> Leaving {
        Leaving { id: self.id, record: self.record }
    }

    pub(super) fn presence(&self) -> Presence {
        Presence {
            connection: self.id,
            platform: self.token.platform,
            background: self.background,
            token: self.token.text.clone(),
        }
    }
}
