//! Whether commits succeed.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering::SeqCst},
};

use tokio::sync::Notify;

/// Counts failed commits. Clones share the count.
///
/// Only a commit that surely writes proves recovery, since a commit that changes nothing succeeds on a full disk too. So the
/// caller of such a commit reports it: see [`Condition::failures`].
#[derive(Clone, Default)]
pub struct Condition {
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    failures: AtomicU64,
    /// The failures after which the store has recovered.
    overcome: AtomicU64,
    failed: Notify,
}

impl Condition {
    /// Whether commits have failed since the last proof of recovery.
    pub fn is_failing(&self) -> bool {
        self.shared.failures.load(SeqCst) != self.shared.overcome.load(SeqCst)
    }

    /// The number of failed commits. Read it before a commit that writes, and pass it to [`Condition::overcome`] when that
    /// succeeds: a failure in between is then kept.
    pub fn failures(&self) -> u64 {
        self.shared.failures.load(SeqCst)
    }

    /// Reports a commit that succeeded after this many failures. Returns true if the store had been failing and has recovered.
    pub fn overcome(&self, failures: u64) -> bool {
        self.shared.overcome.swap(failures, SeqCst) != failures && !self.is_failing()
    }

    /// Resolves when a commit fails. Only one task may wait.
    pub async fn failed(&self) {
        self.shared.failed.notified().await;
    }

    /// Reports a failed commit. Returns true for the first failure in a row.
    pub(super) fn fail(&self) -> bool {
        let was_failing = self.is_failing();
        self.shared.failures.fetch_add(1, SeqCst);
        self.shared.failed.notify_one();
        !was_failing
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_failure_during_the_proof_of_health_is_not_forgotten() {
        let condition = Condition::default();
        assert!(!condition.is_failing());
        assert!(condition.fail() && !condition.fail());
        condition.failed().await;
        let seen = condition.failures();
        condition.fail();
        assert!(!condition.overcome(seen) && condition.is_failing());
        assert!(condition.overcome(condition.failures()) && !condition.is_failing());
        assert!(!condition.overcome(condition.failures()), "it was well before");
    }
}
