//! The beginning of an order's delivery in a shard. The object of the tenant's orders tells every shard of the order.

use rollcall_core::{
    directory::view::Cutoff,
    shard::{
        cutoff,
        delivery::{self, Delivery},
        undelivered::Undelivered,
    },
};

use super::{Shard, ShardError, fence::Sent};
use crate::{alarm, cache::CACHE_SPAN, clock, wire::DirectoryAnswer};

impl Shard {
    /// Begins the delivery of an order to the users of this shard. Repeating the call changes nothing.
    pub(super) async fn begin_delivery(
        &self,
        cutoff: Cutoff,
        notice: String,
        sent: Sent,
    ) -> Result<DirectoryAnswer, ShardError> {
        let mut statements = self.first_with_layout(sent).await?;
        self.fence(sent)?;
        // An isolate may go on with an older cached cutoff for so long. What it admits meanwhile is covered.
        let delivery = Delivery::new(cutoff, notice, clock::now() + CACHE_SPAN);
        if let Some(under_way) = self.delivery()?.filter(|under_way| !delivery.replaces(under_way)) {
            alarm::mend(&self.state, &self.env, Some(under_way.next_at));
            return Ok(DirectoryAnswer::Done);
        }
        statements.push(delivery::keep(&delivery));
        self.sql().write(&statements)?;
        self.arm(false);
        self.end_cut_off_imports(&delivery.cutoff)?;
        Ok(DirectoryAnswer::Done)
    }

    /// The order to the tenant that earlier code kept here.
    pub(super) fn kept(&self) -> Result<DirectoryAnswer, ShardError> {
        let rows = self.sql().read(&cutoff::get(self.tenant()?))?.unwrap_or_default();
        let notice = self.delivery()?.map(|delivery| delivery.notice);
        Ok(DirectoryAnswer::Kept { cutoff: cutoff::read(&rows)?, notice })
    }

    /// The order that is under delivery here.
    pub(super) fn undelivered(&self) -> Result<DirectoryAnswer, ShardError> {
        let shown = |delivery: Delivery| Undelivered {
            serial: delivery.cutoff.serial,
            at: delivery.cutoff.at,
            users: None,
            reached: delivery.reached,
        };
        Ok(DirectoryAnswer::Undelivered(self.delivery()?.map(shown)))
    }
}
