//! Outcomes of commands.

use serde::{Deserialize, Serialize};

use super::{
    Account, Change, Connection, Console, Pace, PendingWork, Presence, PresenceVersion, Subscribing,
    UserSnapshot, WatcherPage,
};
use crate::{
    deny::DenyWindow,
    gateway::{Close, Payload},
    id::{ConnId, RecordId, TenantId},
    openim::{Code, OpenImError},
    platform::Platform,
    secret,
    serial::Serial,
    time::Timestamp,
    token::{TokenError, TokenHash, TokenText, store::TokenRow},
};

/// The outcome of a command, carried out in this order: `changes` become durable together, `actions` are carried out one
/// by one, `reply` is given. When the commit fails, none of the rest happens.
#[derive(Clone, Debug, PartialEq)]
pub struct Outcome {
    /// The answer to the command.
    pub reply: Reply,
    /// Facts to commit in one transaction.
    pub changes: Vec<Change>,
    /// What the adapter does once they are durable, in order.
    pub actions: Vec<Action>,
    /// When the user needs [`super::Command::Tick`]. An adapter keeps the earliest of several wishes.
    pub wake_at: Option<Timestamp>,
}

/// An action of the adapter after the commit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Take these connections and consoles out of the live set. From here on no reader shows them.
    Retire(Vec<ConnId>),
    /// Keep what the user's connects have used up. It is in no store: a user that leaves memory begins anew.
    KeepPace(Pace),
    /// Put this connection into the live set.
    Admit(Box<Connection>),
    /// Put this console into the live set.
    AdmitConsole(Box<Console>),
    /// Replace this console in the live set: its session has moved on.
    KeepConsole(Box<Console>),
    /// Keep this serial with every connection and console of the live set: their user has moved to another tenant.
    SetUnder(Serial),
    /// Keep a connection's background flag.
    SetBackground {
        /// The connection.
        connection: ConnId,
        /// The new flag.
        background: bool,
    },
    /// Publish the user's records to the directory: all that it has not acknowledged, which may be none.
    Publish {
        /// True in every force-off: when the directory does not acknowledge within 2 s, the answer is an error although
        /// the kick stands. Opens and natural ends may arrive later.
        awaited: bool,
    },
    /// Send a message.
    Send {
        /// The receiver, which an earlier action may have retired.
        connection: ConnId,
        /// The whole message.
        payload: Payload,
    },
    /// Close a socket, after the messages that were sent to it. A client that does not read is cut off within a second.
    Close {
        /// The socket's connection.
        connection: ConnId,
        /// The code and reason.
        close: Close,
    },
}

/// A reply. It crosses the wire between a Worker and its objects.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Reply {
    /// Done; there is no result.
    Done,
    /// A token was issued.
    Issued(Issued),
    /// The status of a token.
    TokenStatus(Result<(), TokenError>),
    /// Whether a connection may open. If so, it is already in the live set.
    Opened(Result<(), OpenError>),
    /// Whether the user had an account before.
    WasRegistered(bool),
    /// The user's account.
    Account(Option<Account>),
    /// The live connections.
    Presence(Vec<Presence>),
    /// Work that a tick leaves to the adapter.
    PendingWork(PendingWork),
    /// Users whose presence a request waits for; `None` when it waits for none.
    Subscribing(Option<Subscribing>),
    /// The presence of a user that has a new watcher.
    Watching(PresenceVersion),
    /// Whether a live connection follows the user of the notice.
    Follows(bool),
    /// The watchers to notify; `None` when no page is due now.
    FanOut(Option<WatcherPage>),
    /// The user's tenant and what is live.
    Overview(Overview),
    /// What moves with the user to another server.
    Snapshot(UserSnapshot),
    /// Whether there was a cutoff to lift.
    Unlocked(bool),
    /// What became of tokens that were to be revoked.
    Revoked(Revoked),
    /// No token was issued: the user is denied until then.
    Denied(Timestamp),
    /// An internal error; nothing was changed.
    Broken,
}

/// The tenant of a user, and the connections and consoles that no cutoff covers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Overview {
    /// The user's tenant.
    pub tenant: TenantId,
    /// The live connections, in the order in which they opened.
    pub connections: Vec<Presence>,
    /// The live consoles.
    pub consoles: Vec<ConnId>,
    /// More of the user, where that was asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub details: Option<Box<UserDetails>>,
}

/// More of a user (`docs/rules/administration.md#one-user`).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct UserDetails {
    /// The sockets of both protocols that no cutoff covers, in the order in which they opened.
    pub live: Vec<LiveSocket>,
    /// The tokens that have not expired, each with the state that readers see: valid ones first, then the newest,
    /// [`super::TOKENS_AT_ONCE`] at most.
    pub tokens: Vec<TokenRow>,
    /// The number of all of them.
    pub token_count: i64,
    /// The deny window that is open.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deny: Option<DenyWindow>,
}

/// A live connection or console.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LiveSocket {
    /// Its id.
    pub id: ConnId,
    /// Its record in the directory, if the user has records.
    pub record: Option<RecordId>,
    /// The instant of the opening.
    pub opened_at: Timestamp,
}

/// What became of tokens that were to be revoked.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Revoked {
    /// How many were good.
    pub good: u32,
    /// How many connections were online on them.
    pub connections: u32,
    /// Those that are none of the user's.
    pub unknown: Vec<TokenHash>,
}

/// A new token.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Issued {
    /// The token's text.
    #[serde(with = "secret::exposed")]
    pub token: TokenText,
    /// The lifetime in seconds.
    pub lifetime_secs: i64,
}

/// The reason why a connection may not open, in the order of the checks (`docs/rules/openim.md#handshake-order`).
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
    /// An order revoked the console's token.
    Revoked,
    /// The user has the maximum number of connections, or connects too often.
    TooMany,
}

impl Outcome {
    /// An outcome with a reply and nothing else.
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
