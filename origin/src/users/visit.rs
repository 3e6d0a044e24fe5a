//! A user's entry for as long as somebody needs it, and the right to change the user.

use std::{ops::Deref, sync::Arc};

use rollcall_core::id::UserId;

use super::{Users, entry::Entry};

/// An entry that is brought into memory if need be, and goes back to the table however the visit ends.
pub(super) struct Visit {
    users: Users,
    pub(super) id: UserId,
    entry: Arc<Entry>,
}

/// Held by whoever changes a user: one at a time.
pub(super) struct Turn {
    entry: Arc<Entry>,
}

impl Users {
    pub(super) fn visit(&self, id: &UserId) -> Visit {
        Visit { users: self.clone(), id: id.clone(), entry: self.shared.table.enter(id) }
    }
}

impl Visit {
    /// Waits until nobody else changes the user.
    pub(super) async fn turn(&self) -> Turn {
        // A gate is never closed.
        if let Ok(place) = self.entry.gate.acquire().await {
            place.forget();
        }
        Turn { entry: self.entry.clone() }
    }
}

impl Deref for Visit {
    type Target = Entry;

    fn deref(&self) -> &Entry {
        &self.entry
    }
}

impl Drop for Visit {
    fn drop(&mut self) {
        self.users.shared.table.leave(&self.id, &self.entry);
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        self.entry.gate.add_permits(1);
    }
}
