//! Calls to other users' objects: registrations of watchers, and notices to them. A few at a time; notices go page by
//! page, each by an alarm of its own, from a stored cursor.

use std::rc::Rc;

use futures_util::{StreamExt as _, stream};
use rollcall_api::Chain;
use rollcall_core::{
    id::{ConnId, UserId},
    user::{
        ClientMessage, PendingWork, PresenceVersion, RegistrationVersion, Request, Subscribing,
        SubscriptionRequest, Turn, WatcherPage, WatcherReport,
        request::{Answered, Decoded, FanOut, Subscribe, Unwatch, Watch},
    },
};

use super::{Object, run::RunError};
use crate::{backend, stub::AT_ONCE};

impl Object {
    /// The message that is to be carried out now. A request to follow users is carried out behind this event, in its turn.
    pub(super) fn in_turn(
        self: &Rc<Self>,
        connection: ConnId,
        message: ClientMessage,
    ) -> Option<ClientMessage> {
        let ClientMessage::Subscribe(request) = message else { return Some(message) };
        let turn = self.subscribing.borrow_mut().offer(connection, request);
        match turn {
            Turn::Now(request) => {
                let object = self.clone();
                self.state.wait_until(async move { object.subscribe(connection, request).await });
                None
            }
            Turn::Later => None,
            Turn::Never(answer) => Some(answer),
        }
    }

    /// Carries out a connection's requests to follow users one after the other, until none waits.
    async fn subscribe(self: Rc<Self>, connection: ConnId, first: SubscriptionRequest) {
        let mut next = Some(first);
        while let Some(request) = next {
            match self.clone().ask(Subscribe { connection, request: request.clone() }).await {
                Ok(Some(subscribing)) => self.clone().watch(subscribing).await,
                Ok(None) => {}
                Err(error) => {
                    tracing::error!(error = %Chain(&error), "a request to follow users could not be executed");
                    let failed = Decoded { connection, message: request.failed() };
                    if let Err(error) = self.clone().ask(failed).await {
                        tracing::error!(error = %Chain(&error), "an answer was lost");
                    }
                }
            }
            next = self.subscribing.borrow_mut().next(connection);
        }
    }

    /// Registers this user as a watcher of these users, and gives it their presence.
    async fn watch(self: Rc<Self>, Subscribing { watches, pending }: Subscribing) {
        let asked =
            watches.into_iter().map(|(user, registration)| self.clone().watch_one(user, registration));
        // To the end, whatever fails: the answer takes back what came too late, so that no call may come after it.
        let asked: Vec<_> = stream::iter(asked).buffered(AT_ONCE).collect().await;
        let presences = asked
            .into_iter()
            .collect::<Result<_, RunError>>()
            .inspect_err(|error| tracing::error!(error = %Chain(error), "users could not be watched"))
            .ok();
        if let Err(error) = self.ask(Answered { pending, presences }).await {
            tracing::error!(error = %Chain(&error), "an answer was lost");
        }
    }

    async fn watch_one(
        self: Rc<Self>,
        user: UserId,
        registration: RegistrationVersion,
    ) -> Result<(UserId, RegistrationVersion, PresenceVersion), RunError> {
        let watcher = self.user()?;
        let presence = self.call(&user, Watch { watcher, registration }).await?;
        Ok((user, registration, presence))
    }

    /// Does the work that a tick left. Within the alarm's own event, which the runtime repeats if it dies meanwhile.
    pub(super) async fn do_pending_work(self: Rc<Self>, work: PendingWork) -> Result<(), RunError> {
        if let Some((users, by)) = work.release {
            let watcher = self.user()?;
            let tell = |user: UserId| {
                let (object, watcher) = (self.clone(), watcher.clone());
                async move {
                    if let Err(error) = object.call(&user, Unwatch { watcher, by }).await {
                        tracing::warn!(error = %Chain(&error), "a user could not be told of an ended watcher; its next notice will show it");
                    }
                }
            };
            stream::iter(users.into_iter().map(tell)).buffer_unordered(AT_ONCE).collect::<Vec<_>>().await;
        }
        if work.fan_out
            && let Some(page) = self.clone().ask(FanOut).await?
        {
            let report = self.notify(&page).await;
            self.ask(report).await?;
        }
        Ok(())
    }

    async fn notify(self: &Rc<Self>, page: &WatcherPage) -> WatcherReport {
        let notify = |watcher: UserId| {
            let (object, notice) = (self.clone(), page.notice.clone());
            async move {
                let follows = object.call(&watcher, notice).await;
                follows
                    .inspect_err(|error| {
                        tracing::warn!(error = %Chain(error), "a watcher could not be notified");
                    })
                    .ok()
            }
        };
        let notified = page.watchers.iter().map(|(watcher, _)| notify(watcher.clone()));
        page.report(stream::iter(notified).buffered(AT_ONCE).collect::<Vec<_>>().await)
    }

    /// Gives a command to another user, or to this one.
    async fn call<R: Request>(self: Rc<Self>, user: &UserId, request: R) -> Result<R::Reply, RunError> {
        match self.user() {
            Ok(own) if own == *user => self.ask(request).await,
            _ => Ok(backend::run(&self.env, user, request).await?),
        }
    }
}
