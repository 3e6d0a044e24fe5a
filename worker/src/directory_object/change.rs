//! The change of a directory's number of shards (`docs/rules/edge.md#resharding`). Shard 0 keeps the layout and goes on by alarm.

use std::time::Duration;

use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use rollcall_core::{
    audit::{self, Part},
    directory::{
        holding,
        query::read_records,
        record::Record,
        upsert::{self, delete_bucket},
    },
    id::RecordId,
    shard::{
        bucket,
        layout::{self, Layout, Next, SinceCopy},
    },
};

use super::{Shard, ShardError, fence::Sent, upkeep::counted};
use crate::{
    clock::{self, Pause},
    directory::{
        self,
        question::{self, Question},
    },
    stub::{AT_ONCE, CallError},
    wire::{DirectoryAnswer, DirectoryAsk},
};

/// Records that cross at once.
const COPIED: u32 = 500;
/// Records that one call deletes.
const CLEARED: u32 = 1_000;
/// How long a layout stays at least, so that lists end between two of them.
const LAYOUT_STAYS: Duration = Duration::from_millis(50);
/// How long one alarm goes on with a change before the next one does.
const SPAN: Duration = Duration::from_secs(5);
/// The pause before another try.
pub(super) const AGAIN: Duration = Duration::from_secs(1);

impl Shard {
    /// Begins a change, unless it is under way or done. The answer has another target if another change is under way.
    /// What is refused so is no order, and leaves no entry in the audit.
    pub(super) fn reshard(&self, target: u32, part: Option<&Part>) -> Result<DirectoryAnswer, ShardError> {
        let Some(stored) = self.layout()? else {
            let mut statements = self.first(target)?;
            statements.extend(part.map(audit::keep));
            statements.extend(self.begin_upkeep()?);
            self.sql().write(&statements)?;
            return self.layout().map(DirectoryAnswer::Layout);
        };
        let Ok(changed) = stored.change_to(target) else { return Ok(DirectoryAnswer::Layout(Some(stored))) };
        let mut statements: Vec<_> = part.map(audit::keep).into_iter().collect();
        if part.is_some() {
            statements.extend(self.begin_upkeep()?);
        }
        let is_news = changed != stored;
        if is_news {
            statements.push(layout::keep(&changed));
        }
        if !statements.is_empty() {
            self.sql().write(&statements)?;
        }
        if is_news {
            tracing::info!(
                from = changed.shards,
                to = changed.target,
                "the number of shards begins to change"
            );
        }
        self.arm(false);
        Ok(DirectoryAnswer::Layout(Some(changed)))
    }

    /// Whether a change is under way that this shard goes on with.
    pub(super) fn is_changing(&self) -> Result<bool, ShardError> {
        let is_first = self.place().is_ok_and(|(_, index)| index == 0);
        Ok(is_first && self.layout()?.is_some_and(|layout| layout.is_changing()))
    }

    /// Goes on with a change. What a crash broke off begins anew with the buckets that were being copied.
    pub(super) async fn continue_change(&self) -> Result<(), ShardError> {
        let begun = clock::now();
        while self.is_changing()? && clock::now().since(begun) < SPAN {
            let Some(layout) = self.layout()? else { break };
            let next = match layout.next(Layout::copied_together(&self.counters()?)) {
                None => break,
                Some(Next::Copy(next)) => {
                    // No record of an earlier stay may come back.
                    self.clear_all(&layout).await?;
                    next
                }
                Some(Next::HandOver(next)) => {
                    if !self.is_copied(&layout).await? {
                        // An order goes on first, if that was the reason.
                        Pause::of(LAYOUT_STAYS).await;
                        break;
                    }
                    next
                }
                Some(Next::End(next)) => {
                    self.clear_all(&layout).await?;
                    tracing::info!(
                        from = next.version,
                        shards = next.shards,
                        "the number of shards has changed"
                    );
                    next
                }
            };
            self.sql().write(&[layout::keep(&next)])?;
            Pause::of(LAYOUT_STAYS).await;
        }
        Ok(())
    }

    /// Copies the buckets, and keeps them as they are. False if something changed meanwhile, or an order is being delivered.
    async fn is_copied(&self, layout: &Layout) -> Result<bool, ShardError> {
        let shards: Vec<u32> = (0..layout.shards).collect();
        for from in &shards {
            self.copy(*from, layout).await?;
        }
        for from in shards {
            if !self.order(from, layout, question::seal()).await? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Copies what a shard has of the buckets. From the first call on it refuses publications that do not go to both shards.
    async fn copy(&self, from: u32, layout: &Layout) -> Result<(), ShardError> {
        let mut after = None;
        loop {
            let (records, last) = self.order(from, layout, question::copy(after)).await?;
            after = last;
            let received = records
                .into_iter()
                .filter_map(|record| layout.receiver(bucket(record.user)).map(|to| (to, record)));
            for (to, records) in directory::groups(received) {
                self.order(to, layout, question::receive(records)).await?;
            }
            if after.is_none() {
                return Ok(());
            }
        }
    }

    /// Has every shard delete what it does not answer for.
    async fn clear_all(&self, layout: &Layout) -> Result<(), ShardError> {
        let cleared = (0..layout.places()).map(|index| async move {
            while !self.order(index, layout, question::clear()).await? {}
            Ok::<_, ShardError>(())
        });
        stream::iter(cleared).buffer_unordered(AT_ONCE).try_collect::<Vec<()>>().await.map(drop)
    }

    /// Asks a shard, or does it itself.
    async fn order<A>(&self, index: u32, layout: &Layout, question: Question<A>) -> Result<A, ShardError> {
        let (tenant, own) = self.place()?;
        if index != own {
            return Ok(directory::ask_under(&self.env, tenant, index, layout, question).await?);
        }
        let sent = Sent { layout: Some(*layout), shards: layout.shards };
        let (ask, read) = question.into_parts();
        let answer = match ask {
            DirectoryAsk::Copy(after) => self.copied(after, sent),
            DirectoryAsk::Receive(records) => self.receive(&records, sent).await,
            DirectoryAsk::Seal => self.seal(sent),
            DirectoryAsk::Clear => self.clear(sent),
            _ => Err(CallError::AnotherQuestion.into()),
        };
        Ok(read(answer?)?)
    }

    /// Records of the buckets that are being copied. The first question of a copy forgets what changed before it.
    pub(super) fn copied(&self, after: Option<RecordId>, sent: Sent) -> Result<DirectoryAnswer, ShardError> {
        let layout = self.fence(sent)?;
        if self.layout()?.is_none() {
            return Ok(DirectoryAnswer::Copied { records: Vec::new(), last: None });
        }
        if after.is_none() {
            self.sql().write(&[layout::note(SinceCopy::Same)])?;
        }
        let rows =
            self.sql().read(&holding::of_buckets(&layout.copied(), after, COPIED))?.unwrap_or_default();
        let mut records = read_records(&rows)?;
        let is_full = records.len() >= usize::try_from(COPIED).unwrap_or(usize::MAX);
        let last = records.last().map(|record| record.id).filter(|_| is_full);
        // The others are being received.
        let (_, own) = self.place()?;
        records.retain(|record| layout.home(bucket(record.user)) == own);
        Ok(DirectoryAnswer::Copied { records, last })
    }

    /// Takes over records that are being copied, unless they came with a newer generation. An id that another record has here is
    /// replaced by one that every repetition draws too.
    pub(super) async fn receive(
        &self,
        records: &[Record],
        sent: Sent,
    ) -> Result<DirectoryAnswer, ShardError> {
        let (_, statements) = self.begin(sent).await?;
        let taken = self.upsert(records, upsert::receive(records), statements)?;
        let renamed: Vec<Record> =
            records.iter().filter(|record| taken.contains(&record.id)).map(upsert::with_other_id).collect();
        if !renamed.is_empty() {
            tracing::warn!(records = renamed.len(), "records got other ids in their new shard");
            self.upsert(&renamed, upsert::receive(&renamed), Vec::new())?;
        }
        Ok(DirectoryAnswer::Done)
    }

    /// From here on only publications change the buckets, which reach both shards.
    pub(super) fn seal(&self, sent: Sent) -> Result<DirectoryAnswer, ShardError> {
        self.fence(sent)?;
        if self.layout()?.is_none() {
            return Ok(DirectoryAnswer::Done);
        }
        if self.since_copy()? == SinceCopy::Changed || self.delivery()?.is_some() {
            return Ok(DirectoryAnswer::Unfinished);
        }
        self.sql().write(&[layout::note(SinceCopy::Sealed)])?;
        Ok(DirectoryAnswer::Done)
    }

    /// Deletes some of the records that other shards answer for.
    pub(super) fn clear(&self, sent: Sent) -> Result<DirectoryAnswer, ShardError> {
        let layout = self.fence(sent)?;
        if self.layout()?.is_none() {
            return Ok(DirectoryAnswer::Done);
        }
        let (_, own) = self.place()?;
        let hidden = self.holding(&layout)?.hidden;
        let Some(gone) = hidden.into_iter().find(|bucket| layout.receiver(*bucket) != Some(own)) else {
            return Ok(DirectoryAnswer::Done);
        };
        self.sql().write(&counted(&delete_bucket(gone, CLEARED)))?;
        Ok(DirectoryAnswer::Unfinished)
    }
}
