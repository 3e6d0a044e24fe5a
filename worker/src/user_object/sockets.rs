//! The user's sockets: the live ones, the silent ones, and changes of their attachments.

use std::{rc::Rc, time::Duration};

use rollcall_api::{Chain, metrics::CloseReason};
use rollcall_core::{
    gateway::{Close, PING, PONG, Payload},
    id::{ConnId, RecordId},
    serial::Serial,
    time::Timestamp,
    user::{Connection, Console},
};
use wasm_bindgen::JsCast as _;
use worker::{WebSocket, WebSocketRequestResponsePair, web_sys};

use super::{Object, attachment::AttachError};
use crate::{attachment::Attachment, clock, raw::RawState};

/// A client whose pings the runtime answered is gone when it has sent none for this long
/// (`docs/rules/openim.md#liveness`). Other sockets give no sign of life: the runtime keeps the pings of native
/// clients to itself.
const SILENCE: Duration = Duration::from_secs(30);

/// A socket that is about to be a connection.
pub(super) struct Arriving {
    /// The server's end.
    pub(super) socket: WebSocket,
    /// The first message, for clients that wait for one.
    pub(super) greeting: Option<String>,
}

/// A socket that was a connection at some time, and may be one still.
pub(super) struct Held {
    pub(super) ws: WebSocket,
    pub(super) attachment: Attachment,
}

impl Held {
    /// Its connection's name.
    pub(super) fn id(&self) -> ConnId {
        self.attachment.id()
    }

    /// Its connection, if that has not left the live set.
    pub(super) fn connection(&self) -> Option<&Connection> {
        match &self.attachment {
            Attachment::Live { connection, .. } => Some(connection),
            Attachment::Console { .. } | Attachment::Ended { .. } => None,
        }
    }

    /// Its console, if that has not left the live set.
    pub(super) fn console(&self) -> Option<&Console> {
        match &self.attachment {
            Attachment::Console { console, .. } => Some(console),
            Attachment::Live { .. } | Attachment::Ended { .. } => None,
        }
    }

    /// The record of its connection or console.
    pub(super) fn record(&self) -> Option<RecordId> {
        match &self.attachment {
            Attachment::Live { connection, .. } => connection.record,
            Attachment::Console { console, .. } => console.record,
            Attachment::Ended { .. } => None,
        }
    }

    /// Its record, if the directory may not know of the opening.
    pub(super) fn unpublished(&self) -> Option<RecordId> {
        match self.attachment {
            Attachment::Live { published: false, .. } | Attachment::Console { published: false, .. } => {
                self.record()
            }
            _ => None,
        }
    }

    /// Whether messages can be sent on it.
    pub(super) fn is_open(&self) -> bool {
        let socket: &web_sys::WebSocket = self.ws.as_ref();
        socket.ready_state() == web_sys::WebSocket::OPEN
    }
}

impl Object {
    /// Every socket that was a connection here, `extra` among them: the runtime no longer lists a socket whose close it
    /// reports.
    pub(super) fn held(&self, extra: Option<&WebSocket>) -> Vec<Held> {
        let mut all: Vec<Held> = self.listed().filter_map(held).collect();
        if let Some(extra) = extra.cloned().and_then(held)
            && all.iter().all(|other| other.id() != extra.id())
        {
            all.push(extra);
        }
        all
    }

    /// Every socket that the runtime lists.
    fn listed(&self) -> impl Iterator<Item = WebSocket> {
        let listed = self.state.as_raw().get_websockets().unwrap_or_else(|_| {
            tracing::error!("the runtime does not list the sockets");
            Vec::new()
        });
        listed.into_iter().map(WebSocket::from)
    }

    /// Closes the sockets whose attachments do not read. The runtime would go on answering their pings, and no order would reach
    /// them.
    pub(super) fn close_unreadable(&self) {
        for socket in self.listed().filter(|socket| Attachment::of(socket).is_none()) {
            tracing::warn!("a socket whose attachment does not read is closed");
            // The client reconnects and gets one that reads.
            let _ = socket.close(Some(Close::Draining.code()), Some(Close::Draining.reason()));
        }
    }

    /// Makes an arriving socket a connection or a console.
    pub(super) fn admit(&self, arriving: &Arriving, attachment: &Attachment) -> Result<(), AttachError> {
        let packed = attachment.pack()?;
        #[cfg(feature = "probe")]
        crate::probe::takes_sockets().map_err(AttachError::Refused)?;
        // The runtime throws at its own bound of sockets.
        let accepted = self.state.as_raw().accept_websocket(arriving.socket.as_ref());
        accepted.map_err(|thrown| AttachError::Refused(thrown.into()))?;
        packed.attach(&arriving.socket)?;
        if attachment.may_ping()
            && let Ok(pair) = WebSocketRequestResponsePair::new(PING, PONG)
            && self.state.as_raw().set_websocket_auto_response(&pair).is_err()
        {
            tracing::warn!("pings will wake the object");
        }
        if let Some(greeting) = &arriving.greeting {
            send(&arriving.socket, &Payload::Text(greeting.clone()));
        }
        Ok(())
    }

    /// Ends the connections of clients that fell silent. A reader of the live set triggers it, no timer.
    pub(super) async fn drop_silent(self: Rc<Self>) {
        let now = clock::now();
        let silent: Vec<Held> =
            self.held(None).into_iter().filter(|held| self.is_silent(held, now)).collect();
        for held in silent {
            self.clone().hang_up(held.id(), &held.ws, CloseReason::IdleTimeout).await;
        }
    }

    fn is_silent(&self, held: &Held, now: Timestamp) -> bool {
        let (Attachment::Live { last_message, .. } | Attachment::Console { last_message, .. }) =
            &held.attachment
        else {
            return false;
        };
        let state: &RawState = self.state.as_raw().unchecked_ref();
        let Ok(Some(answered)) = state.auto_response_timestamp(held.ws.as_ref()) else { return false };
        // Milliseconds of this century fit a double exactly.
        #[allow(clippy::cast_possible_truncation, reason = "whole milliseconds")]
        let answered = Timestamp::from_millis(answered.get_time() as i64);
        now.since(answered.max(*last_message)) > SILENCE
    }
}

fn held(ws: WebSocket) -> Option<Held> {
    let attachment = Attachment::of(&ws)?;
    Some(Held { ws, attachment })
}

/// The connection that a socket is or was.
pub(super) fn connection(ws: &WebSocket) -> Option<ConnId> {
    held(ws.clone()).map(|held| held.id())
}

/// Keeps the instant of the socket's last message.
pub(super) fn last_message(ws: &WebSocket, at: Timestamp) {
    if let Some(mut attachment) = Attachment::of(ws)
        && let Some(last_message) = attachment.last_message()
    {
        *last_message = at;
        attach(ws, &attachment);
    }
}

/// Keeps a connection's background flag.
pub(super) fn set_background(ws: &WebSocket, background: bool) {
    if let Some(Attachment::Live { mut connection, last_message, published }) = Attachment::of(ws) {
        connection.background = background;
        attach(ws, &Attachment::Live { connection, last_message, published });
    }
}

/// Keeps the serial that a connection or console is under.
pub(super) fn set_under(ws: &WebSocket, serial: Serial) {
    let Some(mut attachment) = Attachment::of(ws) else { return };
    match &mut attachment {
        Attachment::Live { connection, .. } => connection.under = serial,
        Attachment::Console { console, .. } => console.under = serial,
        Attachment::Ended { .. } => return,
    }
    attach(ws, &attachment);
}

/// Keeps the session of a console.
pub(super) fn keep_console(ws: &WebSocket, console: Box<Console>) {
    if let Some(Attachment::Console { last_message, published, .. }) = Attachment::of(ws) {
        attach(ws, &Attachment::Console { console, last_message, published });
    }
}

/// From here on no reader sees the connection.
pub(super) fn mark_ended(ws: &WebSocket, connection: ConnId) {
    attach(ws, &Attachment::Ended { connection });
}

/// Keeps another record id.
pub(super) fn set_record(held: &Held, record: RecordId) {
    let Some(mut attachment) = Attachment::of(&held.ws) else { return };
    match &mut attachment {
        Attachment::Live { connection, .. } => connection.record = Some(record),
        Attachment::Console { console, .. } => console.record = Some(record),
        Attachment::Ended { .. } => return,
    }
    attach(&held.ws, &attachment);
}

/// The directory knows of the opening.
pub(super) fn set_published(held: &Held) {
    let Some(mut attachment) = Attachment::of(&held.ws) else { return };
    match &mut attachment {
        Attachment::Live { published: true, .. } | Attachment::Console { published: true, .. } => return,
        Attachment::Live { published, .. } | Attachment::Console { published, .. } => *published = true,
        Attachment::Ended { .. } => return,
    }
    attach(&held.ws, &attachment);
}

/// Sends a message. A socket that is closing takes none, and its end is reported in its own event.
pub(super) fn send(ws: &WebSocket, payload: &Payload) {
    let sent = match payload {
        Payload::Text(text) => ws.send_with_str(text),
        Payload::Binary(bytes) => ws.send_with_bytes(bytes),
    };
    if let Err(error) = sent {
        tracing::debug!(error = %Chain(&error), "a message found its socket closing");
    }
}

fn attach(ws: &WebSocket, attachment: &Attachment) {
    let attached = attachment.pack().map_err(AttachError::from).and_then(|packed| packed.attach(ws));
    if let Err(error) = attached {
        tracing::error!(error = %Chain(&error), "a socket keeps what it has");
    }
}
