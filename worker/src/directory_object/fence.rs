//! The layout that a shard knows, which every question and every change is held against.
//!
//! The shard is the fence: what goes by an older layout than the shard knows is refused with the newer one. So a list, whose parts
//! all carry one layout, shows every record once, and a change reaches every shard that has to have it.

use rollcall_core::{
    directory::holding::{self, Holding},
    shard::{
        bucket,
        layout::{self, Layout, SinceCopy},
    },
    store::Statement,
};

use super::{Shard, ShardError};
use crate::{
    directory::{self, question},
    wire::DirectoryAnswer,
};

/// What a call says of the directory.
#[derive(Clone, Copy)]
pub(super) struct Sent {
    /// The layout that its caller goes by; older code sends none.
    pub(super) layout: Option<Layout>,
    /// `presence.directory_shards` as the caller has it.
    pub(super) shards: u32,
}

impl Shard {
    /// The stored layout; `None` before the first write.
    pub(super) fn layout(&self) -> Result<Option<Layout>, ShardError> {
        self.count_once()?;
        Ok(layout::read(&self.sql().read(&layout::get())?.unwrap_or_default()))
    }

    /// The layout that a call is answered under. A newer one than the stored is taken over.
    pub(super) fn fence(&self, sent: Sent) -> Result<Layout, ShardError> {
        let stored = self.layout()?;
        match (stored, sent.layout) {
            (Some(stored), Some(sent)) if sent.version > stored.version => {
                self.sql().write(&[layout::keep(&sent)])?;
                Ok(sent)
            }
            (Some(stored), Some(sent)) if is_one(&stored, &sent) => Ok(stored),
            (Some(stored), Some(_)) => Err(ShardError::Moved(stored)),
            // Older code knows the number only.
            (Some(stored), None) if stored.is_changing() || stored.shards != sent.shards => {
                Err(ShardError::Shards { stored: stored.places(), asked: sent.shards })
            }
            (Some(stored), None) => Ok(stored),
            (None, sent_layout) => Ok(sent_layout.unwrap_or(Layout::unwritten(sent.shards))),
        }
    }

    /// The statements that precede a shard's first write: the layout and the shard's own name. None later on.
    pub(super) fn first(&self, shards: u32) -> Result<Vec<Statement>, ShardError> {
        if self.layout()?.is_some() {
            return Ok(Vec::new());
        }
        self.first_with(&Layout::first(shards))
    }

    fn first_with(&self, layout: &Layout) -> Result<Vec<Statement>, ShardError> {
        let (tenant, index) = self.place()?;
        let name = Statement::new(
            "INSERT OR REPLACE INTO name (id, name) VALUES (1, ?1)",
            [directory::name(tenant, index).into()],
        );
        Ok(vec![layout::keep(layout), name])
    }

    /// The same, after a question to shard 0, which keeps the layout for all. Every other shard asks once.
    pub(super) async fn first_with_layout(&self, sent: Sent) -> Result<Vec<Statement>, ShardError> {
        let (tenant, index) = self.place()?;
        if self.layout()?.is_some() {
            return Ok(Vec::new());
        }
        let current = if index == 0 {
            Layout::first(sent.layout.map_or(sent.shards, |layout| layout.shards))
        } else {
            let shards = sent.layout.map_or(sent.shards, |layout| layout.shards);
            directory::ask(&self.env, tenant, 0, shards, question::lay_out()).await?
        };
        match sent.layout {
            // Shard 0 learns of a hand-over as the last one.
            Some(sent) if sent.version > current.version => self.first_with(&sent),
            Some(sent) if !is_one(&current, &sent) => Err(ShardError::Moved(current)),
            _ => self.first_with(&current),
        }
    }

    /// The beginning of every change that brings records: the layout that it goes by, and the statements that precede it.
    pub(super) async fn begin(&self, sent: Sent) -> Result<(Layout, Vec<Statement>), ShardError> {
        let mut statements = self.first_with_layout(sent).await?;
        let layout = self.fence(sent)?;
        statements.extend(self.begin_upkeep()?);
        Ok((layout, statements))
    }

    /// The layout for another shard, stored if there is none.
    pub(super) fn lay_out(&self, shards: u32) -> Result<DirectoryAnswer, ShardError> {
        let first = self.first(shards)?;
        if !first.is_empty() {
            self.sql().write(&first)?;
        }
        self.layout().map(DirectoryAnswer::Layout)
    }

    /// What the shard's database holds of a directory of this layout.
    pub(super) fn holding(&self, layout: &Layout) -> Result<Holding, ShardError> {
        let (_, index) = self.place()?;
        Ok(Holding::of_shard(&self.counters()?, |bucket| layout.home(bucket) == index))
    }

    /// The number of records in each bucket that has some.
    pub(super) fn counters(&self) -> Result<Vec<(u16, u64)>, ShardError> {
        Ok(holding::read_counters(&self.sql().read(&holding::counters())?.unwrap_or_default())?)
    }

    /// The layout that a question about single users is answered under. Of a sealed bucket publications may go to the new shard alone by
    /// now, so there is no answer here. A list needs no such care: shard 0 is asked a part of it, and knows.
    pub(super) fn fence_users(&self, sent: Sent, users: &[i64]) -> Result<Layout, ShardError> {
        let layout = self.fence(sent)?;
        self.is_copying(&layout, users.iter().map(|user| bucket(*user)))?;
        Ok(layout)
    }

    /// Notes that records of these buckets change by other means than a publication. While they wait to be handed over, they must not.
    pub(super) fn note_change(
        &self,
        layout: &Layout,
        buckets: impl Iterator<Item = u16>,
    ) -> Result<Option<Statement>, ShardError> {
        let is_copying = self.is_copying(layout, buckets)?;
        Ok(is_copying.then(|| layout::note(SinceCopy::Changed)))
    }

    /// Whether one of these buckets is being copied. Refused while they wait to be handed over.
    fn is_copying(
        &self,
        layout: &Layout,
        mut buckets: impl Iterator<Item = u16>,
    ) -> Result<bool, ShardError> {
        let is_copied = layout.copying > 0 && buckets.any(|bucket| layout.is_copied(bucket));
        if is_copied && self.since_copy()? == SinceCopy::Sealed {
            return Err(ShardError::Moved(*layout));
        }
        Ok(is_copied)
    }

    pub(super) fn since_copy(&self) -> Result<SinceCopy, ShardError> {
        Ok(layout::read_since_copy(&self.sql().read(&layout::since_copy())?.unwrap_or_default()))
    }

    /// Records of an earlier program get their buckets and their counters before anything else is done.
    fn count_once(&self) -> Result<(), ShardError> {
        if self.is_counted.get() {
            return Ok(());
        }
        let Some(rows) = self.sql().read(&layout::is_uncounted())? else { return Ok(()) };
        if !rows.is_empty() {
            let users = self.sql().read(&holding::users_without_bucket())?.unwrap_or_default();
            let mut statements = holding::set_buckets(&holding::read_users(&users)?);
            statements.push(layout::note_counted());
            self.sql().write(&statements)?;
        }
        self.is_counted.set(true);
        Ok(())
    }
}

/// Whether a caller goes by the stored layout, or guessed it before there was one.
fn is_one(stored: &Layout, sent: &Layout) -> bool {
    sent == stored || (sent.version == 0 && Layout { version: stored.version, ..*sent } == *stored)
}
