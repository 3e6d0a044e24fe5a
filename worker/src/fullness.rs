//! Shards of the directory that are nearly full (`docs/rules/edge.md#retention`).

use std::{
    sync::atomic::{AtomicI64, Ordering},
    time::Duration,
};

use rollcall_core::time::Timestamp;

/// The header in which such a shard says so with every answer.
pub(crate) const HEADER: &str = "X-Rollcall-Nearly-Full";
/// Bytes of a shard's database from which it takes no imports. The platform refuses every write at 10 GB.
const NEARLY_FULL: f64 = 9e9;
/// How long an isolate remembers that a shard said so.
const REMEMBERED: Duration = Duration::from_secs(60);

/// When a shard last said so to this isolate, in milliseconds.
static HEARD: AtomicI64 = AtomicI64::new(i64::MIN);

/// Whether a database of this size is nearly full.
pub(crate) fn is_near(bytes: f64) -> bool {
    #[cfg(feature = "probe")]
    if crate::probe::is_full() {
        return true;
    }
    bytes >= NEARLY_FULL
}

/// A shard has said so.
pub(crate) fn heard(now: Timestamp) {
    HEARD.store(now.millis(), Ordering::Relaxed);
}

/// Whether a shard said so lately.
pub(crate) fn was_heard(now: Timestamp) -> bool {
    now.since(Timestamp::from_millis(HEARD.load(Ordering::Relaxed))) < REMEMBERED
}
