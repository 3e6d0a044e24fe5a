//! Records coming in. Any order, any number of times: only what is newer changes a row.

use rollcall_core::{
    directory::{record::Record, upsert},
    id::{RecordId, TenantId},
    shard::{layout, progress},
    store::Statement,
};

use super::{Failure, Shard};
use crate::{
    clock, directory,
    wire::{DirectoryAnswer, DirectoryAsk},
};

impl Shard {
    pub(super) async fn publish(&self, records: &[Record], shards: u32) -> Result<DirectoryAnswer, Failure> {
        let (tenant, index) = self.place()?;
        let stored = self.laid_out()?;
        layout::check(stored, shards)?;
        if stored.is_none() && index != 0 {
            // Shard 0 keeps the number for all; each other one asks once, before its own first write.
            directory::ask(&self.env, tenant, 0, shards, DirectoryAsk::Layout)
                .await
                .map_err(|error| Failure::Other(error.0))?;
        }
        let mut statements = Vec::new();
        if stored.is_none() {
            statements.push(layout::keep(shards));
            statements.push(Statement::new(
                "INSERT OR REPLACE INTO name (id, name) VALUES (1, ?1)",
                [directory::name(tenant, index).into()],
            ));
        }
        statements.extend(self.begin_chores()?);
        let clashes = self.take_in(records, statements)?;
        Ok(DirectoryAnswer::Published { clashes })
    }

    /// Upserts, and tells which ids are somebody else's; `first` goes into the same transaction.
    pub(super) fn take_in(
        &self,
        records: &[Record],
        first: Vec<Statement>,
    ) -> Result<Vec<RecordId>, Failure> {
        let mut statements = first;
        statements.extend(upsert::publish(records));
        let questions = upsert::clashes(records);
        let before = statements.len();
        statements.extend(questions);
        let answers = self.sql().write(&statements)?;
        let rows: Vec<_> = answers.into_iter().skip(before).flatten().collect();
        upsert::clashing_ids(&rows).map_err(|error| Failure::Other(error.to_string()))
    }

    /// From the first record on there are chores, and an alarm for them.
    fn begin_chores(&self) -> Result<Option<Statement>, Failure> {
        if self.progress()?.is_some() {
            return Ok(None);
        }
        let progress = progress::Progress::begin(clock::now(), self.audit_every()?);
        self.set_alarm(progress.next());
        Ok(Some(progress::keep(&progress)))
    }

    /// The rows that this shard has of a tenant without an end.
    pub(super) fn count_live(&self, tenant: TenantId) -> Result<u64, Failure> {
        let rows = self.sql().read(&progress::count_live(tenant))?.unwrap_or_default();
        Ok(match rows.first().map(Vec::as_slice) {
            Some([rollcall_core::store::Value::Int(count)]) => u64::try_from(*count).unwrap_or(0),
            _ => 0,
        })
    }
}
