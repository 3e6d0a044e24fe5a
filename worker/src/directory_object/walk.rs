//! The waves of a tenant's order: by alarm, from a durable place, until everybody was reached.

use rollcall_core::{
    directory::query,
    id::{TenantId, UserId},
    shard::wave::{self, STEP, Wave},
    user::{Command, ForceOff},
};

use super::{Failure, Shard};
use crate::{backend, clock, together};

impl Shard {
    pub(super) fn wave(&self) -> Result<Option<Wave>, Failure> {
        let rows = self.sql().read(&wave::get())?.unwrap_or_default();
        wave::read(&rows).map_err(|problem| Failure::Other(problem.to_owned()))
    }

    /// Takes the next step, if it is time for one.
    pub(super) async fn walk(&self) -> Result<(), Failure> {
        let Some(mut wave) = self.wave()?.filter(|wave| wave.next_at <= clock::now()) else { return Ok(()) };
        let mut missed = false;
        if !wave.is_spread {
            let shards = self.laid_out()?.unwrap_or(1);
            match self.spread(&wave, shards).await {
                Ok(()) => wave.is_spread = true,
                Err(failure) => {
                    tracing::error!(%failure, "an order has not reached every shard");
                    missed = true;
                }
            }
        }
        let rows = self.sql().read(&query::open_records(self.tenant()?, wave.visited, STEP))?;
        let records = query::read_records(&rows.unwrap_or_default())
            .map_err(|error| Failure::Other(error.to_string()))?;
        let tenant = self.tenant()?;
        let orders = wave.reached(&records).into_iter().map(|user| self.take_off(tenant, user, &wave.notice));
        missed |= together::all(orders).await.contains(&false);
        // A later order may have taken its place meanwhile.
        let is_same = |now: &Wave| (&now.mark, &now.notice) == (&wave.mark, &wave.notice);
        if !self.wave()?.as_ref().is_some_and(is_same) {
            return Ok(());
        }
        let step = match wave.clone().after(&records, missed, clock::now()) {
            Some(next) => wave::keep(&next),
            None => {
                tracing::info!("an order to a tenant has reached every socket of a shard");
                wave::end(&wave)
            }
        };
        self.change(&[step]).map(drop)
    }

    /// Whether the user's object has carried the order out.
    async fn take_off(&self, tenant: TenantId, user: i64, notice: &str) -> bool {
        let order = ForceOff::Marked { within: Some(tenant), notice: notice.to_owned(), settle: false };
        let told = backend::run(&self.env, &UserId::from(user), Command::ForceOff(order)).await;
        if let Err(error) = &told {
            tracing::warn!(user, %error, "an order to a tenant has not reached a user");
        }
        told.is_ok()
    }
}
