//! The publication of the user's records to the directory.

use std::{rc::Rc, time::Duration};

use super::{Object, run::RunError, sockets};
use crate::{clock, directory, stub::CallError};
use rollcall_api::Chain;
use rollcall_core::{
    audit::Part,
    directory::record::Record,
    id::RecordId,
    store::Statement,
    time::Timestamp,
    user::{object, outbox},
};

/// How long a force-off waits for the directory.
const AWAITED: Duration = Duration::from_secs(2);
/// How long an open or a natural end is tried before the alarm takes over.
const TRIED: Duration = Duration::from_secs(10);
/// Rounds of one publication. A second one follows when ids clashed or records changed meanwhile.
const ROUNDS: usize = 8;

/// What the directory is to be told of.
pub(super) struct Unpublished {
    pub(super) records: Vec<Record>,
    /// Parts of the audit.
    pub(super) parts: Vec<Part>,
    /// The rows of those parts that come with no record.
    alone: Vec<i64>,
}

impl Object {
    /// Publishes all there is and waits for it, but not for long. On failure the alarm goes on with it.
    pub(super) async fn publish_in_time(self: &Rc<Self>) -> Result<(), RunError> {
        self.publish_within(AWAITED).await
    }

    /// Publishes all there is, after this event's answer. On failure the alarm goes on with it.
    pub(super) fn publish_soon(self: &Rc<Self>) {
        let object = self.clone();
        self.state.wait_until(async move {
            // It is in the log already, and the alarm is set.
            let _ = object.publish_within(TRIED).await;
        });
    }

    pub(super) async fn publish_within(self: &Rc<Self>, span: Duration) -> Result<(), RunError> {
        let published = clock::within(span, self.publish()).await;
        let published = published.unwrap_or(Err(CallError::Timeout(span).into()));
        if let Err(error) = &published {
            tracing::warn!(error = %Chain(error), "records could not be published; it is tried again");
            self.keep_openings();
            self.arm(None, self.retry());
        }
        published
    }

    /// Openings that the directory was not told of go into the outbox.
    fn keep_openings(&self) {
        let openings = self.openings.take();
        if !openings.is_empty()
            && let Err(error) = self.sql().write(&[outbox::untold(&openings)])
        {
            tracing::error!(error = %Chain(&error), "openings that were not published are only in memory");
            self.openings.borrow_mut().extend(openings);
        }
    }

    async fn publish(&self) -> Result<(), RunError> {
        for _ in 0..ROUNDS {
            let openings = self.openings.borrow().clone();
            let Unpublished { records, parts, alone } = self.unpublished(&openings)?;
            if records.is_empty() && parts.is_empty() {
                self.openings.borrow_mut().retain(|id| !openings.contains(id));
                return Ok(());
            }
            #[cfg(feature = "probe")]
            crate::probe::directory_reachable().await?;
            let configuration = self.configuration()?;
            let shards = configuration.settings.presence.directory_shards;
            let clashes = directory::publish(&self.env, &records, &parts, shards).await?;
            self.acknowledge(&records, &clashes, &openings, &alone)?;
        }
        Err(RunError::AlwaysMore)
    }

    /// What is in the outbox, and these openings.
    pub(super) fn unpublished(&self, openings: &[RecordId]) -> Result<Unpublished, RunError> {
        let now = clock::now();
        let rows = self.sql().read(&outbox::unpublished(openings, now))?.unwrap_or_default();
        let alone = if self.has_parts.get() {
            self.sql().read(&outbox::parts_alone())?.unwrap_or_default()
        } else {
            Vec::new()
        };
        self.has_parts.set(!alone.is_empty());
        let (alone, parts): (Vec<_>, Vec<_>) = outbox::read_parts(&alone).into_iter().unzip();
        let with_records = outbox::read_parts(&rows).into_iter().map(|(_, part)| part);
        Ok(Unpublished {
            records: object::read_shown(&rows, now)?,
            parts: with_records.chain(parts).collect(),
            alone,
        })
    }

    fn acknowledge(
        &self,
        records: &[Record],
        clashes: &[RecordId],
        openings: &[RecordId],
        alone: &[i64],
    ) -> Result<(), RunError> {
        let is_taken = |record: &&Record| clashes.contains(&record.id);
        let told: Vec<&Record> = records.iter().filter(|record| !is_taken(record)).collect();
        let ended = told.iter().filter(|record| record.offline_at.is_some());
        let floor = ended.map(|record| outbox::latest(record)).fold(self.last_date.get(), Timestamp::max);
        let mut statements: Vec<Statement> =
            told.iter().filter_map(|record| outbox::acknowledged(record, openings, floor)).collect();
        let mut renamed = Vec::new();
        for record in records.iter().filter(is_taken) {
            let new = RecordId::draw(record.online_at, clock::moment()?.entropy);
            statements.push(outbox::renamed(record.id, new));
            renamed.push((record.id, new));
        }
        if !alone.is_empty() {
            statements.push(outbox::told_parts(alone));
        }
        if !statements.is_empty() {
            self.sql().write(&statements)?;
        }
        self.last_date.set(floor);
        let mut waiting = self.openings.borrow_mut();
        waiting.retain(|id| told.iter().all(|record| record.id != *id));
        for id in waiting.iter_mut() {
            *id = renamed.iter().find(|(old, _)| old == id).map_or(*id, |(_, new)| *new);
        }
        drop(waiting);
        for held in self.held(None) {
            let Some(record) = held.record() else { continue };
            if let Some((_, new)) = renamed.iter().find(|(old, _)| *old == record) {
                sockets::set_record(&held, *new);
            } else if told.iter().any(|told| told.id == record) {
                sockets::set_published(&held);
            }
        }
        Ok(())
    }
}
