//! Imported records. The directory is their only store.

use rollcall_core::{
    directory::{record::Record, upsert, view::Cutoff},
    shard::layout,
    store::Statement,
    time::Timestamp,
};

use super::{Shard, ShardError};
use crate::wire::DirectoryAnswer;

/// Records that one transaction of an order ends.
const END_ROWS: u32 = 1_000;

impl Shard {
    /// Takes imported records in, but for those whose id a live record of this shard has.
    pub(super) async fn import(
        &self,
        records: &[Record],
        shards: u32,
    ) -> Result<DirectoryAnswer, ShardError> {
        let mut statements = self.first_with_layout(shards).await?;
        statements.extend(self.begin_upkeep()?);
        let before = statements.len();
        statements.extend(upsert::import(records));
        let answers = self.sql().write(&statements)?;
        let mut written = Vec::with_capacity(records.len());
        for rows in answers.iter().skip(before) {
            written.extend(upsert::imported(rows)?);
        }
        Ok(DirectoryAnswer::Imported(written))
    }

    /// Ends the imported records of these users; a shard that was never written has none.
    pub(super) fn end_imports(
        &self,
        users: &[i64],
        at: Timestamp,
        shards: u32,
    ) -> Result<DirectoryAnswer, ShardError> {
        let stored = self.laid_out()?;
        layout::check(stored, shards)?;
        if stored.is_none() {
            return Ok(DirectoryAnswer::Done);
        }
        self.repeat(&upsert::end_imports_of_users(self.tenant()?, users, at, END_ROWS))?;
        Ok(DirectoryAnswer::Done)
    }

    /// Ends what the tenant's cutoff covers. No user's object ends imported records; until then the cutoff hides them from answers.
    pub(super) fn end_cut_off_imports(&self, cutoff: &Cutoff) -> Result<(), ShardError> {
        self.repeat(&upsert::end_imports_of_tenant(self.tenant()?, &cutoff.exempt, cutoff.at, END_ROWS))
    }

    /// Repeats a statement that changes at most [`END_ROWS`] rows, and returns them, until it changes fewer.
    fn repeat(&self, statement: &Statement) -> Result<(), ShardError> {
        let most = usize::try_from(END_ROWS).unwrap_or(usize::MAX);
        loop {
            let changed = self.sql().write(std::slice::from_ref(statement))?;
            if changed.iter().map(Vec::len).sum::<usize>() < most {
                return Ok(());
            }
        }
    }
}
