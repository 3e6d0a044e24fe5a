//! Tenants' cutoffs: in the store, and in memory for every command.

use std::{collections::HashMap, sync::Arc, time::Duration};

use parking_lot::{Mutex, RwLock};
use rollcall_core::{
    directory::{upsert, view::Cutoff},
    id::{TenantId, UserId},
    shard::cutoff,
    time::Timestamp,
    user::ForceOff,
};
use tokio::time::timeout;
use tokio_util::task::task_tracker::TaskTrackerToken;

use super::{Failure, Users, detached::DetachedCompletion};
use crate::clock::now;

/// How far ahead of its order a cutoff lies. A command that does not know the cutoff by then began before it, and is covered.
const AHEAD: Duration = Duration::from_millis(100);

/// How long an order waits for the rows of earlier ones, whose writing may have to wait for the disk.
const SETTLED: Duration = Duration::from_secs(5);

/// The cutoffs in force, by tenant.
#[derive(Default)]
pub(super) struct Cutoffs {
    in_force: RwLock<InForce>,
    order_locks: Mutex<HashMap<TenantId, OrderLocks>>,
}

/// The locks that order the orders to one tenant.
#[derive(Clone, Default)]
pub(super) struct OrderLocks {
    /// Serializes changes of the cutoff.
    change: Arc<tokio::sync::Mutex<()>>,
    /// Held, shared, by every order whose rows are not all written yet; an order that has to see those rows takes it alone.
    pub(super) rows: Arc<tokio::sync::RwLock<()>>,
}

#[derive(Default)]
struct InForce {
    by_tenant: HashMap<TenantId, Arc<Cutoff>>,
    /// The last moment that any of them covers.
    newest: Option<Timestamp>,
}

impl Cutoffs {
    pub(super) fn get(&self, tenant: TenantId) -> Option<Arc<Cutoff>> {
        self.in_force.read().by_tenant.get(&tenant).cloned()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.newest().is_none()
    }

    /// The last moment that any cutoff covers, or none if there is no cutoff.
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

impl Users {
    /// Reads the cutoffs of earlier processes.
    ///
    /// # Errors
    /// When the store does not read.
    pub async fn read_cutoffs(&self) -> Result<(), Failure> {
        let answers = self.shared.store.query(vec![cutoff::all()]).await?;
        let rows = answers.first().map(Vec::as_slice).unwrap_or_default();
        let all = cutoff::read_all(rows).map_err(|problem| Failure::Unreadable(problem.to_owned()))?;
        all.into_iter().for_each(|(tenant, cutoff)| self.shared.cutoffs.put(tenant, cutoff));
        Ok(())
    }

    /// The cutoff in force for a tenant.
    pub fn cutoff_of(&self, tenant: TenantId) -> Option<Arc<Cutoff>> {
        self.shared.cutoffs.get(tenant)
    }

    /// Puts a cutoff in force; from the return on it covers everything that began by then. `exempt` users stay, sockets get
    /// `notice` and their closes afterwards; `under_way` is held until their ends are durable.
    ///
    /// # Errors
    /// When it could not be made durable, or not in time.
    pub async fn cut_off(
        &self,
        tenant: TenantId,
        exempt: Vec<i64>,
        notice: String,
        under_way: TaskTrackerToken,
    ) -> Result<(), Failure> {
        let users = self.clone();
        let order = async move {
            let instant = || users.cutoff_of(tenant).map(|cutoff| cutoff.at);
            let before = instant();
            let done = users.put_in_force(tenant, exempt, &notice).await;
            // Also one that is in force too late is in force.
            if instant() != before {
                let rows = users.shared.cutoffs.order_locks(tenant).rows.read_owned().await;
                let users = users.clone();
                tokio::spawn(async move {
                    users.deliver(tenant, notice).await;
                    drop((rows, under_way));
                });
            }
            done
        };
        self.change_cutoff(tenant, order).await
    }

    /// Lifts a tenant's cutoff; false if there is none in force.
    ///
    /// # Errors
    /// When it could not be made durable.
    pub async fn lift_cutoff(&self, tenant: TenantId) -> Result<bool, Failure> {
        if self.cutoff_of(tenant).is_none() {
            return Ok(false);
        }
        let users = self.clone();
        let lifting = async move {
            let Some(cutoff) = users.cutoff_of(tenant).filter(|cutoff| !cutoff.lifted) else {
                return Ok(false);
            };
            users.shared.store.commit(vec![cutoff::lift(tenant)]).await?;
            users.shared.cutoffs.put(tenant, Cutoff { lifted: true, ..cutoff.as_ref().clone() });
            Ok(true)
        };
        self.change_cutoff(tenant, lifting).await
    }

    /// One at a time of a tenant, and to its end whoever waits for it: what is in the store and what is in memory do not part.
    async fn change_cutoff<T: Send + 'static>(
        &self,
        tenant: TenantId,
        work: impl Future<Output = Result<T, Failure>> + Send + 'static,
    ) -> Result<T, Failure> {
        let lock = self.shared.cutoffs.order_locks(tenant).change.lock_owned().await;
        let work = async move {
            let done = work.await;
            drop(lock);
            done
        };
        DetachedCompletion::new(work, drop).await
    }

    async fn put_in_force(&self, tenant: TenantId, exempt: Vec<i64>, notice: &str) -> Result<(), Failure> {
        self.settle(tenant, &exempt, notice).await?;
        let mut ahead = AHEAD;
        let in_force = loop {
            let cutoff = Cutoff { at: now() + ahead, exempt: exempt.clone(), lifted: false };
            let imports = upsert::end_imports_of_tenant(tenant, &exempt, cutoff.at);
            self.shared.store.commit(vec![cutoff::set(tenant, &cutoff), imports]).await?;
            let at = cutoff.at;
            self.shared.cutoffs.put(tenant, cutoff);
            // A slow commit may have let commands through that began after the cutoff and had not heard of it.
            if now() < at {
                break at;
            }
            // A store that is slower than that must not keep the order from ever being in force.
            ahead *= 2;
        };
        tokio::time::sleep(in_force.since(now()) + Duration::from_millis(1)).await;
        Ok(())
    }

    /// A tenant has one cutoff. What the previous one revoked of users that only the next one exempts is stored with the users.
    async fn settle(&self, tenant: TenantId, exempt: &[i64], notice: &str) -> Result<(), Failure> {
        let Some(before) = self.cutoff_of(tenant) else { return Ok(()) };
        let newly_exempt: Vec<_> =
            exempt.iter().copied().filter(|user| !before.exempt.contains(user)).collect();
        if newly_exempt.is_empty() {
            return Ok(());
        }
        // What earlier orders ended is in no answer before it is written, for as long as their cutoffs cover it.
        let rows = self.shared.cutoffs.order_locks(tenant).rows;
        if timeout(SETTLED, rows.write()).await.is_err() {
            return Err(Failure::Unwritten);
        }
        for user in newly_exempt {
            let order = ForceOff::CutOff { within: Some(tenant), notice: notice.to_owned(), settle: true };
            self.run(&UserId::from(user), order).await?;
        }
        Ok(())
    }
}
