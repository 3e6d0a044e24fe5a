//! An order to a tenant comes to its sockets: frames and closes first, since the mark is durable and in every answer, and
//! then what is written down of it.

use std::sync::Arc;

use futures_util::{StreamExt as _, stream};
use rollcall_core::{
    id::UserId,
    user::{Change, Command, ForceOff, Outcome},
};

use super::{
    Failure, Users,
    entry::Entry,
    run::{AT_ONCE, statements, until_durable},
};
use crate::metrics::Kick;

/// Users of whom it is written down together what an order ended; others' commits wait for it.
const WRITTEN_AT_ONCE: usize = 256;

impl Users {
    /// Frames and closes for every socket that a mark covers, and then what is written down of it. Whatever is not written
    /// yet is in no answer all the same: the mark says so.
    pub(super) async fn wave(&self, notice: String) {
        let mut connected = Vec::new();
        self.shared.table.each(|entry| {
            let live = entry.live.lock();
            if live.user.is_connected() {
                connected.push(live.user.id().clone());
            }
        });
        let users = connected.len();
        let order = &Command::ForceOff(ForceOff::Marked { notice, settle: false });
        let reach = |user: UserId| async move {
            let changes = self.reach(&user, order).await?;
            Ok::<_, Failure>((user, changes))
        };
        let mut reaching = stream::iter(connected).map(reach).buffer_unordered(AT_ONCE);
        let (mut reached, mut failed) = (Vec::new(), None);
        while let Some(result) = reaching.next().await {
            match result {
                Ok((_, changes)) if changes.is_empty() => {}
                Ok(to_write) => reached.push(to_write),
                Err(error) => failed = Some(error),
            }
        }
        match failed {
            None => tracing::info!(users, "an order to a tenant has reached every socket"),
            Some(error) => {
                tracing::error!(users, %error, "an order to a tenant has not reached every socket")
            }
        }
        for some in reached.chunks(WRITTEN_AT_ONCE) {
            until_durable("what an order to a tenant ended", || self.write_down(some)).await;
        }
    }

    /// Lets a user's sockets hear of an order that is durable already, and is in every answer: a tenant's mark. What may be
    /// written down of it later comes back, for [`Users::write_down`].
    ///
    /// # Errors
    /// As [`Users::run`].
    async fn reach(&self, id: &UserId, order: &Command) -> Result<Vec<Change>, Failure> {
        let entry = self.shared.table.enter(id);
        let result = self.reach_entry(id, &entry, order).await;
        self.shared.table.leave(id, entry);
        result
    }

    async fn reach_entry(
        &self,
        id: &UserId,
        entry: &Arc<Entry>,
        order: &Command,
    ) -> Result<Vec<Change>, Failure> {
        let _gate = entry.gate.lock().await;
        let Outcome { mut changes, actions, wake_at, .. } = self.decide(id, entry, order).await?;
        if !changes.iter().all(Change::may_come_late) {
            self.commit(id, entry, &changes).await?;
            changes.clear();
        }
        self.act(id, entry, actions, None, Kick::Order);
        if let Some(until) = wake_at {
            self.wake(id, entry, until);
        }
        Ok(changes)
    }

    /// Makes durable what [`Users::reach`] came to, of many users in one transaction.
    ///
    /// # Errors
    /// When it could not be; then none of it is.
    async fn write_down(&self, changes: &[(UserId, Vec<Change>)]) -> Result<(), Failure> {
        let all = changes.iter().flat_map(|(id, changes)| statements(id, changes)).collect();
        self.shared.store.commit(all).await?;
        for (id, _) in changes {
            if let Some(entry) = self.shared.table.get(id) {
                entry.live.lock().forget_tokens();
            }
        }
        Ok(())
    }
}
