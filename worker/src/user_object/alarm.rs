//! The object's one alarm: armed only while the user or the outbox waits for a moment.

use std::{rc::Rc, time::Duration};

use rollcall_api::Chain;
use rollcall_core::{
    time::Timestamp,
    user::{Command, Request as _, User, expiry, object, outbox, request::Tick},
};

use super::{Object, load::Cutoffs, publish::Unpublished, run::RunError, sockets::Held};
use crate::{
    alarm, clock,
    metrics::{self, AlarmFault},
};

/// The pause before another try after the store refused one, and before an entry of the audit is told again that nothing else tells. It
/// is longer than an order waits for that.
pub(super) const LATER: Duration = Duration::from_secs(5);

impl Object {
    /// The alarm. It never fails towards the runtime, whose retries end after six.
    pub(super) async fn ring(self: Rc<Self>) {
        if let Err(error) = self.forget_expired() {
            tracing::error!(error = %Chain(&error), "what is over could not be deleted");
            metrics::alarm(&self.env, AlarmFault::Failed);
        }
        if matches!(self.user_if_known(), Ok(None)) {
            // Its store names no user, so nothing waits: what set the alarm is done.
            return;
        }
        let done = match self.clone().ask(Tick).await {
            Ok(work) => self.clone().do_pending_work(work).await,
            Err(error) => Err(error),
        };
        if let Err(error) = done {
            tracing::error!(error = %Chain(&error), "what the user waited for could not be done");
            metrics::alarm(&self.env, AlarmFault::Failed);
            self.try_later();
            return;
        }
        if self.publish_in_time().await.is_ok() {
            self.arm(None, self.retry());
        }
    }

    /// Sets the alarm for the earliest of `wish`, the outbox's `retry` and the user's own wish as of now. Without any of them an
    /// alarm that is set already stays: it will find no work, which costs less than to take it back (`docs/rules/edge.md#live-set`).
    pub(super) fn arm(&self, wish: Option<Timestamp>, retry: Option<Timestamp>) {
        let own = self.own_wish().unwrap_or_else(|error| {
            tracing::error!(error = %Chain(&error), "what the user waits for is not known");
            Some(clock::now() + LATER)
        });
        if let Some(first) = [wish, own, retry].into_iter().flatten().min() {
            alarm::set(&self.state, &self.env, first);
        }
    }

    /// When to publish again what the directory has not acknowledged.
    pub(super) fn retry(&self) -> Option<Timestamp> {
        let Unpublished { records, parts, .. } = self.unpublished(&[]).ok()?;
        outbox::retry_at(&records, &parts, clock::now())
    }

    pub(super) fn try_later(&self) {
        alarm::set(&self.state, &self.env, clock::now() + LATER);
    }

    /// When the user wants its next [`Command::Tick`]: the wish of a tick that is applied now and not carried out.
    fn own_wish(&self) -> Result<Option<Timestamp>, RunError> {
        let (id, at) = (self.user()?, clock::moment()?);
        let configuration = self.configuration()?;
        let held = self.held(None);
        let open = || held.iter().filter(|held| held.is_open());
        let user = User::new(id, open().filter_map(Held::connection).cloned().collect())
            .with_consoles(open().filter_map(Held::console).cloned().collect());
        let mut loaded =
            self.load(&user, &Command::Tick, &Cutoffs::default(), None, &configuration.rules, at.now)?;
        object::forget_released(&mut loaded, at.now);
        let outcome = user.apply(&Command::Tick, &loaded, &configuration.rules, at)?;
        let has_pending_work = !Tick::read(outcome.reply)?.is_empty();
        let has_work = has_pending_work || !outcome.changes.is_empty() || !outcome.actions.is_empty();
        let due = has_work.then_some(at.now);
        Ok(outcome.wake_at.or(due).into_iter().chain(self.next_expiry()?).min())
    }

    /// Deletes tokens that have expired, and an order about a user who was never seen once it is old.
    fn forget_expired(&self) -> Result<(), RunError> {
        let now = clock::now();
        if self.next_expiry()?.is_some_and(|expiry| expiry <= now) {
            let unseen_for = self.configuration()?.rules.unseen_for();
            self.sql().write(&expiry::forget_expired(now, unseen_for))?;
        }
        Ok(())
    }

    fn next_expiry(&self) -> Result<Option<Timestamp>, RunError> {
        let unseen_for = self.configuration()?.rules.unseen_for();
        let rows = self.sql().read(&expiry::next_expiry(unseen_for))?.unwrap_or_default();
        Ok(expiry::read_next_expiry(&rows))
    }
}
