//! The object's one alarm: armed only while the user or the outbox waits for a moment.

use std::{rc::Rc, time::Duration};

use rollcall_core::{
    time::Timestamp,
    user::{Command, User, outbox},
};
use wasm_bindgen::JsCast as _;
use worker::wasm_bindgen_futures::JsFuture;

use super::{Object, run::Failure};
use crate::{clock, raw::RawStorage};

/// When to try again what the store refused.
const LATER: Duration = Duration::from_secs(5);

impl Object {
    /// The moment has come. Never fails towards the runtime, whose own retries end after six.
    pub(super) async fn ring(self: Rc<Self>) {
        if let Err(failure) = self.clone().run(&Command::Tick, None, None).await {
            tracing::error!(%failure, "what the user waited for could not be done");
            self.try_later();
            return;
        }
        if self.publish_in_time().await.is_ok() {
            self.arm(None);
        }
    }

    /// Sets the alarm for the first of: `wish`, the user's own wish, the outbox. Without any there is none.
    pub(super) fn arm(&self, wish: Option<Timestamp>) {
        let now = clock::now();
        let retry = self
            .unpublished()
            .ok()
            .and_then(|records| records.first().map(|oldest| outbox::retry_at(oldest, now)));
        let own = self.own_wish().unwrap_or_else(|failure| {
            tracing::error!(%failure, "what the user waits for is not known");
            Some(now + LATER)
        });
        if let Some(first) = [wish, own, retry].into_iter().flatten().min() {
            self.set_alarm(first);
        }
    }

    pub(super) fn try_later(&self) {
        self.set_alarm(clock::now() + LATER);
    }

    /// When the user wants its next [`Command::Tick`]: what a tick would say now, without anything being done.
    fn own_wish(&self) -> Result<Option<Timestamp>, Failure> {
        let (id, at) = (self.user()?, clock::moment()?);
        let loaded = self.load(&id, &Command::Tick, at.now)?;
        let configuration = self.configuration()?;
        let outcome = User::new(id, Vec::new()).apply(&Command::Tick, &loaded, &configuration.rules, at);
        let due = (!outcome.changes.is_empty() || !outcome.actions.is_empty()).then_some(at.now);
        Ok(outcome.wake_at.or(due))
    }

    fn set_alarm(&self, at: Timestamp) {
        let storage = self.state.storage();
        // A double holds milliseconds exactly for some hundred thousand years.
        #[allow(clippy::cast_precision_loss, reason = "whole milliseconds")]
        let set = storage.as_raw().unchecked_ref::<RawStorage>().set_alarm(at.millis() as f64);
        match set {
            Ok(set) => self.state.wait_until(async move {
                if JsFuture::from(set).await.is_err() {
                    tracing::error!("the alarm could not be set");
                }
            }),
            Err(_) => tracing::error!("the alarm could not be set"),
        }
    }
}
