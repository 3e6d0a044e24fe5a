//! Whether commits succeed.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering::SeqCst},
};

use tokio::sync::Notify;

/// Counts the commits that the store could not make. Clones share the count.
///
/// It takes a commit that surely writes to show that the store is well again: one that changes nothing succeeds on a full
/// disk too. So recovery is said by whoever made such a commit, see [`Condition::failures`].
#[derive(Clone, Default)]
pub struct Condition {
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    failures: AtomicU64,
    /// As many of them as have been overcome.
    overcome: AtomicU64,
    failed: Notify,
}

impl Condition {
    /// Whether the last thing known of the store is that it could not commit.
    pub fn is_failing(&self) -> bool {
        self.shared.failures.load(SeqCst) != self.shared.overcome.load(SeqCst)
    }

    /// How many commits have failed. Ask before a commit that writes, and say [`Condition::overcome`] when it succeeded: a
    /// failure in between is not forgotten by that.
    pub fn failures(&self) -> u64 {
        self.shared.failures.load(SeqCst)
    }

    /// The store could commit after this many failures. True if it had been failing and is well again.
    pub fn overcome(&self, failures: u64) -> bool {
        self.shared.overcome.swap(failures, SeqCst) != failures && !self.is_failing()
    }

    /// Resolves when a commit fails; only one may wait.
    pub async fn failed(&self) {
        self.shared.failed.notified().await;
    }

    /// A commit failed. True if the one before had not.
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
