//! A console's conversation: STOMP in its framing.

use serde::{Deserialize, Serialize};

use super::{Heart, Pulse, Session, sockjs};
use crate::{
    gateway::{Close, Incoming},
    id::ConnId,
};

/// What is around a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Framing {
    /// Nothing: frames are messages, or pieces of messages.
    Bare,
    /// SockJS (`docs/rules/message-center.md#sockjs`).
    SockJs,
}

/// One console's conversation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Talk {
    framing: Framing,
    session: Session,
}

/// What follows from a message.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Heard {
    /// To be sent, in order.
    pub answers: Vec<String>,
    /// How the socket is to be closed behind them, if the conversation is over.
    pub end: Option<Close>,
}

impl Talk {
    /// One that begins.
    pub fn new(framing: Framing, heart: Heart) -> Self {
        Self { framing, session: Session::new(heart) }
    }

    /// What the server says first.
    pub fn greeting(&self) -> Option<&'static str> {
        (self.framing == Framing::SockJs).then_some(sockjs::OPEN)
    }

    /// Takes a whole message in. `name` is the connection's.
    pub fn hear(&mut self, name: ConnId, message: &Incoming) -> Heard {
        let mut frames = Vec::new();
        let end = match (self.framing, message) {
            (Framing::Bare, Incoming::Text(text)) => self.session.hear(name, text.as_bytes(), &mut frames),
            (Framing::Bare, Incoming::Binary(bytes)) => self.session.hear(name, bytes, &mut frames),
            (Framing::SockJs, Incoming::Text(text)) => match sockjs::read(text) {
                Some(texts) => {
                    texts.iter().find_map(|text| self.session.hear(name, text.as_bytes(), &mut frames))
                }
                None => Some(Close::Undecodable),
            },
            (Framing::SockJs, Incoming::Binary(_)) => Some(Close::Undecodable),
        };
        Heard { answers: self.framed(frames), end }
    }

    /// What to send so that the client gets a message: one text a subscription that it is for.
    pub fn deliver(&self, name: ConnId, body: &str) -> Vec<String> {
        self.framed(self.session.deliver(name, body))
    }

    /// What to send before the socket is closed.
    pub fn goodbye(&self, close: Close) -> Option<String> {
        (self.framing == Framing::SockJs).then(|| sockjs::close(close))
    }

    /// What its socket's owner has to do from now on.
    pub fn pulse(&self) -> Pulse {
        self.session.pulse(self.framing)
    }

    fn framed(&self, texts: Vec<String>) -> Vec<String> {
        match self.framing {
            Framing::Bare => texts,
            Framing::SockJs => texts.iter().map(|text| sockjs::message(text)).collect(),
        }
    }
}
