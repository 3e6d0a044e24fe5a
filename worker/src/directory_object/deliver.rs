//! The delivery of a tenant order: by alarm, from a stored cursor, until every user was reached.

use futures_util::{StreamExt as _, stream};
use rollcall_api::Chain;
use rollcall_core::{
    directory::query,
    id::{TenantId, UserId},
    shard::delivery::{self, Delivery, Left, STEP},
    user::ForceOff,
};

use super::{Shard, ShardError};
use crate::{backend, clock, stub::AT_ONCE};

impl Shard {
    pub(super) fn delivery(&self) -> Result<Option<Delivery>, ShardError> {
        let rows = self.sql().read(&delivery::get())?.unwrap_or_default();
        Ok(delivery::read(&rows)?)
    }

    /// Takes the next step, if it is time for one.
    pub(super) async fn continue_delivery(&self) -> Result<(), ShardError> {
        let Some(mut delivery) = self.delivery()?.filter(|delivery| delivery.next_at <= clock::now()) else {
            return Ok(());
        };
        let mut left = Left::default();
        // The event that began the delivery may have left some, and may have died.
        if delivery.visited.is_none() {
            left.imports = !self.end_cut_off_imports(&delivery.cutoff)?;
        }
        let rows = self.sql().read(&query::open_records(self.tenant()?, delivery.visited, STEP))?;
        let records = query::read_records(&rows.unwrap_or_default())?;
        let tenant = self.tenant()?;
        let orders = delivery
            .covered_users(&records)
            .into_iter()
            .map(|user| self.take_off(tenant, user, &delivery.notice));
        let told: Vec<bool> = stream::iter(orders).buffer_unordered(AT_ONCE).collect().await;
        left.users = told.contains(&false);
        let reached = told.iter().filter(|is_off| **is_off).count();
        delivery.reached = delivery.reached.saturating_add(u64::try_from(reached).unwrap_or(u64::MAX));
        // A later order may have taken its place meanwhile.
        if !self.delivery()?.is_some_and(|now| now.is_of_order_of(&delivery)) {
            return Ok(());
        }
        let step = match delivery.clone().after(&records, left, clock::now()) {
            Some(next) => delivery::keep(&next),
            None => {
                tracing::info!("an order to a tenant has reached every socket of a shard");
                delivery::end(&delivery)
            }
        };
        self.change(&[step]).map(drop)
    }

    /// Whether the user's object has carried the order out.
    async fn take_off(&self, tenant: TenantId, user: i64, notice: &str) -> bool {
        let order = ForceOff::CutOff { within: Some(tenant), notice: notice.to_owned(), settle: false };
        let told = backend::run(&self.env, &UserId::from(user), order).await;
        if let Err(error) = &told {
            tracing::warn!(user, error = %Chain(error), "an order to a tenant has not reached a user");
        }
        told.is_ok()
    }
}
