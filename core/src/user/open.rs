//! Connections: what is known of a live one, how it opens (`docs/rules/openim.md#handshake-order`), and the record that the
//! directory gets of it (`docs/rules/message-center.md#records`).

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{
    Account, Action, Change, Client, Loaded, NotLoaded, OpenError, Opening, Outcome, Reply, Rules, User,
    end::{Leaving, kick, release},
};
use crate::{
    directory::{
        clean,
        membership::Membership,
        record::{NAME_BYTES, Record, USER_AGENT_BYTES},
    },
    gateway::{Close, Wire},
    id::{ConnId, RecordId, TenantId, UserId},
    platform::Platform,
    policy::{self, Candidate, Verdict},
    secret,
    serial::{Began, Serial},
    time::{Moment, Timestamp},
    token::{TokenError, TokenText, Verified},
};

/// More replacements of one token than this within [`REPLACEMENT_SPAN`] mean two live clients and not one that reconnects:
/// then both are kept.
const REPLACEMENTS: usize = 5;
const REPLACEMENT_SPAN: Duration = Duration::from_secs(60);

impl User {
    pub(super) fn open(
        &self,
        opening: &Opening,
        loaded: &Loaded,
        rules: &Rules,
        at: Moment,
    ) -> Result<Outcome, NotLoaded> {
        let refuse = |error| Ok(Outcome::of(Reply::Opened(Err(error))));
        let token = &opening.token;
        if let Err(error) = self.token_status(loaded, rules)? {
            return refuse(OpenError::Token(error));
        }
        if let Some(until) = self.denied(rules.tenant(&self.id, loaded.profile()?), loaded, at)? {
            return refuse(OpenError::Token(TokenError::Denied(until)));
        }
        if let Err(error) = opening.claimed.check(token) {
            return refuse(error);
        }
        let (verdict, replacements) = self.judge(opening, rules, at.now);
        let gone =
            |other: &&Connection| verdict.kicked.contains(&other.id) || verdict.replaced.contains(&other.id);
        let leaving: Vec<&Connection> = self.connections.iter().filter(gone).collect();
        if self.connections.len() + self.consoles.len() - leaving.len() >= rules.max_connections {
            return refuse(OpenError::TooMany);
        }
        let pace = match self.paced(rules, at.now) {
            Ok(pace) => pace,
            Err(refusal) => return Ok(*refusal),
        };

        let (name, account) = (self.id.to_string(), self.account(loaded, rules)?);
        let details = Details {
            full_name: account.as_deref().and_then(Account::name).unwrap_or(&name),
            avatar: account.as_deref().and_then(Account::picture),
            client: &opening.client,
            member_of: None,
        };
        let under = loaded.orders()?.under;
        let began = Began { under, at: self.opening_date(at.now) };
        let record = open_record(&self.id, rules.tenant(&self.id, loaded.profile()?), details, began, at);
        let connection = Connection {
            id: opening.connection,
            token: token.clone(),
            background: opening.background,
            order: 1 + self.connections.iter().map(|other| other.order).max().unwrap_or_default(),
            opened_at: began.at,
            under,
            wire: opening.wire,
            record: record.as_ref().map(|record| record.id),
            replacements,
        };
        let ending: Vec<Leaving> = leaving.iter().map(|other| other.leaving()).collect();
        // Readers never see the excluded connections beside the new one: they are retired first, the new one is admitted
        // next, and frames and closes come last, after the directory was published to. Tokens are kicked in the same commit,
        // so that no excluded client can reconnect in between.
        let (ends, mut actions) = self.end(&ending, at.now);
        let mut changes: Vec<Change> = verdict.tokens.iter().cloned().map(Change::TokensKicked).collect();
        changes.extend(release(loaded)?);
        changes.extend(ends);
        let published = record.is_some();
        changes.extend(record.map(|record| Change::RecordOpened(Box::new(record))));
        actions.push(pace);
        actions.push(Action::Admit(Box::new(connection)));
        if published {
            actions.push(Action::Publish { awaited: false });
        }
        for other in leaving {
            if verdict.kicked.contains(&other.id) {
                actions.extend(kick(other));
            } else {
                actions.push(Action::Close { connection: other.id, close: Close::Done });
            }
        }
        Ok(Outcome { changes, actions, ..Outcome::of(Reply::Opened(Ok(()))) })
    }

    /// What is to be kept of the user's pace when it connects now.
    ///
    /// # Errors
    /// The outcome that refuses a connect that comes too early.
    pub(super) fn paced(&self, rules: &Rules, now: Timestamp) -> Result<Action, Box<Outcome>> {
        match self.pace.after_connect(now, rules.max_connections) {
            Ok(pace) => Ok(Action::KeepPace(pace)),
            Err(pace) => {
                let actions = vec![Action::KeepPace(pace)];
                let reply = Reply::Opened(Err(OpenError::TooMany));
                Err(Box::new(Outcome { actions, ..Outcome::of(reply) }))
            }
        }
    }

    /// The policy's verdict, and the recent replacements of this token, this one included.
    fn judge(&self, opening: &Opening, rules: &Rules, now: Timestamp) -> (Verdict, Vec<Timestamp>) {
        let candidates: Vec<Candidate> = self
            .connections
            .iter()
            .map(|connection| Candidate {
                id: connection.id,
                platform: connection.token.platform,
                token: connection.token.hash,
            })
            .collect();
        let mut verdict =
            policy::at_connect(rules.policy, &candidates, opening.token.platform, opening.token.hash);
        // Sockets of one token that were both kept hold the same list of replacements.
        let mut recent: Vec<Timestamp> = self
            .connections
            .iter()
            .filter(|other| other.token.hash == opening.token.hash)
            .map(|other| {
                // A date ahead is of before the clock was set back: nobody knows how long ago that was.
                let is_late = |when: &&Timestamp| **when <= now && now.since(**when) < REPLACEMENT_SPAN;
                let lately = other.replacements.iter().filter(is_late);
                lately.copied().collect::<Vec<_>>()
            })
            .max_by_key(Vec::len)
            .unwrap_or_default();
        if verdict.replaced.is_empty() {
            return (verdict, recent);
        }
        if recent.len() >= REPLACEMENTS {
            verdict.replaced.clear();
        } else {
            recent.push(now);
        }
        (verdict, recent)
    }
}

/// What the directory shows in place of a text that the client did not send.
pub const UNKNOWN: &str = "unknown";
const DEVICE_ID_BYTES: usize = 160;
const REMOTE_ADDRESS_BYTES: usize = 45;

/// The details of a connection at its opening.
pub(super) struct Details<'a> {
    pub(super) full_name: &'a str,
    pub(super) avatar: Option<&'a str>,
    pub(super) client: &'a Client,
    pub(super) member_of: Option<Membership>,
}

/// A new record, for users that have a number.
pub(super) fn open_record(
    user: &UserId,
    tenant: TenantId,
    details: Details<'_>,
    began: Began,
    at: Moment,
) -> Option<Record> {
    let or_unknown = |text: &Option<String>, most| match text.as_deref() {
        None | Some("") => UNKNOWN.to_owned(),
        Some(text) => cut(text, most),
    };
    Some(Record {
        full_name: cut(details.full_name, NAME_BYTES),
        avatar: details.avatar.map(str::to_owned),
        user_agent: or_unknown(&details.client.user_agent, USER_AGENT_BYTES),
        device_id: or_unknown(&details.client.device_id, DEVICE_ID_BYTES),
        remote_address: or_unknown(&details.client.remote_address, REMOTE_ADDRESS_BYTES),
        member_of: details.member_of,
        ..Record::opened(RecordId::draw(began.at, at.entropy), tenant, user.number()?, began)
    })
}

/// The longest beginning of `text` as it is stored that fits and ends between characters.
fn cut(text: &str, most: usize) -> String {
    let mut text = clean(text).into_owned();
    text.truncate(text.floor_char_boundary(most));
    text
}

/// A live connection. At the edge this is the socket's attachment, so it stays small.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Connection {
    /// The id on the wire.
    pub id: ConnId,
    /// The token that the connection lives on.
    pub token: Verified,
    /// Whether the application is in the background. Background is not offline.
    pub background: bool,
    /// The order of opening among the user's connections: one more than the largest that is live. Two connections may
    /// open within one millisecond, so [`Self::opened_at`] cannot tell.
    pub order: u64,
    /// The instant of the opening.
    pub opened_at: Timestamp,
    /// The serial that its opening had loaded.
    #[serde(default = "Serial::unknown")]
    pub under: Serial,
    /// The encoding of its messages.
    pub wire: Wire,
    /// The record in the directory, if the user has records.
    pub record: Option<RecordId>,
    /// The recent instants at which a socket of this token was replaced by its own client's next one, see
    /// `docs/rules/openim.md#same-token`.
    pub replacements: Vec<Timestamp>,
}

/// A connection as administrators see it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Presence {
    /// The connection's id.
    pub connection: ConnId,
    /// The platform of its token.
    pub platform: Platform,
    /// Whether the application is in the background.
    pub background: bool,
    /// The token that it was opened with.
    #[serde(with = "secret::exposed")]
    pub token: TokenText,
}

impl Connection {
    /// Its beginning.
    pub const fn began(&self) -> Began {
        Began { under: self.under, at: self.opened_at }
    }

    pub(super) const fn leaving(&self) -> Leaving {
        Leaving { id: self.id, record: self.record, opened_at: self.opened_at }
    }

    pub(super) fn presence(&self) -> Presence {
        Presence {
            connection: self.id,
            platform: self.token.platform,
            background: self.background,
            token: self.token.text.clone(),
        }
    }
}
