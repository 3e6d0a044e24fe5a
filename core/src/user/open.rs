//! Opening a connection (`docs/rules/openim.md#handshake-order`).

use std::time::Duration;

use super::{
    Action, Change, Connection, Loaded, OpenError, Opening, Outcome, Reply, Rules, User, close::release,
    ending::farewell,
};
use crate::{
    directory::record::{Record, Source, USER_AGENT_BYTES},
    gateway::Close,
    id::{RecordId, TenantId},
    policy::{self, Candidate, Verdict},
    time::{Moment, Timestamp},
    token::book,
};

/// Replacements of one token beyond this many within [`REPLACEMENT_SPAN`] mean two live clients, not one that
/// reconnects: then both are kept.
const REPLACEMENTS: usize = 5;
const REPLACEMENT_SPAN: Duration = Duration::from_secs(60);
/// What the directory shows for what a client did not tell.
const UNKNOWN: &str = "unknown";
const DEVICE_ID_BYTES: usize = 160;
const REMOTE_ADDRESS_BYTES: usize = 45;

impl User {
    pub(super) fn open(&self, opening: &Opening, loaded: &Loaded, rules: &Rules, at: Moment) -> Outcome {
        self.admit(opening, loaded, rules, at).unwrap_or_else(|error| Outcome::of(Reply::Opened(Err(error))))
    }

    fn admit(
        &self,
        opening: &Opening,
        loaded: &Loaded,
        rules: &Rules,
        at: Moment,
    ) -> Result<Outcome, OpenError> {
        let token = &opening.token;
        book::standing(loaded.presented.as_ref()).map_err(OpenError::Token)?;
        opening.claimed.check(token)?;
        let (verdict, replacements) = self.judge(opening, rules, at.now);
        let gone =
            |other: &&Connection| verdict.kicked.contains(&other.id) || verdict.replaced.contains(&other.id);
        let leaving: Vec<&Connection> = self.connections.iter().filter(gone).collect();
        if self.connections.len() - leaving.len() >= rules.max_connections {
            return Err(OpenError::TooMany);
        }

        let record = self.record(opening, loaded, rules, at);
        let connection = Connection {
            id: opening.connection,
            token: token.clone(),
            background: opening.background,
            order: 1 + self.connections.iter().map(|other| other.order).max().unwrap_or_default(),
            opened_at: at.now,
            wire: opening.wire,
            record: record.as_ref().map(|record| record.id),
            replacements,
        };
        let (ends, mut actions) = self.end(&leaving, at.now);
        let mut changes: Vec<Change> = verdict.tokens.iter().cloned().map(Change::TokensKicked).collect();
        changes.extend(release(loaded));
        changes.extend(ends);
        let published = record.is_some();
        changes.extend(record.map(|record| Change::RecordOpened(Box::new(record))));
        actions.push(Action::Admit(Box::new(connection)));
        if published {
            actions.push(Action::Publish { awaited: false });
        }
        for other in leaving {
            if verdict.kicked.contains(&other.id) {
                actions.extend(farewell(other));
            } else {
                actions.push(Action::Close { connection: other.id, close: Close::Done });
            }
        }
        Ok(Outcome { changes, actions, ..Outcome::of(Reply::Opened(Ok(()))) })
    }

    /// Who has to go, and how often sockets of this token were replaced of late, this time included.
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
        // Sockets of a token that were both kept know the same replacements.
        let mut recent: Vec<Timestamp> = self
            .connections
            .iter()
            .filter(|other| other.token.hash == opening.token.hash)
            .map(|other| {
                let lately = other.replacements.iter().filter(|when| now.since(**when) < REPLACEMENT_SPAN);
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

    /// The directory's row, for users that have a number there.
    fn record(&self, opening: &Opening, loaded: &Loaded, rules: &Rules, at: Moment) -> Option<Record> {
        let user = self.id.number()?;
        let client = &opening.client;
        let or_unknown = |text: &Option<String>, most| match text.as_deref() {
            None | Some("") => UNKNOWN.to_owned(),
            Some(text) => cut(text, most).to_owned(),
        };
        Some(Record {
            id: RecordId::draw(at.now, at.entropy),
            tenant: rules
                .tenants
                .get(&self.id)
                .copied()
                .or(loaded.profile.tenant)
                .unwrap_or(TenantId::default()),
            user,
            full_name: self.id.to_string(),
            avatar: None,
            user_agent: or_unknown(&client.user_agent, USER_AGENT_BYTES),
            device_id: or_unknown(&client.device_id, DEVICE_ID_BYTES),
            remote_address: or_unknown(&client.remote_address, REMOTE_ADDRESS_BYTES),
            online_at: at.now,
            offline_at: None,
            lease_until: None,
            source: Source::Live,
            generation: 1,
        })
    }
}

/// The longest beginning of `text` that fits and ends between characters.
fn cut(text: &str, most: usize) -> &str {
    text.get(..text.floor_char_boundary(most)).unwrap_or(text)
}
