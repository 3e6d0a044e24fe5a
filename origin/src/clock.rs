//! The process's clock, and the random bits that commands take with it.

use std::{
    sync::{
        LazyLock,
        atomic::{AtomicU64, Ordering},
    },
    time::{SystemTime, UNIX_EPOCH},
};

use rollcall_core::time::{Moment, Timestamp};

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
    Moment { now: now(), entropy: COUNTER.fetch_add(1, Ordering::Relaxed) }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use rollcall_core::id::RecordId;

    use super::*;

    #[test]
    fn records_of_one_millisecond_have_ids_of_their_own() {
        let one = Timestamp::from_millis(1_795_000_000_000);
        let ids: HashSet<RecordId> = (0..100_000).map(|_| RecordId::draw(one, moment().entropy)).collect();
        assert_eq!(ids.len(), 100_000);
    }
}
