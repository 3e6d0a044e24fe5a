//! An order to a tenant comes to its sockets: frames and closes first, since the cutoff is durable and in every answer, and
//! then what is written down of it.

use futures_util::{StreamExt as _, stream};
use parking_lot::Mutex;
use rollcall_core::{
    id::{TenantId, UserId},
    user::{Change, Command, ForceOff, Outcome},
};
use tokio::sync::mpsc;

use super::{
    error::CommandError,
    registry::Users,
    retry::until_durable,
    run::{CONCURRENCY, statements},
};
use crate::metrics::KickCause;

/// Users of whom it is written down together what an order ended; others' commits wait for it.
const WRITTEN_AT_ONCE: usize = 256;

impl Users {
    /// Frames and closes for every socket that the tenant's cutoff covers, and then what is written down of it. Whatever is not
    /// written yet is in no answer all the same: the cutoff says so.
    pub(super) async fn deliver(&self, tenant: TenantId, notice: String) {
        let mut connected = Vec::new();
        self.shared.table.each(|entry| {
            let live = entry.live.lock();
            // Whose login began before the cutoff and is being written is connected as soon as it is.
            if live.user.is_connected() || entry.is_changing() {
                connected.push(live.user.id().clone());
            }
        });
        let users = connected.len();
        // Not bounded but by the users: who was not reached yet waits for nobody's rows.
        let (to_write, mut written) = mpsc::unbounded_channel::<Vec<(UserId, Vec<Change>)>>();
        let order = &Command::ForceOff(ForceOff::CutOff { within: Some(tenant), notice, settle: false });
        let waiting = &Mutex::new(connected);
        let reaching = async move {
            until_durable("an order to a tenant", || async {
                let some = std::mem::take(&mut *waiting.lock());
                let reached = self.reach_all(some, order).await;
                *waiting.lock() = reached.left;
                // The other side ends after this one.
                let _ = to_write.send(reached.to_write);
                reached.failure.map_or(Ok(()), Err)
            })
            .await;
            tracing::info!(users, "an order to a tenant has reached its sockets");
            drop(to_write);
        };
        let writing = async {
            while let Some(reached) = written.recv().await {
                for some in reached.chunks(WRITTEN_AT_ONCE) {
                    until_durable("what an order to a tenant ended", || self.write_down(some)).await;
                }
            }
        };
        tokio::join!(reaching, writing);
    }

    /// [`Users::reach`] of many, each of whom is tried once.
    async fn reach_all(&self, users: Vec<UserId>, order: &Command) -> Reached {
        let reach = |user: UserId| async move {
            let result = self.reach(&user, order).await;
            (user, result)
        };
        let mut reaching = stream::iter(users).map(reach).buffer_unordered(CONCURRENCY);
        let mut all = Reached::default();
        while let Some((user, result)) = reaching.next().await {
            match result {
                Ok(changes) if changes.is_empty() => {}
                Ok(changes) => all.to_write.push((user, changes)),
                Err(error) if error.is_permanent() => {
                    tracing::error!(%user, %error, "an order to a tenant cannot reach a user");
                }
                Err(failure) => {
                    all.left.push(user);
                    all.failure = Some(failure);
                }
            }
        }
        all
    }

    /// Lets a user's sockets hear of an order that is durable already, and is in every answer: a tenant's cutoff. What may be
    /// written down of it later comes back, for [`Users::write_down`].
    ///
    /// # Errors
    /// As [`Users::run`].
    async fn reach(&self, id: &UserId, order: &Command) -> Result<Vec<Change>, CommandError> {
        let user = self.entry(id);
        let _lock = user.lock().await;
        let Outcome { mut changes, actions, wake_at, .. } = self.decide(&user, order).await?;
        if !changes.iter().all(Change::may_come_late) {
            self.commit(&user, &changes).await?;
            changes.clear();
        }
        self.act(&user, actions, None, KickCause::Order);
        if let Some(until) = wake_at {
            self.wake(&user, until);
        }
        Ok(changes)
    }

    /// Makes durable what [`Users::reach`] came to, of many users in one transaction.
    ///
    /// # Errors
    /// When it could not be; then none of it is.
    async fn write_down(&self, changes: &[(UserId, Vec<Change>)]) -> Result<(), CommandError> {
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

/// What became of an order to many users.
#[derive(Default)]
struct Reached {
    to_write: Vec<(UserId, Vec<Change>)>,
    /// Whom it has not reached yet, and why one of them was not.
    left: Vec<UserId>,
    failure: Option<CommandError>,
}
