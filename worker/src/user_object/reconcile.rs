//! What a crash left behind: sockets died with the runtime, and their records are still open.

use std::rc::Rc;

use rollcall_api::Chain;
use rollcall_core::{
    id::{RecordId, UserId},
    store::Statement,
    user::{
        Change, Needs, User,
        outbox::{self, Look},
    },
};
use worker::WebSocket;

use super::{Object, run::RunError, sockets::Held};
use crate::clock;

impl Object {
    /// Reconciles once in the life of an instance, and resumes publications.
    pub(super) fn reconcile(self: &Rc<Self>, user: &UserId, on: Option<&WebSocket>) -> Result<(), RunError> {
        if self.reconciles_with_news(user, on)? {
            self.publish_soon();
        }
        Ok(())
    }

    /// Reconciles once in the life of an instance: closes sockets that do not read, and ends records without a connection. No alarm
    /// would do it, since none is set while everything is well: each alarm is billed. Returns whether there is anything to publish.
    pub(super) fn reconciles_with_news(
        &self,
        user: &UserId,
        on: Option<&WebSocket>,
    ) -> Result<bool, RunError> {
        if self.has_reconciled.get() {
            return Ok(false);
        }
        self.close_unreadable();
        self.resume_subscriptions(user, on)?;
        let rows = self.sql().read(&outbox::look(clock::now()))?.unwrap_or_default();
        let Look { open, mut is_queued, has_parts, floor } = outbox::read_look(&rows);
        self.has_parts.set(has_parts);
        is_queued |= has_parts;
        self.last_date.set(self.last_date.get().max(floor));
        if !open.is_empty() {
            let held = self.held(on);
            // A socket in any state counts as long as the runtime has not reported its end: that event ends its record.
            let connected: Vec<RecordId> = held.iter().filter_map(Held::record).collect();
            let lost: Vec<Statement> = open
                .into_iter()
                .filter(|record| !connected.contains(record))
                .flat_map(|record| Change::RecordEnded { record, at: clock::now() }.statements(user))
                .collect();
            if !lost.is_empty() {
                tracing::info!(records = lost.len(), "records of a runtime that ended are ended");
                self.sql().write(&lost)?;
                is_queued = true;
            }
        }
        self.has_reconciled.set(true);
        let untold: Vec<RecordId> = self.held(on).iter().filter_map(Held::unpublished).collect();
        let has_untold = !untold.is_empty();
        self.openings.replace(untold);
        Ok(has_untold || is_queued)
    }

    /// Reconciles although this instance has: a record has lost its socket.
    pub(super) fn reconcile_again(self: &Rc<Self>) {
        self.has_reconciled.set(false);
        if let Err(error) = self.user().and_then(|user| self.reconcile(&user, None)) {
            tracing::error!(error = %Chain(&error), "what has lost its socket is not ended yet");
            self.try_later();
        }
    }

    /// Sockets that died with the runtime sent no notice of their end, and left subscriptions.
    fn resume_subscriptions(&self, user: &UserId, on: Option<&WebSocket>) -> Result<(), RunError> {
        let live = self.held(on).iter().filter_map(Held::connection).cloned().collect();
        let (user, now) = (User::new(user.clone(), live), clock::now());
        let needs = Needs { subscription_state: true, dangling: true, ..Needs::default() };
        if let Some(change) = user.resume_subscriptions(&self.read(&needs, &user, now)?, now)? {
            self.sql().write(&change.statements(user.id()))?;
            self.arm(None, None);
        }
        Ok(())
    }
}
