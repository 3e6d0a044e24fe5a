//! The followed user's side: who watches, and what they are told in which portions.

use super::{Notice, Page, Report, Seen, Stamp, Ties, WATCHERS_AT_ONCE, Wave};
use crate::{
    id::UserId,
    platform::PlatformSet,
    time::Timestamp,
    user::{Change, Loaded, Outcome, Reply, Rules, User},
};

impl User {
    /// Registers a watcher, and says where the user is, in one round trip.
    pub(in crate::user) fn watch(
        &self,
        watcher: &UserId,
        stamp: Stamp,
        loaded: &Loaded,
        rules: &Rules,
        now: Timestamp,
    ) -> Outcome {
        let platforms = self.visible(loaded, rules);
        let mut ties = loaded.ties.clone();
        // A number stands for one set: what the others were told under this one must not be another.
        if ties.told.is_some_and(|told| told != platforms) {
            ties.tell(platforms, now);
        }
        let mut changes = Vec::new();
        if loaded.watcher.is_none_or(|known| known < stamp) {
            changes.push(Change::Watched { watcher: watcher.clone(), stamp });
        }
        let seen = Seen { sequence: ties.sequence, platforms };
        let wake_at = ties.wave.as_ref().filter(|_| ties != loaded.ties).map(|wave| wave.next_at);
        changes.extend(changed(ties, loaded));
        Outcome { changes, wake_at, ..Outcome::of(Reply::Watching(seen)) }
    }

    /// The next portion of those who have to be told something, if there is anything to tell.
    pub(in crate::user) fn spread(&self, loaded: &Loaded, rules: &Rules, now: Timestamp) -> Outcome {
        let mut ties = Ties { due: false, ..loaded.ties.clone() };
        let platforms = self.visible(loaded, rules);
        if !loaded.is_watched {
            ties.wave = None;
        } else if ties.told != Some(platforms) {
            ties.tell(platforms, now);
        }
        let seen = Seen { sequence: ties.sequence, platforms };
        let wake_at = ties.wave.as_ref().map(|wave| wave.next_at).filter(|next_at| *next_at > now);
        let page = ties.wave.as_ref().filter(|_| wake_at.is_none()).map(|wave| self.page(wave, seen, loaded));
        let changes = changed(ties, loaded).into_iter().collect();
        Outcome { changes, wake_at, ..Outcome::of(Reply::Spread(page)) }
    }

    fn page(&self, wave: &Wave, seen: Seen, loaded: &Loaded) -> Page {
        let due: Vec<_> = loaded.page.iter().filter(|(watcher, _)| wave.holds(watcher)).cloned().collect();
        let more = due.len() >= WATCHERS_AT_ONCE;
        Page { notice: Notice { watched: self.id.clone(), seen }, watchers: due, more }
    }

    /// Everybody on a page was told, or could not be.
    pub(in crate::user) fn delivered(&self, report: &Report, loaded: &Loaded, now: Timestamp) -> Outcome {
        let mut changes = Vec::new();
        if !report.gone.is_empty() {
            changes.push(Change::Unwatched(report.gone.clone()));
        }
        let is_newest = report.sequence == loaded.ties.sequence;
        let wave = loaded.ties.wave.clone().and_then(|wave| wave.advanced(report, is_newest, now));
        let next_at = wave.as_ref().map(|wave| wave.next_at);
        let wake_at = if loaded.ties.due { Some(now) } else { next_at };
        changes.extend(changed(Ties { wave, ..loaded.ties.clone() }, loaded));
        Outcome { changes, wake_at, ..Outcome::of(Reply::Done) }
    }

    /// The platforms that may be told: those of connections that the tenant's cutoff does not cover.
    fn visible(&self, loaded: &Loaded, rules: &Rules) -> PlatformSet {
        self.presence(loaded, rules).iter().map(|presence| presence.platform).collect()
    }
}

impl Ties {
    /// From now on watchers are to know this.
    fn tell(&mut self, platforms: PlatformSet, now: Timestamp) {
        self.sequence += 1;
        self.told = Some(platforms);
        self.wave = Some(self.wave.take().map_or_else(|| Wave::begin(now), |wave| wave.renewed(now)));
    }
}

fn changed(ties: Ties, loaded: &Loaded) -> Option<Change> {
    (ties != loaded.ties).then_some(Change::Ties(ties))
}
