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

/// A live connection. At the edge this is the socket's attachment, so it stays small.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Connection {
    /// The id on the wire.
    pub id: ConnId,
    /// The token that the connection lives on.
    pub token: Verified,
    /// Whether the application is in the background. Background is not offline.
    pub background: bool,
    /// The order of opening among the user's connections: one more than the largest that is live. Two connections may
    /// open within one millisecond, so [`Self::opened_at`] cannot tell.
    pub order: u64,
    /// The instant of the opening.
    pub opened_at: Timestamp,
    /// The encoding of its messages.
    pub wire: Wire,
    /// The record in the directory, if the user has records.
    pub record: Option<RecordId>,
    /// The recent instants at which a socket of this token was replaced by its own client's next one, see
    /// `docs/rules/openim.md#same-token`.
    pub replacements: Vec<Timestamp>,
}

/// A connection as administrators see it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Presence {
    /// The connection's id.
    pub connection: ConnId,
    /// The platform of its token.
    pub platform: Platform,
    /// Whether the application is in the background.
    pub background: bool,
    /// The token that it was opened with.
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
