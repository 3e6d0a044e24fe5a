//! What a command leads to.

use serde::{Deserialize, Serialize};

use super::{
    Change, Connection, Console, PendingRequest, PendingWork, Presence, PresenceVersion, RegistrationVersion,
    WatcherPage,
};
use crate::{
    gateway::{Close, Payload},
    id::{ConnId, UserId},
    openim::{Code, OpenImError},
    platform::Platform,
    secret,
    time::Timestamp,
    token::{TokenError, TokenText},
};

/// What follows from a command, in this order: `changes` become durable together, `actions` are carried out one by
/// one, `reply` is given. When the changes cannot be made durable, nothing of the rest happens.
#[derive(Clone, Debug, PartialEq)]
pub struct Outcome {
    /// The answer to whoever gave the command.
    pub reply: Reply,
    /// Facts to commit in one transaction.
    pub changes: Vec<Change>,
    /// What follows once they are durable.
    pub actions: Vec<Action>,
    /// When the user wants [`super::Command::Tick`]; an earlier wish stays.
    pub wake_at: Option<Timestamp>,
}

/// What an adapter does after the commit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Take these out of the live set. From here on no reader sees them.
    Retire(Vec<ConnId>),
    /// Put this one into the live set.
    Admit(Box<Connection>),
    /// Put this socket of the message center into the live set.
    AdmitConsole(Box<Console>),
    /// This console's conversation has come to this.
    KeepConsole(Box<Console>),
    /// Keep a connection's background flag.
    SetBackground {
        /// Which connection.
        connection: ConnId,
        /// The new flag.
        background: bool,
    },
    /// Tell the directory what became of the user's records: all that it has not heard, which may be nothing.
    Publish {
        /// True for a force-off, which always says this: when the directory cannot be told within 2 s, the answer is
        /// an error although the kick stands. Opens and natural ends may arrive later.
        awaited: bool,
    },
    /// Send a message.
    Send {
        /// To which connection; it may have been retired by an action before this one.
        connection: ConnId,
        /// What.
        payload: Payload,
    },
    /// Close a socket, after what was sent to it. A client that does not read is cut within a second.
    Close {
        /// Which connection.
        connection: ConnId,
        /// With which code and reason.
        close: Close,
    },
    /// Give these users a [`super::Command::Watch`], and come back with [`super::Command::Answered`].
    Watch {
        /// The users to follow, with the registrations.
        watches: Vec<(UserId, RegistrationVersion)>,
        /// The request that waits for their presence.
        pending: PendingRequest,
    },
}

/// An answer. It crosses the wire between a Worker and its objects.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Reply {
    /// There is nothing to say.
    Done,
    /// A token was made.
    Issued(Issued),
    /// The status of a token.
    TokenStatus(Result<(), TokenError>),
    /// Whether a connection may open. If so, it is in the live set already.
    Opened(Result<(), OpenError>),
    /// The live connections.
    Presence(Vec<Presence>),
    /// Work that a tick leaves to the adapter.
    PendingWork(PendingWork),
    /// The presence of a user that has a new watcher.
    Watching(PresenceVersion),
    /// Whether a live connection follows the user of the notice.
    Follows(bool),
    /// The watchers to notify; `None` when no page is due now.
    FanOut(Option<WatcherPage>),
    /// Whether there was anything to lift.
    Unlocked(bool),
    /// Ours to repair; nothing was changed.
    Broken,
}

/// A new token.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Issued {
    /// Its text.
    #[serde(with = "secret::exposed")]
    pub token: TokenText,
    /// How long it lives, in seconds.
    pub lifetime_secs: i64,
}

/// Why a connection may not open, in the order in which it is judged (`docs/rules/openim.md#handshake-order`).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum OpenError {
    /// The token is not good.
    Token(TokenError),
    /// The token is another user's.
    User {
        /// The token's.
        token: String,
        /// What the client claimed.
        claimed: String,
    },
    /// The token is another platform's.
    Platform {
        /// The token's.
        token: Platform,
        /// What the client claimed.
        claimed: Platform,
    },
    /// An order took the console's token back.
    Revoked,
    /// The user has as many connections as it may.
    TooMany,
}

impl Outcome {
    /// Nothing but an answer.
    pub fn of(reply: Reply) -> Self {
        Self { reply, changes: Vec::new(), actions: Vec::new(), wake_at: None }
    }
}

impl From<OpenError> for OpenImError {
    fn from(error: OpenError) -> Self {
        match error {
            OpenError::Token(error) => error.into(),
            OpenError::User { token, claimed } => {
                Self::new(Code::TokenInvalid, format!("token uid {token} != userID {claimed}"))
            }
            OpenError::Platform { token, claimed } => {
                Self::new(Code::TokenInvalid, format!("token platform {token} != platformID {claimed}"))
            }
            OpenError::Revoked => Code::TokenKicked.into(),
            OpenError::TooMany => Code::ConnOverMax.into(),
        }
    }
}
