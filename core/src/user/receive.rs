//! What a gateway client says, and what follows (`docs/rules/openim.md#messages`).

use prost::Message as _;

use super::{Action, Connection, Outcome, Presence, Reply, Rules, Ticket, User};
use crate::{
    gateway::{
        self, Close, Incoming, Keepalive, Payload,
        frame::{Operation, Request, Response},
        payload::{PresenceTip, PresenceTips, SetBackground, Subscribe},
    },
    id::{ConnId, UserId},
    openim::Code,
    sorted,
    time::Moment,
};

/// The most users that one request may ask about; later ones are not watched.
const SUBSCRIPTIONS: usize = 3000;

impl User {
    pub(super) fn receive(&self, from: ConnId, message: &Incoming, rules: &Rules, at: Moment) -> Outcome {
        if let Some(console) = self.console(from) {
            return self.hear_console(console, message, rules, at);
        }
        let Some(connection) = self.connection(from) else {
            return Outcome::of(Reply::Done);
        };
        let actions = match message {
            Incoming::Text(text) => match Keepalive::read(text) {
                Some(Keepalive::Ping { answer }) => {
                    vec![Action::Send { connection: from, payload: Payload::Text(answer) }]
                }
                Some(Keepalive::Pong) => Vec::new(),
                None => return self.end_with(connection, None, Close::Undecodable, rules, at),
            },
            Incoming::Binary(bytes) => {
                let Ok(request) = gateway::decode(connection.wire, bytes) else {
                    return self.end_with(connection, None, Close::Undecodable, rules, at);
                };
                match Operation::from_identifier(request.identifier) {
                    Some(operation) if request.send_id == self.id.as_str() => {
                        if operation == Operation::Logout {
                            let answer = request.answer(Some(Vec::new()));
                            return self.end_with(connection, Some(&answer), Close::Done, rules, at);
                        }
                        carry_out(connection, operation, &request)
                    }
                    _ => return self.end_with(connection, None, Close::Policy, rules, at),
                }
            }
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

    /// The others have said who is there, or could not be asked; the one who asked is told, if it still lives.
    pub(super) fn answered(&self, ticket: &Ticket, presences: Option<&[(UserId, Vec<Presence>)]>) -> Outcome {
        let Some(connection) = self.connection(ticket.connection) else {
            return Outcome::of(Reply::Done);
        };
        let request = Request {
            identifier: SUBSCRIBE,
            msg_incr: ticket.msg_incr.clone(),
            operation_id: ticket.operation_id.clone(),
            ..Request::default()
        };
        let response = match presences {
            Some(presences) => request.answer(Some(tips(&ticket.asked, presences).encode_to_vec())),
            None => request.fail(Code::Internal),
        };
        Outcome { actions: vec![send(connection, &response)], ..Outcome::of(Reply::Done) }
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

const SUBSCRIBE: i32 = 2005;

fn carry_out(connection: &Connection, operation: Operation, request: &Request) -> Vec<Action> {
    let empty = || request.answer(Some(Vec::new()));
    match operation {
        Operation::ReadMessages | Operation::Logout => vec![send(connection, &empty())],
        Operation::SendMessage => vec![send(connection, &request.fail(Code::NoPermission))],
        Operation::SetBackground => match SetBackground::decode(request.data.as_slice()) {
            Ok(payload) => vec![
                Action::SetBackground { connection: connection.id, background: payload.is_background },
                send(connection, &request.answer(None)),
            ],
            Err(_) => vec![send(connection, &request.fail(Code::Args))],
        },
        Operation::Subscribe => match Subscribe::decode(request.data.as_slice()) {
            Ok(payload) if payload.subscribe.is_empty() => vec![send(connection, &empty())],
            Ok(payload) => vec![ask(connection, request, payload.subscribe)],
            Err(_) => vec![send(connection, &request.fail(Code::Args))],
        },
    }
}

fn ask(connection: &Connection, request: &Request, mut asked: Vec<String>) -> Action {
    asked.truncate(SUBSCRIPTIONS);
    let users = sorted::set(asked.iter().filter_map(|id| UserId::new(id.as_str()).ok()));
    let ticket = Ticket {
        connection: connection.id,
        operation_id: request.operation_id.clone(),
        msg_incr: request.msg_incr.clone(),
        asked,
    };
    Action::Ask { users, ticket }
}

/// Who is there, in the order asked, repeated ones included.
fn tips(asked: &[String], presences: &[(UserId, Vec<Presence>)]) -> PresenceTips {
    let platforms = |id: &str| {
        let found = presences.iter().find(|(user, _)| user.as_str() == id);
        platforms_of(found.map(|(_, presences)| presences.as_slice()).unwrap_or_default())
    };
    let users = asked.iter().map(|id| PresenceTip { user_id: id.clone(), platforms: platforms(id) });
    PresenceTips { users: users.collect() }
}

fn send(connection: &Connection, response: &Response) -> Action {
    Action::Send { connection: connection.id, payload: gateway::encode(connection.wire, response) }
}

/// The set of platforms, as numbers on the wire.
fn platforms_of(presences: &[Presence]) -> Vec<i32> {
    sorted::set(presences.iter().map(|presence| i32::from(presence.platform.number())))
}
