//! Sockets of the message center (`docs/rules/message-center.md#socket`).
//!
//! They count as connections of their user and have records; OpenIM's status, policies and kicks do not know them.

use serde::{Deserialize, Serialize};

use super::{
    Action, Change, Client, Loaded, OpenError, Outcome, Reply, Rules, User, close::release, ending::Leaving,
    record,
};
use crate::{
    directory::membership::Membership,
    gateway::{Close, Incoming, Keepalive, Payload},
    id::{ConnId, RecordId},
    message_center::Principal,
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
        };
        let mut changes = self.move_to(who.tenant, loaded, rules);
        changes.extend(release(loaded));
        changes.extend(record.map(|record| Change::RecordOpened(Box::new(record))));
        let actions = vec![Action::AdmitConsole(Box::new(console)), Action::Publish { awaited: false }];
        let wake_at = self.consoles.iter().filter_map(|other| other.expires).chain(who.expires).min();
        Outcome { changes, actions, wake_at, ..Outcome::of(Reply::Opened(Ok(()))) }
    }

    /// What a console says: nothing is expected of it but keepalives.
    pub(super) fn hear_console(
        &self,
        from: &Console,
        message: &Incoming,
        rules: &Rules,
        at: Moment,
    ) -> Outcome {
        match message {
            Incoming::Text(text) => {
                let mut outcome = Outcome::of(Reply::Done);
                if let Some(Keepalive::Ping { answer }) = Keepalive::read(text) {
                    outcome
                        .actions
                        .push(Action::Send { connection: from.id, payload: Payload::Text(answer) });
                }
                outcome
            }
            Incoming::Binary(_) => {
                let mut outcome = self.end_naturally(from.leaving(), rules, at.now);
                outcome.actions.push(Action::Close { connection: from.id, close: Close::Undecodable });
                outcome
            }
        }
    }

    /// Ends the consoles whose tokens have expired.
    pub(super) fn expire_consoles(&self, now: Timestamp) -> (Vec<Change>, Vec<Action>, Option<Timestamp>) {
        let expired = |console: &&Console| console.expires.is_some_and(|expires| expires <= now);
        let over: Vec<&Console> = self.consoles.iter().filter(expired).collect();
        let leaving: Vec<Leaving> = over.iter().map(|console| console.leaving()).collect();
        let (changes, mut actions) = self.end(&leaving, now);
        let close = |console: &&Console| Action::Close { connection: console.id, close: Close::TokenExpired };
        actions.extend(over.iter().map(close));
        let next =
            self.consoles.iter().filter(|console| !expired(console)).filter_map(|console| console.expires);
        (changes, actions, next.min())
    }
}

impl Console {
    pub(super) const fn leaving(&self) -> Leaving {
        Leaving { id: self.id, record: self.record }
    }

    /// The last words to a console whose user was forced offline.
    pub(super) fn farewell(&self, notice: Option<&str>) -> impl Iterator<Item = Action> {
        let notice =
            notice.map(|text| Action::Send { connection: self.id, payload: Payload::Text(text.to_owned()) });
        notice.into_iter().chain([Action::Close { connection: self.id, close: Close::ForcedOffline }])
    }
}
