//! Tenants' cutoffs in memory, where every command checks them, and the locks that order changes of them.

use std::{collections::HashMap, sync::Arc};

use parking_lot::{Mutex, RwLock};
use rollcall_core::{directory::view::Cutoff, id::TenantId, time::Timestamp};

/// The cutoffs in force, by tenant.
#[derive(Default)]
pub(super) struct Cutoffs {
    in_force: RwLock<InForce>,
    order_locks: Mutex<HashMap<TenantId, OrderLocks>>,
}

/// The locks of one tenant's orders.
#[derive(Clone, Default)]
pub(super) struct OrderLocks {
    /// Serializes changes of the cutoff.
    pub(super) change: Arc<tokio::sync::Mutex<()>>,
    /// Held, shared, by every order whose rows are not all written yet. An order that has to see those rows takes it
    /// exclusively.
    pub(super) rows: Arc<tokio::sync::RwLock<()>>,
}

#[derive(Default)]
struct InForce {
    by_tenant: HashMap<TenantId, Arc<Cutoff>>,
    /// The latest moment that any of them covers.
    newest: Option<Timestamp>,
}

impl Cutoffs {
    pub(super) fn get(&self, tenant: TenantId) -> Option<Arc<Cutoff>> {
        self.in_force.read().by_tenant.get(&tenant).cloned()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.newest().is_none()
    }

    /// The latest moment that any cutoff covers; `None` without a cutoff. It spares most commands the search for their
    /// tenant.
    pub(super) fn newest(&self) -> Option<Timestamp> {
        self.in_force.read().newest
    }

    pub(super) fn put(&self, tenant: TenantId, cutoff: Cutoff) {
        let mut in_force = self.in_force.write();
        in_force.newest = in_force.newest.max(Some(cutoff.at));
        in_force.by_tenant.insert(tenant, Arc::new(cutoff));
    }

    /// Never removed, like the cutoff itself: a tenant has at most one of each.
    pub(super) fn order_locks(&self, tenant: TenantId) -> OrderLocks {
        self.order_locks.lock().entry(tenant).or_default().clone()
    }
}
