//! What is kept on a socket, in the form in which it is kept.
#![cfg_attr(
    not(target_arch = "wasm32"),
    allow(dead_code, reason = "used on the Workers runtime, tested on any")
)]

use rollcall_core::{
    gateway::Encoding,
    id::ConnId,
    time::Timestamp,
    user::{Connection, Console},
};
use serde::{Deserialize, Serialize};

use crate::wire::{self, WireError};

/// The most that the runtime keeps on a socket, less what it adds itself.
const MOST_BYTES: usize = 16_384 - 64;

/// A socket's attachment.
#[derive(Serialize, Deserialize)]
pub(crate) enum Attachment {
    /// A connection of the live set.
    Live {
        /// All that is known of it.
        connection: Box<Connection>,
        /// When a message of it last reached the object.
        #[serde(rename = "heard")]
        last_message: Timestamp,
        /// Whether the directory knows of its opening.
        #[serde(default, skip_serializing_if = "is_false")]
        published: bool,
    },
    /// A console of the live set.
    Console {
        /// All that is known of it.
        console: Box<Console>,
        /// When a message of it last reached the object.
        #[serde(rename = "heard")]
        last_message: Timestamp,
        /// Whether the directory knows of its opening.
        #[serde(default, skip_serializing_if = "is_false")]
        published: bool,
    },
    /// It left the live set. The runtime goes on listing the socket until its client answers the close.
    Ended {
        /// Which it was.
        connection: ConnId,
    },
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde's form")]
const fn is_false(flag: &bool) -> bool {
    !*flag
}

/// An attachment in the form in which it is attached.
pub(crate) struct Packed(Vec<u8>);

/// An attachment has no form that the runtime would keep.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PackError {
    /// It is more than the runtime keeps on a socket.
    #[error("a connection does not fit on its socket")]
    TooBig,
    /// It cannot be written.
    #[error(transparent)]
    Wire(#[from] WireError),
}

impl Attachment {
    /// That of a new connection.
    pub(crate) fn live(connection: &Connection) -> Self {
        Self::Live {
            connection: Box::new(connection.clone()),
            last_message: connection.opened_at,
            published: false,
        }
    }

    /// That of a new console.
    pub(crate) fn console(console: &Console) -> Self {
        Self::Console {
            console: Box::new(console.clone()),
            last_message: console.opened_at,
            published: false,
        }
    }

    /// The name of what is or was connected.
    pub(crate) fn id(&self) -> ConnId {
        match self {
            Self::Live { connection, .. } => connection.id,
            Self::Console { console, .. } => console.id,
            Self::Ended { connection } => *connection,
        }
    }

    /// When a message of it last reached the object, while it is in the live set.
    pub(crate) fn last_message(&mut self) -> Option<&mut Timestamp> {
        match self {
            Self::Live { last_message, .. } | Self::Console { last_message, .. } => Some(last_message),
            Self::Ended { .. } => None,
        }
    }

    /// Whether it is in the live set.
    pub(crate) fn is_live(&self) -> bool {
        !matches!(self, Self::Ended { .. })
    }

    /// Whether its client may send the constant ping.
    pub(crate) fn may_ping(&self) -> bool {
        match self {
            Self::Live { connection, .. } => connection.wire.encoding == Encoding::Json,
            Self::Console { .. } => true,
            Self::Ended { .. } => false,
        }
    }

    /// Packs it. Ask before anything is durable: what does not fit must not be admitted.
    pub(crate) fn pack(&self) -> Result<Packed, PackError> {
        let text = wire::write(self)?;
        if text.len() > MOST_BYTES { Err(PackError::TooBig) } else { Ok(Packed(text.into_bytes())) }
    }

    /// Reads what was packed.
    pub(crate) fn unpack(bytes: &[u8]) -> Option<Self> {
        wire::read(std::str::from_utf8(bytes).ok()?).ok()
    }
}

impl Packed {
    /// Its bytes.
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.0
    }
}
