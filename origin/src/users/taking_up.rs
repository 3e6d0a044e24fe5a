//! Users whom a dead process may have left something due: notices to their watchers, ends that were held back, subscriptions of
//! connections that are gone.

use std::time::Duration;

use futures_util::{StreamExt as _, stream};
use rollcall_core::{
    id::UserId,
    time::Timestamp,
    user::{Change, Loaded, Needs, User, WatchedState, request::Tick},
};
use tokio::time::timeout;

use super::{entry_guard::EntryGuard, error::CommandError, registry::Users};
use crate::{
    cluster::{Cluster, is_awake, of_user},
    store::{Durability, Patience, rows_at},
};

/// Users who are looked after at a time.
const AT_A_TIME: usize = 8;

/// How long one of them may hold up the others. It goes on behind them.
const WITHIN: Duration = Duration::from_secs(5);

impl Users {
    /// Looks after those who wait for it, or the first of many.
    ///
    /// # Errors
    /// The first error. Who is left is looked after by a later call, of whichever process.
    pub(crate) async fn take_up_all(&self) -> Result<(), CommandError> {
        let Some(cluster) = &self.shared.cluster else { return Ok(()) };
        let waiting = stream::iter(cluster.to_wake().await?);
        let taken = waiting.map(|(user, until)| {
            let users = self.clone();
            async move {
                let taking = tokio::spawn(async move { users.take_up(&user, until).await });
                // One that panics has said so.
                timeout(WITHIN, taking).await.map_or(Ok(()), |ended| ended.unwrap_or(Ok(())))
            }
        });
        taken.buffer_unordered(AT_A_TIME).fold(Ok(()), async |all, one| all.and(one)).await
    }

    async fn take_up(&self, id: &UserId, until: Timestamp) -> Result<(), CommandError> {
        let Some(cluster) = &self.shared.cluster else { return Ok(()) };
        let user = self.entry(id);
        let lock = user.lock().await;
        self.resume_subscriptions(cluster, &user).await?;
        drop(lock);
        // From here on this process waits for what is due later.
        let work = self.run(id, Tick).await?;
        self.do_pending_work(id, work).await;
        Ok(cluster.store.commit(vec![is_awake(id, until)]).await.map(drop)?)
    }

    /// Writes down that watchers show connections which are gone, and that subscriptions of such ones are to be released.
    async fn resume_subscriptions(&self, cluster: &Cluster, user: &EntryGuard) -> Result<(), CommandError> {
        let id = &user.id;
        let (transaction, answers) = cluster.store.begin(id.as_str(), &[of_user(id)], Patience::Long).await?;
        let rows = cluster.read_live(id, rows_at(&answers, 0)?)?;
        let live = rows.user(cluster.node, &User::new(id.clone(), Vec::new()), |_| false);
        let now = transaction.began();
        let needs = Needs { subscription_state: true, dangling: true, ..Needs::default() };
        let (parts, questions): (Vec<_>, Vec<_>) = needs.queries(&live, now).into_iter().unzip();
        let (transaction, answers) = transaction.load(&questions).await?;
        let mut loaded = Loaded::default();
        for (part, rows) in parts.into_iter().zip(answers) {
            loaded.absorb(part, &rows)?;
        }
        let WatchedState { is_watched, state: stored, .. } =
            loaded.subscription_state.clone().unwrap_or_default();
        let mut state = match live.resume_subscriptions(&loaded, now)? {
            Some(Change::SubscriptionState(state)) => state,
            _ => stored.clone(),
        };
        // Watchers that have had no notice yet were told in the answer to their request.
        state.due |= is_watched;
        if state == stored {
            transaction.roll_back();
            return Ok(());
        }
        let change = Change::SubscriptionState(state);
        Ok(transaction.commit(&change.statements(id), Durability::Now).await?)
    }
}
