//! Tenants' marks: in the store, and in memory for whoever carries out a command.

use std::{collections::HashMap, sync::Arc, time::Duration};

use parking_lot::{Mutex, RwLock};
use rollcall_core::{
    directory::{upsert, view::Mark},
    id::{TenantId, UserId},
    shard::mark,
    time::Timestamp,
    user::{Command, ForceOff},
};
use tokio::time::timeout;
use tokio_util::task::task_tracker::TaskTrackerToken;

use super::{Failure, Users, finish::Finish};
use crate::backend::now;

/// How far ahead of its order a mark lies. Whoever has not heard of it by then began before it, and is covered.
const AHEAD: Duration = Duration::from_millis(100);

/// How long an order waits for the rows of earlier ones, whose writing may have to wait for the disk.
const SETTLED: Duration = Duration::from_secs(5);

/// The marks in force, by tenant.
#[derive(Default)]
pub(super) struct Marks {
    in_force: RwLock<InForce>,
    order_locks: Mutex<HashMap<TenantId, OrderLocks>>,
}

/// The locks that order the orders to one tenant.
#[derive(Clone, Default)]
pub(super) struct OrderLocks {
    /// Serializes changes of the mark.
    change: Arc<tokio::sync::Mutex<()>>,
    /// Held, shared, by every order whose rows are not all written yet; an order that has to see those rows takes it alone.
    pub(super) rows: Arc<tokio::sync::RwLock<()>>,
}

#[derive(Default)]
struct InForce {
    by_tenant: HashMap<TenantId, Arc<Mark>>,
    /// The last moment that any of them covers.
    newest: Option<Timestamp>,
}

impl Marks {
    pub(super) fn get(&self, tenant: TenantId) -> Option<Arc<Mark>> {
        self.in_force.read().by_tenant.get(&tenant).cloned()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.newest().is_none()
    }

    /// The last moment that any mark covers, or none if there is no mark.
    pub(super) fn newest(&self) -> Option<Timestamp> {
        self.in_force.read().newest
    }

    pub(super) fn put(&self, tenant: TenantId, mark: Mark) {
        let mut in_force = self.in_force.write();
        in_force.newest = in_force.newest.max(Some(mark.at));
        in_force.by_tenant.insert(tenant, Arc::new(mark));
    }

    /// Never removed, like the mark itself: a tenant has at most one of each.
    pub(super) fn order_locks(&self, tenant: TenantId) -> OrderLocks {
        self.order_locks.lock().entry(tenant).or_default().clone()
    }
}

impl Users {
    /// Reads the marks of earlier processes.
    ///
    /// # Errors
    /// When the store does not read.
    pub async fn read_marks(&self) -> Result<(), Failure> {
        let answers = self.shared.store.query(vec![mark::all()]).await?;
        let rows = answers.first().map(Vec::as_slice).unwrap_or_default();
        let all = mark::read_all(rows).map_err(|problem| Failure::Unreadable(problem.to_owned()))?;
        all.into_iter().for_each(|(tenant, mark)| self.shared.marks.put(tenant, mark));
        Ok(())
    }

    /// The mark in force for a tenant.
    pub fn mark_of(&self, tenant: TenantId) -> Option<Arc<Mark>> {
        self.shared.marks.get(tenant)
    }

    /// Puts a mark in force; from the return on it covers everything that began by then. `exempt` are spared, sockets get
    /// `notice` and their closes afterwards; `under_way` is held until their ends are durable.
    ///
    /// # Errors
    /// When it could not be made durable, or not in time.
    pub async fn mark(
        &self,
        tenant: TenantId,
        exempt: Vec<i64>,
        notice: String,
        under_way: TaskTrackerToken,
    ) -> Result<(), Failure> {
        let users = self.clone();
        let order = async move {
            let instant = || users.mark_of(tenant).map(|mark| mark.at);
            let before = instant();
            let done = users.put_in_force(tenant, exempt, &notice).await;
            // Also one that is in force too late is in force.
            if instant() != before {
                let rows = users.shared.marks.order_locks(tenant).rows.read_owned().await;
                let users = users.clone();
                tokio::spawn(async move {
                    users.wave(tenant, notice).await;
                    drop((rows, under_way));
                });
            }
            done
        };
        self.change_mark(tenant, order).await
    }

    /// Lifts a tenant's mark; false if there is none in force.
    ///
    /// # Errors
    /// When it could not be made durable.
    pub async fn unmark(&self, tenant: TenantId) -> Result<bool, Failure> {
        if self.mark_of(tenant).is_none() {
            return Ok(false);
        }
        let users = self.clone();
        let lifting = async move {
            let Some(mark) = users.mark_of(tenant).filter(|mark| !mark.lifted) else { return Ok(false) };
            users.shared.store.commit(vec![mark::lift(tenant)]).await?;
            users.shared.marks.put(tenant, Mark { lifted: true, ..mark.as_ref().clone() });
            Ok(true)
        };
        self.change_mark(tenant, lifting).await
    }

    /// One at a time of a tenant, and to its end whoever waits for it: what is in the store and what is in memory do not part.
    async fn change_mark<T: Send + 'static>(
        &self,
        tenant: TenantId,
        work: impl Future<Output = Result<T, Failure>> + Send + 'static,
    ) -> Result<T, Failure> {
        let lock = self.shared.marks.order_locks(tenant).change.lock_owned().await;
        let work = async move {
            let done = work.await;
            drop(lock);
            done
        };
        Finish::new(work, drop).await
    }

    async fn put_in_force(&self, tenant: TenantId, exempt: Vec<i64>, notice: &str) -> Result<(), Failure> {
        self.settle(tenant, &exempt, notice).await?;
        let mut ahead = AHEAD;
        let in_force = loop {
            let mark = Mark { at: now() + ahead, exempt: exempt.clone(), lifted: false };
            let imports = upsert::end_imports_of_tenant(tenant, &exempt, mark.at);
            self.shared.store.commit(vec![mark::set(tenant, &mark), imports]).await?;
            let at = mark.at;
            self.shared.marks.put(tenant, mark);
            // A slow commit may have let commands through that began after the mark and had not heard of it.
            if now() < at {
                break at;
            }
            // A store that is slower than that must not keep the order from ever being in force.
            ahead *= 2;
        };
        tokio::time::sleep(in_force.since(now()) + Duration::from_millis(1)).await;
        Ok(())
    }

    /// A tenant has one mark. What the one before took from users whom only the next spares is written down with them.
    async fn settle(&self, tenant: TenantId, exempt: &[i64], notice: &str) -> Result<(), Failure> {
        let Some(before) = self.mark_of(tenant) else { return Ok(()) };
        let spared: Vec<_> = exempt.iter().copied().filter(|user| !before.exempt.contains(user)).collect();
        if spared.is_empty() {
            return Ok(());
        }
        // What earlier orders ended is in no answer before it is written, for as long as their marks cover it.
        let rows = self.shared.marks.order_locks(tenant).rows;
        if timeout(SETTLED, rows.write()).await.is_err() {
            return Err(Failure::Unwritten);
        }
        for user in spared {
            let order = ForceOff::Marked { within: Some(tenant), notice: notice.to_owned(), settle: true };
            self.run(&UserId::from(user), Command::ForceOff(order)).await?;
        }
        Ok(())
    }
}
