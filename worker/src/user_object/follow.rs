//! Calls to other users' objects: who is watched, who is told. A few at a time; what is told goes page by page, each
//! by an alarm of its own, from a place that is written down.

use std::rc::Rc;

use rollcall_core::{
    id::UserId,
    user::{Chores, Command, Page, Reply, Report, Seen, Stamp, Ticket},
};

use super::{
    Object,
    run::{Failure, With},
};
use crate::{backend, stub::CallError, together};

impl Object {
    /// Has these users watched by this one, and brings it what they say.
    pub(super) async fn watch(self: Rc<Self>, watches: Vec<(UserId, Stamp)>, ticket: Ticket) {
        let asked = watches.into_iter().map(|(user, stamp)| self.clone().watch_one(user, stamp));
        let told = together::all_or_error(asked)
            .await
            .inspect_err(|CallError(problem)| tracing::error!(problem, "users could not be watched"))
            .ok();
        if let Err(failure) = self.run(&Command::Answered { ticket, told }, With::default()).await {
            tracing::error!(%failure, "an answer was lost");
        }
    }

    async fn watch_one(
        self: Rc<Self>,
        user: UserId,
        stamp: Stamp,
    ) -> Result<(UserId, Stamp, Seen), CallError> {
        let watcher = self.user().map_err(|failure| CallError(failure.to_string()))?;
        match self.call(&user, Command::Watch { watcher, stamp }).await? {
            Reply::Watching(seen) => Ok((user, stamp, seen)),
            _ => Err(CallError("the reply is to another command".to_owned())),
        }
    }

    /// What a tick left to be done. Within the alarm's own event, which the runtime repeats if it dies meanwhile.
    pub(super) async fn do_chores(self: Rc<Self>, chores: Chores) -> Result<(), Failure> {
        if let Some((users, by)) = chores.release {
            let watcher = self.user()?;
            let tell = |user: UserId| {
                let (object, watcher) = (self.clone(), watcher.clone());
                async move {
                    if let Err(error) = object.call(&user, Command::Unwatch { watcher, by }).await {
                        tracing::warn!(%error, "a user is told later that somebody does not watch it any more");
                    }
                }
            };
            together::all(users.into_iter().map(tell)).await;
        }
        if chores.spread
            && let Reply::Spread(Some(page)) = self.clone().run(&Command::Spread, With::default()).await?
        {
            let report = self.tell(&page).await;
            self.run(&Command::Delivered(report), With::default()).await?;
        }
        Ok(())
    }

    async fn tell(self: &Rc<Self>, page: &Page) -> Report {
        let tell = |watcher: UserId| {
            let (object, command) = (self.clone(), Command::Notified(page.notice.clone()));
            async move {
                match object.call(&watcher, command).await {
                    Ok(Reply::Follows(follows)) => Some(follows),
                    Ok(_) => None,
                    Err(error) => {
                        tracing::warn!(%error, "a watcher could not be told");
                        None
                    }
                }
            }
        };
        page.report(together::all(page.watchers.iter().map(|(watcher, _)| tell(watcher.clone()))).await)
    }

    /// Gives another user a command, or this one.
    async fn call(self: Rc<Self>, user: &UserId, command: Command) -> Result<Reply, CallError> {
        match self.user() {
            Ok(own) if own == *user => {
                let replied = self.run(&command, With::default()).await;
                replied.map_err(|failure| CallError(failure.to_string()))
            }
            _ => backend::run(&self.env, user, command).await,
        }
    }
}
