//! The followed user's side: its watchers, and the notices that they get page by page.

use super::{
    FanOut, PresenceNotice, PresenceVersion, RegistrationVersion, SubscriptionState, WATCHERS_AT_ONCE,
    WatcherPage, WatcherReport,
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
        let wake_at = state.fan_out.as_ref().map(|fan_out| fan_out.next_at).filter(|next_at| *next_at > now);
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

fn changed(state: SubscriptionState, stored: &SubscriptionState) -> Option<Change> {
    (state != *stored).then_some(Change::SubscriptionState(state))
}
