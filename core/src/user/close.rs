//! A socket is gone; a moment has come.

use super::{Action, Change, Loaded, Outcome, Reply, Rules, User};
use crate::{
    id::ConnId,
    time::{Moment, Timestamp},
};

impl User {
    /// Ends one connection's own record and no other's. Said again, it does nothing.
    pub(super) fn close(&self, connection: ConnId, rules: &Rules, at: Moment) -> Outcome {
        match self.connection(connection) {
            Some(leaving) => self.end_naturally(leaving, rules, at.now),
            None => Outcome::of(Reply::Done),
        }
    }

    /// Publishes the ends whose grace is over.
    pub(super) fn tick(&self, loaded: &Loaded, at: Moment) -> Outcome {
        let wake_at = loaded.held.iter().map(|held| held.until).max().filter(|until| *until > at.now);
        let changes = if wake_at.is_none() { release(loaded) } else { Vec::new() };
        let actions = if changes.is_empty() { Vec::new() } else { vec![Action::Publish { awaited: false }] };
        Outcome { changes, actions, wake_at, ..Outcome::of(Reply::Done) }
    }
}

/// The held ends, to be shown from now on with their true dates.
pub(super) fn release(loaded: &Loaded) -> Vec<Change> {
    let ended = |(record, at): (_, Timestamp)| Change::RecordEnded { record, at };
    let mut changes: Vec<Change> =
        loaded.held.iter().map(|held| ended((held.record, held.ended_at))).collect();
    if !changes.is_empty() {
        changes.push(Change::HeldReleased);
    }
    changes
}
