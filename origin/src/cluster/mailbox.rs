//! Bringing what other processes have for sockets here, and waiting until they have brought what is for theirs.
//!
//! A row is read until it is gone, and not by a position: one with a smaller id may become visible later.

use std::{
    collections::{HashMap, HashSet},
    time::Duration,
};

use rollcall_api::Chain;
use rollcall_core::{id::UserId, store::Value};
use tokio::{
    sync::mpsc,
    time::{Instant, sleep, timeout},
};

use super::{
    Cluster,
    parcel::{Parcel, arrived, read, unclosed, waiting},
};
use crate::{
    store::{StoreError, rows_at},
    users::Users,
};

/// Rows that are read at a time.
const ROWS: i64 = 500;
/// The time between two looks where nobody rings.
const LOOK: Duration = Duration::from_secs(1);
/// The same of one who waits for an order.
const LOOK_OF_ORDER: Duration = Duration::from_millis(250);
/// Leases within which a process either carries out a close or is declared dead.
const LEASES: u32 = 4;

/// Brings to sockets what other processes have for them, until this one has been declared dead.
pub(crate) async fn keep(users: Users) {
    let Some(cluster) = users.cluster().filter(|cluster| cluster.store.may_have_company()) else { return };
    let mut rung = cluster.store.rung();
    let mut known = Known::default();
    // Unbounded, as it holds no more than was read.
    let (done, mut arrivals) = mpsc::unbounded_channel::<Vec<Parcel>>();
    loop {
        match cluster.store.load(vec![waiting(cluster.node, ROWS)]).await {
            Ok(answers) => {
                let (new, brought) = known.take(rows_at(&answers, 0).map(read).unwrap_or_default());
                // An earlier acknowledgement failed, or the engine has lost it.
                acknowledge(cluster, &brought).await;
                for some in by_user(new) {
                    let (users, done) = (users.clone(), done.clone());
                    tokio::spawn(async move {
                        users.bring(&some).await;
                        // Its receiver is in the same task as this loop, which may have ended.
                        let _ = done.send(some);
                    });
                }
            }
            Err(StoreError::Closed) => return,
            Err(error) => tracing::debug!(error = %Chain(&error), "the mailbox could not be read"),
        }
        tokio::select! {
            changed = rung.changed() => if changed.is_err() { return },
            Some(some) = arrivals.recv() => {
                let mut all = some;
                while let Ok(more) = arrivals.try_recv() {
                    all.extend(more);
                }
                known.brought(&all);
                acknowledge(cluster, &all).await;
            }
            () = sleep(LOOK) => {}
        }
    }
}

/// What was read, until it is read no more: whether it was brought. What was brought once is not brought again.
#[derive(Default)]
struct Known(HashMap<i64, bool>);

impl Known {
    /// Takes what was read, the oldest rows. Returns those that are new, and those that were brought and are still there.
    fn take(&mut self, read: Vec<Parcel>) -> (Vec<Parcel>, Vec<Parcel>) {
        let shown: HashSet<i64> = read.iter().map(|parcel| parcel.id).collect();
        let is_all = i64::try_from(read.len()).is_ok_and(|count| count < ROWS);
        let last = shown.iter().max().copied().unwrap_or(i64::MIN);
        self.0.retain(|id, is_brought| !*is_brought || shown.contains(id) || !(is_all || *id < last));
        let (mut new, mut brought) = (Vec::new(), Vec::new());
        for parcel in read {
            match self.0.get(&parcel.id) {
                Some(true) => brought.push(parcel),
                Some(false) => {}
                None => {
                    self.0.insert(parcel.id, false);
                    new.push(parcel);
                }
            }
        }
        (new, brought)
    }

    fn brought(&mut self, parcels: &[Parcel]) {
        self.0.extend(parcels.iter().map(|parcel| (parcel.id, true)));
    }
}

/// The rows of each user, in their order.
fn by_user(parcels: Vec<Parcel>) -> Vec<Vec<Parcel>> {
    let mut all: Vec<Vec<Parcel>> = Vec::new();
    for parcel in parcels {
        match all.iter_mut().find(|some| some.first().is_some_and(|first| first.user == parcel.user)) {
            Some(some) => some.push(parcel),
            None => all.push(vec![parcel]),
        }
    }
    all
}

/// Removes what has arrived, and tells its senders. What is not removed is brought once more, which does nothing.
async fn acknowledge(cluster: &Cluster, parcels: &[Parcel]) {
    if parcels.is_empty() {
        return;
    }
    let ids: Vec<i64> = parcels.iter().map(|parcel| parcel.id).collect();
    let mut senders: Vec<i64> = parcels.iter().map(|parcel| parcel.sender).collect();
    senders.sort_unstable();
    senders.dedup();
    let told = async {
        cluster.store.commit_soon(arrived(&ids)).await?;
        cluster.store.ring(&senders).await
    };
    if let Err(error) = told.await {
        tracing::debug!(error = %Chain(&error), "what has arrived could not be acknowledged");
    }
}

impl Cluster {
    /// Rings where there is something now. They would find it by themselves.
    pub(crate) fn ring_soon(&self, nodes: Vec<i64>) {
        if nodes.is_empty() {
            return;
        }
        let store = self.store.clone();
        tokio::spawn(async move {
            if let Err(error) = store.ring(&nodes).await {
                tracing::debug!(error = %Chain(&error), "other servers could not be rung at");
            }
        });
    }

    /// Waits until every socket of the user is closed that an order has ended at another process, this one or an earlier one: there is
    /// an acknowledgement, or that process is dead and its sockets are inert.
    ///
    /// # Errors
    /// When that is not known. The order is in force.
    pub(crate) async fn closed_elsewhere(&self, user: &UserId, lease: Duration) -> Result<(), StoreError> {
        if !self.store.may_have_company() {
            return Ok(());
        }
        let (mut rung, begun) = (self.store.rung(), Instant::now());
        loop {
            let answers = self.store.load(vec![unclosed(user)]).await?;
            match rows_at(&answers, 0)?.first().and_then(|row| row.first()) {
                Some(Value::Int(0)) => return Ok(()),
                _ if begun.elapsed() > lease * LEASES => return Err(StoreError::too_late()),
                _ => {}
            }
            // It ends by a ring, or by the time.
            let _ = timeout(LOOK_OF_ORDER, rung.changed()).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ids(parcels: &[Parcel]) -> Vec<i64> {
        parcels.iter().map(|parcel| parcel.id).collect()
    }

    fn rows(ids: impl IntoIterator<Item = i64>) -> Vec<Parcel> {
        ids.into_iter().map(Parcel::of_test).collect()
    }

    /// The known-wrong way was to forget what was brought once it was acknowledged: a push came twice where that was lost.
    #[test]
    fn what_is_there_is_brought_once_however_often_it_is_read() {
        let mut known = Known::default();
        let (new, brought) = known.take(rows([3, 5]));
        assert_eq!((ids(&new), ids(&brought)), (vec![3, 5], vec![]));
        known.brought(&rows([5]));
        let (new, brought) = known.take(rows([2, 3, 5]));
        assert_eq!((ids(&new), ids(&brought)), (vec![2], vec![5]), "a smaller number may come later");
        known.brought(&rows([2, 3]));
        let (new, brought) = known.take(rows([3]));
        assert_eq!((ids(&new), ids(&brought)), (vec![], vec![3]));
        assert_eq!(known.0.len(), 1, "what is gone is forgotten");
        known.brought(&rows([9_000]));
        // A full page does not say what is behind it.
        known.take(rows(4..4 + ROWS));
        assert!(known.0.contains_key(&9_000) && !known.0.contains_key(&3));
    }
}
