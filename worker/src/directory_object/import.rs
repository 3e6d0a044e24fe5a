//! Imported records. The directory is their only store.

use rollcall_core::{
    directory::{
        holding::{self, Holding},
        record::Record,
        upsert,
        view::Cutoff,
    },
    shard::{
        bucket,
        layout::{self, SinceCopy},
    },
    store::Statement,
    time::Timestamp,
};

use super::{Shard, ShardError, fence::Sent};
use crate::wire::DirectoryAnswer;

/// Records that one transaction of an order ends.
const END_ROWS: u32 = 1_000;
/// Transactions of one event, so that a shard with very many imported records goes on answering.
const END_STEPS: usize = 20;

impl Shard {
    /// Takes imported records in, but for those whose id a live record of this shard has.
    pub(super) async fn import(&self, records: &[Record], sent: Sent) -> Result<DirectoryAnswer, ShardError> {
        let (layout, mut statements) = self.begin(sent).await?;
        statements.extend(self.note_change(&layout, records.iter().map(|record| bucket(record.user)))?);
        statements.extend(upsert::counts(records));
        let imports = upsert::import(records);
        let (before, count) = (statements.len(), imports.len());
        statements.extend(imports);
        for leaves in upsert::leaves_bucket(records) {
            if self.sql().read(&leaves)?.is_some_and(|rows| !rows.is_empty()) {
                statements.extend(holding::recount());
            }
        }
        let answers = self.sql().write(&statements)?;
        let mut written = Vec::with_capacity(records.len());
        for rows in answers.iter().skip(before).take(count) {
            written.extend(upsert::imported(rows)?);
        }
        Ok(DirectoryAnswer::Imported(written))
    }

    /// Ends imported records of these users, or only what a cutoff at `at` covers of them; a shard that was never written has none.
    pub(super) fn end_imports(
        &self,
        users: &[i64],
        at: Timestamp,
        cut_off: bool,
        sent: Sent,
    ) -> Result<DirectoryAnswer, ShardError> {
        let layout = self.fence(sent)?;
        if self.layout()?.is_none() {
            return Ok(DirectoryAnswer::Done);
        }
        if let Some(note) = self.note_change(&layout, users.iter().map(|user| bucket(*user)))? {
            self.sql().write(&[note])?;
        }
        let end = if cut_off { upsert::end_cut_off_imports_of_users } else { upsert::end_imports_of_users };
        let is_done = self.repeat(&end(self.tenant()?, users, at, END_ROWS))?;
        Ok(if is_done { DirectoryAnswer::Done } else { DirectoryAnswer::Unfinished })
    }

    /// Ends what the tenant's cutoff covers, or a part of it. No user's object ends imported records; until then the cutoff hides them
    /// from answers. Whether it is all.
    pub(super) fn end_cut_off_imports(&self, cutoff: &Cutoff) -> Result<bool, ShardError> {
        // A copy that was under way is done again, unless the order came when it was: the new shard has the order too.
        if self.layout()?.is_some() && self.since_copy()? == SinceCopy::Same {
            self.sql().write(&[layout::note(SinceCopy::Changed)])?;
        }
        let (tenant, exempt) = (self.tenant()?, &cutoff.exempt);
        self.repeat(&upsert::end_imports_of_tenant(tenant, exempt, cutoff.at, END_ROWS, &Holding::SHARD))
    }

    /// Repeats a statement that changes at most [`END_ROWS`] rows, and returns them, until it changes fewer, but not without end.
    /// Whether it did.
    fn repeat(&self, statement: &Statement) -> Result<bool, ShardError> {
        let most = usize::try_from(END_ROWS).unwrap_or(usize::MAX);
        for _ in 0..END_STEPS {
            let changed = self.sql().write(std::slice::from_ref(statement))?;
            if changed.iter().map(Vec::len).sum::<usize>() < most {
                return Ok(true);
            }
        }
        Ok(false)
    }
}
