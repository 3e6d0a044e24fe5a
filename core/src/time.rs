//! Instants, as the caller supplies them. Nothing in this crate reads a clock.

use std::{
    fmt,
    ops::{Add, Sub},
    time::Duration,
};

use serde::{Deserialize, Serialize};

/// Milliseconds since 1970-01-01T00:00:00Z.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Timestamp(i64);

impl Timestamp {
    /// From milliseconds since the epoch.
    pub const fn from_millis(millis: i64) -> Self {
        Self(millis)
    }

    /// From whole seconds since the epoch; saturates far outside any calendar.
    pub const fn from_secs(seconds: i64) -> Self {
        Self(seconds.saturating_mul(1000))
    }

    /// Milliseconds since the epoch.
    pub const fn millis(self) -> i64 {
        self.0
    }

    /// Whole seconds since the epoch, rounded down.
    pub const fn secs(self) -> i64 {
        self.0.div_euclid(1000)
    }

    /// Whether a wait of at most `span` that ends at this instant is over at `now`. One that would last longer than that began
    /// before the clock was set back.
    pub fn is_due(self, now: Self, span: Duration) -> bool {
        self <= now || self.since(now) > span
    }

    /// How long after `earlier` this is; zero when it is not after it.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }
}

impl Add<Duration> for Timestamp {
    type Output = Self;

    fn add(self, span: Duration) -> Self {
        Self(self.0.saturating_add(i64::try_from(span.as_millis()).unwrap_or(i64::MAX)))
    }
}

impl Sub<Duration> for Timestamp {
    type Output = Self;

    fn sub(self, span: Duration) -> Self {
        Self(self.0.saturating_sub(i64::try_from(span.as_millis()).unwrap_or(i64::MAX)))
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}ms", self.0)
    }
}

/// The moment of a command and its entropy: all that the rules get from the outside beside stored state.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Moment {
    /// The adapter's clock; where several machines serve the same users, the one that they share.
    pub now: Timestamp,
    /// The clock of this machine, which the times inside tokens go by. Without other machines it is `now`.
    pub machine: Timestamp,
    /// Bits that keep apart what is created within one millisecond: random or counted, so never used for a secret.
    pub entropy: u64,
}

impl Moment {
    /// When the adapter's clock shows what this machine's shows at `time`.
    pub(crate) fn shared(&self, time: Timestamp) -> Timestamp {
        Timestamp(time.0.saturating_add(self.now.0.saturating_sub(self.machine.0)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wait_lasts_no_longer_than_its_span_when_the_clock_is_set_back() {
        let (begun, span) = (Timestamp::from_secs(1_000), Duration::from_secs(30));
        let end = begun + span;
        assert!(!end.is_due(begun, span) && !end.is_due(end - Duration::from_millis(1), span));
        assert!(end.is_due(end, span) && end.is_due(end + span, span));
        assert!(end.is_due(begun - Duration::from_secs(3_600), span));
    }
}
