//! The table of users: one command at a time per user, in memory while they are wanted.
//!
//! The *user lock* spans load, apply, commit and act of one command, and is held until the command is done even when its
//! caller has left. The *live* part has a short lock of its own, so that readers never wait for a commit: they see the
//! state before it or after it.

mod cutoffs;
mod delivery;
mod detached;
mod entry;
mod entry_guard;
mod follow;
mod run;
mod table;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use rollcall_core::{config::Settings, user::Rules};
use tokio::sync::Semaphore;

use self::{cutoffs::Cutoffs, table::Table};
use crate::{
    metrics::{Census, Metrics},
    outbox::Outbox,
    store::Store,
};

pub use self::run::{Failure, PendingSocket};

/// Calls from users to each other at a time: enough to share an fsync.
const CALLS: usize = 64;

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
    metrics: Metrics,
    cutoffs: Cutoffs,
    /// Permits for calls from one user to another. They bound the share of the store, and of the called users' locks, that
    /// one user's many calls can take.
    calls: Semaphore,
}

impl Users {
    /// An empty table over `store`; what happens to users is counted in `metrics`.
    pub fn new(store: Store, settings: Settings, rules: Rules, metrics: Metrics) -> Self {
        Self {
            shared: Arc::new(Shared {
                table: Table::default(),
                store,
                settings,
                rules,
                metrics,
                cutoffs: Cutoffs::default(),
                calls: Semaphore::new(CALLS),
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

    /// Where it is counted what happens.
    pub fn metrics(&self) -> &Metrics {
        &self.shared.metrics
    }

    /// Counts what is live, as status answers see it: a connection without a socket is not there.
    pub(crate) fn census(&self) -> Census {
        let mut census = Census::default();
        self.shared.table.each(|entry| {
            let live = entry.live.lock();
            let connections = live.user.connections().iter();
            let consoles = live.user.consoles().iter();
            census.take(
                connections.filter(|one| live.sockets.contains_key(&one.id)),
                consoles.filter(|one| live.sockets.contains_key(&one.id)),
            );
        });
        census
    }

    /// Every open socket, for the end of the process.
    pub fn sockets(&self) -> Vec<Outbox> {
        let mut all = Vec::new();
        self.shared.table.each(|entry| all.extend(entry.live.lock().sockets.values().cloned()));
        all
    }
}
