//! Tenants' cutoffs in memory, where every command checks them, and the locks that order changes of them.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use parking_lot::{Mutex, RwLock};
use rollcall_core::{
    directory::view::{Cutoff, ScopedCutoff},
    id::TenantId,
    serial::Serial,
    shard::{scoped::ScopedOrder, undelivered::Undelivered},
    time::Timestamp,
    user::Orders,
};

use super::{
    delivery::Ended,
    under_way::{OrdersUnderWay, UnderWay},
};

/// The cutoffs in force, by tenant.
#[derive(Default)]
pub(super) struct Cutoffs {
    in_force: RwLock<InForce>,
    order_locks: Mutex<HashMap<TenantId, OrderLocks>>,
    /// How far the deliveries of orders to whole tenants are.
    deliveries: Mutex<BTreeMap<Serial, Delivering>>,
    /// Orders to whole tenants that are given here, or come to the sockets here.
    pub(super) under_way: OrdersUnderWay,
    /// Held from the draw of a serial until its order is in force. So what begins under a serial has seen every order up to it,
    /// whatever its tenant.
    pub(super) serial: tokio::sync::Mutex<()>,
    /// Held by the task that goes on with orders to selections.
    pub(super) resuming: Arc<tokio::sync::Mutex<()>>,
}

/// What the store had of orders at one moment.
pub(super) struct StoredOrders {
    pub(super) newest: Serial,
    pub(super) of_tenants: Vec<(TenantId, Cutoff)>,
    /// Those to sets of users under delivery; with their users where the order was not known.
    pub(super) scoped: Vec<(ScopedOrder, Option<Arc<[i64]>>)>,
}

/// An order to a whole tenant under delivery.
struct Delivering {
    tenant: TenantId,
    at: Timestamp,
    /// How many users it has come to.
    reached: Arc<AtomicU64>,
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

/// What a process knows of orders. It spares most commands the search for theirs.
#[derive(Clone, Copy)]
pub(super) struct KnownOrders {
    pub(super) newest: Serial,
    /// Whether any is in force.
    pub(super) has_orders: bool,
    /// Whether any to a set of users is.
    pub(super) has_scoped: bool,
}

/// An order to a set of users under delivery.
struct Scoped {
    order: Arc<ScopedOrder>,
    /// Whether it is brought to its users here, and not by another process.
    is_ours: bool,
    /// The numbers of the users that it has not reached, ascending. They are rows of the store too, which no reader has to read.
    unreached: Arc<[i64]>,
}

#[derive(Default)]
struct InForce {
    by_tenant: HashMap<TenantId, Arc<Cutoff>>,
    /// Orders to sets of users whose delivery is under way.
    scoped: BTreeMap<Serial, Scoped>,
    newest: Serial,
    /// The newest serial of an order to a whole tenant.
    newest_of_tenants: Serial,
}

impl InForce {
    /// The newest order is known, unless another process has given some before it that are not: those are to be learned first.
    fn advance(&mut self, before: Serial, serial: Serial) {
        if before <= self.newest {
            self.newest = self.newest.max(serial);
        }
    }
}

impl Cutoffs {
    pub(super) fn get(&self, tenant: TenantId) -> Option<Arc<Cutoff>> {
        self.in_force.read().by_tenant.get(&tenant).cloned()
    }

    pub(super) fn tenants(&self) -> Vec<TenantId> {
        self.in_force.read().by_tenant.keys().copied().collect()
    }

    /// Whether no order is in force, so that no command has to know its tenant.
    pub(super) fn is_empty(&self) -> bool {
        let in_force = self.in_force.read();
        in_force.by_tenant.is_empty() && in_force.scoped.is_empty()
    }

    /// The orders that apply to a command while none is in force.
    pub(super) fn none_in_force(&self) -> Option<Orders> {
        let in_force = self.in_force.read();
        let is_none = in_force.by_tenant.is_empty() && in_force.scoped.is_empty();
        is_none.then(|| Orders { under: in_force.newest, ..Orders::default() })
    }

    /// The newest serial: the tenants of one store count their orders together.
    pub(super) fn newest(&self) -> Serial {
        self.in_force.read().newest
    }

    /// What of orders is known here.
    pub(super) fn known(&self) -> KnownOrders {
        let InForce { by_tenant, scoped, newest, .. } = &*self.in_force.read();
        KnownOrders {
            newest: *newest,
            has_orders: !(by_tenant.is_empty() && scoped.is_empty()),
            has_scoped: !scoped.is_empty(),
        }
    }

    /// The newest serial of an order that may cover what is live. It spares most commands the search for their tenant.
    pub(super) fn newest_in_force(&self) -> Serial {
        let in_force = self.in_force.read();
        // What delivered orders to sets of users took is written down.
        if in_force.scoped.is_empty() { in_force.newest_of_tenants } else { in_force.newest }
    }

    /// The orders that apply to a command of a user of `tenant`, who may have moved there from `former`. `named` are the scoped
    /// cutoffs that name the user.
    pub(super) fn orders(
        &self,
        tenant: Option<TenantId>,
        former: Option<TenantId>,
        named: &[(TenantId, Cutoff)],
    ) -> Orders {
        let in_force = self.in_force.read();
        let of = |tenant| in_force.by_tenant.get(&tenant).map(|cutoff| cutoff.as_ref().clone());
        let naming = |tenant: Option<TenantId>| {
            named
                .iter()
                .filter(|(other, _)| Some(*other) == tenant)
                .map(|(_, cutoff)| cutoff.clone())
                .collect()
        };
        Orders {
            cutoff: tenant.and_then(of),
            named: naming(tenant),
            former: former.and_then(of),
            former_named: naming(former),
            under: in_force.newest,
        }
    }

    /// Puts an order in force. `before` is the newest serial of the store before it.
    pub(super) fn put(&self, tenant: TenantId, cutoff: Cutoff, before: Serial) {
        let mut in_force = self.in_force.write();
        in_force.advance(before, cutoff.serial);
        in_force.newest_of_tenants = in_force.newest_of_tenants.max(cutoff.serial);
        in_force.by_tenant.insert(tenant, Arc::new(cutoff));
    }

    /// The serial of an order that is delivered is never given again.
    pub(super) fn count_from(&self, serial: Serial) {
        let mut in_force = self.in_force.write();
        in_force.newest = in_force.newest.max(serial);
    }

    /// Puts an order to a set of users in force, which is delivered here. Its rows are durable; these users are in them. `before` is the
    /// newest serial of the store before it.
    pub(super) fn put_scoped(
        &self,
        order: ScopedOrder,
        unreached: Arc<[i64]>,
        before: Serial,
    ) -> Arc<ScopedOrder> {
        let order = Arc::new(order);
        let mut in_force = self.in_force.write();
        in_force.advance(before, order.serial);
        in_force.scoped.insert(order.serial, Scoped { order: order.clone(), is_ours: true, unreached });
        order
    }

    /// Takes what the store has, which other processes have put there: all of it at once, since commands go by the newest serial. The caller
    /// holds [`Self::serial`]. Returns the tenants with an order that is to be brought to the sockets here.
    pub(super) fn learn(&self, stored: StoredOrders) -> Vec<(TenantId, Serial, UnderWay)> {
        let mut new = Vec::new();
        let mut in_force = self.in_force.write();
        for (tenant, cutoff) in stored.of_tenants {
            let serial = cutoff.serial;
            let known = in_force.by_tenant.get(&tenant).map(|known| known.serial);
            // One that came with an import ends no socket.
            if serial > known.unwrap_or(Serial::NONE) {
                new.push((tenant, serial, self.under_way.begin()));
            }
            in_force.newest_of_tenants = in_force.newest_of_tenants.max(serial);
            in_force.by_tenant.insert(tenant, Arc::new(cutoff));
        }
        let is_stored = |serial: &Serial| stored.scoped.iter().any(|(order, _)| order.serial == *serial);
        in_force.scoped.retain(|serial, scoped| scoped.is_ours || is_stored(serial));
        for (order, users) in stored.scoped {
            if let Some(unreached) = users {
                let serial = order.serial;
                let scoped = Scoped { order: Arc::new(order), is_ours: false, unreached };
                in_force.scoped.entry(serial).or_insert(scoped);
            }
        }
        // Serials only grow, so that what was known is no newer than what is stored.
        in_force.newest = in_force.newest.max(stored.newest);
        new
    }

    /// Whether an order to a set of users is known.
    pub(super) fn knows_scoped(&self, serial: Serial) -> bool {
        self.in_force.read().scoped.contains_key(&serial)
    }

    /// Whether one is known that another process brings to its users.
    pub(super) fn has_scoped_of_others(&self) -> bool {
        self.in_force.read().scoped.values().any(|scoped| !scoped.is_ours)
    }

    /// Whether one is brought to its users here.
    pub(super) fn delivers_scoped(&self, serial: Serial) -> bool {
        self.in_force.read().scoped.get(&serial).is_some_and(|scoped| scoped.is_ours)
    }

    /// From here on it is brought to its users here. None where it is already, or is delivered.
    pub(super) fn take_scoped(&self, serial: Serial) -> Option<Arc<ScopedOrder>> {
        let mut in_force = self.in_force.write();
        let scoped = in_force.scoped.get_mut(&serial).filter(|scoped| !scoped.is_ours)?;
        scoped.is_ours = true;
        Some(scoped.order.clone())
    }

    /// The newest order up to which nothing is left to be brought to the sockets here, as far as is known; none while something is.
    pub(super) fn settled(&self) -> Option<Serial> {
        // In this order: what is known is under way before, and until it has reached all sockets.
        let newest = self.newest();
        self.under_way.is_none().then_some(newest)
    }

    /// The delivery of an order has reached these users, ascending: their own rows say what it took.
    pub(super) fn reached(&self, serial: Serial, users: &[i64]) {
        let unreached = self.in_force.read().scoped.get(&serial).map(|scoped| scoped.unreached.clone());
        // One delivery at a time goes on with an order.
        let left = unreached.iter().flat_map(|all| all.iter().copied());
        let left: Arc<[i64]> = left.filter(|user| users.binary_search(user).is_err()).collect();
        if let Some(scoped) = self.in_force.write().scoped.get_mut(&serial) {
            scoped.unreached = left;
        }
    }

    /// The scoped cutoffs of a tenant, with the users that their deliveries have not reached.
    pub(super) fn scoped_cutoffs(&self, tenant: TenantId) -> Vec<ScopedCutoff> {
        let in_force = self.in_force.read();
        let of_tenant = in_force.scoped.values().filter(|scoped| scoped.order.tenant == tenant);
        let cutoff = |Scoped { order, unreached, .. }: &Scoped| ScopedCutoff {
            serial: order.serial,
            at: order.at,
            users: unreached.clone(),
        };
        of_tenant.map(cutoff).collect()
    }

    /// An order to a set of users has reached all of them.
    pub(super) fn delivered(&self, serial: Serial) {
        self.in_force.write().scoped.remove(&serial);
    }

    /// The orders to sets of users of a tenant, or of any, whose delivery is under way.
    pub(super) fn scoped(&self, tenant: Option<TenantId>) -> Vec<Arc<ScopedOrder>> {
        let in_force = self.in_force.read();
        let orders = in_force.scoped.values().map(|scoped| &scoped.order);
        orders.filter(|order| tenant.is_none_or(|tenant| order.tenant == tenant)).cloned().collect()
    }

    pub(super) fn has_scoped(&self) -> bool {
        !self.in_force.read().scoped.is_empty()
    }

    /// The delivery of a tenant's order begins. The returned number says how many users it has come to.
    pub(super) fn begin_delivery(&self, tenant: TenantId, cutoff: &Cutoff) -> Arc<AtomicU64> {
        let reached = Arc::new(AtomicU64::new(0));
        let order = Delivering { tenant, at: cutoff.at, reached: reached.clone() };
        self.deliveries.lock().insert(cutoff.serial, order);
        reached
    }

    /// The delivery of that order is over.
    pub(super) fn end_delivery(&self, serial: Serial) {
        self.deliveries.lock().remove(&serial);
    }

    /// The number of orders whose delivery is under way here, to tenants and to sets of users.
    pub(super) fn undelivered(&self) -> usize {
        let in_force = self.in_force.read();
        self.deliveries.lock().len() + in_force.scoped.values().filter(|scoped| scoped.is_ours).count()
    }

    /// The orders to the whole of this tenant whose delivery is under way.
    pub(super) fn deliveries(&self, tenant: TenantId) -> Vec<Undelivered> {
        let deliveries = self.deliveries.lock();
        let of_tenant = deliveries.iter().filter(|(_, order)| order.tenant == tenant);
        let shown = |(serial, order): (&Serial, &Delivering)| Undelivered {
            serial: *serial,
            at: order.at,
            users: None,
            reached: order.reached.load(Ordering::Relaxed),
        };
        of_tenant.map(shown).collect()
    }

    /// Never removed, like the cutoff itself: a tenant has at most one of each.
    pub(super) fn order_locks(&self, tenant: TenantId) -> OrderLocks {
        self.order_locks.lock().entry(tenant).or_default().clone()
    }
}
