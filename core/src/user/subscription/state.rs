//! Effects of opened and ended connections on a user's watchers and on its own subscriptions.

use super::{LINGER, PendingWork, RELEASED_AT_ONCE, RegistrationVersion};
use crate::{
    id::UserId,
    platform::PlatformSet,
    time::Timestamp,
    user::{Action, Change, Loaded, NotLoaded, Outcome, User},
};

impl User {
    /// Adds the effects of the connections that an outcome admits and retires. An outcome without any, which most are, needs
    /// no subscription state.
    pub(in crate::user) fn track_subscriptions(
        &self,
        mut outcome: Outcome,
        loaded: &Loaded,
        now: Timestamp,
    ) -> Result<Outcome, NotLoaded> {
        let (platforms, has_left) = self.platforms_after(&outcome.actions);
        let has_moved = platforms != self.platforms();
        if !has_moved && !has_left {
            return Ok(outcome);
        }
        let stored = loaded.subscription_state()?;
        // The state is written whole: what the outcome changes of it already must not be lost.
        let changed = outcome.changes.iter().rev().find_map(|change| match change {
            Change::SubscriptionState(state) => Some(state),
            _ => None,
        });
        let before = changed.unwrap_or(&stored.state).clone();
        let mut state = before.clone();
        let mut wishes = Vec::from_iter(outcome.wake_at);
        if stored.is_watched && has_moved {
            state.due = true;
            wishes.push(now);
        }
        if has_left && stored.is_following {
            wishes.push(*state.release_at.get_or_insert(now + LINGER));
        }
        outcome.wake_at = wishes.into_iter().min();
        if state != before {
            outcome.changes.push(Change::SubscriptionState(state));
        }
        Ok(outcome)
    }

    /// Resumes what a crash left undone: watchers that still show ended connections, and subscriptions of such
    /// connections.
    ///
    /// # Errors
    /// When the subscription state or the dangling subscriptions are not loaded.
    pub fn resume_subscriptions(&self, loaded: &Loaded, now: Timestamp) -> Result<Option<Change>, NotLoaded> {
        let stored = loaded.subscription_state()?;
        let mut state = stored.state.clone();
        state.due |= stored.is_watched && state.notified.is_some_and(|notified| notified != self.platforms());
        if !loaded.dangling()?.is_empty() {
            state.release_at.get_or_insert(now + LINGER);
        }
        Ok((state != stored.state).then_some(Change::SubscriptionState(state)))
    }

    /// Releases the subscriptions of ended connections. Returns what else is to be done, and when.
    pub(in crate::user) fn pending_subscription_work(
        &self,
        loaded: &Loaded,
        now: Timestamp,
    ) -> Result<(Vec<Change>, PendingWork, Option<Timestamp>), NotLoaded> {
        let (stored, dangling) = (&loaded.subscription_state()?.state, loaded.dangling()?);
        let mut changes = Vec::new();
        let mut work = PendingWork::default();
        let mut wishes = Vec::new();
        let mut state = stored.clone();
        if state.release_at.is_some_and(|release_at| release_at <= now) {
            let mut others: Vec<UserId> =
                dangling.iter().filter(|row| !row.is_followed).map(|row| row.watched.clone()).collect();
            others.sort_unstable();
            others.dedup();
            if !others.is_empty() {
                work.release = Some((others, RegistrationVersion::before(now)));
            }
            state.release_at = (dangling.len() >= RELEASED_AT_ONCE).then_some(now);
            if !dangling.is_empty() {
                changes.push(Change::Released(dangling.to_vec()));
            }
        }
        wishes.extend(state.release_at);
        match state.fan_out.as_ref().map(|fan_out| fan_out.next_at).filter(|_| !state.due) {
            Some(next_at) if next_at > now => wishes.push(next_at),
            next_at => work.fan_out = state.due || next_at.is_some(),
        }
        if state != *stored {
            changes.push(Change::SubscriptionState(state));
        }
        Ok((changes, work, wishes.into_iter().min()))
    }

    fn platforms(&self) -> PlatformSet {
        self.connections.iter().map(|connection| connection.token.platform).collect()
    }

    /// The platforms once the actions are carried out, and whether they take out a connection.
    fn platforms_after(&self, actions: &[Action]) -> (PlatformSet, bool) {
        let leaves =
            |id| actions.iter().any(|action| matches!(action, Action::Retire(ids) if ids.contains(&id)));
        let staying: Vec<_> = self.connections.iter().filter(|connection| !leaves(connection.id)).collect();
        let has_left = staying.len() < self.connections.len();
        let comes = actions.iter().filter_map(|action| match action {
            Action::Admit(connection) => Some(connection.token.platform),
            _ => None,
        });
        let platforms = staying.iter().map(|connection| connection.token.platform).chain(comes).collect();
        (platforms, has_left)
    }
}
