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
    observer::interval_of,
    parcel::{Parcel, arrived, read, unclosed, waiting},
};
use crate::{
    store::{StoreError, rows_at},
    users::Users,
};

/// Rows that are read at a time.
const ROWS: i64 = 500;
/// Closes that may be in hand at a time.
const IN_HAND: usize = 5_000;
/// The time between two looks where nobody rings.
const LOOK: Duration = Duration::from_secs(1);
/// The same of one who waits for an order.
const LOOK_OF_ORDER: Duration = Duration::from_millis(250);
/// The time within which a process either carries out a close or is declared dead, beside its lease and two signs of life.
const CARRIED_OUT: Duration = Duration::from_secs(5);

/// Brings to sockets what other processes have for them, until this one has been declared dead.
pub(crate) async fn keep(users: Users) {
    let Some(cluster) = users.cluster().filter(|cluster| cluster.store.may_have_company()) else { return };
    let mut rung = cluster.store.rung();
    let (mut settled, mut learned) = (Serial::UNKNOWN, Instant::now());
    // Unbounded, as it holds no more than was read.
    let (done, mut arrivals) = mpsc::unbounded_channel::<Vec<Parcel>>();
    loop {
        // It may wait for long, and would hold up others behind so many rows.
        let in_hand = cluster.known.lock().in_hand();
        // There is an end to what is in hand.
        let most = if in_hand.closing.len() < IN_HAND { ROWS } else { 0 };
        match cluster.store.load(vec![waiting(cluster.node, most, &in_hand), cutoff::newest()]).await {
            Ok(answers) => {
                let newest = rows_at(&answers, 1).ok().and_then(|rows| cutoff::read_newest(rows).ok());
                let is_behind = newest.is_some_and(|newest| users.is_behind(newest));
                // That an order of others has reached all is worth no more than a look at times.
                if is_behind || (users.has_orders_of_others() && learned.elapsed() >= LOOK) {
                    learned = Instant::now();
                    learn(&users, cluster);
                }
                let read = rows_at(&answers, 0).map(read).unwrap_or_default();
                let is_all = i64::try_from(read.len()).is_ok_and(|count| count < most);
                let (new, mut brought) = cluster.known.lock().take(read, is_all, &in_hand);
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
                    let (bringing, done) = (Bringing { users: users.clone(), parcels: some }, done.clone());
                    tokio::spawn(async move {
                        bringing.users.bring(&bringing.parcels).await;
                        // Its receiver is in the same task as this loop, which may have ended.
                        let _ = done.send(bringing.are_brought());
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
            settled = reached;
            let users = users.clone();
            tokio::spawn(async move {
                let Some(cluster) = users.cluster() else { return };
                if let Err(error) = cluster.settle(reached).await {
                    // The next sign of life says so too.
                    tracing::debug!(error = %Chain(&error), "how far orders are could not be said");
                }
            });
        }
    }
}

/// What is being brought. Where that ends in a panic, it is brought once more, and nobody is told that it has arrived.
struct Bringing {
    users: Users,
    parcels: Vec<Parcel>,
}

impl Bringing {
    fn are_brought(mut self) -> Vec<Parcel> {
        std::mem::take(&mut self.parcels)
    }
}

impl Drop for Bringing {
    fn drop(&mut self) {
        if let Some(cluster) = self.users.cluster().filter(|_| !self.parcels.is_empty()) {
            cluster.known.lock().put_back(&self.parcels);
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
                users.looks_behind().await
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
    let leaving = Leaving::of(users.clone(), parcels.iter().map(|parcel| parcel.id).collect());
    // Others are brought meanwhile.
    tokio::spawn(async move { try_to_acknowledge(&leaving, &parcels).await });
}

/// Rows that are being removed, until this is dropped: a read meanwhile shows them.
struct Leaving {
    users: Users,
    ids: Vec<i64>,
}

impl Leaving {
    fn of(users: Users, ids: Vec<i64>) -> Self {
        let leaving = Self { users, ids };
        leaving.say(true);
        leaving
    }

    fn say(&self, are_leaving: bool) {
        if let Some(cluster) = self.users.cluster() {
            cluster.known.lock().leave(&self.ids, are_leaving);
        }
    }
}

impl Drop for Leaving {
    fn drop(&mut self) {
        self.say(false);
    }
}

async fn try_to_acknowledge(leaving: &Leaving, parcels: &[Parcel]) {
    let Some(cluster) = leaving.users.cluster() else { return };
    let mut senders: Vec<i64> = parcels.iter().map(|parcel| parcel.sender).collect();
    senders.sort_unstable();
    senders.dedup();
    let told = async {
        cluster.store.commit_soon(arrived(&leaving.ids)).await?;
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
    pub(crate) async fn closed_elsewhere(&self, user: &UserId) -> Result<(), StoreError> {
        if !self.store.may_have_company() {
            return Ok(());
        }
        let (mut rung, begun) = (self.store.rung(), Instant::now());
        loop {
            let answers = self.store.load(vec![unclosed(user)]).await?;
            let longest = rows_at(&answers, 0)?.first().and_then(|row| row.first());
            let Some(Value::Int(longest)) = longest else { return Ok(()) };
            let lease = Duration::from_millis(longest.unsigned_abs());
            if begun.elapsed() > lease + interval_of(lease) * 2 + CARRIED_OUT {
                return Err(StoreError::too_late());
            }
            // It ends by a ring, or by the time.
            let _ = timeout(LOOK_OF_ORDER, rung.changed()).await;
        }
    }
}
