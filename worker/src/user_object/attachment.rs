//! What is written on a socket, to be found there after hibernation.

use rollcall_core::{
    gateway::Encoding,
    id::ConnId,
    time::Timestamp,
    user::{Connection, Console},
};
use serde::{Deserialize, Serialize};
use worker::{
    WebSocket, js_sys::Uint8Array, wasm_bindgen::JsValue, web_sys, worker_sys::ext::WebSocketExt as _,
};

use crate::wire::{self, WireError};

/// The most that the runtime keeps on a socket, less what it adds itself.
const MOST_BYTES: usize = 16_384 - 64;

/// A socket's attachment.
#[derive(Serialize, Deserialize)]
pub(super) enum Attachment {
    /// A connection of the live set.
    Live {
        /// All that is known of it.
        connection: Box<Connection>,
        /// When a message of it last reached the object.
        heard: Timestamp,
    },
    /// A console of the live set.
    Console {
        /// All that is known of it.
        console: Box<Console>,
        /// When a message of it last reached the object.
        heard: Timestamp,
    },
    /// It left the live set. The runtime goes on listing the socket until its client answers the close.
    Ended {
        /// Which it was.
        connection: ConnId,
    },
}

/// An attachment in the form in which it is attached.
pub(super) struct Packed(Vec<u8>);

/// A socket cannot be made a connection.
#[derive(Debug, thiserror::Error)]
pub(super) enum AttachError {
    /// What has to be known of it is more than the runtime keeps on a socket.
    #[error("a connection does not fit on its socket")]
    TooBig,
    /// It cannot be written.
    #[error(transparent)]
    Wire(#[from] WireError),
    /// The runtime takes no more sockets.
    #[error("the runtime did not accept a socket")]
    Refused(#[source] worker::Error),
}

impl Attachment {
    /// That of a new connection.
    pub(super) fn live(connection: &Connection) -> Self {
        Self::Live { connection: Box::new(connection.clone()), heard: connection.opened_at }
    }

    /// That of a new console.
    pub(super) fn console(console: &Console) -> Self {
        Self::Console { console: Box::new(console.clone()), heard: console.opened_at }
    }

    /// The name of what is or was connected.
    pub(super) fn id(&self) -> ConnId {
        match self {
            Self::Live { connection, .. } => connection.id,
            Self::Console { console, .. } => console.id,
            Self::Ended { connection } => *connection,
        }
    }

    /// When a message of it last reached the object, while it is in the live set.
    pub(super) fn heard(&mut self) -> Option<&mut Timestamp> {
        match self {
            Self::Live { heard, .. } | Self::Console { heard, .. } => Some(heard),
            Self::Ended { .. } => None,
        }
    }

    /// Whether its client may send the constant ping.
    pub(super) fn may_ping(&self) -> bool {
        match self {
            Self::Live { connection, .. } => connection.wire.encoding == Encoding::Json,
            Self::Console { .. } => true,
            Self::Ended { .. } => false,
        }
    }

    /// Packs it. Ask before anything is durable: what does not fit must not be admitted.
    pub(super) fn pack(&self) -> Result<Packed, AttachError> {
        let text = wire::write(self)?;
        if text.len() > MOST_BYTES { Err(AttachError::TooBig) } else { Ok(Packed(text.into_bytes())) }
    }

    /// What is attached to a socket, if it is ours.
    pub(super) fn of(ws: &WebSocket) -> Option<Self> {
        let value = raw(ws).deserialize_attachment().ok()?;
        if value.is_null() || value.is_undefined() {
            return None;
        }
        let bytes = Uint8Array::new(&value).to_vec();
        wire::read(std::str::from_utf8(&bytes).ok()?).ok()
    }
}

impl Packed {
    /// Writes it on the socket.
    pub(super) fn attach(&self, ws: &WebSocket) {
        let bytes = JsValue::from(Uint8Array::from(self.0.as_slice()));
        // Fails for what does not fit, which was checked, and for sockets that are no hibernating ones of ours.
        if raw(ws).serialize_attachment(bytes).is_err() {
            tracing::error!("a connection could not be written on its socket");
        }
    }
}

fn raw(ws: &WebSocket) -> &web_sys::WebSocket {
    ws.as_ref()
}
