//! What the coming and going of connections means to those who follow the user, and to those whom it follows.

use super::{Chores, LINGER, RELEASED_AT_ONCE, Stamp, Ties};
use crate::{
    id::UserId,
    platform::PlatformSet,
    time::Timestamp,
    user::{Action, Change, Loaded, Outcome, User},
};

impl User {
    /// Adds to an outcome what follows from the connections that it lets in and out.
    pub(in crate::user) fn tie(&self, mut outcome: Outcome, loaded: &Loaded, now: Timestamp) -> Outcome {
        let mut ties = loaded.ties.clone();
        let (platforms, has_left) = self.platforms_after(&outcome.actions);
        let mut wishes = Vec::from_iter(outcome.wake_at);
        if loaded.is_watched && platforms != self.platforms() {
            ties.due = true;
            wishes.push(now);
        }
        if has_left && loaded.is_following {
            wishes.push(*ties.release_at.get_or_insert(now + LINGER));
        }
        outcome.wake_at = wishes.into_iter().min();
        if ties != loaded.ties {
            outcome.changes.push(Change::Ties(ties));
        }
        outcome
    }

    /// What a crash has left undone: watchers were told of connections that are gone, and subscriptions of such
    /// connections are there.
    pub fn take_up_ties(&self, loaded: &Loaded, now: Timestamp) -> Option<Change> {
        let mut ties = loaded.ties.clone();
        ties.due |= loaded.is_watched && ties.told.is_some_and(|told| told != self.platforms());
        if !loaded.orphans.is_empty() {
            ties.release_at.get_or_insert(now + LINGER);
        }
        (ties != loaded.ties).then_some(Change::Ties(ties))
    }

    /// Lets go what connections that are gone had followed, and says what else is to be done, and when.
    pub(in crate::user) fn tend_ties(
        &self,
        loaded: &Loaded,
        now: Timestamp,
    ) -> (Vec<Change>, Chores, Option<Timestamp>) {
        let mut changes = Vec::new();
        let mut chores = Chores::default();
        let mut wishes = Vec::new();
        let mut ties: Ties = loaded.ties.clone();
        if ties.release_at.is_some_and(|release_at| release_at <= now) {
            let mut others: Vec<UserId> = loaded
                .orphans
                .iter()
                .filter(|orphan| !orphan.is_followed)
                .map(|orphan| orphan.watched.clone())
                .collect();
            others.sort_unstable();
            others.dedup();
            if !others.is_empty() {
                chores.release = Some((others, Stamp::before(now)));
            }
            ties.release_at = (loaded.orphans.len() >= RELEASED_AT_ONCE).then_some(now);
            if !loaded.orphans.is_empty() {
                changes.push(Change::Released(loaded.orphans.clone()));
            }
        }
        wishes.extend(ties.release_at);
        match ties.wave.as_ref().map(|wave| wave.next_at).filter(|_| !ties.due) {
            Some(next_at) if next_at > now => wishes.push(next_at),
            next_at => chores.spread = ties.due || next_at.is_some(),
        }
        if ties != loaded.ties {
            changes.push(Change::Ties(ties));
        }
        (changes, chores, wishes.into_iter().min())
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
