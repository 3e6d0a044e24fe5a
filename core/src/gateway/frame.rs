//! Requests and responses of the gateway, whatever their encoding (`docs/rules/openim.md#messages`).

use crate::openim::Code;

/// What a client asks. Fields it left out are empty.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Request {
    /// Which operation, see [`Operation`].
    pub identifier: i32,
    /// Who the client says it is; must be the connection's user.
    pub send_id: String,
    /// For tracing, copied into the answer.
    pub operation_id: String,
    /// The client's correlation key, copied into the answer.
    pub msg_incr: String,
    /// A protobuf message.
    pub data: Vec<u8>,
}

/// What a client is told, as an answer or unasked.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Response {
    /// Copied from the request; of a push, its own.
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

/// `reqIdentifier` 2002: the login was taken back. Carries nothing else.
pub const KICK: i32 = 2002;

/// The operations that clients ask for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
    /// 1001, 1002, 1005, 1006, 1007: questions about messages, of which there are none here.
    ReadMessages,
    /// 1003, 1004: messages and signals are not ours to carry.
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

    /// An answer that says why not; the connection stays.
    pub fn fail(&self, code: Code) -> Response {
        Response { error_code: code.number(), error_message: code.name().to_owned(), ..self.answer(None) }
    }
}

impl Response {
    /// The push that tells a client that its login was taken back.
    pub fn kick() -> Self {
        Self { identifier: KICK, ..Self::default() }
    }
}
