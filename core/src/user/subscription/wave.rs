//! How far a user's watchers have been told.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::Report;
use crate::{id::UserId, time::Timestamp};

/// Rounds for those who could not be told, with pauses that double; after the last one they have to find out by
/// themselves.
const ROUNDS: u32 = 8;

/// A round over the watchers, in the order of their names. A newer set takes the place of the one that is being told:
/// the round goes on where it is and comes around once more, so that no watcher waits for the others' sake.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Wave {
    /// The last watcher that was told; `None` at the beginning. Stored in a column of its own.
    #[serde(skip)]
    pub after: Option<UserId>,
    /// The last watcher that the round has come around for.
    pub until: Option<UserId>,
    /// Whether it has come around.
    pub is_around: bool,
    /// Whether somebody could not be told.
    pub missed: bool,
    /// How many rounds there were for those.
    pub rounds: u32,
    /// When it goes on.
    pub next_at: Timestamp,
}

impl Wave {
    /// A round over all.
    pub(super) fn begin(now: Timestamp) -> Self {
        Self { next_at: now, ..Self::default() }
    }

    /// The same place of a round that tells something newer.
    pub(super) fn renewed(self, now: Timestamp) -> Self {
        Self { until: self.after.clone(), after: self.after, next_at: now, ..Self::default() }
    }

    /// Of the watchers behind [`Wave::after`], those that this round is still to tell.
    pub(super) fn holds(&self, watcher: &UserId) -> bool {
        !self.is_around || self.until.as_ref().is_some_and(|until| watcher <= until)
    }

    /// The wave after a page; `None` when everybody knows what is true.
    pub(super) fn advanced(mut self, report: &Report, is_newest: bool, now: Timestamp) -> Option<Self> {
        self.next_at = now;
        if !is_newest {
            // Whoever stands on the page was told what is not true any more.
            self.after = report.last.clone().or(self.after);
            return Some(self.renewed(now));
        }
        self.missed |= report.missed;
        if report.more {
            self.after.clone_from(&report.last);
            return Some(self);
        }
        if !self.is_around && self.until.is_some() {
            return Some(Self { after: None, is_around: true, ..self });
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

    fn report(last: Option<usize>, more: bool, missed: bool) -> Report {
        Report { sequence: 1, last: last.map(user), more, gone: Vec::new(), missed }
    }

    #[test]
    fn a_round_goes_on_behind_the_last_who_was_told_and_ends_with_the_last_of_all() {
        let first = Wave::begin(NOW).advanced(&report(Some(9), true, false), true, NOW).unwrap();
        assert_eq!((first.after.clone(), first.next_at), (Some(user(9)), NOW));
        assert!(first.holds(&user(10)));
        assert_eq!(first.advanced(&report(Some(12), false, false), true, NOW), None);
    }

    #[test]
    fn a_newer_set_goes_on_where_the_round_is_and_comes_around_to_there() {
        let at_nine = Wave { after: Some(user(9)), ..Wave::begin(NOW) };
        let newer = at_nine.renewed(NOW);
        assert_eq!((newer.after.clone(), newer.until.clone()), (Some(user(9)), Some(user(9))));
        let around = newer.advanced(&report(Some(20), false, false), true, NOW).unwrap();
        assert_eq!((around.after.clone(), around.is_around), (None, true));
        assert!(around.holds(&user(9)) && !around.holds(&user(10)));
        assert_eq!(around.advanced(&report(Some(9), false, false), true, NOW), None);
    }

    #[test]
    fn a_page_that_was_overtaken_by_a_newer_set_is_told_again() {
        let at_nine = Wave { after: Some(user(9)), until: Some(user(9)), ..Wave::begin(NOW) };
        let next = at_nine.advanced(&report(Some(15), true, false), false, NOW).unwrap();
        assert_eq!(
            (next.after.clone(), next.until.clone(), next.is_around),
            (Some(user(15)), Some(user(15)), false)
        );
    }

    #[test]
    fn whoever_was_missed_is_told_in_later_rounds_which_end() {
        let mut pauses = Vec::new();
        let mut wave = Wave::begin(NOW).advanced(&report(Some(9), true, true), true, NOW).unwrap();
        assert!(wave.missed, "it is kept to the end of the round");
        while let Some(next) = wave.advanced(&report(Some(10), false, true), true, NOW) {
            pauses.push(next.next_at.since(NOW).as_secs());
            assert_eq!((next.after.clone(), next.missed), (None, false));
            wave = next;
        }
        assert_eq!(pauses, [1, 2, 4, 8, 16, 32, 64, 128]);
    }
}
