//! The openings of users that have left memory: what opens next is dated after them, however the clock runs
//! (`docs/rules/users.md#dates`).
//!
//! The store is asked about a user only while the clock is behind an opening of a user that left memory.

use rollcall_core::user::{last_opening, newest_opening, read_opening};

use super::{entry_guard::EntryGuard, error::CommandError, registry::Users};
use crate::clock::now;

impl Users {
    /// Reads the date of the newest opening that the store holds, at the start of the process.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn read_newest_opening(&self) -> Result<(), CommandError> {
        let answers = self.shared.store.query(vec![newest_opening()]).await?;
        if let Some(newest) = answers.first().and_then(|rows| read_opening(rows)) {
            self.shared.table.forget_opening(newest);
        }
        Ok(())
    }

    /// Lets a user that is about to open a connection know of its earlier ones. The caller holds the user's lock.
    pub(super) async fn recall_opening(&self, user: &EntryGuard) -> Result<(), CommandError> {
        let Some(number) = user.id.number() else { return Ok(()) };
        if now() > self.shared.table.forgotten_opening() || user.live.lock().knows_openings {
            return Ok(());
        }
        let answers = self.shared.store.load(vec![last_opening(number)]).await?;
        let mut live = user.live.lock();
        if let Some(last) = answers.first().and_then(|rows| read_opening(rows)) {
            live.user.recall_opening(last);
        }
        live.knows_openings = true;
        Ok(())
    }
}
