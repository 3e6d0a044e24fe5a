//! A user's entry for as long as a task needs it, and the lock over the user's changes.

use std::{ops::Deref, sync::Arc};

use rollcall_core::id::UserId;
use tokio::sync::OwnedMutexGuard;

use super::{entry::Entry, registry::Users};

/// An entry that stays in memory while the guard lives, and returns to the table when the guard is dropped.
pub(super) struct EntryGuard {
    users: Users,
    pub(super) id: UserId,
    entry: Arc<Entry>,
}

/// Held across load, apply, commit and act of one command: a user has one change at a time.
///
/// It owns its share of the mutex, since the task that finishes an abandoned command takes the lock with it.
pub(super) type UserLock = OwnedMutexGuard<()>;

impl Users {
    /// The user's entry, loaded into memory if it is not there.
    pub(super) fn entry(&self, id: &UserId) -> EntryGuard {
        EntryGuard { users: self.clone(), id: id.clone(), entry: self.shared.table.enter(id) }
    }
}

impl EntryGuard {
    /// Waits until no other command changes the user.
    pub(super) async fn lock(&self) -> UserLock {
        self.entry.lock.clone().lock_owned().await
    }
}

impl Deref for EntryGuard {
    type Target = Entry;

    fn deref(&self) -> &Entry {
        &self.entry
    }
}

impl Drop for EntryGuard {
    fn drop(&mut self) {
        self.users.shared.table.leave(&self.id, &self.entry);
    }
}
