//! Attachments on their sockets, where they are found after hibernation.

use worker::{
    WebSocket, js_sys::Uint8Array, wasm_bindgen::JsValue, web_sys, worker_sys::ext::WebSocketExt as _,
};

use crate::attachment::{Attachment, PackError, Packed};

/// A socket cannot be made a connection.
#[derive(Debug, thiserror::Error)]
pub(super) enum AttachError {
    /// It cannot keep what has to be known of the connection.
    #[error(transparent)]
    Pack(#[from] PackError),
    /// The runtime takes no more sockets, or not what is to be kept on one.
    #[error("the runtime did not accept a socket")]
    Refused(#[source] worker::Error),
}

impl Attachment {
    /// What is attached to a socket, if it is ours.
    pub(super) fn of(ws: &WebSocket) -> Option<Self> {
        let value = raw(ws).deserialize_attachment().ok()?;
        if value.is_null() || value.is_undefined() {
            return None;
        }
        Self::unpack(&Uint8Array::new(&value).to_vec())
    }
}

impl Packed {
    /// Writes it on the socket. Fails for what does not fit, which was checked, and for sockets that are no hibernating ones.
    pub(super) fn attach(&self, ws: &WebSocket) -> Result<(), AttachError> {
        let bytes = JsValue::from(Uint8Array::from(self.bytes()));
        raw(ws).serialize_attachment(bytes).map_err(|thrown| AttachError::Refused(thrown.into()))
    }
}

fn raw(ws: &WebSocket) -> &web_sys::WebSocket {
    ws.as_ref()
}
