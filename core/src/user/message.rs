//! Messages of gateway clients: decoding and handling (`docs/rules/openim.md#messages`).

use std::fmt;

use prost::Message as _;

use super::{
    Action, Connection, Loaded, Needs, NotLoaded, Outcome, Reply, Rules, SUBSCRIPTIONS, SubscriptionRequest,
    User,
};
use crate::{
    gateway::{
        self, Close, Incoming, Keepalive, Payload, Wire,
        frame::{Operation, Request, Response},
        payload::{SetBackground, Subscribe},
    },
    id::{ConnId, UserId},
    openim::Code,
    time::Moment,
};

impl User {
    pub(super) fn on_message(
        &self,
        from: ConnId,
        message: &ClientMessage,
        loaded: &Loaded,
        rules: &Rules,
        at: Moment,
    ) -> Result<Outcome, NotLoaded> {
        let Some(connection) = self.connection(from) else {
            return Ok(Outcome::of(match message {
                ClientMessage::Subscribe(_) => Reply::Subscribing(None),
                _ => Reply::Done,
            }));
        };
        let actions = match message {
            ClientMessage::Nothing => Vec::new(),
            ClientMessage::Ping(answer) => {
                vec![Action::Send { connection: from, payload: Payload::Text(answer.clone()) }]
            }
            ClientMessage::Answer(answer) => vec![send(connection, answer)],
            ClientMessage::Background { background, answer } => vec![
                Action::SetBackground { connection: from, background: *background },
                send(connection, answer),
            ],
            ClientMessage::Subscribe(request) => return self.follow(connection, request, loaded, at),
            ClientMessage::Logout(answer) => {
                return Ok(self.end_with(connection, Some(answer), Close::Done, rules, at));
            }
            ClientMessage::Invalid(close) => return Ok(self.end_with(connection, None, *close, rules, at)),
        };
        Ok(Outcome { actions, ..Outcome::of(Reply::Done) })
    }

    pub(super) fn set_background(&self, connection: ConnId, background: bool) -> Outcome {
        let actions = match self.connection(connection) {
            Some(_) => vec![Action::SetBackground { connection, background }],
            None => Vec::new(),
        };
        Outcome { actions, ..Outcome::of(Reply::Done) }
    }

    /// Takes the connection out of the live set, sends `last` if there is one, and closes it.
    fn end_with(
        &self,
        connection: &Connection,
        last: Option<&Response>,
        close: Close,
        rules: &Rules,
        at: Moment,
    ) -> Outcome {
        let mut outcome = self.end_naturally(connection.leaving(), rules, at.now);
        outcome.actions.extend(last.map(|response| send(connection, response)));
        outcome.actions.push(Action::Close { connection: connection.id, close });
        outcome
    }
}

fn send(connection: &Connection, response: &Response) -> Action {
    Action::Send { connection: connection.id, payload: gateway::encode(connection.wire, response) }
}

/// A decoded message of a gateway client. Never printed whole: a client may have put a token into it.
#[derive(Clone, PartialEq, Eq)]
pub enum ClientMessage {
    /// A message without an answer, such as a pong.
    Nothing,
    /// A ping, with the text that answers it.
    Ping(String),
    /// A request whose answer depends on nothing else.
    Answer(Response),
    /// The application went to the background, or came back.
    Background {
        /// The new flag.
        background: bool,
        /// The answer.
        answer: Response,
    },
    /// A request to follow users. One of a connection is under way at a time, see [`super::SubscriptionQueue`].
    Subscribe(SubscriptionRequest),
    /// A logout, with its answer.
    Logout(Response),
    /// A message that ends the connection.
    Invalid(Close),
}

impl fmt::Debug for ClientMessage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Nothing => f.write_str("Nothing"),
            Self::Ping(_) => f.write_str("Ping([redacted])"),
            Self::Answer(_) => f.write_str("Answer([redacted])"),
            Self::Background { background, .. } => write!(f, "Background({background}, [redacted])"),
            Self::Subscribe(request) => write!(f, "Subscribe({request:?})"),
            Self::Logout(_) => f.write_str("Logout([redacted])"),
            Self::Invalid(close) => write!(f, "Invalid({close:?})"),
        }
    }
}

impl ClientMessage {
    /// Decodes a message of a connection of `user` that speaks `wire`. It may take milliseconds, since a small message may
    /// inflate to 1 MiB: adapters call it before they lock the user.
    pub fn decode(wire: Wire, user: &UserId, message: &Incoming) -> Self {
        match message {
            Incoming::Text(text) => match Keepalive::read(text) {
                Some(Keepalive::Ping { answer }) => Self::Ping(answer),
                Some(Keepalive::Pong) => Self::Nothing,
                None => Self::Invalid(Close::Undecodable),
            },
            Incoming::Binary(bytes) => match gateway::decode(wire, bytes) {
                Ok(request) if request.send_id == user.as_str() => Self::of(request),
                Ok(_) => Self::Invalid(Close::Policy),
                Err(_) => Self::Invalid(Close::Undecodable),
            },
        }
    }

    fn of(request: Request) -> Self {
        match Operation::from_identifier(request.identifier) {
            None => Self::Invalid(Close::Policy),
            Some(Operation::ReadMessages) => Self::Answer(request.answer(Some(Vec::new()))),
            Some(Operation::SendMessage) => Self::Answer(request.fail(Code::NoPermission)),
            Some(Operation::Logout) => Self::Logout(request.answer(Some(Vec::new()))),
            Some(Operation::SetBackground) => match SetBackground::decode(request.data.as_slice()) {
                Ok(payload) => {
                    Self::Background { background: payload.is_background, answer: request.answer(None) }
                }
                Err(_) => Self::Answer(request.fail(Code::Args)),
            },
            Some(Operation::Subscribe) => match Subscribe::decode(&request.data, SUBSCRIPTIONS) {
                Ok(Subscribe { subscribe, unsubscribe }) => Self::Subscribe(SubscriptionRequest {
                    operation_id: request.operation_id,
                    msg_incr: request.msg_incr,
                    subscribe,
                    unsubscribe,
                    more: false,
                }),
                Err(_) => Self::Answer(request.fail(Code::Args)),
            },
        }
    }

    /// What has to be loaded before the message is handled.
    pub(super) fn needs(&self, connection: ConnId) -> Needs {
        match self {
            Self::Subscribe(_) => {
                Needs { subscription_state: true, subscriptions: Some(connection), ..Needs::default() }
            }
            Self::Logout(_) | Self::Invalid(_) => Needs { subscription_state: true, ..Needs::default() },
            Self::Nothing | Self::Ping(_) | Self::Answer(_) | Self::Background { .. } => Needs::default(),
        }
    }
}
