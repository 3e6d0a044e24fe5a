//! The users of this process, and what all of their commands share.

use std::sync::Arc;

use rollcall_core::{config::Settings, time::Timestamp, user::Rules};
use tokio::sync::Semaphore;

use super::{cutoffs::Cutoffs, doubts::Doubts, table::Table, unseen::UnseenUsers};
use crate::{
    cluster::Cluster,
    metrics::{Census, Metrics},
    outbox::Outbox,
    store::Store,
};

/// Concurrent calls from users to each other: enough to share an fsync.
pub(super) const CALLS: usize = 64;

/// Every user of this process.
#[derive(Clone)]
pub struct Users {
    pub(super) shared: Arc<Shared>,
}

pub(super) struct Shared {
    pub(super) table: Table,
    pub(super) store: Store,
    /// Where other processes may serve the same users.
    pub(super) cluster: Option<Cluster>,
    pub(super) settings: Settings,
    pub(super) rules: Rules,
    pub(super) metrics: Metrics,
    pub(super) cutoffs: Cutoffs,
    pub(super) unseen: UnseenUsers,
    /// Users with a commit that had no answer.
    pub(super) doubts: Doubts,
    /// Permits for calls from one user to another. They bound the share of the store, and of the called users' locks, that
    /// one user's many calls can take.
    pub(super) calls: Semaphore,
}

impl Users {
    /// Users over `store`, none of them in memory. Events of users are counted in `metrics`.
    pub fn new(store: Store, settings: Settings, rules: Rules, metrics: Metrics) -> Self {
        let cluster = store.postgres().map(|engine| Cluster::new(engine.clone(), &settings.auth));
        Self {
            shared: Arc::new(Shared {
                table: Table::default(),
                cluster,
                store,
                settings,
                rules,
                metrics,
                cutoffs: Cutoffs::default(),
                unseen: UnseenUsers::default(),
                doubts: Doubts::default(),
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

    /// The metrics that count the events of users.
    pub fn metrics(&self) -> &Metrics {
        &self.shared.metrics
    }

    /// What this process is among those of its store, where the store may have others.
    pub(crate) fn cluster(&self) -> Option<&Cluster> {
        self.shared.cluster.as_ref()
    }

    /// What was left open before this process is ended: from here on it looks after others.
    pub(crate) fn enter(&self) {
        if let Some(cluster) = self.cluster() {
            cluster.enter();
        }
    }

    /// Whether other processes may serve the same users at the same time.
    pub(super) fn has_company(&self) -> bool {
        self.cluster().is_some_and(|cluster| cluster.store.may_have_company())
    }

    /// The time by the clock that commands go by.
    pub(super) fn now(&self) -> Timestamp {
        self.shared.store.now()
    }

    /// The number of orders that are in force and not delivered yet.
    pub(crate) fn undelivered_orders(&self) -> usize {
        self.shared.cutoffs.undelivered()
    }

    /// Counts the live connections that status answers show: those with a socket.
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

    /// The outbox of every open socket, for the end of the process.
    pub fn sockets(&self) -> Vec<Outbox> {
        let mut all = Vec::new();
        self.shared.table.each(|entry| all.extend(entry.live.lock().sockets.values().cloned()));
        all
    }
}
