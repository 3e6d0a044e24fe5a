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

/// Until when the process may serve.
pub(super) struct Lease {
    /// In milliseconds since the machine's start. At the largest number it has no end yet.
    until: AtomicU64,
}

impl Default for Lease {
    fn default() -> Self {
        Self { until: AtomicU64::new(u64::MAX) }
    }
}

impl Lease {
    /// The engine has heard what was sent at `sent`: the process may serve for `time` from then on.
    pub(super) fn renew(&self, sent: Duration, time: Duration) {
        let until = u64::try_from((sent + time).as_millis()).unwrap_or(u64::MAX);
        let later = |known: u64| (known == u64::MAX || known < until).then_some(until);
        // An answer that came late changes nothing.
        let _ = self.until.fetch_update(SeqCst, SeqCst, later);
    }

    /// How long it has been over at `now`; none while the process may serve.
    pub(super) fn over(&self, now: Duration) -> Option<Duration> {
        let until = self.until.load(SeqCst);
        let over = now.checked_sub(Duration::from_millis(until))?;
        (until != u64::MAX).then_some(over)
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
        let (before, after) = (since_boot(), since_boot());
        assert!(Duration::ZERO < before && before <= after);
    }
}
