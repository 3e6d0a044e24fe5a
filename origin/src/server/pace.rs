//! How slowly a peer may send or read (`docs/operating.md#time-limits`).

use std::{collections::VecDeque, time::Duration};

use tokio::time::Instant;

/// The span over which a peer's bytes are counted.
const WINDOW: Duration = Duration::from_secs(60);
/// What a peer has to send or read in each such span, in bytes.
const WINDOW_BYTES: u64 = 60 * 1024;

/// The bytes of a peer, counted while the server waits for it and at no other time. So neither the server's own work nor a
/// fast beginning changes how long the peer may pause.
#[derive(Debug, Default)]
pub(super) struct Pace {
    /// The time that the server has waited, but for the wait under way.
    waited: Duration,
    /// The beginning of the wait under way.
    waiting_since: Option<Instant>,
    /// The bytes of the last window by the second of waiting in which they moved, oldest first.
    moved: VecDeque<(u64, u64)>,
}

impl Pace {
    /// The server waits for the peer. Returns the moment at which the peer is too slow unless more bytes move.
    pub(super) fn wait(&mut self, now: Instant) -> Instant {
        let since = *self.waiting_since.get_or_insert(now);
        since + self.limit().saturating_sub(self.waited)
    }

    /// Bytes moved: a wait is over.
    pub(super) fn progress(&mut self, now: Instant, bytes: usize) {
        if self.waiting_since.is_none() && self.waited.is_zero() {
            return;
        }
        if let Some(since) = self.waiting_since.take() {
            self.waited += now.saturating_duration_since(since);
        }
        let second = self.waited.as_secs();
        let bytes = u64::try_from(bytes).unwrap_or(u64::MAX);
        match self.moved.back_mut() {
            Some((last, moved)) if *last == second => *moved = moved.saturating_add(bytes),
            _ => self.moved.push_back((second, bytes)),
        }
        while self.moved.front().is_some_and(|(oldest, _)| leaves(*oldest) <= self.waited) {
            self.moved.pop_front();
        }
    }

    /// The time of waiting at which the last window holds too few bytes, unless more move.
    fn limit(&self) -> Duration {
        let mut sum = self.moved.iter().fold(0_u64, |sum, (_, bytes)| sum.saturating_add(*bytes));
        let mut limit = WINDOW;
        for (second, bytes) in &self.moved {
            if sum < WINDOW_BYTES {
                break;
            }
            sum = sum.saturating_sub(*bytes);
            limit = limit.max(leaves(*second));
        }
        limit
    }
}

/// The time of waiting at which bytes of this second leave the window, all of them.
fn leaves(second: u64) -> Duration {
    Duration::from_secs(second + 1) + WINDOW
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    /// How long a peer may pause after `seconds` in each of which it has sent so much, to the second; `None` if it was too
    /// slow before.
    fn pause_after(seconds: u32, bytes: usize) -> Option<u64> {
        let (mut pace, mut now) = (Pace::default(), Instant::now());
        for _ in 0..seconds {
            if pace.wait(now) < now + SECOND {
                return None;
            }
            now += SECOND;
            pace.progress(now, bytes);
        }
        Some(pace.wait(now).saturating_duration_since(now).as_secs())
    }

    #[test]
    fn who_sends_nothing_has_a_minute_and_so_has_who_sends_little() {
        assert_eq!(pause_after(0, 0), Some(60));
        assert_eq!(pause_after(30, 100), Some(30));
        assert_eq!(pause_after(59, 1000), Some(1));
        assert_eq!(pause_after(120, 1000), None);
    }

    #[test]
    fn a_kibibyte_a_second_is_enough_for_ever() {
        for seconds in [60, 61, 600, 6000] {
            assert!(pause_after(seconds, 1024).is_some(), "{seconds}");
        }
        assert_eq!(pause_after(600, 1023), None);
    }

    #[test]
    fn nothing_can_be_saved_up() {
        for (seconds, bytes) in [(1, 1 << 30), (10, 1 << 20), (600, 1 << 20)] {
            let pause = pause_after(seconds, bytes).unwrap();
            assert!((60..=61).contains(&pause), "{bytes} bytes in {seconds} s buy {pause} s");
        }
    }

    #[test]
    fn the_time_in_which_the_server_works_does_not_count() {
        let (mut pace, mut now) = (Pace::default(), Instant::now());
        for _ in 0..10 {
            assert!(pace.wait(now) > now);
            now += SECOND;
            pace.progress(now, 1);
            now += 600 * SECOND;
        }
        assert_eq!(pace.wait(now) - now, 50 * SECOND);
    }

    #[test]
    fn what_is_kept_is_bounded() {
        let (mut pace, mut now) = (Pace::default(), Instant::now());
        for _ in 0..100_000 {
            pace.wait(now);
            now += SECOND / 7;
            pace.progress(now, 10_000);
        }
        assert!(pace.moved.len() <= 62, "{}", pace.moved.len());
    }
}
