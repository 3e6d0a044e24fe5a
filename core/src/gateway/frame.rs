//! Requests and responses of the gateway, whatever their encoding (`docs/rules/openim.md#messages`).

use crate::openim::Code;

/// A client's request. Absent fields are empty.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Request {
    /// The number of the [`Operation`].
    pub identifier: i32,
    /// The user that the client claims; must be the connection's user.
    pub send_id: String,
    /// For tracing, copied into the answer.
    pub operation_id: String,
    /// The client's correlation key, copied into the answer.
    pub msg_incr: String,
    /// A protobuf message.
    pub data: Vec<u8>,
}

/// A message to a client: an answer or a push.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Response {
    /// Copied from the request; in a push, the number of the push.
    pub identifier: i32,
    /// Copied from the request; empty in a push.
    pub msg_incr: String,
    /// Copied from the request; empty in a push.
    pub operation_id: String,
    /// Zero for success.
    pub error_code: i64,
    /// The name of the error.
    pub error_message: String,
    /// A protobuf message. `None` and empty differ in JSON only.
    pub data: Option<Vec<u8>>,
}

/// `reqIdentifier` 2002: the login was revoked. All other fields are empty.
pub const KICK: i32 = 2002;

/// The operations that clients ask for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
    /// 1001, 1002, 1005, 1006, 1007: questions about messages, answered as if there were none.
    ReadMessages,
    /// 1003, 1004: messages and signals, which this server does not carry.
    SendMessage,
    /// 2003
    Logout,
    /// 2004
    SetBackground,
    /// 2005
    Subscribe,
}

impl Operation {
    /// The operation with this `reqIdentifier`; `None` ends the connection.
    pub const fn from_identifier(identifier: i32) -> Option<Self> {
        match identifier {
            1001 | 1002 | 1005..=1007 => Some(Self::ReadMessages),
            1003 | 1004 => Some(Self::SendMessage),
            2003 => Some(Self::Logout),
            2004 => Some(Self::SetBackground),
            2005 => Some(Self::Subscribe),
            _ => None,
        }
    }
}

impl Request {
    /// A successful answer.
    pub fn answer(&self, data: Option<Vec<u8>>) -> Response {
        Response {
            identifier: self.identifier,
            msg_incr: self.msg_incr.clone(),
            operation_id: self.operation_id.clone(),
            error_code: 0,
            error_message: String::new(),
            data,
        }
    }

    /// An error answer; the connection stays.
    pub fn fail(&self, code: Code) -> Response {
        Response { error_code: code.number(), error_message: code.name().to_owned(), ..self.answer(None) }
    }
}

impl Response {
    /// The push that reports a revoked login.
    pub fn kick() -> Self {
        Self { identifier: KICK, ..Self::default() }
    }
}
