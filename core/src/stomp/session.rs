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

    /// The text that the server sends first, if any.
    pub fn greeting(&self) -> Option<&'static str> {
        (self.framing == Framing::SockJs).then_some(sockjs::OPEN)
    }

    /// Handles a whole WebSocket message. `name` is the connection's.
    pub fn on_message(&mut self, name: ConnId, message: &Incoming) -> MessageOutcome {
        let mut frames = Vec::new();
        let end = match (self.framing, message) {
            (Framing::Bare, Incoming::Text(text)) => {
                self.protocol.on_message(name, text.as_bytes(), &mut frames)
            }
            (Framing::Bare, Incoming::Binary(bytes)) => self.protocol.on_message(name, bytes, &mut frames),
            (Framing::SockJs, Incoming::Text(text)) => match sockjs::read(text) {
                Some(texts) => {
                    texts.iter().find_map(|text| self.protocol.on_message(name, text.as_bytes(), &mut frames))
                }
                None => Some(Close::Undecodable),
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

    fn framed(&self, texts: Vec<String>) -> Vec<String> {
        match self.framing {
            Framing::Bare => texts,
            Framing::SockJs => texts.iter().map(|text| sockjs::message(text)).collect(),
        }
    }
}
