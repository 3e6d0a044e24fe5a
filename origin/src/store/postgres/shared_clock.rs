//! The engine's clock, which all processes share, reckoned from this machine's.

use std::{
    sync::atomic::{AtomicI64, Ordering::Relaxed},
    time::Duration,
};

use parking_lot::Mutex;
use rollcall_core::time::Timestamp;
use tokio::time::Instant;

use crate::clock;

/// How long a quick answer counts for more than a slow one: clocks drift apart meanwhile.
const TRUSTED: Duration = Duration::from_secs(60);

/// The difference between the two clocks.
#[derive(Default)]
pub(super) struct SharedClock {
    /// How far the engine's clock is ahead of this machine's, in milliseconds.
    ahead: AtomicI64,
    known: Mutex<Option<Known>>,
}

/// The answer that the difference comes from.
#[derive(Clone, Copy)]
struct Known {
    /// The least and the largest difference that it leaves possible.
    least: i64,
    most: i64,
    at: Instant,
}

impl Known {
    /// Whether this one, which is newer, says more than `other`.
    fn replaces(&self, other: &Self) -> bool {
        let is_narrower = self.most - self.least <= other.most - other.least;
        // One of the clocks was set where both cannot be true.
        let is_apart = self.least > other.most || self.most < other.least;
        is_narrower || is_apart || self.at.duration_since(other.at) > TRUSTED
    }
}

impl SharedClock {
    /// The engine's clock showed `time` within the last `took`.
    pub(super) fn set(&self, time: Timestamp, took: Duration) {
        self.take(time, clock::now(), took, Instant::now());
    }

    fn take(&self, time: Timestamp, machine: Timestamp, took: Duration, at: Instant) {
        let least = time.millis().saturating_sub(machine.millis());
        let most = least.saturating_add(i64::try_from(took.as_millis()).unwrap_or(i64::MAX));
        let new = Known { least, most, at };
        let mut known = self.known.lock();
        if known.is_none_or(|known| new.replaces(&known)) {
            *known = Some(new);
            self.ahead.store(least.midpoint(most), Relaxed);
        }
    }

    /// The time that it shows, as far as it is known.
    pub(super) fn now(&self) -> Timestamp {
        Timestamp::from_millis(clock::now().millis().saturating_add(self.ahead.load(Relaxed)))
    }

    /// The time at which this machine's clock shows what this one shows `at`.
    pub(super) fn on_this_machine(&self, at: Timestamp) -> Timestamp {
        Timestamp::from_millis(at.millis().saturating_sub(self.ahead.load(Relaxed)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The known-wrong way was to take each answer for one of this moment.
    #[test]
    fn an_answer_that_came_late_does_not_move_the_clock_and_a_clock_that_was_set_does() {
        let (shared, begun) = (SharedClock::default(), Instant::now());
        let machine = |seconds: i64| Timestamp::from_secs(1_000_000 + seconds);
        // The difference after an answer that was written `lag` before it came, and asked for `took` before.
        let after = |seconds: u32, ahead: i64, lag: i64, took: u64| {
            let now = machine(seconds.into());
            let engine = Timestamp::from_millis(now.millis() + ahead - lag);
            let at = begun + Duration::from_secs(seconds.into());
            shared.take(engine, now, Duration::from_millis(took), at);
            shared.ahead.load(Relaxed)
        };
        assert_eq!(after(0, 500, 3_000, 3_100), -950, "nothing better is known");
        assert_eq!(after(1, 500, 1, 2), 500);
        assert_eq!(after(2, 500, 3_900, 4_000), 500, "the wait for a lock");
        assert_eq!(after(3, 500, 0, 40), 500);
        assert_eq!(after(4, 3_600_500, 40, 50), 3_600_485, "the engine's clock was set");
        assert_eq!(after(5, 3_600_500, 2, 4), 3_600_500);
        assert_eq!(after(6, -3_599_500, 2, 4), -3_599_500);
        assert_eq!(after(66, -3_599_500, 5, 10), -3_599_500, "for a minute");
        assert_eq!(after(67, -3_599_502, 5, 10), -3_599_502);
    }

    #[test]
    fn both_directions_are_the_same_difference() {
        let shared = SharedClock::default();
        shared.set(clock::now() + Duration::from_secs(7), Duration::ZERO);
        let at = Timestamp::from_secs(1_000_000);
        for ahead in [shared.now().since(clock::now()), at.since(shared.on_this_machine(at))] {
            assert!(ahead > Duration::from_secs(6) && ahead <= Duration::from_secs(7), "{ahead:?}");
        }
    }
}
