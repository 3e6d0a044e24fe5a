//! Sockets of the message center (`docs/rules/message-center.md#socket`).
//!
//! They count as connections of their user and have records; OpenIM's status, policies and kicks do not know them. What
//! they speak is plain text, or STOMP ([`crate::stomp`]).

use serde::{Deserialize, Serialize};

use super::{
    Action, Change, Client, Loaded, OpenError, Outcome, Reply, Rules, User, close::release, ending::Leaving,
    record,
};
use crate::{
    directory::membership::Membership,
    gateway::{Close, Incoming, Keepalive, PING, Payload},
    id::{ConnId, RecordId},
    message_center::Principal,
    stomp::{Heard, Pulse, Talk},
    time::{Moment, Timestamp},
};

/// One live socket of the message center. On the edge this is the socket's attachment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Console {
    /// Its name.
    pub id: ConnId,
    /// When it opened.
    pub opened_at: Timestamp,
    /// When its token expires, and it with it.
    pub expires: Option<Timestamp>,
    /// Its record in the directory, if its user has records.
    pub record: Option<RecordId>,
    /// What was said on it, if it speaks STOMP.
    #[serde(default)]
    pub talk: Option<Box<Talk>>,
}

/// A console wants to connect; its token is good as far as its issuer knows.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConsoleOpening {
    /// The name drawn for the connection.
    pub connection: ConnId,
    /// Who connects.
    pub principal: Principal,
    /// What the directory says of it.
    pub client: Client,
    /// How it begins, if it speaks STOMP.
    #[serde(default)]
    pub talk: Option<Box<Talk>>,
}

impl User {
    pub(super) fn open_console(
        &self,
        opening: &ConsoleOpening,
        loaded: &Loaded,
        rules: &Rules,
        at: Moment,
    ) -> Outcome {
        let who = &opening.principal;
        let refuse = |error| Outcome::of(Reply::Opened(Err(error)));
        if self.refuses(&who.bearer(), loaded, rules) {
            return refuse(OpenError::Revoked);
        }
        if self.connections.len() + self.consoles.len() >= rules.max_connections {
            return refuse(OpenError::TooMany);
        }
        let mut client = opening.client.clone();
        client.device_id = client.device_id.filter(|id| !id.is_empty()).or_else(|| who.device_id.clone());
        let told = record::Told {
            full_name: &who.full_name,
            avatar: who.avatar.as_deref(),
            client: &client,
            member_of: Membership::new(&who.departments, &who.groups),
        };
        let record = record::open(&self.id, who.tenant, told, at);
        let console = Console {
            id: opening.connection,
            opened_at: at.now,
            expires: who.expires,
            record: record.as_ref().map(|record| record.id),
            talk: opening.talk.clone(),
        };
        let mut changes = self.move_to(who.tenant, loaded, rules);
        changes.extend(release(loaded));
        changes.extend(record.map(|record| Change::RecordOpened(Box::new(record))));
        let actions = vec![Action::AdmitConsole(Box::new(console)), Action::Publish { awaited: false }];
        let wake_at = self.consoles.iter().filter_map(|other| other.expires).chain(who.expires).min();
        Outcome { changes, actions, wake_at, ..Outcome::of(Reply::Opened(Ok(()))) }
    }

    /// What a console says: its part of a conversation in STOMP, else nothing but keepalives is expected.
    pub(super) fn hear_console(
        &self,
        from: &Console,
        message: &Incoming,
        rules: &Rules,
        at: Moment,
    ) -> Outcome {
        let talk = match (&from.talk, message) {
            (Some(talk), message) if !is_ping(message) => talk,
            (_, Incoming::Text(text)) => {
                let actions = match Keepalive::read(text) {
                    Some(Keepalive::Ping { answer }) => vec![from.send(answer)],
                    _ => Vec::new(),
                };
                return Outcome { actions, ..Outcome::of(Reply::Done) };
            }
            (_, Incoming::Binary(_)) => {
                return self.end_console(from, Vec::new(), Close::Undecodable, rules, at);
            }
        };
        let mut talk = talk.clone();
        let Heard { answers, end } = talk.hear(from.id, message);
        let answers = answers.into_iter().map(|text| from.send(text)).collect();
        if let Some(close) = end {
            return self.end_console(from, answers, close, rules, at);
        }
        let mut actions = Vec::new();
        if from.talk.as_ref() != Some(&talk) {
            actions.push(Action::KeepConsole(Box::new(Console { talk: Some(talk), ..from.clone() })));
        }
        actions.extend(answers);
        Outcome { actions, ..Outcome::of(Reply::Done) }
    }

    /// The console leaves the live set, hears its last answers, and is closed.
    fn end_console(
        &self,
        console: &Console,
        answers: Vec<Action>,
        close: Close,
        rules: &Rules,
        at: Moment,
    ) -> Outcome {
        let mut outcome = self.end_naturally(console.leaving(), rules, at.now);
        outcome.actions.extend(answers);
        outcome.actions.extend(console.goodbye(close));
        outcome
    }

    /// Ends the consoles whose tokens have expired.
    pub(super) fn expire_consoles(&self, now: Timestamp) -> (Vec<Change>, Vec<Action>, Option<Timestamp>) {
        let expired = |console: &&Console| console.expires.is_some_and(|expires| expires <= now);
        let over: Vec<&Console> = self.consoles.iter().filter(expired).collect();
        let leaving: Vec<Leaving> = over.iter().map(|console| console.leaving()).collect();
        let (changes, mut actions) = self.end(&leaving, now);
        actions.extend(over.iter().flat_map(|console| console.goodbye(Close::TokenExpired)));
        let next =
            self.consoles.iter().filter(|console| !expired(console)).filter_map(|console| console.expires);
        (changes, actions, next.min())
    }
}

impl Console {
    pub(super) const fn leaving(&self) -> Leaving {
        Leaving { id: self.id, record: self.record }
    }

    /// What its socket's owner has to do from now on.
    pub fn pulse(&self) -> Pulse {
        self.talk.as_ref().map(|talk| talk.pulse()).unwrap_or_default()
    }

    /// The last words to a console whose user was forced offline.
    pub(super) fn farewell(&self, notice: Option<&str>) -> Vec<Action> {
        let texts = match (notice, &self.talk) {
            (None, _) => Vec::new(),
            (Some(notice), None) => vec![notice.to_owned()],
            (Some(notice), Some(talk)) => talk.deliver(self.id, notice),
        };
        let told = texts.into_iter().map(|text| self.send(text));
        told.chain(self.goodbye(Close::ForcedOffline)).collect()
    }

    fn goodbye(&self, close: Close) -> Vec<Action> {
        let last = self.talk.as_ref().and_then(|talk| talk.goodbye(close)).map(|text| self.send(text));
        last.into_iter().chain([Action::Close { connection: self.id, close }]).collect()
    }

    const fn send(&self, text: String) -> Action {
        Action::Send { connection: self.id, payload: Payload::Text(text) }
    }
}

/// The constant ping is answered as such on every socket: the edge's runtime does so before anybody looks at it.
fn is_ping(message: &Incoming) -> bool {
    matches!(message, Incoming::Text(text) if text == PING)
}
