//! The work of the object's one alarm: an order to the whole tenant goes to the shards, and one to a set to its users.

use std::time::Duration;

use futures_util::{StreamExt as _, stream};
use rollcall_api::Chain;
use rollcall_core::{
    directory::view::Cutoff,
    id::UserId,
    shard::parts::{self, PartDelivery},
    time::Timestamp,
    user::{ForceOff, NamedOrder},
};

use super::{OrderError, Orders, order::Telling};
use crate::{
    alarm, backend, clock,
    directory::{self, layouts, question},
    metrics::{self, AlarmFault},
    stub::AT_ONCE,
};

/// The pause before another try after a failure.
const LATER: Duration = Duration::from_secs(5);

impl Orders {
    /// The alarm. It never fails towards the runtime, whose retries end after six.
    pub(super) async fn ring(&self) {
        if let Err(error) = self.tell_again().await {
            tracing::error!(error = %Chain(&error), "an order has not reached every shard");
            metrics::alarm(&self.env, AlarmFault::Failed);
        }
        let (delivered, swept) = (self.deliver().await, self.sweep());
        if let Err(error) = &swept {
            tracing::error!(error = %Chain(error), "entries of the audit that are over are not deleted yet");
            metrics::alarm(&self.env, AlarmFault::Failed);
        }
        let gone_on = self.go_on().await;
        if let Err(error) = &gone_on {
            tracing::error!(error = %Chain(error), "an order to a selection could not go on");
            metrics::alarm(&self.env, AlarmFault::Failed);
        }
        if let Err(error) = &delivered {
            tracing::error!(error = %Chain(error), "a step of a delivery could not be done");
            metrics::alarm(&self.env, AlarmFault::Failed);
        }
        if delivered.is_ok() && swept.is_ok() && gone_on.is_ok() {
            self.arm();
        } else {
            alarm::set(&self.state, &self.env, clock::now() + LATER);
        }
    }

    /// Sets the alarm for the next work, if there is any.
    pub(super) fn arm(&self) {
        let next = self.next().unwrap_or(Some(clock::now() + LATER));
        if let Some(next) = next {
            alarm::set(&self.state, &self.env, next);
        }
    }

    fn next(&self) -> Result<Option<Timestamp>, OrderError> {
        let telling = self.telling()?.map(|telling| telling.next_at);
        let others = telling.into_iter().chain(self.sweep_at()?).chain(self.due_selections()?);
        Ok(self.deliveries()?.into_iter().map(|order| order.next_at).chain(others).min())
    }

    /// Sets the alarm again if it was lost.
    pub(super) fn mend(&self) {
        alarm::mend(&self.state, &self.env, self.next().ok().flatten());
    }

    /// Tells every shard of the tenant's order, all of them under one layout: while a bucket moves, both of its shards.
    pub(super) async fn tell(&self, cutoff: &Cutoff, notice: &str) -> Result<(), OrderError> {
        let (tenant, shards) = (self.tenant()?, self.shards()?);
        let deliver = || question::deliver(cutoff.clone(), notice.to_owned());
        layouts::under(&self.env, tenant, shards, async |layout| {
            directory::ask_all(&self.env, tenant, &layout, deliver).await.map(drop)
        })
        .await?;
        // A later order may have come meanwhile.
        if self.cutoff()?.is_some_and(|now| now.serial == cutoff.serial) {
            self.sql().write(&[Telling::end()])?;
        }
        Ok(())
    }

    async fn tell_again(&self) -> Result<(), OrderError> {
        let Some(telling) = self.telling()?.filter(|telling| telling.next_at <= clock::now()) else {
            return Ok(());
        };
        let Some(cutoff) = self.cutoff()? else { return Ok(()) };
        self.sql().write(&[Telling { next_at: clock::now() + LATER, ..telling }.keep()])?;
        let Some(telling) = self.telling()? else { return Ok(()) };
        self.tell(&cutoff, &telling.notice).await
    }

    /// Takes the next step of the order whose turn it is: the users of one part.
    async fn deliver(&self) -> Result<(), OrderError> {
        let now = clock::now();
        let due = self.deliveries()?.into_iter().filter(|order| order.next_at <= now);
        let Some(mut delivery) = due.min_by_key(|order| (order.next_at, order.serial)) else { return Ok(()) };
        if !delivery.has_ended_imports {
            if let Err(error) = self.end_imports(&delivery).await {
                tracing::error!(error = %Chain(&error), "imported records are not ended yet");
                self.sql().write(&[parts::put(&delivery.again(now))])?;
                return Ok(());
            }
            delivery.has_ended_imports = true;
            self.sql().write(&[parts::put(&delivery)])?;
        }
        let next = parts::parts(delivery.serial, delivery.visited, 1);
        let Some((part, users)) = parts::read_parts(&self.rows(&next)?)?.pop() else {
            let is_over = self.users(delivery.serial)?.is_none();
            if is_over {
                tracing::info!(users = delivery.users, "an order to a set of users has reached all of them");
            }
            let step =
                if is_over { parts::delivered(delivery.serial) } else { parts::put(&delivery.again(now)) };
            self.sql().write(&[step])?;
            return Ok(());
        };
        let told = users.iter().map(|user| self.take_off(&delivery, *user));
        let told: Vec<(i64, bool)> = stream::iter(told).buffer_unordered(AT_ONCE).collect().await;
        let mut left: Vec<i64> = told.iter().filter(|(_, is_off)| !is_off).map(|(user, _)| *user).collect();
        left.sort_unstable();
        let step = parts::visited(delivery.serial, part, &left);
        let delivery = delivery.after_part(part, users.len().saturating_sub(left.len()));
        self.sql().write(&[step, parts::put(&delivery)])?;
        Ok(())
    }

    /// Imported records are ended by no user.
    async fn end_imports(&self, delivery: &PartDelivery) -> Result<(), OrderError> {
        let users = self.users(delivery.serial)?.unwrap_or_default();
        Ok(directory::import::end(&self.env, self.tenant()?, self.shards()?, users, delivery.at, true)
            .await?)
    }

    /// Whether the user's object has written down what the order took, and the directory has heard of it.
    async fn take_off(&self, delivery: &PartDelivery, user: i64) -> (i64, bool) {
        let Ok(within) = self.tenant() else { return (user, false) };
        let PartDelivery { serial, at, ref notice, .. } = *delivery;
        let order = ForceOff::Named(NamedOrder { within, serial, at, notice: notice.clone() });
        let order = order.denying(delivery.deny.clone());
        let told = backend::run(&self.env, &UserId::from(user), order).await;
        if let Err(error) = &told {
            tracing::warn!(user, error = %Chain(error), "an order to a set of users has not reached one of them");
        }
        (user, told.is_ok())
    }
}
