//! Users who were never seen, and whom orders name: how many of them the store keeps.

use std::sync::atomic::{AtomicU64, Ordering};

use rollcall_core::{
    store::Value,
    time::Timestamp,
    user::{Change, UNSEEN_USERS, count_unseen, forget_oldest_unseen, forget_unseen_before},
};
use tokio::sync::Notify;

use super::{
    error::CommandError,
    registry::{Shared, Users},
};

/// Users that one commit forgets. It is short, since other commits wait for it.
const ROWS: u32 = 2_000;
/// As many as the store keeps, less those whom orders may name while the oldest are forgotten.
pub(crate) const MOST: u64 = UNSEEN_USERS - 50_000;

/// The number of users who were never seen.
#[derive(Default)]
pub(super) struct UnseenUsers {
    count: AtomicU64,
    /// There are more than [`MOST`].
    crowded: Notify,
}

impl UnseenUsers {
    /// Counts the users whom a commit made known, or of whom it made more known.
    pub(super) fn committed(&self, changes: &[Change]) {
        for change in changes {
            match change {
                Change::Unseen { is_new: true, .. } => self.found_one(),
                // A new one was never counted.
                Change::Seen { is_new: false } => self.forgot(1),
                _ => {}
            }
        }
    }

    fn found_one(&self) {
        if self.count.fetch_add(1, Ordering::Relaxed) >= MOST {
            self.crowded.notify_one();
        }
    }

    /// Takes so many for stored.
    #[cfg(test)]
    pub(super) fn assume(&self, users: u64) {
        self.count.store(users, Ordering::Relaxed);
    }

    fn forgot(&self, users: u64) {
        let less = |count: u64| Some(count.saturating_sub(users));
        let _ = self.count.fetch_update(Ordering::Relaxed, Ordering::Relaxed, less);
    }
}

impl Users {
    /// Counts them in the store, at the start of the process.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn count_unseen(&self) -> Result<(), CommandError> {
        let answers = self.shared.store.query(vec![count_unseen()]).await?;
        if let Some(Value::Int(count)) = answers.first().and_then(|rows| rows.first()?.first()) {
            self.shared.unseen.count.store(u64::try_from(*count).unwrap_or(0), Ordering::Relaxed);
        }
        Ok(())
    }

    /// How many there are.
    pub(crate) fn unseen(&self) -> u64 {
        self.shared.unseen.count.load(Ordering::Relaxed)
    }

    /// Resolves when there are more than [`MOST`]. Only one task may wait.
    pub(crate) async fn unseen_crowd(&self) {
        self.shared.unseen.crowded.notified().await;
    }

    /// Forgets those whom no order has named since `before`, and the oldest of all until at most `most` are left.
    ///
    /// # Errors
    /// When a commit fails. Some may be forgotten by then.
    pub(crate) async fn forget_unseen(
        &self,
        before: Option<Timestamp>,
        most: u64,
    ) -> Result<(), CommandError> {
        let Shared { store, unseen, metrics, .. } = self.shared.as_ref();
        if let Some(before) = before {
            unseen.forgot(store.change_all(&forget_unseen_before(before, ROWS), ROWS).await?);
        }
        while let Some(excess) = self.unseen().checked_sub(most).filter(|excess| *excess > 0) {
            let count = u32::try_from(excess).unwrap_or(ROWS).min(ROWS);
            let forgotten = store.change(forget_oldest_unseen(count)).await?;
            unseen.forgot(forgotten);
            metrics.forgot_unseen(forgotten);
            if forgotten == 0 {
                // There are fewer than were counted.
                return self.count_unseen().await;
            }
        }
        Ok(())
    }
}
