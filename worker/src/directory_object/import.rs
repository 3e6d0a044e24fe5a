//! Imported records. The directory is their only store.

use rollcall_core::{
    directory::{record::Record, upsert},
    shard::layout,
    time::Timestamp,
};

use super::{Shard, ShardError};
use crate::wire::DirectoryAnswer;

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
        self.change(&[upsert::end_imports_of_users(self.tenant()?, users, at)])
    }
}
