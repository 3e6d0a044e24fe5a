//! Questions that change nothing. They come as data, and their SQL is written here: an entry of another version knows other tables.

use rollcall_core::{
    audit::{Asked, Indexed},
    directory::{
        membership::{self, Body},
        page::ShardQuery,
        query,
        view::View,
    },
    id::RecordId,
    population,
    shard::layout,
};

use super::{Shard, ShardError, fence::Sent};
use crate::wire::DirectoryAnswer;

impl Shard {
    /// This shard's part of a list.
    pub(super) fn list(&self, asked: &ShardQuery, sent: Sent) -> Result<DirectoryAnswer, ShardError> {
        let holding = self.holding(&self.fence(sent)?)?;
        let run = |statement: &_| Ok::<_, ShardError>(self.sql().read(statement)?);
        let found = asked.answer(self.tenant()?, &holding, run)?;
        Ok(DirectoryAnswer::Found(found))
    }

    /// This shard's part of the audit. It depends on no layout.
    pub(super) fn entries(&self, asked: &Asked) -> Result<DirectoryAnswer, ShardError> {
        let rows = |statement: &_| Ok::<_, ShardError>(self.sql().read(statement)?.unwrap_or_default());
        let page = asked.answer(Indexed::Id, rows)?;
        let widest = layout::read_widest(&rows(&layout::widest())?);
        Ok(DirectoryAnswer::Audit(page, widest))
    }

    /// The record that stands for a user.
    pub(super) fn detail(&self, user: i64, view: &View, sent: Sent) -> Result<DirectoryAnswer, ShardError> {
        self.fence_users(sent, &[user])?;
        let rows = self.sql().read(&query::detail(self.tenant()?, user, view))?;
        let records = rows.map(|rows| query::read_records(&rows)).transpose()?;
        Ok(DirectoryAnswer::Detail(records))
    }

    /// The users with open connections that belong to one of these bodies.
    pub(super) fn members(&self, body: Body, ids: &[i64], sent: Sent) -> Result<DirectoryAnswer, ShardError> {
        let holding = self.holding(&self.fence(sent)?)?;
        let members = membership::members(self.tenant()?, body, ids.iter().copied(), &holding);
        let rows = self.sql().read(&members)?.unwrap_or_default();
        Ok(DirectoryAnswer::Members(membership::users(&rows)?))
    }

    /// The records behind this one, those of a user together.
    pub(super) fn records_of_users(
        &self,
        after: Option<(i64, RecordId)>,
        sent: Sent,
    ) -> Result<DirectoryAnswer, ShardError> {
        let layout = self.fence(sent)?;
        let holding = self.holding(&layout)?;
        let asked = population::records_of_users_after(self.tenant()?, after, &layout, &holding);
        let rows = self.sql().read(&asked)?.unwrap_or_default();
        Ok(DirectoryAnswer::Records(query::read_records(&rows)?))
    }

    /// The tenants in which these users have imported records that may be online, as far as this shard has entries of them.
    pub(super) fn imported_in(&self, users: &[i64], sent: Sent) -> Result<DirectoryAnswer, ShardError> {
        self.fence_users(sent, users)?;
        let rows = self.sql().read(&query::imported_in(users.iter().copied()))?.unwrap_or_default();
        Ok(DirectoryAnswer::ImportedIn(query::read_imported_in(&rows)?))
    }
}
