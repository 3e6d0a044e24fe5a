//! Calls from one user to another: who is watched, who is told.
//!
//! None of them holds up a command of anybody: each runs in a task of its own, and they share few places.

use std::sync::atomic::Ordering;

use futures_util::{StreamExt as _, stream};
use rollcall_core::{
    id::UserId,
    user::{Change, Chores, Command, Page, Reply, Report, Seen, Stamp, Ticket},
};

use super::{CALLS, Failure, Users, run::until_durable};

/// Registrations that become durable together; others' commits wait for it.
const REGISTRATIONS: usize = 500;

impl Users {
    /// Has these users watched by `id`, and brings it what they say.
    pub(super) async fn watch(&self, id: &UserId, watches: Vec<(UserId, Stamp)>, ticket: Ticket) {
        let told = self.register(id, watches).await.inspect_err(|error| {
            tracing::error!(%error, "users could not be watched");
        });
        if let Err(error) = self.run(id, Command::Answered { ticket, told: told.ok() }).await {
            tracing::error!(%error, "an answer was lost");
        }
    }

    /// Many registrations are one commit, ahead of the commands that they belong to. What changes behind a command finds
    /// its registration, and what changed before it is in its reply.
    async fn register(
        &self,
        id: &UserId,
        watches: Vec<(UserId, Stamp)>,
    ) -> Result<Vec<(UserId, Stamp, Seen)>, Failure> {
        for some in watches.chunks(REGISTRATIONS) {
            let rows = some.iter().flat_map(|(user, stamp)| {
                Change::Watched { watcher: id.clone(), stamp: *stamp }.statements(user)
            });
            self.shared.store.commit(rows.collect()).await?;
        }
        let ask = |(user, stamp): (UserId, Stamp)| async move {
            match self.call(&user, Command::Watch { watcher: id.clone(), stamp }).await? {
                Reply::Watching(seen) => Ok((user, stamp, seen)),
                _ => Err(Failure::Unreadable("the reply is to another command".to_owned())),
            }
        };
        let asked: Vec<_> = stream::iter(watches.into_iter().map(ask)).buffered(CALLS).collect().await;
        asked.into_iter().collect()
    }

    /// What a tick left to be done.
    pub(super) async fn do_chores(&self, id: &UserId, chores: Chores) {
        if let Some((users, by)) = chores.release {
            let tell = |user: UserId| async move {
                if let Err(error) = self.call(&user, Command::Unwatch { watcher: id.clone(), by }).await {
                    tracing::warn!(%error, "a user is told later that somebody does not watch it any more");
                }
            };
            stream::iter(users.into_iter().map(tell)).buffer_unordered(CALLS).collect::<()>().await;
        }
        if chores.spread {
            self.spread(id).await;
        }
    }

    /// Tells one page of watchers; the next follows by the user's own wish. One page at a time: of those who come
    /// meanwhile one waits, and looks at what there is by then for all of them.
    async fn spread(&self, id: &UserId) {
        // Held, so that it does not leave memory.
        let user = self.entry(id);
        if !user.spread_waits.swap(true, Ordering::AcqRel) {
            let lock = user.spreading.lock().await;
            user.spread_waits.store(false, Ordering::Release);
            until_durable("what watchers are told", || self.tell_page(id)).await;
            drop(lock);
        }
    }

    async fn tell_page(&self, id: &UserId) -> Result<(), Failure> {
        let Reply::Spread(Some(page)) = self.run(id, Command::Spread).await? else { return Ok(()) };
        let report = self.tell(&page).await;
        self.run(id, Command::Delivered(report)).await.map(drop)
    }

    async fn tell(&self, page: &Page) -> Report {
        let tell = |(watcher, _): &(UserId, Stamp)| {
            let (watcher, command) = (watcher.clone(), Command::Notified(page.notice.clone()));
            async move {
                match self.call(&watcher, command).await {
                    Ok(Reply::Follows(follows)) => Some(follows),
                    Ok(_) => None,
                    Err(error) => {
                        tracing::warn!(%error, "a watcher could not be told");
                        None
                    }
                }
            }
        };
        let told: Vec<_> = stream::iter(page.watchers.iter().map(tell)).buffered(CALLS).collect().await;
        page.report(told)
    }

    /// Gives another user a command, when there is a place.
    async fn call(&self, user: &UserId, command: Command) -> Result<Reply, Failure> {
        let _place = self.shared.calls.acquire().await;
        self.run(user, command).await
    }
}
