//! Orders to sets of users (`docs/rules/message-center.md#scoped-cutoffs`): in force at once, delivered user by user.

use std::sync::Arc;

use futures_util::{StreamExt as _, stream};
use rollcall_core::{
    audit::{self, EntryId, Part},
    deny::DenyWindow,
    directory::view::ScopedCutoff,
    id::{TenantId, UserId},
    order::{self, Progress, State},
    ordered::distinct,
    serial::Serial,
    shard::{
        cutoff,
        scoped::{self, ScopedOrder, UNDELIVERED, USERS_AT_ONCE},
        undelivered::Undelivered,
    },
    store::{Statement, Value},
    user::{ForceOff, NamedOrder},
};
use tokio_util::task::task_tracker::TaskTrackerToken;

use super::{error::CommandError, registry::Users, retry::until_durable, run::CONCURRENCY};
use crate::{
    cluster::{Cluster, ORDERS},
    store::{Durability, Patience, Rows, StoreError, next_rows, rows_at},
};

/// Users between two commits that say how far a delivery is.
const STEP: usize = 256;
/// Users that one commit of an order stores.
const KEPT: u32 = 2_000;
/// Users whose imported records one statement looks for.
const IMPORTED: usize = 20_000;

impl Users {
    /// Reads the orders that an earlier process had not delivered, where no other process has the store.
    pub(super) async fn read_scoped(&self) -> Result<(), CommandError> {
        self.shared.store.change_all(&scoped::forget_users_without_order(KEPT), KEPT).await?;
        let answers = self.shared.store.query(vec![scoped::last_serial(), scoped::all()]).await?;
        let mut answers = answers.into_iter();
        let cutoffs = &self.shared.cutoffs;
        cutoffs.count_from(scoped::read_last_serial(&next_rows(&mut answers)?)?);
        for order in scoped::read_all(&next_rows(&mut answers)?)? {
            let unreached = self.unreached(order.serial).await?;
            cutoffs.put_scoped(order, numbers(&unreached).into(), Serial::NONE);
        }
        Ok(())
    }

    pub(super) async fn unreached(&self, serial: Serial) -> Result<Vec<UserId>, CommandError> {
        Ok(scoped::read_users(&self.ask(scoped::unreached(serial, u32::MAX)).await?)?)
    }

    /// The orders to sets of users of a tenant that are under delivery at any process.
    pub(super) async fn scoped_in_force(
        &self,
        tenant: TenantId,
    ) -> Result<Vec<Arc<ScopedOrder>>, CommandError> {
        if self.shared.cluster.is_none() {
            return Ok(self.shared.cutoffs.scoped(Some(tenant)));
        }
        let all = scoped::read_all(&self.ask(scoped::all()).await?)?;
        Ok(all.into_iter().filter(|order| order.tenant == tenant).map(Arc::new).collect())
    }

    /// Goes on with their delivery.
    pub(super) fn resume_scoped(&self) {
        for order in self.shared.cutoffs.scoped(None) {
            let users = self.clone();
            tokio::spawn(async move { users.deliver_scoped(&order).await });
        }
    }

    /// Puts an order to these users of a tenant in force. Once this returns, it covers every connection and token of theirs whose
    /// command had loaded an earlier serial. The sockets get `notice` and their closes afterwards; `under_way` is held until every
    /// user was reached.
    ///
    /// # Errors
    /// When the order could not be made durable, or too many of them are under delivery.
    pub async fn cut_off_users(
        &self,
        tenant: TenantId,
        named: Vec<i64>,
        notice: String,
        audit: Part,
        under_way: TaskTrackerToken,
    ) -> Result<(), CommandError> {
        let users = self.clone();
        let order = async move {
            let order = users.put_scoped_in_force(tenant, named, notice, None, &audit, None).await?;
            let Some(order) = order else { return Ok(()) };
            tokio::spawn(async move {
                users.deliver_scoped(&order).await;
                drop(under_way);
            });
            Ok(())
        };
        self.change_cutoff(tenant, order).await
    }

    /// The caller holds the tenant's lock of changes. `of` is the order to a selection that this one is; nothing where it is cut off.
    pub(super) async fn put_scoped_in_force(
        &self,
        tenant: TenantId,
        named: Vec<i64>,
        notice: String,
        deny: Option<DenyWindow>,
        audit: &Part,
        of: Option<EntryId>,
    ) -> Result<Option<Arc<ScopedOrder>>, CommandError> {
        let cutoffs = &self.shared.cutoffs;
        let _drawn = cutoffs.serial.lock().await;
        let scoped = |cutoff: &ScopedCutoff| ScopedOrder {
            serial: cutoff.serial,
            tenant,
            at: cutoff.at,
            notice: notice.clone(),
            users: u64::try_from(cutoff.users.len()).unwrap_or(u64::MAX),
            deny: deny.clone(),
        };
        let last = |cutoff: &ScopedCutoff| {
            let mut statements = Vec::from(scoped::keep_order(tenant, cutoff, &notice, deny.as_ref()));
            statements.push(audit::keep(audit));
            statements.extend(of.into_iter().flat_map(|order| order::cut_off(order, cutoff.serial)));
            statements
        };
        let is_open = |of: Option<Progress>| of.is_some_and(|of| of.state == State::Ordered);
        let Some(cluster) = &self.shared.cluster else {
            if cutoffs.scoped(Some(tenant)).len() >= UNDELIVERED {
                return Err(CommandError::TooManyOrders);
            }
            if let Some(of) = of
                && !is_open(self.state(of).await?)
            {
                return Ok(None);
            }
            let newest = cutoffs.newest();
            let cutoff = ScopedCutoff::next(newest, named, self.now());
            self.keep_in_pieces(&cutoff, last(&cutoff)).await?;
            return Ok(Some(cutoffs.put_scoped(scoped(&cutoff), cutoff.users, newest)));
        };
        // Behind the lock: another process may have been quicker.
        let asked: Vec<Statement> =
            [cutoff::newest(), scoped::all()].into_iter().chain(of.map(order::get)).collect();
        let (transaction, answers) = cluster.store.begin(ORDERS, &asked, Patience::Long).await?;
        if of.is_some() && !is_open(order::read_order(rows_at(&answers, 2)?)?) {
            transaction.roll_back();
            return Ok(None);
        }
        let all = scoped::read_all(rows_at(&answers, 1)?)?;
        if all.iter().filter(|order| order.tenant == tenant).count() >= UNDELIVERED {
            transaction.roll_back();
            return Err(CommandError::TooManyOrders);
        }
        let newest = cutoff::read_newest(rows_at(&answers, 0)?)?;
        let cutoff = ScopedCutoff::next(newest, named, transaction.began());
        let mut statements: Vec<Statement> = scoped::keep_users(&cutoff, USERS_AT_ONCE).collect();
        statements.extend(last(&cutoff));
        statements.push(cluster.deliver_scoped(cutoff.serial));
        let outcome = transaction.commit(&statements, Durability::Now).await;
        if let Err(StoreError::Unknown(_)) = &outcome {
            self.find_out_scoped(newest, scoped(&cutoff), cutoff.users.clone());
        }
        outcome?;
        Ok(Some(cutoffs.put_scoped(scoped(&cutoff), cutoff.users, newest)))
    }

    /// Stores an order whose users one commit should not write: all others would wait for it. It is in force with the last commit.
    async fn keep_in_pieces(&self, cutoff: &ScopedCutoff, last: Vec<Statement>) -> Result<(), CommandError> {
        let store = &self.shared.store;
        // An earlier order may have failed in the middle and given its number back.
        store.change_all(&scoped::forget_users(cutoff.serial, KEPT), KEPT).await?;
        for some in scoped::keep_users(cutoff, usize::try_from(KEPT).unwrap_or(usize::MAX)) {
            store.commit(vec![some]).await?;
        }
        store.commit(last).await?;
        Ok(())
    }

    /// Puts an order in force here whose commit had no answer, if it happened, and delivers it. `newest` is the serial before it.
    fn find_out_scoped(&self, newest: Serial, order: ScopedOrder, named: Arc<[i64]>) {
        let users = self.clone();
        tokio::spawn(async move {
            let find_out = || users.take_if_kept(newest, &order, &named);
            let happened = until_durable("what became of an order without an answer", find_out).await;
            if let Some(Some(order)) = happened {
                users.deliver_scoped(&order).await;
            }
        });
    }

    async fn take_if_kept(
        &self,
        newest: Serial,
        order: &ScopedOrder,
        named: &Arc<[i64]>,
    ) -> Result<Option<Arc<ScopedOrder>>, CommandError> {
        let cutoffs = &self.shared.cutoffs;
        let _drawn = cutoffs.serial.lock().await;
        let Some(cluster) = &self.shared.cluster else { return Ok(None) };
        let all = scoped::read_all(&cluster.decided_orders(scoped::all()).await?)?;
        Ok(all.contains(order).then(|| cutoffs.put_scoped(order.clone(), named.clone(), newest)))
    }

    /// Brings an order to each of its users. It stays in force until all of them have written down what it took.
    pub(super) async fn deliver_scoped(&self, order: &ScopedOrder) {
        let delivered = until_durable("an order to a set of users", || self.try_to_deliver(order)).await;
        if delivered.is_some() {
            self.shared.cutoffs.delivered(order.serial);
            tracing::info!(users = order.users, "an order to a set of users has reached all of them");
        }
    }

    async fn try_to_deliver(&self, order: &ScopedOrder) -> Result<(), CommandError> {
        let ScopedOrder { serial, tenant, at, .. } = *order;
        let users = self.unreached(serial).await?;
        for some in numbers(&users).chunks(IMPORTED) {
            self.end_imports_cut_off_at(tenant, some, at).await?;
        }
        let mut failed = None;
        for some in users.chunks(STEP) {
            let reach = |user: UserId| async move {
                let notice = order.notice.clone();
                let named = ForceOff::Named(NamedOrder { within: tenant, serial, at, notice });
                let result = self.run(&user, named.denying(order.deny.clone())).await;
                (user, result)
            };
            let results: Vec<_> =
                stream::iter(some.iter().cloned()).map(reach).buffer_unordered(CONCURRENCY).collect().await;
            let mut reached = Vec::new();
            for (user, result) in results {
                match result {
                    Ok(()) => reached.push(user),
                    // The store is at fault, and not this user's rows.
                    Err(error @ CommandError::Store(_)) => failed = Some(error),
                    Err(error) if error.is_permanent() => {
                        tracing::error!(%user, %error, "an order to a set of users cannot reach one of them");
                        reached.push(user);
                    }
                    Err(error) => failed = Some(error),
                }
            }
            self.shared.store.commit(vec![scoped::reached(serial, &reached)]).await?;
            self.shared.cutoffs.reached(serial, &numbers(&reached));
        }
        if let Some(error) = failed {
            return Err(error);
        }
        let mut over = vec![scoped::delivered(serial)];
        over.extend(self.shared.cluster.as_ref().map(|_| Cluster::end_scoped(serial)));
        self.shared.store.commit(over).await?;
        Ok(())
    }

    /// The orders of a tenant whose delivery is under way, in their order.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn undelivered(&self, tenant: TenantId) -> Result<Vec<Undelivered>, CommandError> {
        let mut shown = self.shared.cutoffs.deliveries(tenant);
        if let Some(cluster) = &self.shared.cluster
            && let Some(order) = self.cutoff_in_force(tenant).await?
            && shown.iter().all(|shown| shown.serial != order.serial)
            && !cluster.is_settled(order.serial).await?
        {
            // To sockets of another process.
            shown.push(Undelivered { serial: order.serial, at: order.at, users: None, reached: 0 });
        }
        for order in self.scoped_in_force(tenant).await? {
            let left = match self.ask(scoped::count_unreached(order.serial)).await?.first().map(Vec::as_slice)
            {
                Some([Value::Int(left)]) => u64::try_from(*left).unwrap_or(0),
                _ => 0,
            };
            shown.push(Undelivered {
                serial: order.serial,
                at: order.at,
                users: Some(order.users),
                reached: order.users.saturating_sub(left),
            });
        }
        shown.sort_by_key(|order| order.serial);
        Ok(shown)
    }

    pub(super) async fn ask(&self, statement: Statement) -> Result<Rows, CommandError> {
        Ok(next_rows(&mut self.shared.store.query(vec![statement]).await?.into_iter())?)
    }
}

/// The numbers of users, ascending. Others are in no view.
pub(super) fn numbers(users: &[UserId]) -> Vec<i64> {
    distinct(users.iter().filter_map(UserId::number))
}
