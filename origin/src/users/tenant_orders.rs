//! Orders to a tenant: a cutoff is put in force or lifted (`docs/rules/message-center.md`).

use std::{sync::Arc, time::Duration};

use rollcall_core::{
    audit::{self, Part},
    directory::view::{Cutoff, OwnOrder},
    id::{TenantId, UserId},
    serial::Serial,
    shard::cutoff,
    time::Timestamp,
    user::ForceOff,
};
use tokio::time::timeout;
use tokio_util::task::task_tracker::TaskTrackerToken;

use super::{
    delivery::Part as Reach, detached::DetachedCompletion, error::CommandError, registry::Users,
    retry::until_durable,
};
use crate::{
    cluster::ORDERS,
    store::{Durability, Patience, StoreError, rows_at},
};

/// The longest wait of an order for the rows of earlier ones, which may wait for the disk.
const SETTLED: Duration = Duration::from_secs(5);

impl Users {
    /// Reads the stored cutoffs, at the start of the process.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn read_cutoffs(&self) -> Result<(), CommandError> {
        if self.shared.cluster.is_some() {
            // No socket is open yet.
            return self.read_orders().await.map(drop);
        }
        let answers = self.shared.store.query(vec![cutoff::all()]).await?;
        let all = cutoff::read_all(rows_at(&answers, 0)?)?;
        all.into_iter().for_each(|(tenant, cutoff)| self.shared.cutoffs.put(tenant, cutoff, Serial::NONE));
        self.free_force_offs().await?;
        self.read_scoped().await
    }

    /// The cutoff in force for a tenant.
    pub fn cutoff_of(&self, tenant: TenantId) -> Option<Arc<Cutoff>> {
        self.shared.cutoffs.get(tenant)
    }

    /// Puts a cutoff in force. Once this returns, the cutoff covers every connection and token of the tenant whose command had
    /// loaded an earlier serial, but for those of `exempt` users. The sockets get `notice` and their closes afterwards; `under_way` is held
    /// until their ends are durable.
    ///
    /// # Errors
    /// When the cutoff could not be made durable.
    pub async fn cut_off(
        &self,
        tenant: TenantId,
        exempt: Vec<i64>,
        notice: String,
        audit: Part,
        under_way: TaskTrackerToken,
    ) -> Result<(), CommandError> {
        let users = self.clone();
        let order = async move {
            let reaching = users.shared.cutoffs.under_way.begin();
            users.put_in_force(tenant, exempt, &notice, &audit).await?;
            let rows = users.shared.cutoffs.order_locks(tenant).rows.read_owned().await;
            let users = users.clone();
            tokio::spawn(async move {
                users.deliver(tenant, notice, Reach::All).await;
                drop((rows, reaching, under_way));
            });
            Ok(())
        };
        self.change_cutoff(tenant, order).await
    }

    /// Lifts a tenant's cutoff. Returns false if none is in force.
    ///
    /// # Errors
    /// When the change could not be made durable.
    pub async fn lift_cutoff(&self, tenant: TenantId, audit: Part) -> Result<bool, CommandError> {
        // Where nothing is in force, nothing is locked: any number may be asked for.
        if self.cutoff_in_force(tenant).await?.is_none_or(|cutoff| cutoff.lifted) {
            self.shared.store.commit(vec![audit::keep(&audit)]).await?;
            return Ok(false);
        }
        let users = self.clone();
        let lifting = async move {
            let change = |before: Option<&Cutoff>, _: Serial, _: Timestamp| {
                before.filter(|cutoff| !cutoff.lifted).map(|cutoff| Cutoff { lifted: true, ..cutoff.clone() })
            };
            let lifted = users.change_in_force(tenant, None, Some(&audit), change).await?;
            if !lifted {
                users.shared.store.commit(vec![audit::keep(&audit)]).await?;
            }
            Ok(lifted)
        };
        self.change_cutoff(tenant, lifting).await
    }

    /// The tenants that have one.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn tenants_with_cutoffs(&self) -> Result<Vec<TenantId>, CommandError> {
        if self.shared.cluster.is_none() {
            return Ok(self.shared.cutoffs.tenants());
        }
        let all = cutoff::read_all(&self.ask(cutoff::all()).await?)?;
        Ok(all.into_iter().map(|(tenant, _)| tenant).collect())
    }

    /// Puts a cutoff of another server in force. Whether it changed anything.
    ///
    /// # Errors
    /// When the change could not be made durable.
    pub async fn adopt_cutoff(
        &self,
        tenant: TenantId,
        moved: Cutoff,
    ) -> Result<Result<bool, OwnOrder>, CommandError> {
        let users = self.clone();
        let adoption = async move {
            let mut own = None;
            let change = |before: Option<&Cutoff>, _: Serial, _: Timestamp| {
                Cutoff::adopt(before, moved.clone()).unwrap_or_else(|order| {
                    own = Some(order);
                    None
                })
            };
            let is_new = users.change_in_force(tenant, None, None, change).await?;
            Ok(own.map_or(Ok(is_new), Err))
        };
        self.change_cutoff(tenant, adoption).await
    }

    /// Runs one change of a tenant's cutoff at a time, to its end even if its caller leaves: the store and the memory have
    /// to agree.
    pub(super) async fn change_cutoff<T: Send + 'static>(
        &self,
        tenant: TenantId,
        work: impl Future<Output = Result<T, CommandError>> + Send + 'static,
    ) -> Result<T, CommandError> {
        let lock = self.shared.cutoffs.order_locks(tenant).change.lock_owned().await;
        let work = async move {
            let done = work.await;
            drop(lock);
            done
        };
        DetachedCompletion::new(work, drop).await
    }

    async fn put_in_force(
        &self,
        tenant: TenantId,
        exempt: Vec<i64>,
        notice: &str,
        audit: &Part,
    ) -> Result<(), CommandError> {
        loop {
            let settled = self.settle(tenant, &exempt, notice).await?;
            let change = |before: Option<&Cutoff>, newest: Serial, now: Timestamp| {
                // An order that came into force since is to be settled as well.
                let is_settled = before.map(|before| before.serial) == settled;
                is_settled.then(|| Cutoff::next(before, newest, exempt.clone(), now))
            };
            if self.change_in_force(tenant, Some(notice), Some(audit), change).await? {
                return Ok(());
            }
        }
    }

    /// Changes the cutoff of a tenant to what `change` makes of the one in force, the newest serial of the store, and the time. The
    /// order's entry in the audit is of the same commit. Returns false where nothing is made, and nothing is written.
    async fn change_in_force(
        &self,
        tenant: TenantId,
        notice: Option<&str>,
        audit: Option<&Part>,
        mut change: impl FnMut(Option<&Cutoff>, Serial, Timestamp) -> Option<Cutoff> + Send,
    ) -> Result<bool, CommandError> {
        let cutoffs = &self.shared.cutoffs;
        let _drawn = cutoffs.serial.lock().await;
        let statements = |next: &Cutoff| {
            let mut statements = vec![cutoff::set(tenant, next)];
            statements.extend(audit.map(audit::keep));
            statements
        };
        let (newest, cutoff) = match &self.shared.cluster {
            None => {
                let (newest, before) = (cutoffs.newest(), cutoffs.get(tenant));
                let Some(next) = change(before.as_deref(), newest, self.now()) else {
                    return Ok(false);
                };
                self.shared.store.commit(statements(&next)).await?;
                (newest, next)
            }
            Some(cluster) => {
                // What begins has the newest serial of the store, so that is the one before the next.
                let asked = [cutoff::newest(), cutoff::get(tenant)];
                let (transaction, answers) = cluster.store.begin(ORDERS, &asked, Patience::Long).await?;
                let newest = cutoff::read_newest(rows_at(&answers, 0)?)?;
                let before = cutoff::read(rows_at(&answers, 1)?)?;
                let Some(next) = change(before.as_ref(), newest, transaction.began()) else {
                    transaction.roll_back();
                    return Ok(false);
                };
                let mut all = statements(&next);
                all.extend(
                    notice.into_iter().flat_map(|notice| cluster.deliver_whole(tenant, &next, notice)),
                );
                let outcome = transaction.commit(&all, Durability::Now).await;
                if let Err(StoreError::Unknown(_)) = &outcome {
                    self.find_out(tenant, newest, &next, notice);
                }
                outcome?;
                cluster.ring_everywhere_soon();
                (newest, next)
            }
        };
        cutoffs.put(tenant, cutoff, newest);
        Ok(true)
    }

    /// Puts an order in force here whose commit had no answer, if it happened, and delivers it. `newest` is the serial before it.
    fn find_out(&self, tenant: TenantId, newest: Serial, order: &Cutoff, notice: Option<&str>) {
        let (users, order, notice) = (self.clone(), order.clone(), notice.map(str::to_owned));
        let reaching = self.shared.cutoffs.under_way.begin();
        tokio::spawn(async move {
            let find_out = || users.take_if_in_force(tenant, newest, &order);
            let happened = until_durable("what became of an order without an answer", find_out).await;
            if let (Some(true), Some(notice)) = (happened, notice) {
                let _rows = users.shared.cutoffs.order_locks(tenant).rows.read_owned().await;
                users.deliver(tenant, notice, Reach::All).await;
            }
            drop(reaching);
        });
    }

    async fn take_if_in_force(
        &self,
        tenant: TenantId,
        newest: Serial,
        order: &Cutoff,
    ) -> Result<bool, CommandError> {
        let cutoffs = &self.shared.cutoffs;
        let _drawn = cutoffs.serial.lock().await;
        let Some(cluster) = &self.shared.cluster else { return Ok(false) };
        let in_force = cutoff::read(&cluster.decided_orders(cutoff::get(tenant)).await?)?;
        // It may have been lifted since. One that replaced it is delivered by itself.
        let happened = in_force.filter(|in_force| in_force.serial == order.serial);
        Ok(happened.map(|in_force| cutoffs.put(tenant, in_force, newest)).is_some())
    }

    /// The cutoff in force for a tenant, as the store has it.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn cutoff_in_force(&self, tenant: TenantId) -> Result<Option<Cutoff>, CommandError> {
        if self.shared.cluster.is_none() {
            return Ok(self.cutoff_of(tenant).map(|cutoff| cutoff.as_ref().clone()));
        }
        let answers = self.shared.store.load(vec![cutoff::get(tenant)]).await?;
        Ok(cutoff::read(rows_at(&answers, 0)?)?)
    }

    /// Stores with the users what the previous cutoff revoked of users whom only the next one exempts. A tenant has one
    /// cutoff: once it is replaced, nothing else remembers this.
    ///
    /// Returns the serial of the cutoff that was settled.
    async fn settle(
        &self,
        tenant: TenantId,
        exempt: &[i64],
        notice: &str,
    ) -> Result<Option<Serial>, CommandError> {
        let Some(before) = self.cutoff_in_force(tenant).await? else { return Ok(None) };
        let settled = Some(before.serial);
        let newly_exempt: Vec<_> =
            exempt.iter().copied().filter(|user| !before.exempt.contains(user)).collect();
        if newly_exempt.is_empty() {
            return Ok(settled);
        }
        // The ends of earlier orders must be stored first: only the cutoff that is about to be replaced hides them from
        // answers.
        let rows = self.shared.cutoffs.order_locks(tenant).rows;
        if timeout(SETTLED, rows.write()).await.is_err() {
            return Err(CommandError::Unwritten);
        }
        self.write_what_failed(tenant, &newly_exempt).await?;
        self.end_cut_off_imports_of(tenant, &newly_exempt, &before).await?;
        for user in newly_exempt {
            let order = ForceOff::CutOff { within: Some(tenant), notice: notice.to_owned(), settle: true };
            self.run(&UserId::from(user), order).await?;
        }
        Ok(settled)
    }

    /// Writes the rows of these users that an earlier order could not write.
    async fn write_what_failed(&self, tenant: TenantId, users: &[i64]) -> Result<(), CommandError> {
        let unwritten = self.shared.cutoffs.order_locks(tenant).unwritten;
        let is_theirs = |user: &UserId| user.number().is_some_and(|number| users.contains(&number));
        let theirs: Vec<_> =
            unwritten.lock().iter().filter(|ended| is_theirs(&ended.user)).cloned().collect();
        if !theirs.is_empty() {
            self.commit_many(&theirs).await?;
            unwritten.lock().retain(|ended| !is_theirs(&ended.user));
        }
        Ok(())
    }
}
