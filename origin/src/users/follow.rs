//! Calls from one user to another: registrations of watchers, and notices to them.
//!
//! Each runs in a task of its own, so that no command waits for it, and all of them share a bounded number of permits.

use std::sync::atomic::Ordering;

use futures_util::{StreamExt as _, stream};
use rollcall_core::{
    id::{ConnId, UserId},
    user::{
        Change, ClientMessage, PART, PendingRequest, PendingWork, PresenceVersion, RegistrationVersion,
        Request, Subscribing, SubscriptionRequest, Turn, WatcherPage, WatcherReport,
        request::{Acknowledge, Answered, Decoded, FanOut, Subscribe, Unwatch, Watch},
    },
};
use tokio::sync::Semaphore;

use super::{
    error::CommandError,
    registry::{CALLS, Users},
    retry::until_durable,
};

/// Calls and commits of one user's requests under way at once, whatever the number of its connections: few, so that others' wait
/// behind no more than these.
const AT_ONCE_A_USER: usize = 8;

impl Users {
    /// Carries out a gateway client's message. A request to follow users is carried out behind this call, in its turn, so
    /// that the connection's other messages do not wait for it.
    ///
    /// # Errors
    /// As [`Users::run`].
    pub async fn receive(
        &self,
        id: &UserId,
        connection: ConnId,
        message: ClientMessage,
    ) -> Result<(), CommandError> {
        let message = match message {
            ClientMessage::Subscribe(request) => {
                let turn = self.entry(id).live.lock().subscribing.offer(connection, request);
                match turn {
                    Turn::Now(request) => {
                        let (all, id) = (self.clone(), id.clone());
                        tokio::spawn(async move { all.subscribe(&id, connection, request).await });
                        return Ok(());
                    }
                    Turn::Later => return Ok(()),
                    Turn::Never(answer) => answer,
                }
            }
            other => other,
        };
        self.run(id, Decoded { connection, message }).await
    }

    /// Carries out a connection's requests to follow users one after the other, until none waits.
    async fn subscribe(&self, id: &UserId, connection: ConnId, first: SubscriptionRequest) {
        // Held throughout, so that the entry does not leave memory with what waits in it.
        let user = self.entry(id);
        let places = user.following(AT_ONCE_A_USER);
        let mut next = Some(first);
        while let Some(request) = next {
            self.follow(id, connection, request, &places).await;
            next = user.live.lock().subscribing.next(connection);
        }
    }

    /// Carries out one request, part by part.
    async fn follow(
        &self,
        id: &UserId,
        connection: ConnId,
        request: SubscriptionRequest,
        places: &Semaphore,
    ) {
        let failed = request.failed();
        let mut followed: Option<Subscribing> = None;
        for part in request.parts() {
            let place = places.acquire().await;
            let subscribed = self.run(id, Subscribe { connection, request: part }).await;
            drop(place);
            match (subscribed, &mut followed) {
                (Ok(Some(more)), Some(followed)) => followed.extend(more),
                (Ok(Some(first)), None) => followed = Some(first),
                (Ok(None), _) => {}
                (Err(error), _) => {
                    tracing::error!(%error, "a request to follow users could not be executed");
                    return match followed {
                        // Its earlier parts wait for an answer.
                        Some(Subscribing { pending, .. }) => self.answer(id, pending, None).await,
                        None => self.fail(id, connection, failed).await,
                    };
                }
            }
        }
        if let Some(followed) = followed {
            self.watch(id, followed, places).await;
        }
    }

    /// Answers a request of which nothing was carried out.
    async fn fail(&self, id: &UserId, connection: ConnId, failed: ClientMessage) {
        // Needs no store, so that it arrives.
        if let Err(error) = self.run(id, Decoded { connection, message: failed }).await {
            tracing::error!(%error, "an answer was lost");
        }
    }

    /// Registers `id` as a watcher of these users, and gives it their presence.
    async fn watch(&self, id: &UserId, Subscribing { watches, pending }: Subscribing, places: &Semaphore) {
        let presences = self.register(id, watches, places).await.inspect_err(|error| {
            tracing::error!(%error, "users could not be watched");
        });
        let presences = presences.ok();
        // The last part goes with the answer.
        let parts = presences.iter().flat_map(|presences| presences.chunks(PART)).rev().skip(1);
        for part in parts {
            let part = Acknowledge { connection: pending.connection, presences: part.to_vec() };
            let _place = places.acquire().await;
            until_durable("the presence of followed users", || self.run(id, part.clone())).await;
        }
        self.answer(id, pending, presences).await;
    }

    async fn answer(
        &self,
        id: &UserId,
        pending: PendingRequest,
        presences: Option<Vec<(UserId, RegistrationVersion, PresenceVersion)>>,
    ) {
        // It takes back what came too late, and nothing else would.
        let answered = Answered { pending, presences };
        until_durable("the answer to a request", || self.run(id, answered.clone())).await;
    }

    /// Commits many registrations at once, ahead of their commands. So a change that follows a command finds the
    /// registration, and a change that precedes it is in the command's reply: none falls between.
    async fn register(
        &self,
        id: &UserId,
        watches: Vec<(UserId, RegistrationVersion)>,
        places: &Semaphore,
    ) -> Result<Vec<(UserId, RegistrationVersion, PresenceVersion)>, CommandError> {
        for some in watches.chunks(PART) {
            let rows = some.iter().flat_map(|(user, registration)| {
                Change::Watched { watcher: id.clone(), registration: *registration }.statements(user)
            });
            let _place = places.acquire().await;
            self.shared.store.commit(rows.collect()).await?;
        }
        let ask = |(user, registration): (UserId, RegistrationVersion)| async move {
            let _place = places.acquire().await;
            let presence = self.call(&user, Watch { watcher: id.clone(), registration }).await?;
            Ok((user, registration, presence))
        };
        let asked: Vec<_> =
            stream::iter(watches.into_iter().map(ask)).buffered(AT_ONCE_A_USER).collect().await;
        asked.into_iter().collect()
    }

    /// Does the work that a tick left.
    pub(super) async fn do_pending_work(&self, id: &UserId, work: PendingWork) {
        if let Some((users, by)) = work.release {
            let tell = |user: UserId| async move {
                if let Err(error) = self.call(&user, Unwatch { watcher: id.clone(), by }).await {
                    tracing::warn!(%error, "a user could not be told of an ended watcher; its next notice will show it");
                }
            };
            stream::iter(users.into_iter().map(tell)).buffer_unordered(CALLS).collect::<()>().await;
        }
        if work.fan_out {
            self.fan_out(id).await;
        }
    }

    /// Notifies one page of watchers; the user's own wake-up brings the next. One page at a time: of the calls that come
    /// meanwhile one waits, and looks at what is due by then on behalf of all of them.
    async fn fan_out(&self, id: &UserId) {
        // Held across the wait, so that the entry and its flags do not leave memory.
        let user = self.entry(id);
        if !user.fan_out_waits.swap(true, Ordering::AcqRel) {
            let lock = user.fanning_out.lock().await;
            user.fan_out_waits.store(false, Ordering::Release);
            until_durable("the fan-out to watchers", || self.notify_page(id)).await;
            drop(lock);
        }
    }

    async fn notify_page(&self, id: &UserId) -> Result<(), CommandError> {
        let Some(page) = self.run(id, FanOut).await? else { return Ok(()) };
        let report = self.notify(&page).await;
        self.run(id, report).await
    }

    async fn notify(&self, page: &WatcherPage) -> WatcherReport {
        let notify = |(watcher, _): &(UserId, RegistrationVersion)| {
            let (watcher, notice) = (watcher.clone(), page.notice.clone());
            async move {
                let follows = self.call(&watcher, notice).await;
                follows.inspect_err(|error| tracing::warn!(%error, "a watcher could not be notified")).ok()
            }
        };
        let notified: Vec<_> = stream::iter(page.watchers.iter().map(notify)).buffered(CALLS).collect().await;
        page.report(notified)
    }

    /// Sends a command to another user once a permit is free.
    async fn call<R: Request>(&self, user: &UserId, request: R) -> Result<R::Reply, CommandError> {
        let _permit = self.shared.calls.acquire().await;
        self.run(user, request).await
    }
}
