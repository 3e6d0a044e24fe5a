//! Incoming records, in any order and any number of times: only a newer generation changes a row.

use rollcall_core::{
    audit::{self, Part},
    directory::{holding, record::Record, upsert},
    id::{RecordId, TenantId},
    shard::{
        bucket,
        progress::{self, Progress},
    },
    store::Statement,
};

use super::{Shard, ShardError, fence::Sent, upkeep::counted};
use crate::{alarm, clock, wire::DirectoryAnswer};

impl Shard {
    pub(super) async fn publish(
        &self,
        records: &[Record],
        parts: &[Part],
        sent: Sent,
    ) -> Result<DirectoryAnswer, ShardError> {
        let (_, mut statements) = self.begin(sent).await?;
        statements.extend(parts.iter().map(audit::keep));
        // Those that opened drive the oldest of their user out.
        let mut users: Vec<_> = records.iter().filter(|record| record.offline_at.is_none()).collect();
        users.dedup_by_key(|record| (record.tenant, record.user));
        let keep = self.configuration()?.settings.presence.max_records_per_user;
        for record in users {
            let trim = upsert::trim_user(record.tenant, record.user, keep, upsert::TRIMMED_AT_INSERT);
            if self.sql().read(&trim.question())?.is_some_and(|rows| !rows.is_empty()) {
                statements.extend(counted(&trim));
            }
        }
        let clashes = self.take_in(records, statements)?;
        Ok(DirectoryAnswer::Published { clashes })
    }

    /// Upserts records, and returns the ids that other records have; `first` goes into the same transaction.
    fn take_in(&self, records: &[Record], first: Vec<Statement>) -> Result<Vec<RecordId>, ShardError> {
        self.upsert(records, upsert::publish(records), first)
    }

    /// Upserts records by these statements, and returns the ids that other records have; `first` goes into the same transaction.
    pub(super) fn upsert(
        &self,
        records: &[Record],
        upserts: Vec<Statement>,
        first: Vec<Statement>,
    ) -> Result<Vec<RecordId>, ShardError> {
        let mut statements = first;
        statements.extend(upsert::counts(records));
        statements.extend(upserts);
        let before = statements.len();
        statements.extend(upsert::clashes(records));
        let answers = self.sql().write(&statements)?;
        let rows: Vec<_> = answers.into_iter().skip(before).flatten().collect();
        Ok(upsert::clashing_ids(&rows)?)
    }

    /// Rows were compared with their users' objects: what these have is taken over. What they no longer have ended at an unknown
    /// moment, and ends now.
    pub(super) fn repair(
        &self,
        known: &[Record],
        gone: &[RecordId],
        sent: Sent,
    ) -> Result<DirectoryAnswer, ShardError> {
        self.fence(sent)?;
        self.hold_against(known, gone)?;
        Ok(DirectoryAnswer::Done)
    }

    pub(super) fn hold_against(&self, known: &[Record], gone: &[RecordId]) -> Result<(), ShardError> {
        let mut first: Vec<_> = gone.iter().map(|id| upsert::ended(*id, clock::now())).collect();
        if let Some(layout) = self.layout()?.filter(|layout| layout.copying > 0) {
            let of_gone = self.sql().read(&holding::buckets_of(gone))?.unwrap_or_default();
            let buckets = known.iter().map(|record| bucket(record.user));
            first.extend(self.note_change(&layout, buckets.chain(holding::read_buckets(&of_gone)?))?);
        }
        self.take_in(known, first).map(drop)
    }

    /// From the first record on a shard has upkeep, and an alarm for it.
    pub(super) fn begin_upkeep(&self) -> Result<Option<Statement>, ShardError> {
        let delivery = self.delivery()?.map(|delivery| delivery.next_at);
        let change = self.is_changing()?.then(clock::now);
        let other = delivery.into_iter().chain(change).min();
        let first = |progress: &Progress| other.map_or(progress.next(), |at| at.min(progress.next()));
        if let Some(progress) = self.progress()? {
            alarm::mend(&self.state, &self.env, Some(first(&progress)));
            return Ok(None);
        }
        let progress = Progress::begin(clock::now(), self.audit_every()?);
        alarm::set(&self.state, &self.env, first(&progress));
        Ok(Some(progress::keep(&progress)))
    }

    /// The number of the tenant's rows without an end in this shard.
    pub(super) fn count_live(&self, tenant: TenantId) -> Result<u64, ShardError> {
        let rows = self.sql().read(&progress::count_live(tenant))?.unwrap_or_default();
        Ok(match rows.first().map(Vec::as_slice) {
            Some([rollcall_core::store::Value::Int(count)]) => u64::try_from(*count).unwrap_or(0),
            _ => 0,
        })
    }
}
