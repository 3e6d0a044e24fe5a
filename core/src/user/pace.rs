//! The pace of a user's connects (`docs/rules/openim.md#connections`): as many at once as the user may have connections and
//! ten at least, and two a second from then on. Each connect leaves a record, however short its life, and may end others.

use std::time::Duration;

use crate::time::Timestamp;

/// How long it takes until one more connect is allowed.
const EACH: Duration = Duration::from_millis(500);
/// So many may always come at once: a client of a user with one or two connections replaces its own without a wait.
const AT_LEAST: usize = 10;

/// What recent connects have used up. Time gives it back; a clock that was set back takes nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Pace {
    used: Duration,
    /// When `used` was reckoned.
    at: Timestamp,
}

impl Pace {
    /// The pace after one more connect. As many as `at_once` connects may come together.
    ///
    /// # Errors
    /// When the connect comes too early.
    pub(super) fn after_connect(self, now: Timestamp, at_once: usize) -> Result<Self, Self> {
        let most = EACH.saturating_mul(u32::try_from(at_once.max(AT_LEAST)).unwrap_or(u32::MAX));
        let used = self.used.saturating_sub(now.since(self.at));
        let next = used + EACH;
        if next > most { Err(Self { used, at: now }) } else { Ok(Self { used: next, at: now }) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_secs(1_000_000);

    /// The connects out of `many` at one moment that are allowed.
    fn allowed(pace: &mut Pace, now: Timestamp, many: usize) -> usize {
        let one = |_: &usize| match pace.after_connect(now, 15) {
            Ok(next) => {
                *pace = next;
                true
            }
            Err(kept) => {
                *pace = kept;
                false
            }
        };
        (0..many).filter(one).count()
    }

    #[test]
    fn so_many_at_once_and_two_a_second_from_then_on() {
        let mut pace = Pace::default();
        assert_eq!(allowed(&mut pace, NOW, 100), 15);
        assert_eq!(allowed(&mut pace, NOW + Duration::from_millis(499), 100), 0);
        assert_eq!(allowed(&mut pace, NOW + Duration::from_millis(500), 100), 1);
        let later =
            (1..=600).map(|step| allowed(&mut pace, NOW + Duration::from_millis(500 + 100 * step), 9));
        assert_eq!(later.sum::<usize>(), 120, "in a minute");
        assert_eq!(allowed(&mut pace, NOW + Duration::from_secs(600), 100), 15);
    }

    #[test]
    fn a_user_of_few_connections_replaces_them_without_a_wait() {
        let mut pace = Pace::default();
        for _ in 0..AT_LEAST {
            pace = pace.after_connect(NOW, 1).unwrap();
        }
        assert_eq!(pace.after_connect(NOW, 1), Err(pace));
    }

    #[test]
    fn a_clock_that_was_set_back_keeps_no_user_waiting() {
        for back in [45_000, 6_000, 1, 3_600_000].map(Duration::from_millis) {
            let mut pace = Pace::default();
            assert_eq!(allowed(&mut pace, NOW, 10), 10);
            assert_eq!(allowed(&mut pace, NOW - back, 100), 5, "what was left");
            assert_eq!(allowed(&mut pace, NOW - back + EACH, 100), 1);
        }
    }
}
