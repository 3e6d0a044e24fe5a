//! The followed user's side: its watchers, the notices that they get page by page, and the progress of that.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{
    PresenceNotice, PresenceVersion, RegistrationVersion, SubscriptionState, WATCHERS_AT_ONCE, WatcherPage,
    WatcherReport,
};
use crate::{
    id::UserId,
    platform::PlatformSet,
    time::Timestamp,
    user::{Change, Loaded, NotLoaded, Outcome, Reply, Rules, User, WatchedState},
};

impl User {
    /// Registers a watcher and answers with the user's presence, in one round trip.
    pub(in crate::user) fn watch(
        &self,
        watcher: &UserId,
        registration: RegistrationVersion,
        loaded: &Loaded,
        rules: &Rules,
        now: Timestamp,
    ) -> Result<Outcome, NotLoaded> {
        let platforms = self.visible(loaded, rules)?;
        let stored = &loaded.subscription_state()?.state;
        let mut state = stored.clone();
        // A version stands for one platform set: other watchers have another set under the current one.
        if state.notified.is_some_and(|notified| notified != platforms) {
            state.announce(platforms, now);
        }
        let mut changes = Vec::new();
        if loaded.watcher()?.is_none_or(|known| known < registration) {
            changes.push(Change::Watched { watcher: watcher.clone(), registration });
        }
        let presence = PresenceVersion { sequence: state.sequence, platforms };
        let wake_at = state.fan_out.as_ref().filter(|_| state != *stored).map(|fan_out| fan_out.next_at);
        changes.extend(changed(state, stored));
        Ok(Outcome { changes, wake_at, ..Outcome::of(Reply::Watching(presence)) })
    }

    /// The next page of watchers to notify, if the presence has changed since they were notified.
    pub(in crate::user) fn fan_out(
        &self,
        loaded: &Loaded,
        rules: &Rules,
        now: Timestamp,
    ) -> Result<Outcome, NotLoaded> {
        let WatchedState { is_watched, state: stored, .. } = loaded.subscription_state()?;
        let mut state = SubscriptionState { due: false, ..stored.clone() };
        let platforms = self.visible(loaded, rules)?;
        if !is_watched {
            state.fan_out = None;
        } else if state.notified != Some(platforms) {
            state.announce(platforms, now);
        }
        let presence = PresenceVersion { sequence: state.sequence, platforms };
        let waits = state.fan_out.as_ref().filter(|fan_out| !fan_out.is_due(now));
        let wake_at = waits.map(|fan_out| fan_out.next_at);
        let watchers = loaded.watchers()?;
        let page = state
            .fan_out
            .as_ref()
            .filter(|_| wake_at.is_none())
            .map(|fan_out| self.page(fan_out, presence, watchers));
        let changes = changed(state, stored).into_iter().collect();
        Ok(Outcome { changes, wake_at, ..Outcome::of(Reply::FanOut(page)) })
    }

    fn page(
        &self,
        fan_out: &FanOut,
        presence: PresenceVersion,
        watchers: &[(UserId, RegistrationVersion)],
    ) -> WatcherPage {
        let due: Vec<_> = watchers.iter().filter(|(watcher, _)| fan_out.includes(watcher)).cloned().collect();
        // The store returns one page after the cursor. A full page of due watchers means that more may follow; a page cut
        // by `includes` ends a wrapped round at the place where it was restarted.
        let more = due.len() >= WATCHERS_AT_ONCE;
        WatcherPage { notice: PresenceNotice { watched: self.id.clone(), presence }, watchers: due, more }
    }

    /// Moves the fan-out past a page whose watchers were notified, as far as they could be.
    pub(in crate::user) fn watchers_notified(
        &self,
        report: &WatcherReport,
        loaded: &Loaded,
        now: Timestamp,
    ) -> Result<Outcome, NotLoaded> {
        let stored = &loaded.subscription_state()?.state;
        let mut changes = Vec::new();
        if !report.gone.is_empty() {
            changes.push(Change::Unwatched(report.gone.clone()));
        }
        // The presence may have moved while the page was out: then its watchers are due again, in the restarted round.
        let is_newest = report.sequence == stored.sequence;
        let fan_out = stored.fan_out.clone().and_then(|fan_out| fan_out.advanced(report, is_newest, now));
        let next_at = fan_out.as_ref().map(|fan_out| fan_out.next_at);
        let wake_at = if stored.due { Some(now) } else { next_at };
        changes.extend(changed(SubscriptionState { fan_out, ..stored.clone() }, stored));
        Ok(Outcome { changes, wake_at, ..Outcome::of(Reply::Done) })
    }

    /// The platforms that watchers may see: those of connections that the tenant's cutoff does not cover.
    fn visible(&self, loaded: &Loaded, rules: &Rules) -> Result<PlatformSet, NotLoaded> {
        Ok(self.presence(loaded, rules)?.iter().map(|presence| presence.platform).collect())
    }
}

impl SubscriptionState {
    /// Gives the presence a new version, and begins or restarts its fan-out.
    fn announce(&mut self, platforms: PlatformSet, now: Timestamp) {
        self.sequence += 1;
        self.notified = Some(platforms);
        self.fan_out =
            Some(self.fan_out.take().map_or_else(|| FanOut::begin(now), |fan_out| fan_out.restarted(now)));
    }
}

/// The change to this state, if it is another one than is stored.
pub(super) fn changed(state: SubscriptionState, stored: &SubscriptionState) -> Option<Change> {
    (state != *stored).then_some(Change::SubscriptionState(state))
}

/// Rounds that retry watchers which could not be notified, with pauses that double. A watcher that missed them all learns
/// of the presence with the next change, or when it asks again.
const ROUNDS: u32 = 8;

/// A round over the watchers, in the order of their names. A newer presence replaces the one under way: the round
/// continues from its cursor and wraps around once, so that no watcher waits for a full round to end first.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FanOut {
    /// The cursor: the last watcher that was notified; `None` at the beginning. Stored in a column of its own.
    #[serde(skip)]
    pub after: Option<UserId>,
    /// Where a restarted round ends after it has wrapped around: its cursor at the restart.
    pub until: Option<UserId>,
    /// Whether the round has wrapped around.
    #[serde(rename = "is_around")]
    pub has_wrapped: bool,
    /// Whether a watcher could not be notified.
    pub missed: bool,
    /// How many rounds have retried missed watchers.
    pub rounds: u32,
    /// When the next page is due.
    pub next_at: Timestamp,
}

impl FanOut {
    /// A round over all watchers.
    pub(super) fn begin(now: Timestamp) -> Self {
        Self { next_at: now, ..Self::default() }
    }

    /// A round for a newer presence, which continues from the same cursor.
    pub(super) fn restarted(self, now: Timestamp) -> Self {
        Self { until: self.after.clone(), after: self.after, next_at: now, ..Self::default() }
    }

    /// Whether its next page is due.
    pub(super) fn is_due(&self, now: Timestamp) -> bool {
        self.next_at.is_due(now, Duration::from_secs(1 << ROUNDS))
    }

    /// Whether this round still has to notify `watcher`, one of those after the cursor.
    pub(super) fn includes(&self, watcher: &UserId) -> bool {
        !self.has_wrapped || self.until.as_ref().is_some_and(|until| watcher <= until)
    }

    /// The fan-out after a page; `None` when every watcher knows the newest presence.
    pub(super) fn advanced(
        mut self,
        report: &WatcherReport,
        is_newest: bool,
        now: Timestamp,
    ) -> Option<Self> {
        self.next_at = now;
        if !is_newest {
            // The watchers of the page were notified of a presence that is outdated by now.
            self.after = report.last.clone().or(self.after);
            return Some(self.restarted(now));
        }
        self.missed |= report.missed;
        if report.more {
            self.after.clone_from(&report.last);
            return Some(self);
        }
        if !self.has_wrapped && self.until.is_some() {
            return Some(Self { after: None, has_wrapped: true, ..self });
        }
        if !self.missed || self.rounds >= ROUNDS {
            return None;
        }
        let pause = Duration::from_secs(1 << self.rounds);
        Some(Self { rounds: self.rounds + 1, ..Self::begin(now + pause) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_secs(1_000);

    fn user(n: usize) -> UserId {
        UserId::new(format!("w{n:03}")).unwrap()
    }

    fn report(last: Option<usize>, more: bool, missed: bool) -> WatcherReport {
        WatcherReport { sequence: 1, last: last.map(user), more, gone: Vec::new(), missed }
    }

    #[test]
    fn a_round_goes_on_behind_the_last_who_was_told_and_ends_with_the_last_of_all() {
        let first = FanOut::begin(NOW).advanced(&report(Some(9), true, false), true, NOW).unwrap();
        assert_eq!((first.after.clone(), first.next_at), (Some(user(9)), NOW));
        assert!(first.includes(&user(10)));
        assert_eq!(first.advanced(&report(Some(12), false, false), true, NOW), None);
    }

    #[test]
    fn a_newer_set_goes_on_where_the_round_is_and_comes_around_to_there() {
        let at_nine = FanOut { after: Some(user(9)), ..FanOut::begin(NOW) };
        let newer = at_nine.restarted(NOW);
        assert_eq!((newer.after.clone(), newer.until.clone()), (Some(user(9)), Some(user(9))));
        let around = newer.advanced(&report(Some(20), false, false), true, NOW).unwrap();
        assert_eq!((around.after.clone(), around.has_wrapped), (None, true));
        assert!(around.includes(&user(9)) && !around.includes(&user(10)));
        assert_eq!(around.advanced(&report(Some(9), false, false), true, NOW), None);
    }

    #[test]
    fn a_page_that_was_overtaken_by_a_newer_set_is_told_again() {
        let at_nine = FanOut { after: Some(user(9)), until: Some(user(9)), ..FanOut::begin(NOW) };
        let next = at_nine.advanced(&report(Some(15), true, false), false, NOW).unwrap();
        assert_eq!(
            (next.after.clone(), next.until.clone(), next.has_wrapped),
            (Some(user(15)), Some(user(15)), false)
        );
    }

    #[test]
    fn whoever_was_missed_is_told_in_later_rounds_which_end() {
        let mut pauses = Vec::new();
        let mut fan_out = FanOut::begin(NOW).advanced(&report(Some(9), true, true), true, NOW).unwrap();
        assert!(fan_out.missed, "it is kept to the end of the round");
        while let Some(next) = fan_out.advanced(&report(Some(10), false, true), true, NOW) {
            pauses.push(next.next_at.since(NOW).as_secs());
            assert_eq!((next.after.clone(), next.missed), (None, false));
            fan_out = next;
        }
        assert_eq!(pauses, [1, 2, 4, 8, 16, 32, 64, 128]);
    }
}
