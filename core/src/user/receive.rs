//! Handling of clients' messages (`docs/rules/openim.md#messages`).

use std::borrow::Cow;

use prost::Message as _;

use super::{Action, ClientMessage, Command, Connection, Loaded, NotLoaded, Outcome, Reply, Rules, User};
use crate::{
    gateway::{
        self, Close, Incoming, Payload,
        frame::{Operation, Request, Response},
        payload::SetBackground,
    },
    id::ConnId,
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
