//! A console's session: STOMP in its framing.

use serde::{Deserialize, Serialize};

use super::{Heartbeat, HeartbeatMode, Protocol, sockjs};
use crate::{
    gateway::{Close, Incoming},
    id::ConnId,
};

/// The framing of STOMP frames in WebSocket messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Framing {
    /// None: a message holds frames, or pieces of them.
    Bare,
    /// SockJS (`docs/rules/message-center.md#sockjs`).
    SockJs,
    /// Not known yet: the first message tells STOMP without framing from plain texts.
    Undecided,
}

/// One console's session.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Session {
    framing: Framing,
    #[serde(rename = "session")]
    protocol: Protocol,
}

/// The outcome of a message.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MessageOutcome {
    /// To be sent, in order.
    pub answers: Vec<String>,
    /// How the socket is closed after them, if the session is over.
    pub end: Option<Close>,
}

impl Session {
    /// A session before its first message.
    pub fn new(framing: Framing, mode: HeartbeatMode) -> Self {
        Self { framing, protocol: Protocol::new(mode) }
    }

    pub(super) fn framing(&self) -> Framing {
        self.framing
    }

    /// Whether the client has not said yet that it speaks STOMP.
    pub fn is_undecided(&self) -> bool {
        self.framing == Framing::Undecided
    }

    /// The session that `message` goes to; none where that is the first message and says that the client speaks plain texts.
    pub fn for_message(&self, message: &Incoming) -> Option<Self> {
        let framing = match self.framing {
            Framing::Undecided if !begins_with_connect(message) => return None,
            Framing::Undecided => Framing::Bare,
            decided => decided,
        };
        Some(Self { framing, protocol: self.protocol.clone() })
    }

    /// The text that the server sends first, if any.
    pub fn greeting(&self) -> Option<&'static str> {
        (self.framing == Framing::SockJs).then_some(sockjs::OPEN)
    }

    /// Handles a whole WebSocket message. `name` is the connection's.
    pub fn on_message(&mut self, name: ConnId, message: &Incoming) -> MessageOutcome {
        let mut frames = Vec::new();
        let end = match (self.framing, message) {
            (Framing::Bare | Framing::Undecided, Incoming::Text(text)) => {
                self.protocol.on_message(name, text.as_bytes(), &mut frames)
            }
            (Framing::Bare | Framing::Undecided, Incoming::Binary(bytes)) => {
                self.protocol.on_message(name, bytes, &mut frames)
            }
            (Framing::SockJs, Incoming::Text(text)) => match sockjs::read(text) {
                Ok(texts) => {
                    texts.iter().find_map(|text| self.protocol.on_message(name, text.as_bytes(), &mut frames))
                }
                Err(close) => Some(close),
            },
            (Framing::SockJs, Incoming::Binary(_)) => Some(Close::Undecodable),
        };
        MessageOutcome { answers: self.framed(frames), end }
    }

    /// The texts that carry a message to the client: one for each matching subscription.
    pub fn deliver(&self, name: ConnId, body: &str) -> Vec<String> {
        self.framed(self.protocol.deliver(name, body))
    }

    /// The text before the close of the socket, if the framing has one.
    pub fn closing_text(&self, close: Close) -> Option<String> {
        (self.framing == Framing::SockJs).then(|| sockjs::close(close))
    }

    /// The heartbeat that the adapter keeps up on the socket.
    pub fn heartbeat(&self) -> Heartbeat {
        self.protocol.heartbeat(self.framing)
    }

    pub(super) fn framed(&self, texts: Vec<String>) -> Vec<String> {
        match self.framing {
            Framing::Bare | Framing::Undecided => texts,
            Framing::SockJs => texts.iter().map(|text| sockjs::message(text)).collect(),
        }
    }
}

/// Whether a message begins with the command of a first frame and the end of its line. No plain text of a console does.
fn begins_with_connect(message: &Incoming) -> bool {
    let bytes = match message {
        Incoming::Text(text) => text.as_bytes(),
        Incoming::Binary(bytes) => bytes,
    };
    let rest = bytes.strip_prefix(b"CONNECT").or_else(|| bytes.strip_prefix(b"STOMP"));
    rest.is_some_and(|rest| rest.starts_with(b"\n") || rest.starts_with(b"\r\n"))
}
