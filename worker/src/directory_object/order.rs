//! A tenant's order: the cutoff, which shard 0 keeps for all, and the beginning of its deliveries.

use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use rollcall_core::{
    directory::view::Cutoff,
    serial::Serial,
    shard::{
        cutoff,
        delivery::{self, Delivery},
    },
};

use super::{Shard, ShardError};
use crate::{
    alarm,
    cache::CACHE_SPAN,
    clock, directory,
    stub::AT_ONCE,
    wire::{DirectoryAnswer, DirectoryAsk},
};

impl Shard {
    /// The order in force, if there ever was one.
    pub(super) fn stored_cutoff(&self) -> Result<Option<Cutoff>, ShardError> {
        let rows = self.sql().read(&cutoff::get(self.tenant()?))?.unwrap_or_default();
        Ok(cutoff::read(&rows)?)
    }

    /// Puts an order in force, with the beginning of its delivery in one transaction, and tells the other shards. When one of
    /// them cannot be reached now, the alarm goes on with it.
    pub(super) async fn set_cutoff(
        &self,
        exempt: Vec<i64>,
        notice: String,
        shards: u32,
    ) -> Result<DirectoryAnswer, ShardError> {
        let now = clock::now();
        let before = self.stored_cutoff()?;
        let newest = before.as_ref().map_or(Serial::NONE, |cutoff| cutoff.serial);
        let cutoff = Cutoff::next(before.as_ref(), newest, exempt, now);
        let mut statements = self.first(shards)?;
        statements.push(cutoff::set(self.tenant()?, &cutoff));
        // An isolate may go on with an older cached cutoff for so long. What it admits meanwhile is covered.
        let delivery = Delivery::new(cutoff, notice, now + CACHE_SPAN);
        statements.push(delivery::keep(&delivery));
        self.sql().write(&statements)?;
        self.arm(false);
        self.end_cut_off_imports(&delivery.cutoff)?;
        self.distribute(&delivery, self.laid_out()?.unwrap_or(shards)).await?;
        Ok(DirectoryAnswer::Done)
    }

    /// Puts an order of another server in force. It has no delivery: what it ended is ended there.
    pub(super) fn adopt_cutoff(&self, moved: Cutoff, shards: u32) -> Result<DirectoryAnswer, ShardError> {
        let adopted = match Cutoff::adopt(self.stored_cutoff()?.as_ref(), moved) {
            Ok(Some(adopted)) => adopted,
            Ok(None) => return Ok(DirectoryAnswer::Adopted(Some(false))),
            Err(_) => return Ok(DirectoryAnswer::Adopted(None)),
        };
        let mut statements = self.first(shards)?;
        statements.push(cutoff::set(self.tenant()?, &adopted));
        self.sql().write(&statements)?;
        Ok(DirectoryAnswer::Adopted(Some(true)))
    }

    /// Lifts the order in force, if there is one.
    pub(super) fn lift_cutoff(&self) -> Result<DirectoryAnswer, ShardError> {
        let in_force = self.stored_cutoff()?.is_some_and(|cutoff| !cutoff.lifted);
        if in_force {
            self.change(&[cutoff::lift(self.tenant()?)])?;
        }
        Ok(DirectoryAnswer::Lifted(in_force))
    }

    /// Begins the delivery of an order of shard 0 to the users of this shard. Repeating the call changes nothing.
    pub(super) fn begin_delivery(
        &self,
        cutoff: Cutoff,
        notice: String,
        shards: u32,
    ) -> Result<DirectoryAnswer, ShardError> {
        let mut delivery = Delivery::new(cutoff, notice, clock::now() + CACHE_SPAN);
        delivery.is_distributed = true;
        if let Some(under_way) = self.delivery()?.filter(|under_way| !delivery.replaces(under_way)) {
            alarm::mend(&self.state, Some(under_way.next_at));
            return Ok(DirectoryAnswer::Done);
        }
        let mut statements = self.first(shards)?;
        statements.push(delivery::keep(&delivery));
        self.sql().write(&statements)?;
        self.arm(false);
        self.end_cut_off_imports(&delivery.cutoff)?;
        Ok(DirectoryAnswer::Done)
    }

    /// Passes the order to every other shard.
    pub(super) async fn distribute(&self, delivery: &Delivery, shards: u32) -> Result<(), ShardError> {
        let tenant = self.tenant()?;
        let told = (1..shards).map(|index| {
            let deliver =
                DirectoryAsk::Deliver { cutoff: delivery.cutoff.clone(), notice: delivery.notice.clone() };
            directory::tell(&self.env, tenant, index, shards, deliver)
        });
        stream::iter(told).buffer_unordered(AT_ONCE).try_collect::<Vec<()>>().await?;
        self.change(&[delivery::distributed(delivery)]).map(drop)
    }
}
