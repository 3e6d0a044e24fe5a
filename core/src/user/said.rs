//! What a gateway client's message means (`docs/rules/openim.md#messages`).

use std::fmt;

use super::{Connection, Needs};
use crate::{
    gateway::{
        self, Close, Incoming, Keepalive,
        frame::{Operation, Request},
    },
    id::{ConnId, UserId},
};

/// A message, understood. Never printed whole: a client may say a token.
#[derive(Clone, PartialEq, Eq)]
pub enum Said {
    /// Nothing that wants an answer.
    Nothing,
    /// A ping, and the text that answers it.
    Ping(String),
    /// A request in the connection's own name.
    Request(Operation, Request),
    /// It ends the connection.
    Broken(Close),
}

impl fmt::Debug for Said {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Nothing => f.write_str("Nothing"),
            Self::Ping(_) => f.write_str("Ping([redacted])"),
            Self::Request(operation, _) => write!(f, "Request({operation:?}, [redacted])"),
            Self::Broken(close) => write!(f, "Broken({close:?})"),
        }
    }
}

impl Said {
    pub(super) fn of(user: &UserId, connection: &Connection, message: &Incoming) -> Self {
        match message {
            Incoming::Text(text) => match Keepalive::read(text) {
                Some(Keepalive::Ping { answer }) => Self::Ping(answer),
                Some(Keepalive::Pong) => Self::Nothing,
                None => Self::Broken(Close::Undecodable),
            },
            Incoming::Binary(bytes) => {
                let Ok(request) = gateway::decode(connection.wire, bytes) else {
                    return Self::Broken(Close::Undecodable);
                };
                match Operation::from_identifier(request.identifier) {
                    Some(operation) if request.send_id == user.as_str() => Self::Request(operation, request),
                    _ => Self::Broken(Close::Policy),
                }
            }
        }
    }

    /// What has to be loaded before it can be carried out.
    pub(super) fn needs(&self, connection: ConnId) -> Needs {
        match self {
            Self::Request(Operation::Subscribe, _) => {
                Needs { subscription_state: true, subscriptions: Some(connection), ..Needs::default() }
            }
            Self::Request(Operation::Logout, _) | Self::Broken(_) => {
                Needs { subscription_state: true, ..Needs::default() }
            }
            Self::Nothing | Self::Ping(_) | Self::Request(..) => Needs::default(),
        }
    }
}
