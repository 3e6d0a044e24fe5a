//! Orders that other processes have given. They are in force for every command as soon as they are durable, since commands read the newest
//! serial of the store. Lists take them from memory, and here those to whole tenants come to the sockets of this process.

use rollcall_core::{
    directory::view::{Cutoff, ScopedCutoff},
    id::TenantId,
    order,
    serial::Serial,
    shard::{cutoff, scoped},
};

use super::{
    cutoffs::StoredOrders, delivery::Part, error::CommandError, registry::Users, retry::until_durable,
    scoped_orders::numbers, under_way::UnderWay,
};
use crate::{
    cluster::Notices,
    store::{next_rows, rows_at},
};

/// An order that is to be brought to the sockets here.
pub(super) struct Learned {
    tenant: TenantId,
    notice: String,
    under_way: UnderWay,
}

impl Users {
    /// Whether the store, whose newest serial this is, has an order that this process does not know.
    pub(crate) fn is_behind(&self, newest: Serial) -> bool {
        newest > self.shared.cutoffs.newest()
    }

    /// The same, as the store has it now.
    ///
    /// # Errors
    /// When it cannot be read.
    pub(crate) async fn looks_behind(&self) -> Result<bool, CommandError> {
        let answers = self.shared.store.load(vec![cutoff::newest()]).await?;
        Ok(self.is_behind(cutoff::read_newest(rows_at(&answers, 0)?)?))
    }

    /// Whether orders to sets of users are known that another process brings to them: the store may be rid of them.
    pub(crate) fn has_orders_of_others(&self) -> bool {
        self.shared.cutoffs.has_scoped_of_others()
    }

    /// Takes the orders that other processes have given, and brings those to whole tenants to the sockets here.
    ///
    /// # Errors
    /// When they cannot be read.
    pub(crate) async fn learn_orders(&self) -> Result<(), CommandError> {
        for Learned { tenant, notice, under_way } in self.read_orders().await? {
            let users = self.clone();
            tokio::spawn(async move {
                let rows = users.shared.cutoffs.order_locks(tenant).rows.read_owned().await;
                users.deliver(tenant, notice, Part::Sockets).await;
                drop((rows, under_way));
            });
        }
        Ok(())
    }

    /// Takes what the store has of orders. Returns those to whole tenants that were not known.
    pub(super) async fn read_orders(&self) -> Result<Vec<Learned>, CommandError> {
        let cutoffs = &self.shared.cutoffs;
        // What is being given here is known before.
        let _drawn = cutoffs.serial.lock().await;
        // All of one moment.
        let questions = vec![cutoff::newest(), cutoff::all(), scoped::all(), Notices::question()];
        let mut answers = self.shared.store.load(questions).await?.into_iter();
        let newest = cutoff::read_newest(&next_rows(&mut answers)?)?;
        let of_tenants = cutoff::read_all(&next_rows(&mut answers)?)?;
        let all = scoped::read_all(&next_rows(&mut answers)?)?;
        let notices = Notices::read(&next_rows(&mut answers)?);
        let mut scoped = Vec::with_capacity(all.len());
        for order in all {
            let is_known = cutoffs.knows_scoped(order.serial);
            // Who is reached meanwhile has written down what the order took.
            let users =
                if is_known { None } else { Some(numbers(&self.unreached(order.serial).await?).into()) };
            scoped.push((order, users));
        }
        let new = cutoffs.learn(StoredOrders { newest, of_tenants, scoped });
        let learned = new.into_iter().map(|(tenant, serial, under_way)| Learned {
            tenant,
            notice: notices.of(tenant, serial),
            under_way,
        });
        Ok(learned.collect())
    }

    /// The orders in force that a view of a tenant is under.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn orders_of(
        &self,
        tenant: TenantId,
    ) -> Result<(Option<Cutoff>, Vec<ScopedCutoff>), CommandError> {
        let cutoffs = &self.shared.cutoffs;
        if self.shared.cluster.is_none() {
            return Ok((
                cutoffs.get(tenant).map(|cutoff| cutoff.as_ref().clone()),
                cutoffs.scoped_cutoffs(tenant),
            ));
        }
        let answers = self.shared.store.load(vec![cutoff::newest(), cutoff::get(tenant)]).await?;
        let mut answers = answers.into_iter();
        let newest = cutoff::read_newest(&next_rows(&mut answers)?)?;
        let of_tenant = cutoff::read(&next_rows(&mut answers)?)?;
        if self.is_behind(newest) {
            self.learn_orders().await?;
        }
        Ok((of_tenant, cutoffs.scoped_cutoffs(tenant)))
    }

    /// The newest order up to which nothing is left to be brought to the sockets here; the number of none while that is not known.
    pub(crate) fn settled_orders(&self) -> Serial {
        self.shared.cutoffs.settled().unwrap_or(Serial::UNKNOWN)
    }

    /// Resolves when an order has come to all sockets here.
    pub(crate) async fn order_settled(&self) {
        self.shared.cutoffs.under_way.fewer().await;
    }

    /// Goes on with orders that a process has left that serves no longer, and with what a lost answer has left here.
    ///
    /// # Errors
    /// When the store fails. What was not taken up by then is by the next call.
    pub(crate) async fn take_up_orders(&self) -> Result<(), CommandError> {
        let Some(cluster) = &self.shared.cluster else { return Ok(()) };
        let cutoffs = &self.shared.cutoffs;
        let answers = self.shared.store.load(vec![order::next_due()]).await?;
        let due = order::read_order(rows_at(&answers, 0)?)?;
        if due.is_some_and(|order| order.next_at <= self.now()) {
            self.resume_force_offs();
        }
        for left in cluster.left_orders().await? {
            let is_in_hand = match left.tenant {
                Some(_) => left.is_own && !cutoffs.under_way.is_none(),
                None => left.is_own && cutoffs.delivers_scoped(left.serial),
            };
            if is_in_hand || !cluster.take_delivery(left).await? {
                continue;
            }
            let (users, under_way) = (self.clone(), cutoffs.under_way.begin());
            tokio::spawn(async move {
                let learn = || users.learn_orders();
                if until_durable("the orders of a server that has ended", learn).await.is_none() {
                    return;
                }
                match left.tenant {
                    Some(tenant) => {
                        users.end_cut_off_imports(tenant).await;
                        users.end_whole(left.serial).await;
                        drop(under_way);
                    }
                    None => {
                        drop(under_way);
                        if let Some(order) = users.shared.cutoffs.take_scoped(left.serial) {
                            users.deliver_scoped(&order).await;
                        }
                    }
                }
            });
        }
        Ok(())
    }

    /// Nothing is left of an order to a whole tenant that this process had to do for all.
    pub(super) async fn end_whole(&self, serial: Serial) {
        let Some(cluster) = &self.shared.cluster else { return };
        if let Err(error) = cluster.end_whole(serial).await {
            tracing::debug!(error = %rollcall_api::Chain(&error), "the end of an order's delivery is not written down");
        }
    }
}
