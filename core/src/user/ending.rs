//! The end of connections, whatever its cause.

use super::{Action, Change, Connection, HeldEnd, Outcome, Reply, Rules, User};
use crate::{
    gateway::{self, Close, frame::Response},
    id::{ConnId, RecordId},
    time::Timestamp,
};

/// A connection or console that is about to end.
#[derive(Clone, Copy)]
pub(super) struct Leaving {
    pub(super) id: ConnId,
    pub(super) record: Option<RecordId>,
}

impl User {
    /// The changes and actions that end `leaving` at once: their records end now, and they leave the live set.
    pub(super) fn end(&self, leaving: &[Leaving], now: Timestamp) -> (Vec<Change>, Vec<Action>) {
        let changes = leaving
            .iter()
            .filter_map(|connection| connection.record)
            .map(|record| Change::RecordEnded { record, at: now })
            .collect();
        let ids: Vec<ConnId> = leaving.iter().map(|connection| connection.id).collect();
        let actions = if ids.is_empty() { Vec::new() } else { vec![Action::Retire(ids)] };
        (changes, actions)
    }

    /// The end of a connection by itself. The end of a user's last connection is held back from the directory for the
    /// grace period (`docs/rules/users.md#grace`).
    pub(super) fn end_naturally(&self, leaving: Leaving, rules: &Rules, now: Timestamp) -> Outcome {
        let (mut changes, mut actions) = self.end(&[leaving], now);
        let ids =
            self.connections.iter().map(|other| other.id).chain(self.consoles.iter().map(|other| other.id));
        let last = ids.into_iter().all(|other| other == leaving.id);
        let held = leaving.record.filter(|_| last && !rules.grace.is_zero()).map(|record| HeldEnd {
            record,
            ended_at: now,
            until: now + rules.grace,
        });
        if let Some(held) = held {
            changes = vec![Change::EndHeld(held)];
        } else if !changes.is_empty() {
            actions.push(Action::Publish { awaited: false });
        }
        Outcome { changes, actions, wake_at: held.map(|held| held.until), ..Outcome::of(Reply::Done) }
    }
}

/// The kick frame and the close of a connection whose login was revoked.
pub(super) fn kick(connection: &Connection) -> [Action; 2] {
    [
        Action::Send {
            connection: connection.id,
            payload: gateway::encode(connection.wire, &Response::kick()),
        },
        Action::Close { connection: connection.id, close: Close::Kicked },
    ]
}
