//! Decoded messages of gateway clients (`docs/rules/openim.md#messages`).

use std::fmt;

use super::{Connection, Needs};
use crate::{
    gateway::{
        self, Close, Incoming, Keepalive,
        frame::{Operation, Request},
    },
    id::{ConnId, UserId},
};

/// A decoded message. Never printed whole: a client may have put a token into it.
#[derive(Clone, PartialEq, Eq)]
pub enum ClientMessage {
    /// A message without an answer, such as a pong.
    Nothing,
    /// A ping, with the text that answers it.
    Ping(String),
    /// A request in the connection's own name.
    Request(Operation, Request),
    /// A message that ends the connection.
    Invalid(Close),
}

impl fmt::Debug for ClientMessage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Nothing => f.write_str("Nothing"),
            Self::Ping(_) => f.write_str("Ping([redacted])"),
            Self::Request(operation, _) => write!(f, "Request({operation:?}, [redacted])"),
            Self::Invalid(close) => write!(f, "Invalid({close:?})"),
        }
    }
}

impl ClientMessage {
    pub(super) fn of(user: &UserId, connection: &Connection, message: &Incoming) -> Self {
        match message {
            Incoming::Text(text) => match Keepalive::read(text) {
                Some(Keepalive::Ping { answer }) => Self::Ping(answer),
                Some(Keepalive::Pong) => Self::Nothing,
                None => Self::Invalid(Close::Undecodable),
            },
            Incoming::Binary(bytes) => {
                let Ok(request) = gateway::decode(connection.wire, bytes) else {
                    return Self::Invalid(Close::Undecodable);
                };
                match Operation::from_identifier(request.identifier) {
                    Some(operation) if request.send_id == user.as_str() => Self::Request(operation, request),
                    _ => Self::Invalid(Close::Policy),
                }
            }
        }
    }

    /// What has to be loaded before the message is handled.
    pub(super) fn needs(&self, connection: ConnId) -> Needs {
        match self {
            Self::Request(Operation::Subscribe, _) => {
                Needs { subscription_state: true, subscriptions: Some(connection), ..Needs::default() }
            }
            Self::Request(Operation::Logout, _) | Self::Invalid(_) => {
                Needs { subscription_state: true, ..Needs::default() }
            }
            Self::Nothing | Self::Ping(_) | Self::Request(..) => Needs::default(),
        }
    }
}
