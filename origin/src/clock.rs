//! The process's clocks, and the random bits that commands take with them. The wall clock may step; the monotonic one never does.

use std::{
    sync::{
        LazyLock,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use rollcall_core::{
    directory::zone::Zone,
    time::{Moment, Timestamp},
};
use tokio::time::{Instant, sleep};

/// The time now, in milliseconds since 1970. A system clock before 1970 reads as 1970.
#[allow(clippy::disallowed_methods, reason = "this is the adapter's clock")]
pub fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp::from_millis(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}

/// The time now, with bits that no other moment of this process has.
///
/// A counter from a random start, and not random bits: a record's id takes only 22 of them, and two records of one
/// millisecond would draw the same 22 now and then.
pub fn moment() -> Moment {
    static COUNTER: LazyLock<AtomicU64> = LazyLock::new(|| AtomicU64::new(rand::random()));
    let now = now();
    Moment { now, machine: now, entropy: COUNTER.fetch_add(1, Ordering::Relaxed) }
}

/// A difference between the clocks above this is a step of the wall clock.
const STEP: Duration = Duration::from_secs(5);
/// The clocks have to agree for this long before anything is deleted by age.
const SETTLED: Duration = Duration::from_secs(600);
/// The longest time between two looks at the wall clock.
pub(crate) const LOOK: Duration = Duration::from_secs(60);

/// Both clocks at one time.
#[derive(Clone, Copy)]
struct Clocks {
    wall: Timestamp,
    monotonic: Instant,
}

impl Clocks {
    fn read() -> Self {
        Self { wall: now(), monotonic: Instant::now() }
    }

    /// Whether the wall clock stepped between `earlier` and this.
    fn stepped_since(&self, earlier: &Self) -> bool {
        let expected = earlier.wall + (self.monotonic - earlier.monotonic);
        self.wall.since(expected).max(expected.since(self.wall)) > STEP
    }
}

/// Waits until the wall clock shows `until`, however it runs meanwhile, or until it has stepped: then what is due is to be
/// found out anew.
pub(crate) async fn reached(until: Timestamp) {
    let begun = Clocks::read();
    loop {
        let left = until.since(now());
        if left.is_zero() || Clocks::read().stepped_since(&begun) {
            return;
        }
        sleep(left.min(LOOK)).await;
    }
}

/// Whether the wall clock may be believed when something is to be deleted by age.
pub(crate) struct Agreement {
    last: Clocks,
    since: Instant,
}

impl Agreement {
    /// Begins now: a clock that was wrong at the start agrees with nothing yet.
    pub(crate) fn begin() -> Self {
        let last = Clocks::read();
        Self { last, since: last.monotonic }
    }

    /// Looks at the clocks. Returns the wall clock's time once both have agreed for ten minutes, since the beginning and since any
    /// step. To be called every [`LOOK`].
    pub(crate) fn settled(&mut self) -> Option<Timestamp> {
        self.take(Clocks::read())
    }

    fn take(&mut self, clocks: Clocks) -> Option<Timestamp> {
        if clocks.stepped_since(&self.last) {
            tracing::warn!(
                expected = %utc(self.last.wall + (clocks.monotonic - self.last.monotonic)),
                shown = %utc(clocks.wall),
                "the system clock has stepped: nothing is deleted by age for ten minutes"
            );
            self.since = clocks.monotonic;
        }
        self.last = clocks;
        (clocks.monotonic - self.since >= SETTLED).then_some(clocks.wall)
    }
}

/// A time as logs show it.
pub(crate) fn utc(time: Timestamp) -> String {
    format!("{} UTC", Zone::default().format(time))
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use rollcall_core::id::RecordId;

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);
    const MINUTE: Duration = Duration::from_secs(60);

    #[test]
    fn nothing_is_deleted_by_age_until_the_clocks_have_agreed_for_ten_minutes() {
        let mut agreement = Agreement::begin();
        let mut clocks = agreement.last;
        // The minutes until the clock is believed, after it stepped by so many seconds.
        let mut minutes = |agreement: &mut Agreement, seconds: i64| {
            clocks.wall = Timestamp::from_millis(clocks.wall.millis() + 1_000 * seconds);
            for minute in 1..=30 {
                clocks.wall = clocks.wall + MINUTE;
                clocks.monotonic += MINUTE;
                if agreement.take(clocks) == Some(clocks.wall) {
                    return minute;
                }
            }
            panic!("it is never believed")
        };
        assert_eq!(minutes(&mut agreement, 0), 10, "since the start");
        assert_eq!(minutes(&mut agreement, 0), 1);
        for seconds in [-91 * 86_400, -3_600, -45, -6, 6, 45, 3_600, 91 * 86_400] {
            assert_eq!(minutes(&mut agreement, seconds), 11, "{seconds}: since the look that found the step");
        }
        for seconds in [-5, 5] {
            assert_eq!(minutes(&mut agreement, seconds), 1, "{seconds}: no step");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_long_wait_ends_when_the_clocks_part() {
        let begun = Instant::now();
        // The wall clock stands still while the paused one runs.
        reached(now() + 3_600 * SECOND).await;
        assert_eq!(begun.elapsed().as_secs(), LOOK.as_secs());
        reached(now() - SECOND).await;
    }

    #[test]
    fn records_of_one_millisecond_have_ids_of_their_own() {
        let one = Timestamp::from_millis(1_795_000_000_000);
        let ids: HashSet<RecordId> = (0..100_000).map(|_| RecordId::draw(one, moment().entropy)).collect();
        assert_eq!(ids.len(), 100_000);
    }
}
