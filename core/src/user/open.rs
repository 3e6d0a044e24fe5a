//! Opening a connection (`docs/rules/openim.md#handshake-order`).

use std::time::Duration;

use super::{
    Action, Change, Connection, Loaded, NotLoaded, OpenError, Opening, Outcome, Reply, Rules, User,
    close::release,
    ending::{Leaving, kick},
    record,
};
use crate::{
    gateway::Close,
    policy::{self, Candidate, Verdict},
    time::{Moment, Timestamp},
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

        let name = self.id.to_string();
        let details =
            record::Details { full_name: &name, avatar: None, client: &opening.client, member_of: None };
        let record = record::open(&self.id, rules.tenant(&self.id, loaded.profile()?), details, at);
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
}
