//! Effects of opened and ended connections on a user's watchers and on its own subscriptions.

use super::{LINGER, PendingWork, RELEASED_AT_ONCE, RegistrationVersion};
use crate::{
    id::UserId,
    platform::PlatformSet,
    time::Timestamp,
    user::{Action, Change, Loaded, Outcome, User},
};

impl User {
    /// Adds the effects of the connections that an outcome admits and retires.
    pub(in crate::user) fn track_subscriptions(
        &self,
        mut outcome: Outcome,
        loaded: &Loaded,
        now: Timestamp,
    ) -> Outcome {
        let mut state = loaded.subscription_state.clone();
        let (platforms, has_left) = self.platforms_after(&outcome.actions);
        let mut wishes = Vec::from_iter(outcome.wake_at);
        if loaded.is_watched && platforms != self.platforms() {
            state.due = true;
            wishes.push(now);
        }
        if has_left && loaded.is_following {
            wishes.push(*state.release_at.get_or_insert(now + LINGER));
        }
        outcome.wake_at = wishes.into_iter().min();
        if state != loaded.subscription_state {
            outcome.changes.push(Change::SubscriptionState(state));
        }
        outcome
    }

    /// Resumes what a crash left undone: watchers that still show ended connections, and subscriptions of such
    /// connections.
    pub fn resume_subscriptions(&self, loaded: &Loaded, now: Timestamp) -> Option<Change> {
        let mut state = loaded.subscription_state.clone();
        state.due |= loaded.is_watched && state.notified.is_some_and(|notified| notified != self.platforms());
        if !loaded.dangling.is_empty() {
            state.release_at.get_or_insert(now + LINGER);
        }
        (state != loaded.subscription_state).then_some(Change::SubscriptionState(state))
    }

    /// Releases the subscriptions of ended connections. Returns what else is to be done, and when.
    pub(in crate::user) fn pending_subscription_work(
        &self,
        loaded: &Loaded,
        now: Timestamp,
    ) -> (Vec<Change>, PendingWork, Option<Timestamp>) {
        let mut changes = Vec::new();
        let mut work = PendingWork::default();
        let mut wishes = Vec::new();
        let mut state = loaded.subscription_state.clone();
        if state.release_at.is_some_and(|release_at| release_at <= now) {
            let mut others: Vec<UserId> = loaded
                .dangling
                .iter()
                .filter(|row| !row.is_followed)
                .map(|row| row.watched.clone())
                .collect();
            others.sort_unstable();
            others.dedup();
            if !others.is_empty() {
                work.release = Some((others, RegistrationVersion::before(now)));
            }
            state.release_at = (loaded.dangling.len() >= RELEASED_AT_ONCE).then_some(now);
            if !loaded.dangling.is_empty() {
                changes.push(Change::Released(loaded.dangling.clone()));
            }
        }
        wishes.extend(state.release_at);
        match state.fan_out.as_ref().map(|fan_out| fan_out.next_at).filter(|_| !state.due) {
            Some(next_at) if next_at > now => wishes.push(next_at),
            next_at => work.fan_out = state.due || next_at.is_some(),
        }
        if state != loaded.subscription_state {
            changes.push(Change::SubscriptionState(state));
        }
        (changes, work, wishes.into_iter().min())
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
