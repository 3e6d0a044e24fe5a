//! A tenant's order: the mark, which shard 0 keeps for all, and the beginning of its waves.

use rollcall_core::{
    directory::{upsert, view::Mark},
    shard::{
        mark::{self, Stored},
        wave::{self, Wave},
    },
    store::Statement,
};

use super::{Failure, Shard};
use crate::{
    cache::BELIEVED,
    clock, directory, together,
    wire::{DirectoryAnswer, DirectoryAsk},
};

impl Shard {
    /// The order in force, if there ever was one.
    pub(super) fn stored_mark(&self) -> Result<Option<Stored>, Failure> {
        let rows = self.sql().read(&mark::get(self.tenant()?))?.unwrap_or_default();
        mark::read(&rows).map_err(|problem| Failure::Other(problem.to_owned()))
    }

    /// Puts an order in force, with the beginning of its wave in one transaction, and tells the other shards. When one of
    /// them cannot be told now, the alarm goes on with it.
    pub(super) async fn set_mark(
        &self,
        exempt: Vec<i64>,
        notice: String,
        shards: u32,
    ) -> Result<DirectoryAnswer, Failure> {
        // For so long may an isolate go on without having heard of it. What it lets in meanwhile is covered.
        let ahead = clock::now() + BELIEVED;
        let before = self.stored_mark()?.map_or(ahead, |stored| stored.mark.at);
        let mark = Mark { at: ahead.max(before), exempt, lifted: false };
        let at = mark.at;
        let mut statements = self.first(shards)?;
        statements.push(mark::set(self.tenant()?, &mark));
        let wave = Wave::new(mark, notice);
        statements.extend(self.beginning(&wave)?);
        self.sql().write(&statements)?;
        self.arm(false);
        self.spread(&wave, shards).await?;
        Ok(DirectoryAnswer::Marked(at))
    }

    /// Lifts the order in force, if there is one.
    pub(super) fn lift_mark(&self) -> Result<DirectoryAnswer, Failure> {
        let in_force = self.stored_mark()?.is_some_and(|stored| !stored.mark.lifted);
        if in_force {
            self.change(&[mark::lift(self.tenant()?)])?;
        }
        Ok(DirectoryAnswer::Lifted(in_force))
    }

    /// Shard 0 has an order for the users of this shard. Said any number of times, begun once.
    pub(super) fn begin_wave(
        &self,
        mark: Mark,
        notice: String,
        shards: u32,
    ) -> Result<DirectoryAnswer, Failure> {
        let mut wave = Wave::new(mark, notice);
        wave.is_spread = true;
        if self.wave()?.is_some_and(|under_way| !wave.replaces(&under_way)) {
            return Ok(DirectoryAnswer::Done);
        }
        let mut statements = self.first(shards)?;
        statements.extend(self.beginning(&wave)?);
        self.sql().write(&statements)?;
        self.arm(false);
        Ok(DirectoryAnswer::Done)
    }

    /// Imported records have no user who would end them: they end with the order itself.
    fn beginning(&self, wave: &Wave) -> Result<[Statement; 2], Failure> {
        let imports = upsert::end_imports_of_tenant(self.tenant()?, &wave.mark.exempt, wave.mark.at);
        Ok([imports, wave::keep(wave)])
    }

    /// Tells every other shard.
    pub(super) async fn spread(&self, wave: &Wave, shards: u32) -> Result<(), Failure> {
        let tenant = self.tenant()?;
        let told = (1..shards).map(|index| {
            let spread = DirectoryAsk::Spread { mark: wave.mark.clone(), notice: wave.notice.clone() };
            directory::tell(&self.env, tenant, index, shards, spread)
        });
        together::all_or_error(told).await.map_err(|error| Failure::Other(error.0))?;
        self.change(&[wave::spread(wave)]).map(drop)
    }
}
