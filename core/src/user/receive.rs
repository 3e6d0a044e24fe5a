//! What a gateway client says, and what follows (`docs/rules/openim.md#messages`).

use std::borrow::Cow;

use prost::Message as _;

use super::{Action, Command, Connection, Loaded, Outcome, Reply, Rules, Said, User};
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
    /// What a gateway client's message means, as a command that says what it needs; any other command is what it is.
    /// Adapters ask before they load.
    pub fn understand<'a>(&self, command: &'a Command) -> Cow<'a, Command> {
        match command {
            Command::Receive { connection, message } => match self.connection(*connection) {
                Some(found) => {
                    let said = Said::of(&self.id, found, message);
                    Cow::Owned(Command::Said { connection: *connection, said })
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
    ) -> Outcome {
        if let Some(console) = self.console(from) {
            return self.hear_console(console, message, rules, at);
        }
        match self.connection(from) {
            Some(connection) => self.said(from, &Said::of(&self.id, connection, message), loaded, rules, at),
            None => Outcome::of(Reply::Done),
        }
    }

    pub(super) fn said(
        &self,
        from: ConnId,
        said: &Said,
        loaded: &Loaded,
        rules: &Rules,
        at: Moment,
    ) -> Outcome {
        let Some(connection) = self.connection(from) else {
            return Outcome::of(Reply::Done);
        };
        let actions = match said {
            Said::Nothing => Vec::new(),
            Said::Ping(answer) => {
                vec![Action::Send { connection: from, payload: Payload::Text(answer.clone()) }]
            }
            Said::Broken(close) => {
                return self.track_subscriptions(
                    self.end_with(connection, None, *close, rules, at),
                    loaded,
                    at.now,
                );
            }
            Said::Request(Operation::Logout, request) => {
                let answer = request.answer(Some(Vec::new()));
                let outcome = self.end_with(connection, Some(&answer), Close::Done, rules, at);
                return self.track_subscriptions(outcome, loaded, at.now);
            }
            Said::Request(Operation::Subscribe, request) => {
                return self.follow(connection, request, loaded, at);
            }
            Said::Request(Operation::SendMessage, request) => {
                vec![send(connection, &request.fail(Code::NoPermission))]
            }
            Said::Request(Operation::ReadMessages, request) => {
                vec![send(connection, &request.answer(Some(Vec::new())))]
            }
            Said::Request(Operation::SetBackground, request) => background(connection, request),
        };
        Outcome { actions, ..Outcome::of(Reply::Done) }
    }

    pub(super) fn set_background(&self, connection: ConnId, background: bool) -> Outcome {
        let actions = match self.connection(connection) {
            Some(_) => vec![Action::SetBackground { connection, background }],
            None => Vec::new(),
        };
        Outcome { actions, ..Outcome::of(Reply::Done) }
    }

    /// The connection leaves the live set, hears `last` if there is something to say, and is closed.
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
