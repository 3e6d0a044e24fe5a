//! Messages on a gateway socket, before they are decoded.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The largest message from a client, in bytes as received (`docs/rules/openim.md#framing`).
pub const MESSAGE_BYTES: usize = 51_200;

/// The encoding of requests and responses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Encoding {
    /// `sdkType=js`.
    Json,
    /// `sdkType=go`, and every client that does not say.
    Gob,
}

/// The wire format of a connection, fixed at its handshake.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Wire {
    /// The form of a binary message.
    pub encoding: Encoding,
    /// Whether each binary message is one gzip stream.
    pub gzip: bool,
}

/// A whole message from a client.
#[derive(Clone, PartialEq, Eq)]
pub enum Incoming {
    /// A text message.
    Text(String),
    /// A binary message.
    Binary(Vec<u8>),
}

/// A whole message to a client.
#[derive(Clone, PartialEq, Eq)]
pub enum Payload {
    /// A text message.
    Text(String),
    /// A binary message.
    Binary(Vec<u8>),
}

// A client may write its token into a message, and have it echoed.
impl fmt::Debug for Incoming {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(text) => write!(f, "Text({} bytes)", text.len()),
            Self::Binary(bytes) => write!(f, "Binary({} bytes)", bytes.len()),
        }
    }
}

impl fmt::Debug for Payload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(text) => write!(f, "Text({} bytes)", text.len()),
            Self::Binary(bytes) => write!(f, "Binary({} bytes)", bytes.len()),
        }
    }
}

/// The reason of a close. Clients do not act on it; people and logs do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Close {
    /// The user logged out, or the socket was replaced by its own client's next one.
    Done,
    /// A message could not be decoded, or a text was neither ping nor pong.
    Undecodable,
    /// A wrong sendID, an unknown reqIdentifier, or a refusal in band after the upgrade.
    Policy,
    /// A message above [`MESSAGE_BYTES`].
    TooBig,
    /// The server stops.
    Draining,
    /// The login was revoked.
    Kicked,
    /// A console's user was forced offline.
    ForcedOffline,
    /// A console's token expired.
    TokenExpired,
    /// The client reads more slowly than it is sent to.
    TooSlow,
}

impl Close {
    /// The code of the Close frame.
    pub const fn code(self) -> u16 {
        match self {
            Self::Done => 1000,
            Self::Undecodable => 1002,
            Self::Policy | Self::TooSlow => 1008,
            Self::TooBig => 1009,
            Self::Draining => 1012,
            Self::ForcedOffline | Self::TokenExpired => 4001,
            Self::Kicked => 4006,
        }
    }

    /// The reason of the Close frame.
    pub const fn reason(self) -> &'static str {
        match self {
            Self::Done => "",
            Self::Undecodable => "undecodable",
            Self::Policy => "refused",
            Self::TooBig => "too big",
            Self::Draining => "draining",
            Self::ForcedOffline => "forced_offline",
            Self::TokenExpired => "token_expired",
            Self::Kicked => "kicked",
            Self::TooSlow => "too slow",
        }
    }
}
