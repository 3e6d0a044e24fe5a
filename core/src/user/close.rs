//! Natural ends of connections, and the tick.

use super::{Action, Change, Connection, Console, Loaded, NotLoaded, Outcome, Reply, Rules, User};
use crate::{
    id::ConnId,
    time::{Moment, Timestamp},
};

impl User {
    /// Ends one connection's own record and no other's. A second call does nothing.
    pub(super) fn close(&self, connection: ConnId, rules: &Rules, at: Moment) -> Outcome {
        let leaving = self.connection(connection).map(Connection::leaving);
        match leaving.or_else(|| self.console(connection).map(Console::leaving)) {
            Some(leaving) => self.end_naturally(leaving, rules, at.now),
            None => Outcome::of(Reply::Done),
        }
    }

    /// Ends consoles whose tokens have expired, releases ends whose grace period is over, and reports pending work.
    pub(super) fn tick(&self, loaded: &Loaded, at: Moment) -> Result<Outcome, NotLoaded> {
        let (mut changes, mut actions, expiry) = self.expire_consoles(at.now);
        // Held ends are released together: a user comes back as a whole, and the last of them decides whether it did.
        let held = loaded.held()?.iter().map(|held| held.until).max().filter(|until| *until > at.now);
        if held.is_none() {
            changes.extend(release(loaded)?);
        }
        if !changes.is_empty() {
            actions.push(Action::Publish { awaited: false });
        }
        let (of_subscriptions, work, wish) = self.pending_subscription_work(loaded, at.now)?;
        changes.extend(of_subscriptions);
        let wake_at = held.into_iter().chain(expiry).chain(wish).min();
        Ok(Outcome { changes, actions, wake_at, ..Outcome::of(Reply::PendingWork(work)) })
    }
}

/// Releases the held ends with their true dates.
pub(super) fn release(loaded: &Loaded) -> Result<Vec<Change>, NotLoaded> {
    let ended = |(record, at): (_, Timestamp)| Change::RecordEnded { record, at };
    let mut changes: Vec<Change> =
        loaded.held()?.iter().map(|held| ended((held.record, held.ended_at))).collect();
    if !changes.is_empty() {
        changes.push(Change::HeldReleased);
    }
    Ok(changes)
}
