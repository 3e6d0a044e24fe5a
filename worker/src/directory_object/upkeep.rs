//! The work of a shard's one alarm: the audit of live records, the sweep of old ones, and the delivery of an order.

use std::time::Duration;

use rollcall_api::Chain;
use rollcall_core::{
    audit,
    directory::{
        upsert::{self, CrowdedUsers, Deletion},
        view::retained_from,
    },
    shard::progress::{self, Progress},
    store::{Statement, Value},
    time::Timestamp,
};
use wasm_bindgen::JsCast as _;

use super::{Shard, ShardError, change::AGAIN};
use crate::{
    alarm, clock, fullness,
    metrics::{self, AlarmFault},
    raw::RawStorage,
};

/// Rows that one statement of a sweep may change.
const SWEEP_ROWS: u32 = 1_000;
/// Rows that one step of the search for users with too many records reads.
const SWEEP_READS: u32 = 10_000;
/// How often a sweep repeats a statement, so that a shard with a backlog goes on answering.
const SWEEP_STEPS: usize = 10;
/// The pause before another try.
const LATER: Duration = Duration::from_secs(60);

/// A deletion, with the counters that change in its transaction.
pub(super) fn counted(deletion: &Deletion) -> [Statement; 2] {
    [deletion.counted(), deletion.statement()]
}

impl Shard {
    /// The alarm. It never fails towards the runtime, whose retries end after six.
    pub(super) async fn ring(&self) {
        let delivered = self.continue_delivery().await.inspect_err(|error| {
            tracing::error!(error = %Chain(error), "a step of a delivery could not be done");
        });
        let changed = self.continue_change().await.inspect_err(|error| {
            tracing::warn!(error = %Chain(error), "a change of the number of shards is tried again");
        });
        let done = self.do_upkeep().await.inspect_err(|error| {
            tracing::error!(error = %Chain(error), "a shard's upkeep could not be done");
        });
        let has_failed = delivered.is_err() || done.is_err();
        if has_failed {
            metrics::alarm(&self.env, AlarmFault::Failed);
        }
        self.arm(has_failed);
        if changed.is_err() {
            alarm::set(&self.state, &self.env, clock::now() + AGAIN);
        }
    }

    /// Sets the alarm for the next work, if there is any; later after a failure.
    pub(super) fn arm(&self, failed: bool) {
        let later = clock::now() + LATER;
        let next = self.next().unwrap_or(Some(later));
        if let Some(next) = next {
            alarm::set(&self.state, &self.env, if failed { next.max(later) } else { next });
        }
    }

    fn next(&self) -> Result<Option<Timestamp>, ShardError> {
        let upkeep = self.progress()?.map(|progress| progress.next());
        let delivery = self.delivery()?.map(|delivery| delivery.next_at);
        let change = self.is_changing()?.then(clock::now);
        Ok(upkeep.into_iter().chain(delivery).chain(change).min())
    }

    /// Does what is due, until no record is left.
    async fn do_upkeep(&self) -> Result<(), ShardError> {
        let Some(mut progress) = self.progress()? else { return Ok(()) };
        let now = clock::now();
        if progress.audit_at <= now {
            let (audited, pause) = self.audit(progress.audited).await?;
            progress = Progress { audited, audit_at: clock::now() + pause, ..progress };
        }
        if progress.sweep_at <= now {
            // A backlog goes on at once, by another alarm: a shard may grow faster than one step an hour deletes.
            let has_more = self.sweep(now, &mut progress.crowded)?;
            progress.sweep_at = if has_more { now } else { now + progress::SWEEP_EVERY };
        }
        let left = self.sql().read(&progress::any_row())?.unwrap_or_default();
        if left.is_empty() {
            self.sql().write(&[Statement::new("DELETE FROM progress", [])])?;
            return Ok(());
        }
        self.sql().write(&[progress::keep(&progress)])?;
        Ok(())
    }

    /// Settles leases, and deletes records that ended long ago and, once a day when none of these is left, those that exceed the
    /// number that a user may keep: a step of the walk that finds them. Returns whether more is to be done at once.
    fn sweep(&self, now: Timestamp, crowded: &mut Option<(i64, i64)>) -> Result<bool, ShardError> {
        let configuration = self.configuration()?;
        let days = configuration.settings.message_center.retention_days;
        let mut has_more = self.sweep_step(vec![upsert::settle_leases(now, SWEEP_ROWS)])?;
        let due = upsert::delete_ended_before(retained_from(now, days), SWEEP_ROWS);
        has_more |= self.sweep_step(counted(&due).into())?;
        if has_more || self.sweep_audit(now) {
            return Ok(true);
        }
        if crowded.is_none() {
            let bytes = self.size();
            tracing::info!(bytes, "the size of a shard");
            metrics::shard(&self.env, bytes, fullness::is_near(bytes));
            *crowded = progress::is_last_sweep_of_day(now).then_some(CrowdedUsers::BEGINNING);
        }
        let Some(from) = *crowded else { return Ok(false) };
        let keep = configuration.settings.presence.max_records_per_user;
        let mut walk = CrowdedUsers::at(keep, SWEEP_READS, from);
        let Some(question) = walk.question() else { return Ok(false) };
        let rows = self.sql().read(&question)?.unwrap_or_default();
        for user in walk.advance(&rows)? {
            for _ in 0..user.records.div_ceil(SWEEP_ROWS) {
                let trim = upsert::trim_user(user.tenant, user.user, keep, SWEEP_ROWS);
                self.sql().write(&counted(&trim))?;
            }
        }
        *crowded = walk.goes_on_at();
        Ok(crowded.is_some())
    }

    /// Deletes entries of the audit that are over, and once a day those that are too many: each shard keeps its part of them. A failure
    /// leaves them to the next sweep.
    fn sweep_audit(&self, now: Timestamp) -> bool {
        self.sweep_entries(now).unwrap_or_else(|error| {
            tracing::error!(error = %Chain(&error), "entries of the audit that are over are not deleted yet");
            metrics::alarm(&self.env, AlarmFault::Failed);
            false
        })
    }

    fn sweep_entries(&self, now: Timestamp) -> Result<bool, ShardError> {
        let kept = self.configuration()?.settings.audit;
        let expired = audit::delete(audit::expired(now, kept.retention_days), SWEEP_ROWS);
        if self.sweep_step(vec![expired])? {
            return Ok(true);
        }
        if !progress::is_last_sweep_of_day(now) {
            return Ok(false);
        }
        let shards = self.layout()?.map_or(1, |layout| layout.places().max(1));
        let mut surplus = audit::Surplus::of(self.tenant()?, kept.max_rows.div_ceil(shards.into()));
        let mut has_more = false;
        while let Some(question) = surplus.question() {
            let rows = self.sql().read(&question)?.unwrap_or_default();
            if let Some(too_many) = surplus.advance(&rows) {
                has_more |= self.sweep_step(vec![too_many.delete(SWEEP_ROWS)])?;
            }
        }
        Ok(has_more)
    }

    /// Repeats statements. The last one changes at most [`SWEEP_ROWS`] rows. Returns whether it always changed that many.
    fn sweep_step(&self, mut once: Vec<Statement>) -> Result<bool, ShardError> {
        once.push(Statement::new("SELECT changes()", []));
        for _ in 0..SWEEP_STEPS {
            let changed = self.sql().write(&once)?;
            if changed.last() != Some(&vec![vec![Value::Int(SWEEP_ROWS.into())]]) {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// The bytes of the shard's database.
    pub(super) fn size(&self) -> f64 {
        self.state.storage().as_raw().unchecked_ref::<RawStorage>().sql().database_size()
    }

    pub(super) fn is_nearly_full(&self) -> bool {
        fullness::is_near(self.size())
    }

    pub(super) fn progress(&self) -> Result<Option<Progress>, ShardError> {
        Ok(progress::read(&self.sql().read(&progress::get())?.unwrap_or_default()))
    }

    pub(super) fn audit_every(&self) -> Result<Duration, ShardError> {
        Ok(Duration::from_secs(self.configuration()?.settings.presence.audit_seconds.into()))
    }
}
