//! Sockets of the message center (`docs/rules/message-center.md#socket`).
//!
//! Consoles count as connections of their user and have records; OpenIM's status, policies and kicks leave them out. They
//! speak plain text, or STOMP ([`crate::stomp`]).

use std::fmt;

use serde::{Deserialize, Serialize};

use super::{
    Action, Change, Client, Loaded, NotLoaded, OpenError, Outcome, Reply, Rules, User,
    end::{Leaving, release},
    open::{Details, open_record},
    tenancy::Moved,
    unseen::seen,
};
use crate::{
    directory::membership::Membership,
    gateway::{Close, Incoming, Keepalive, PING, Payload},
    id::{ConnId, RecordId},
    message_center::Principal,
    serial::{Began, Serial},
    stomp::{Heartbeat, MessageOutcome, Session},
    time::{Moment, Timestamp},
    token::TokenError,
};

/// A live socket of the message center. At the edge this is the socket's attachment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Console {
    /// The console's id.
    pub id: ConnId,
    /// The instant of the opening.
    pub opened_at: Timestamp,
    /// The serial that its opening had loaded.
    #[serde(default = "Serial::unknown")]
    pub under: Serial,
    /// The expiry of its token, at which the console is closed.
    pub expires: Option<Timestamp>,
    /// The record in the directory, if the user has records.
    pub record: Option<RecordId>,
    /// Its STOMP session, or one that its first message will decide about; none where it speaks plain text.
    #[serde(default, rename = "talk")]
    pub session: Option<Box<Session>>,
}

/// A console's wish to connect. Its issuer calls the token good; orders are not checked yet.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConsoleOpening {
    /// The id drawn for the console.
    pub connection: ConnId,
    /// The holder of the token.
    pub principal: Principal,
    /// What its record shows of it.
    pub client: Client,
    /// Its new STOMP session, or one that its first message will decide about.
    #[serde(default)]
    pub session: Option<Box<Session>>,
}

impl User {
    pub(super) fn open_console(
        &self,
        opening: &ConsoleOpening,
        loaded: &Loaded,
        rules: &Rules,
        at: Moment,
    ) -> Result<Outcome, NotLoaded> {
        let who = &opening.principal;
        let refuse = |error| Ok(Outcome::of(Reply::Opened(Err(error))));
        if let Err(error) = self.bearer_status(&who.bearer(), loaded, rules, at)? {
            let error =
                if error == TokenError::Kicked { OpenError::Revoked } else { OpenError::Token(error) };
            let changes = seen(loaded)?.into_iter().collect();
            return Ok(Outcome { changes, ..Outcome::of(Reply::Opened(Err(error))) });
        }
        if self.connections.len() + self.consoles.len() >= rules.max_connections {
            return refuse(OpenError::TooMany);
        }
        let pace = match self.paced(rules, at.now) {
            Ok(pace) => pace,
            Err(refusal) => return Ok(*refusal),
        };
        let mut client = opening.client.clone();
        client.device_id = client.device_id.filter(|id| !id.is_empty()).or_else(|| who.device_id.clone());
        // What the issuer says of its user comes first.
        let account = self.account(loaded, rules)?;
        let registered = account.as_deref();
        let details = Details {
            full_name: who.full_name.as_deref().or_else(|| registered?.name()).unwrap_or(&who.username),
            avatar: who.avatar.as_deref().or_else(|| registered?.picture()),
            client: &client,
            member_of: Membership::new(&who.departments, &who.groups),
        };
        let under = loaded.orders()?.under;
        let began = Began { under, at: self.opening_date(at.now) };
        let record = open_record(&self.id, who.tenant, details, began, at);
        // By the clock that ticks go by.
        let expires = who.expires.map(|expires| at.shared(expires));
        let console = Console {
            id: opening.connection,
            opened_at: began.at,
            under,
            expires,
            record: record.as_ref().map(|record| record.id),
            session: opening.session.clone(),
        };
        let Moved { mut changes, mut actions, frames, .. } = self.move_to(who.tenant, loaded, rules)?;
        changes.extend(seen(loaded)?);
        changes.extend(release(loaded)?);
        changes.extend(record.map(|record| Change::RecordOpened(Box::new(record))));
        actions.extend([pace, Action::AdmitConsole(Box::new(console)), Action::Publish { awaited: false }]);
        actions.extend(frames);
        let wake_at = self.consoles.iter().filter_map(|other| other.expires).chain(expires).min();
        Ok(Outcome { changes, actions, wake_at, ..Outcome::of(Reply::Opened(Ok(()))) })
    }

    /// Handles a message of a console.
    pub(super) fn on_console_message(
        &self,
        from: ConnId,
        message: &ConsoleMessage,
        rules: &Rules,
        at: Moment,
    ) -> Outcome {
        let Some(from) = self.console(from) else { return Outcome::of(Reply::Done) };
        let ConsoleMessage { session, answers, end, .. } = message;
        let answers = answers.iter().map(|text| from.send(text.clone())).collect();
        if let Some(close) = *end {
            return self.end_console(from, answers, close, rules, at);
        }
        let mut actions = Vec::new();
        if from.session != *session {
            actions.push(Action::KeepConsole(Box::new(Console { session: session.clone(), ..from.clone() })));
        }
        actions.extend(answers);
        Outcome { actions, ..Outcome::of(Reply::Done) }
    }

    /// Takes the console out of the live set, sends its last answers, and closes it.
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
        outcome.actions.extend(console.close(close));
        outcome
    }

    /// Ends the consoles whose tokens have expired.
    pub(super) fn expire_consoles(&self, now: Timestamp) -> (Vec<Change>, Vec<Action>, Option<Timestamp>) {
        let expired = |console: &&Console| console.expires.is_some_and(|expires| expires <= now);
        let over: Vec<&Console> = self.consoles.iter().filter(expired).collect();
        let leaving: Vec<Leaving> = over.iter().map(|console| console.leaving()).collect();
        let (changes, mut actions) = self.end(&leaving, now);
        actions.extend(over.iter().flat_map(|console| console.close(Close::TokenExpired)));
        let next =
            self.consoles.iter().filter(|console| !expired(console)).filter_map(|console| console.expires);
        (changes, actions, next.min())
    }
}

/// A decoded message of a console. Never printed whole: a client may have put a token into it.
#[derive(Clone, PartialEq, Eq)]
pub struct ConsoleMessage {
    /// The session after it.
    session: Option<Box<Session>>,
    /// To be sent, in order.
    answers: Vec<String>,
    /// How the socket is closed after them, if the session is over.
    end: Option<Close>,
    is_ping: bool,
}

impl ConsoleMessage {
    /// Decodes a message of `from`: STOMP, or plain text, where only keepalives have a meaning. It may take a millisecond, so that adapters
    /// call it before they lock the user. The messages of one console are decoded and handled one after the other, since each changes
    /// its session.
    pub fn decode(from: &Console, message: &Incoming) -> Self {
        // The constant ping decides nothing: at the edge no code of ours sees it.
        let mut session = match &from.session {
            Some(session) if !is_ping(message) => session.for_message(message).map(Box::new),
            other => other.clone(),
        };
        let mut pings = false;
        let (answers, end) = match (&mut session, message) {
            (Some(session), message) if !is_ping(message) => {
                let MessageOutcome { answers, end } = session.on_message(from.id, message);
                (answers, end)
            }
            (_, Incoming::Text(text)) => match Keepalive::read(text) {
                Some(Keepalive::Ping { answer }) => {
                    pings = true;
                    (vec![answer], None)
                }
                _ => (Vec::new(), None),
            },
            (_, Incoming::Binary(_)) => (Vec::new(), Some(Close::Undecodable)),
        };
        Self { session, answers, end, is_ping: pings }
    }

    /// Whether it asks for nothing but a sign of life, or for nothing at all.
    pub(super) fn keeps_alive(&self) -> bool {
        self.end.is_none() && (self.is_ping || self.answers.is_empty())
    }
}

impl fmt::Debug for ConsoleMessage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ConsoleMessage({:?}, {} answers, {:?})", self.session, self.answers.len(), self.end)
    }
}

impl Console {
    /// Its beginning.
    pub const fn began(&self) -> Began {
        Began { under: self.under, at: self.opened_at }
    }

    pub(super) const fn leaving(&self) -> Leaving {
        Leaving { id: self.id, record: self.record, opened_at: self.opened_at }
    }

    /// Whether it speaks STOMP. A console that has sent no message yet may still turn out to.
    pub fn speaks_stomp(&self) -> bool {
        self.session.as_ref().is_some_and(|session| !session.is_undecided())
    }

    /// The heartbeat that the adapter keeps up on its socket.
    pub fn heartbeat(&self) -> Heartbeat {
        self.session.as_ref().map(|session| session.heartbeat()).unwrap_or_default()
    }

    /// The notice and the close of a console whose user was forced offline.
    pub(super) fn force_offline(&self, notice: Option<&str>) -> Vec<Action> {
        self.farewell(notice, Close::ForcedOffline)
    }

    /// A notice, and a close, in the words of its session.
    pub fn farewell(&self, notice: Option<&str>, close: Close) -> Vec<Action> {
        let session = self.session.as_ref().filter(|_| self.speaks_stomp());
        let texts = match (notice, session) {
            (None, _) => Vec::new(),
            (Some(notice), None) => vec![notice.to_owned()],
            (Some(notice), Some(session)) => session.deliver(self.id, notice),
        };
        let frames = texts.into_iter().map(|text| self.send(text));
        frames.chain(self.close(close)).collect()
    }

    fn close(&self, close: Close) -> Vec<Action> {
        let last =
            self.session.as_ref().and_then(|session| session.closing_text(close)).map(|text| self.send(text));
        last.into_iter().chain([Action::Close { connection: self.id, close }]).collect()
    }

    const fn send(&self, text: String) -> Action {
        Action::Send { connection: self.id, payload: Payload::Text(text) }
    }
}

/// The constant ping is a keepalive on every socket, STOMP or not: the edge's runtime answers it before any code of ours runs.
fn is_ping(message: &Incoming) -> bool {
    matches!(message, Incoming::Text(text) if text == PING)
}
