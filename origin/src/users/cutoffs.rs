//! Tenants' cutoffs in memory, where every command checks them, and the locks that order changes of them.

use std::{collections::HashMap, sync::Arc};

use parking_lot::{Mutex, RwLock};
use rollcall_core::{directory::view::Cutoff, id::TenantId, serial::Serial, user::Orders};

use super::delivery::Ended;

/// The cutoffs in force, by tenant.
#[derive(Default)]
pub(super) struct Cutoffs {
    in_force: RwLock<InForce>,
    order_locks: Mutex<HashMap<TenantId, OrderLocks>>,
    /// Held from the draw of a serial until its order is in force. So what begins under a serial has seen every order up to it,
    /// whatever its tenant.
    pub(super) serial: tokio::sync::Mutex<()>,
}

/// The locks of one tenant's orders, and what they guard.
#[derive(Clone, Default)]
pub(super) struct OrderLocks {
    /// Serializes changes of the cutoff.
    pub(super) change: Arc<tokio::sync::Mutex<()>>,
    /// Held, shared, by every order whose rows are being written. An order that has to see those rows takes it exclusively.
    pub(super) rows: Arc<tokio::sync::RwLock<()>>,
    /// Rows that could not be written, by user. Only the tenant's cutoff hides them: none that exempts the user may replace it.
    pub(super) unwritten: Arc<Mutex<Vec<Ended>>>,
}

#[derive(Default)]
struct InForce {
    by_tenant: HashMap<TenantId, Arc<Cutoff>>,
    newest: Serial,
}

impl Cutoffs {
    pub(super) fn get(&self, tenant: TenantId) -> Option<Arc<Cutoff>> {
        self.in_force.read().by_tenant.get(&tenant).cloned()
    }

    pub(super) fn tenants(&self) -> Vec<TenantId> {
        self.in_force.read().by_tenant.keys().copied().collect()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.in_force.read().by_tenant.is_empty()
    }

    /// The newest serial: the tenants of one store count their orders together. It spares most commands the search for their
    /// tenant.
    pub(super) fn newest(&self) -> Serial {
        self.in_force.read().newest
    }

    /// The orders that apply to a command of a user of `tenant`, who may have moved there from `former`.
    pub(super) fn orders(&self, tenant: Option<TenantId>, former: Option<TenantId>) -> Orders {
        let in_force = self.in_force.read();
        let of = |tenant| in_force.by_tenant.get(&tenant).map(|cutoff| cutoff.as_ref().clone());
        Orders { cutoff: tenant.and_then(of), former: former.and_then(of), under: in_force.newest }
    }

    pub(super) fn put(&self, tenant: TenantId, cutoff: Cutoff) {
        let mut in_force = self.in_force.write();
        in_force.newest = in_force.newest.max(cutoff.serial);
        in_force.by_tenant.insert(tenant, Arc::new(cutoff));
    }

    /// Never removed, like the cutoff itself: a tenant has at most one of each.
    pub(super) fn order_locks(&self, tenant: TenantId) -> OrderLocks {
        self.order_locks.lock().entry(tenant).or_default().clone()
    }
}
