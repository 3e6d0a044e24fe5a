//! Calls to other users' objects: registrations of watchers, and notices to them. A few at a time; notices go page by
//! page, each by an alarm of its own, from a stored cursor.

use std::rc::Rc;

use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use rollcall_core::{
    id::UserId,
    user::{
        Command, PendingRequest, PendingWork, PresenceVersion, RegistrationVersion, Reply, WatcherPage,
        WatcherReport,
    },
};

use super::{
    Object,
    run::{RunError, With},
};
use crate::{
    backend,
    error::Chain,
    stub::{AT_ONCE, CallError},
};

impl Object {
    /// Registers this user as a watcher of these users, and gives it their presence.
    pub(super) async fn watch(
        self: Rc<Self>,
        watches: Vec<(UserId, RegistrationVersion)>,
        pending: PendingRequest,
    ) {
        let asked =
            watches.into_iter().map(|(user, registration)| self.clone().watch_one(user, registration));
        let presences = stream::iter(asked)
            .buffered(AT_ONCE)
            .try_collect()
            .await
            .inspect_err(
                |error: &RunError| tracing::error!(error = %Chain(error), "users could not be watched"),
            )
            .ok();
        if let Err(error) = self.run(&Command::Answered { pending, presences }, With::default()).await {
            tracing::error!(error = %Chain(&error), "an answer was lost");
        }
    }

    async fn watch_one(
        self: Rc<Self>,
        user: UserId,
        registration: RegistrationVersion,
    ) -> Result<(UserId, RegistrationVersion, PresenceVersion), RunError> {
        let watcher = self.user()?;
        match self.call(&user, Command::Watch { watcher, registration }).await? {
            Reply::Watching(presence) => Ok((user, registration, presence)),
            _ => Err(CallError::AnotherQuestion.into()),
        }
    }

    /// Does the work that a tick left. Within the alarm's own event, which the runtime repeats if it dies meanwhile.
    pub(super) async fn do_pending_work(self: Rc<Self>, work: PendingWork) -> Result<(), RunError> {
        if let Some((users, by)) = work.release {
            let watcher = self.user()?;
            let tell = |user: UserId| {
                let (object, watcher) = (self.clone(), watcher.clone());
                async move {
                    if let Err(error) = object.call(&user, Command::Unwatch { watcher, by }).await {
                        tracing::warn!(error = %Chain(&error), "a user could not be told of an ended watcher; its next notice will show it");
                    }
                }
            };
            stream::iter(users.into_iter().map(tell)).buffered(AT_ONCE).collect::<Vec<_>>().await;
        }
        if work.fan_out
            && let Reply::FanOut(Some(page)) = self.clone().run(&Command::FanOut, With::default()).await?
        {
            let report = self.notify(&page).await;
            self.run(&Command::WatchersNotified(report), With::default()).await?;
        }
        Ok(())
    }

    async fn notify(self: &Rc<Self>, page: &WatcherPage) -> WatcherReport {
        let notify = |watcher: UserId| {
            let (object, command) = (self.clone(), Command::Notified(page.notice.clone()));
            async move {
                match object.call(&watcher, command).await {
                    Ok(Reply::Follows(follows)) => Some(follows),
                    Ok(_) => None,
                    Err(error) => {
                        tracing::warn!(error = %Chain(&error), "a watcher could not be notified");
                        None
                    }
                }
            }
        };
        let notified = page.watchers.iter().map(|(watcher, _)| notify(watcher.clone()));
        page.report(stream::iter(notified).buffered(AT_ONCE).collect::<Vec<_>>().await)
    }

    /// Gives a command to another user, or to this one.
    async fn call(self: Rc<Self>, user: &UserId, command: Command) -> Result<Reply, RunError> {
        match self.user() {
            Ok(own) if own == *user => self.run(&command, With::default()).await,
            _ => Ok(backend::run(&self.env, user, command).await?),
        }
    }
}
