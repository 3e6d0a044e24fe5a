//! Bringing what other processes have for sockets here, and waiting until they have brought what is for theirs.
//!
//! A row is read until it is gone, and not by a position: one with a smaller id may become visible later.

use std::time::Duration;

use rollcall_api::Chain;
use rollcall_core::{id::UserId, serial::Serial, shard::cutoff, store::Value};
use tokio::{
    sync::mpsc,
    time::{Instant, sleep, timeout},
};

use super::{
    Cluster,
    observer::BEATS,
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
/// The time within which a process either carries out a close or is declared dead, beside its lease and two beats.
const CARRIED_OUT: Duration = Duration::from_secs(5);

/// Brings to sockets what other processes have for them, until this one has been declared dead.
pub(crate) async fn keep(users: Users) {
    let Some(cluster) = users.cluster().filter(|cluster| cluster.store.may_have_company()) else { return };
    let mut rung = cluster.store.rung();
    let mut settled = Serial::UNKNOWN;
    // Unbounded, as it holds no more than was read.
    let (done, mut arrivals) = mpsc::unbounded_channel::<Vec<Parcel>>();
    loop {
        match cluster.store.load(vec![waiting(cluster.node, ROWS), cutoff::newest()]).await {
            Ok(answers) => {
                let newest = rows_at(&answers, 1).ok().and_then(|rows| cutoff::read_newest(rows).ok());
                if newest.is_some_and(|newest| users.has_to_learn(newest)) {
                    learn(&users, cluster);
                }
                let read = rows_at(&answers, 0).map(read).unwrap_or_default();
                let is_all = i64::try_from(read.len()).is_ok_and(|count| count < ROWS);
                let (new, mut brought) = cluster.known.lock().take(read, is_all);
                let (new, lost): (Vec<_>, Vec<_>) =
                    new.into_iter().partition(|parcel| parcel.address.is_some());
                if !lost.is_empty() {
                    tracing::warn!(
                        count = lost.len(),
                        "what another version has for sockets names none: it is dropped"
                    );
                    cluster.are_brought(&lost);
                }
                // An earlier acknowledgement failed, the engine has lost it, or a command of the user has brought them.
                brought.extend(lost);
                acknowledge(&users, brought);
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
                cluster.are_brought(&all);
                acknowledge(&users, all);
            }
            () = users.order_settled() => {}
            () = sleep(LOOK) => {}
        }
        let reached = users.settled_orders();
        if reached > settled {
            match cluster.settle(reached).await {
                Ok(()) => settled = reached,
                // The next sign of life says so too.
                Err(error) => tracing::debug!(error = %Chain(&error), "how far orders are could not be said"),
            }
        }
    }
}

/// Takes the orders of others.
fn learn(users: &Users, cluster: &Cluster) {
    let users = users.clone();
    cluster.learning.start((), async move {
        // One may come while the others are read.
        loop {
            let learned = async {
                users.learn_orders().await?;
                users.is_behind().await
            };
            match learned.await {
                Ok(true) => {}
                Ok(false) => return,
                Err(error) => {
                    tracing::debug!(error = %Chain(&error), "orders of other servers could not be read");
                    return;
                }
            }
        }
    });
}

/// The rows of each user, in their order. Those that close something are apart: an order waits for them.
fn by_user(parcels: Vec<Parcel>) -> Vec<Vec<Parcel>> {
    let mut all: Vec<Vec<Parcel>> = Vec::new();
    for parcel in parcels {
        let user = |parcel: &Parcel| (parcel.address.as_ref().map(|(user, _)| user.clone()), parcel.closes);
        match all.iter_mut().find(|some| some.first().is_some_and(|first| user(first) == user(&parcel))) {
            Some(some) => some.push(parcel),
            None => all.push(vec![parcel]),
        }
    }
    all
}

/// Removes what has arrived, and tells its senders. What is not removed is brought once more, which does nothing.
fn acknowledge(users: &Users, parcels: Vec<Parcel>) {
    if parcels.is_empty() {
        return;
    }
    let users = users.clone();
    // Others are brought meanwhile.
    tokio::spawn(async move { try_to_acknowledge(&users, &parcels).await });
}

async fn try_to_acknowledge(users: &Users, parcels: &[Parcel]) {
    let Some(cluster) = users.cluster() else { return };
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
    fn are_brought(&self, parcels: &[Parcel]) {
        let mut known = self.known.lock();
        for parcel in parcels {
            known.bring(parcel);
        }
    }

    /// Whether this parcel is to be brought, now and never again.
    pub(crate) fn is_to_be_brought(&self, parcel: &Parcel) -> bool {
        self.known.lock().bring(parcel)
    }

    /// What was read for sockets of a user and closes none, in its order, now and never again.
    pub(crate) fn frames_of(&self, user: &UserId) -> Vec<Parcel> {
        self.known.lock().frames_of(user)
    }

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
                _ if begun.elapsed() > lease + lease * 2 / BEATS + CARRIED_OUT => {
                    return Err(StoreError::too_late());
                }
                _ => {}
            }
            // It ends by a ring, or by the time.
            let _ = timeout(LOOK_OF_ORDER, rung.changed()).await;
        }
    }
}
