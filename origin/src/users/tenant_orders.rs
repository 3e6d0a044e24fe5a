//! Orders to a tenant: a cutoff is put in force or lifted (`docs/rules/message-center.md`).

use std::{sync::Arc, time::Duration};

use rollcall_core::{
    directory::view::{Cutoff, OwnOrder},
    id::{TenantId, UserId},
    shard::cutoff,
    user::ForceOff,
};
use tokio::time::timeout;
use tokio_util::task::task_tracker::TaskTrackerToken;

use super::{detached::DetachedCompletion, error::CommandError, registry::Users};
use crate::clock::now;

/// The longest wait of an order for the rows of earlier ones, which may wait for the disk.
const SETTLED: Duration = Duration::from_secs(5);

impl Users {
    /// Reads the stored cutoffs, at the start of the process.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn read_cutoffs(&self) -> Result<(), CommandError> {
        let answers = self.shared.store.query(vec![cutoff::all()]).await?;
        let rows = answers.first().map(Vec::as_slice).unwrap_or_default();
        let all = cutoff::read_all(rows)?;
        all.into_iter().for_each(|(tenant, cutoff)| self.shared.cutoffs.put(tenant, cutoff));
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
        under_way: TaskTrackerToken,
    ) -> Result<(), CommandError> {
        let users = self.clone();
        let order = async move {
            users.put_in_force(tenant, exempt, &notice).await?;
            let rows = users.shared.cutoffs.order_locks(tenant).rows.read_owned().await;
            let users = users.clone();
            tokio::spawn(async move {
                users.deliver(tenant, notice).await;
                drop((rows, under_way));
            });
            Ok(())
        };
        self.change_cutoff(tenant, order).await
    }

    /// Lifts a tenant's cutoff. Returns false if none is in force.
    ///
    /// # Errors
    /// When the change could not be made durable.
    pub async fn lift_cutoff(&self, tenant: TenantId) -> Result<bool, CommandError> {
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

    /// The tenants that have one.
    pub fn tenants_with_cutoffs(&self) -> Vec<TenantId> {
        self.shared.cutoffs.tenants()
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
            let adopted = match Cutoff::adopt(users.cutoff_of(tenant).as_deref(), moved) {
                Ok(Some(adopted)) => adopted,
                Ok(None) => return Ok(Ok(false)),
                Err(own) => return Ok(Err(own)),
            };
            users.shared.store.commit(vec![cutoff::set(tenant, &adopted)]).await?;
            users.shared.cutoffs.put(tenant, adopted);
            Ok(Ok(true))
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
    ) -> Result<(), CommandError> {
        self.settle(tenant, &exempt, notice).await?;
        let cutoffs = &self.shared.cutoffs;
        let _drawn = cutoffs.serial.lock().await;
        let cutoff = Cutoff::next(cutoffs.get(tenant).as_deref(), cutoffs.newest(), exempt, now());
        self.shared.store.commit(vec![cutoff::set(tenant, &cutoff)]).await?;
        cutoffs.put(tenant, cutoff);
        Ok(())
    }

    /// Stores with the users what the previous cutoff revoked of users whom only the next one exempts. A tenant has one
    /// cutoff: once it is replaced, nothing else remembers this.
    async fn settle(&self, tenant: TenantId, exempt: &[i64], notice: &str) -> Result<(), CommandError> {
        let Some(before) = self.cutoff_of(tenant) else { return Ok(()) };
        let newly_exempt: Vec<_> =
            exempt.iter().copied().filter(|user| !before.exempt.contains(user)).collect();
        if newly_exempt.is_empty() {
            return Ok(());
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
        Ok(())
    }

    /// Writes the rows of these users that an earlier order could not write.
    async fn write_what_failed(&self, tenant: TenantId, users: &[i64]) -> Result<(), CommandError> {
        let unwritten = self.shared.cutoffs.order_locks(tenant).unwritten;
        let is_theirs = |user: &UserId| user.number().is_some_and(|number| users.contains(&number));
        let theirs: Vec<_> = unwritten.lock().iter().filter(|(user, _)| is_theirs(user)).cloned().collect();
        if !theirs.is_empty() {
            self.commit_many(&theirs).await?;
            unwritten.lock().retain(|(user, _)| !is_theirs(user));
        }
        Ok(())
    }
}
