//! The delivery of a tenant order to its sockets: frames and closes first, then the rows of what they ended.
//!
//! The rows may follow later, those of imported records among them, since the cutoff is durable already and every answer takes it
//! into account.

use std::sync::{Arc, atomic::Ordering};

use futures_util::{StreamExt as _, stream};
use parking_lot::Mutex;
use rollcall_api::metrics::KickCause;
use rollcall_core::{
    directory::view::Cutoff,
    id::{TenantId, UserId},
    user::{Change, Command, ForceOff, Outcome},
};
use tokio::sync::mpsc;

use super::{
    error::CommandError,
    registry::Users,
    retry::until_durable,
    run::{CONCURRENCY, statements},
    turn::Leaving,
};

/// Users whose ended connections share a commit. It is short, since other commits wait for it.
const USERS_A_COMMIT: usize = 256;

/// What writes down what an order ended of a user.
#[derive(Clone)]
pub(super) struct Ended {
    pub(super) user: UserId,
    pub(super) changes: Vec<Change>,
    /// What becomes of live rows.
    pub(super) live: Leaving,
}

/// What a process does for an order to a tenant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Part {
    /// All of it, but for sockets of other processes.
    All,
    /// It brings the order of another process to its sockets.
    Sockets,
}

/// The rows, in the log.
const ENDS: &str = "what an order to a tenant ended";

impl Users {
    /// Sends frames and closes to every socket that the tenant's cutoff covers, and commits the rows of what they ended. Until
    /// then the cutoff hides those rows from answers. Rows that cannot be written are kept, and tried again with the next order.
    pub(super) async fn deliver(&self, tenant: TenantId, notice: String, part: Part) {
        let mut connected = Vec::new();
        self.shared.table.each(|entry| {
            let live = entry.live.lock();
            // A user who is changing may be committing a login that began before the cutoff: it is about to be connected.
            if live.user.is_connected() || entry.is_changing() {
                connected.push(live.user.id().clone());
            }
        });
        let users = connected.len();
        // Unbounded, as it holds no more than the users: a socket must not wait for another user's rows.
        let (reached_users, mut to_commit) = mpsc::unbounded_channel::<Vec<Ended>>();
        let order = &Command::ForceOff(ForceOff::CutOff { within: Some(tenant), notice, settle: false });
        let waiting = &Mutex::new(connected);
        let in_force = self.cutoff_of(tenant);
        let cutoffs = &self.shared.cutoffs;
        let begin = |cutoff: &Arc<Cutoff>| (cutoff.serial, cutoffs.begin_delivery(tenant, cutoff));
        let shown = &in_force.as_ref().map(begin);
        let count = || {
            if let Some((_, reached)) = shown {
                reached.fetch_add(1, Ordering::Relaxed);
            }
        };
        let reaching = async move {
            until_durable("an order to a tenant", || async {
                let some = std::mem::take(&mut *waiting.lock());
                let reached = self.reach_all(some, order, count).await;
                *waiting.lock() = reached.remaining;
                // The receiver ends after this sender.
                let _ = reached_users.send(reached.to_commit);
                reached.error.map_or(Ok(()), Err)
            })
            .await;
            tracing::info!(users, "an order to a tenant has reached its sockets");
            drop(reached_users);
        };
        let unwritten = self.shared.cutoffs.order_locks(tenant).unwritten;
        let writing = async {
            let mut next = Some(std::mem::take(&mut *unwritten.lock()));
            while let Some(ended) = next {
                for some in ended.chunks(USERS_A_COMMIT) {
                    let failed = self.write_ends(some).await;
                    unwritten.lock().extend(failed);
                }
                next = to_commit.recv().await;
            }
        };
        let imports = async {
            if part == Part::All {
                self.end_cut_off_imports(tenant).await;
            }
        };
        tokio::join!(reaching, writing, imports);
        if let Some((serial, _)) = shown {
            self.shared.cutoffs.end_delivery(*serial);
            if part == Part::All {
                self.end_whole(*serial).await;
            }
        }
    }

    /// Commits what an order ended. A user whose rows cannot be written holds up no other's. Returns those that are not written.
    async fn write_ends(&self, ended: &[Ended]) -> Vec<Ended> {
        let together = || async {
            match self.commit_many(ended).await {
                Err(error) if error.is_permanent() => Ok(false),
                done => done.map(|()| true),
            }
        };
        if until_durable(ENDS, together).await != Some(false) {
            // The process stops where the store is closed, and its next start ends what is open.
            return Vec::new();
        }
        let mut failed = Vec::new();
        for one in ended.chunks(1) {
            if until_durable(ENDS, || self.commit_many(one)).await.is_none() {
                failed.extend_from_slice(one);
            }
        }
        failed
    }

    /// Tries [`Users::reach`] once for each of many users, and counts those that it has reached.
    async fn reach_all(&self, users: Vec<UserId>, order: &Command, count: impl Fn()) -> Reached {
        let count = &count;
        let reach = |user: UserId| async move {
            let result = self.reach(&user, order).await;
            if result.is_ok() {
                count();
            }
            (user, result)
        };
        let mut reaching = stream::iter(users).map(reach).buffer_unordered(CONCURRENCY);
        let mut all = Reached::default();
        while let Some((user, result)) = reaching.next().await {
            match result {
                Ok(ended) if ended.changes.is_empty() && ended.live.statements.is_empty() => {}
                Ok(ended) => all.to_commit.push(ended),
                Err(error) if error.is_permanent() => {
                    tracing::error!(%user, %error, "an order to a tenant cannot reach a user");
                }
                Err(error) => {
                    all.remaining.push(user);
                    all.error = Some(error);
                }
            }
        }
        all
    }

    /// Delivers an order to a user's sockets. The order is durable already, as a tenant's cutoff. Returns what may be
    /// committed later, by [`Users::commit_many`].
    ///
    /// # Errors
    /// As [`Users::run`].
    async fn reach(&self, id: &UserId, order: &Command) -> Result<Ended, CommandError> {
        let user = self.entry(id);
        let _lock = user.lock().await;
        let (Outcome { mut changes, actions, wake_at, .. }, turn) = self.decide(&user, order).await?;
        // Changes that others act on, such as the notices to watchers, have to be durable before any frame goes out.
        // Other processes do not know which rows are of connections that have ended here.
        let live = if changes.iter().all(Change::may_come_late) && !self.has_company() {
            self.leave(&user, turn, &actions)
        } else {
            self.commit(&user, turn, &changes, &actions).await?;
            changes.clear();
            Leaving::default()
        };
        self.act(&user, actions, None, KickCause::Order);
        self.wake_as_wished(&user, wake_at);
        Ok(Ended { user: id.clone(), changes, live })
    }

    /// Commits the changes that [`Users::reach`] returned, of many users in one transaction.
    ///
    /// # Errors
    /// When the commit fails. Then none of them is durable.
    pub(super) async fn commit_many(&self, changes: &[Ended]) -> Result<(), CommandError> {
        let all = changes.iter().flat_map(|ended| {
            statements(&ended.user, &ended.changes).into_iter().chain(ended.live.statements.iter().cloned())
        });
        self.shared.store.commit(all.collect()).await?;
        for ended in changes {
            if self.shared.table.get(&ended.user).is_some() {
                // It may leave memory now.
                let entry = self.entry(&ended.user);
                let mut live = entry.live.lock();
                live.forget_tokens();
                live.have_left(&ended.live.connections);
            }
        }
        Ok(())
    }
}

/// The outcome of a delivery to many users.
#[derive(Default)]
struct Reached {
    to_commit: Vec<Ended>,
    /// Users whom it has not reached yet.
    remaining: Vec<UserId>,
    /// Why it did not reach the last of them.
    error: Option<CommandError>,
}
