//! For how long a process may serve since the engine last heard of it.
//!
//! It is measured by the clock of this machine that goes on while the machine sleeps. Others declare a process dead only after more than
//! that time has passed on theirs, so that it has stopped by then.

use std::{
    sync::atomic::{AtomicU64, Ordering::SeqCst},
    time::Duration,
};

use rustix::time::{ClockId, clock_gettime};

/// The time since this machine started, its sleep included.
pub(crate) fn since_boot() -> Duration {
    let time = clock_gettime(ClockId::Boottime);
    let seconds = u64::try_from(time.tv_sec).unwrap_or_default();
    Duration::from_secs(seconds) + Duration::from_nanos(u64::try_from(time.tv_nsec).unwrap_or_default())
}

/// The part of a lease after which a process stops by itself, in tenths.
const SUSPENDED_AFTER: u32 = 7;
/// What is added to that where it is waited until others have stopped.
const MARGIN: Duration = Duration::from_millis(500);

/// For how long a process may serve after a sign of life, where others declare it dead after its lease.
pub(crate) fn time_to_serve(lease: Duration) -> Duration {
    lease * SUSPENDED_AFTER / 10
}

/// How long to wait until none serves any more whose last sign of life was before, where none has a longer lease.
pub(super) fn time_to_pause(longest: Duration) -> Duration {
    time_to_serve(longest) + MARGIN
}

/// Until when the process may serve.
pub(super) struct Lease {
    /// In milliseconds since the machine's start. At the largest number it has no end.
    until: AtomicU64,
    /// It may not serve before.
    paused: AtomicU64,
}

impl Default for Lease {
    fn default() -> Self {
        Self { until: AtomicU64::new(u64::MAX), paused: AtomicU64::new(0) }
    }
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

impl Lease {
    /// The engine has heard what was sent at `sent`: the process may serve for `time` from then on.
    pub(super) fn renew(&self, sent: Duration, time: Duration) {
        let until = millis(sent + time);
        let later = |known: u64| (known == u64::MAX || known < until).then_some(until);
        // An answer that came late changes nothing.
        let _ = self.until.fetch_update(SeqCst, SeqCst, later);
    }

    /// The process may not serve before this time, whatever the engine hears.
    pub(super) fn pause(&self, until: Duration) {
        self.paused.fetch_max(millis(until), SeqCst);
    }

    /// Whether it may not serve for that reason.
    pub(super) fn is_paused(&self, now: Duration) -> bool {
        millis(now) < self.paused.load(SeqCst)
    }

    /// How long it has been over at `now`; none while the process may serve.
    pub(super) fn over(&self, now: Duration) -> Option<Duration> {
        let until = self.until.load(SeqCst);
        let over = now.checked_sub(Duration::from_millis(until)).filter(|_| until != u64::MAX);
        over.or_else(|| self.is_paused(now).then_some(Duration::ZERO))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn it_ends_unless_it_is_renewed_and_never_moves_back() {
        let lease = Lease::default();
        assert_eq!(lease.over(1_000_000 * SECOND), None, "before the first sign of life");
        lease.renew(10 * SECOND, 3 * SECOND);
        assert_eq!(lease.over(13 * SECOND - SECOND / 1000), None);
        assert_eq!(lease.over(13 * SECOND), Some(Duration::ZERO));
        lease.renew(12 * SECOND, 3 * SECOND);
        lease.renew(11 * SECOND, 3 * SECOND);
        assert_eq!(lease.over(14 * SECOND), None, "an answer that came late");
        assert_eq!(lease.over(17 * SECOND), Some(2 * SECOND));
        lease.renew(20 * SECOND, 3 * SECOND);
        assert_eq!(lease.over(21 * SECOND), None, "the engine is back");
        lease.pause(22 * SECOND);
        lease.pause(21 * SECOND);
        assert_eq!(
            lease.over(22 * SECOND - SECOND / 1000),
            Some(Duration::ZERO),
            "the engine hears it all the same"
        );
        assert_eq!(lease.over(22 * SECOND), None);
        lease.renew(30 * SECOND, 3 * SECOND);
        assert_eq!(lease.over(34 * SECOND), Some(SECOND));
        let (before, after) = (since_boot(), since_boot());
        assert!(Duration::ZERO < before && before <= after);
    }
}
