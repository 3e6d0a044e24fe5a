//! Messages of gateway clients: decoding and handling (`docs/rules/openim.md#messages`).

use std::{borrow::Cow, fmt};

use prost::Message as _;

use super::{Action, Command, Connection, Loaded, Needs, NotLoaded, Outcome, Reply, Rules, User};
use crate::{
    gateway::{
        self, Close, Incoming, Keepalive, Payload,
        frame::{Operation, Request, Response},
        payload::SetBackground,
    },
    id::{ConnId, UserId},
    openim::Code,
    time::Moment,
};

impl User {
    /// Decodes a gateway client's message into a command that knows what it needs. Any other command is returned as it is.
    /// Adapters call this before they load.
    pub fn decode<'a>(&self, command: &'a Command) -> Cow<'a, Command> {
        match command {
            Command::Receive { connection, message } => match self.connection(*connection) {
                Some(found) => {
                    let message = ClientMessage::of(&self.id, found, message);
                    Cow::Owned(Command::Decoded { connection: *connection, message })
                }
                None => Cow::Borrowed(command),
            },
            _ => Cow::Borrowed(command),
        }
    }

    pub(super) fn receive(
        &self,
        from: ConnId,
        message: &Incoming,
        loaded: &Loaded,
        rules: &Rules,
        at: Moment,
    ) -> Result<Outcome, NotLoaded> {
        if let Some(console) = self.console(from) {
            return Ok(self.on_console_message(console, message, rules, at));
        }
        match self.connection(from) {
            Some(connection) => {
                self.on_message(from, &ClientMessage::of(&self.id, connection, message), loaded, rules, at)
            }
            None => Ok(Outcome::of(Reply::Done)),
        }
    }

    pub(super) fn on_message(
        &self,
        from: ConnId,
        message: &ClientMessage,
        loaded: &Loaded,
        rules: &Rules,
        at: Moment,
    ) -> Result<Outcome, NotLoaded> {
        let Some(connection) = self.connection(from) else {
            return Ok(Outcome::of(Reply::Done));
        };
        let actions = match message {
            ClientMessage::Nothing => Vec::new(),
            ClientMessage::Ping(answer) => {
                vec![Action::Send { connection: from, payload: Payload::Text(answer.clone()) }]
            }
            ClientMessage::Invalid(close) => return Ok(self.end_with(connection, None, *close, rules, at)),
            ClientMessage::Request(Operation::Logout, request) => {
                let answer = request.answer(Some(Vec::new()));
                return Ok(self.end_with(connection, Some(&answer), Close::Done, rules, at));
            }
            ClientMessage::Request(Operation::Subscribe, request) => {
                return self.follow(connection, request, loaded, at);
            }
            ClientMessage::Request(Operation::SendMessage, request) => {
                vec![send(connection, &request.fail(Code::NoPermission))]
            }
            ClientMessage::Request(Operation::ReadMessages, request) => {
                vec![send(connection, &request.answer(Some(Vec::new())))]
            }
            ClientMessage::Request(Operation::SetBackground, request) => background(connection, request),
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

fn background(connection: &Connection, request: &Request) -> Vec<Action> {
    match SetBackground::decode(request.data.as_slice()) {
        Ok(payload) => vec![
            Action::SetBackground { connection: connection.id, background: payload.is_background },
            send(connection, &request.answer(None)),
        ],
        Err(_) => vec![send(connection, &request.fail(Code::Args))],
    }
}

fn send(connection: &Connection, response: &Response) -> Action {
    Action::Send { connection: connection.id, payload: gateway::encode(connection.wire, response) }
}

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
