//! The table of users: one command at a time per user, in memory while they are wanted.
//!
//! A user's *gate* is held by whoever changes it, across load, apply, commit and actions. Its *live* part is a short
//! lock of its own, so that readers never wait for a commit: they see the state before it or after it.

mod entry;
mod marks;
mod run;
mod table;

use std::{collections::HashMap, sync::Arc};

use rollcall_core::{config::Settings, user::Rules};

use self::{marks::Marks, table::Table};
use crate::store::Store;

pub use self::run::Failure;

/// Every user of this process.
#[derive(Clone)]
pub struct Users {
    shared: Arc<Shared>,
}

struct Shared {
    table: Table,
    store: Store,
    settings: Settings,
    rules: Rules,
    marks: Marks,
}

impl Users {
    /// An empty table over `store`.
    pub fn new(store: Store, settings: Settings, rules: Rules) -> Self {
        Self {
            shared: Arc::new(Shared {
                table: Table::default(),
                store,
                settings,
                rules,
                marks: Marks::default(),
            }),
        }
    }

    /// The configuration.
    pub fn settings(&self) -> &Settings {
        &self.shared.settings
    }

    /// The rules that commands are applied under.
    pub fn rules(&self) -> &Rules {
        &self.shared.rules
    }

    /// The store.
    pub fn store(&self) -> &Store {
        &self.shared.store
    }

    /// Every open socket, for the end of the process.
    pub fn sockets(&self) -> Vec<crate::socket::Outbox> {
        let mut all = Vec::new();
        self.shared.table.each(|entry| all.extend(entry.live.lock().sockets.values().cloned()));
        all
    }
}

/// Sockets of one user by connection.
type Sockets = HashMap<rollcall_core::id::ConnId, crate::socket::Outbox>;
