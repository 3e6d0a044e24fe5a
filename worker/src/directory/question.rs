//! Questions to a shard, each with the form of its answer: who asks gets that and nothing else.

use rollcall_core::{
    audit,
    directory::{
        membership::Body,
        page::{Found, ShardQuery},
        record::Record,
        upsert::Imported,
        view::{Cutoff, View},
    },
    id::{RecordId, TenantId},
    shard::{layout::Layout, undelivered::Undelivered},
    time::Timestamp,
};

use crate::{
    stub::CallError,
    wire::{DirectoryAnswer, DirectoryAsk},
};

/// A question, and what is read of its answer.
pub(crate) struct Question<A> {
    ask: DirectoryAsk,
    read: fn(DirectoryAnswer) -> Option<A>,
}

impl<A> Question<A> {
    fn of(ask: DirectoryAsk, read: fn(DirectoryAnswer) -> Option<A>) -> Self {
        Self { ask, read }
    }

    /// The question as it travels, and the reader of its answer.
    pub(crate) fn into_parts(self) -> (DirectoryAsk, impl FnOnce(DirectoryAnswer) -> Result<A, CallError>) {
        let read = self.read;
        (self.ask, move |answer| match answer {
            DirectoryAnswer::Failed(problem) => Err(CallError::Failed(problem)),
            DirectoryAnswer::Moved(layout) => Err(CallError::Moved(layout)),
            answer => read(answer).ok_or(CallError::AnotherQuestion),
        })
    }
}

/// Whether all was done; else asking again goes on with it.
fn is_finished(answer: DirectoryAnswer) -> Option<bool> {
    match answer {
        DirectoryAnswer::Done => Some(true),
        DirectoryAnswer::Unfinished => Some(false),
        _ => None,
    }
}

fn is_done(answer: DirectoryAnswer) -> Option<()> {
    is_finished(answer)?.then_some(())
}

fn layout(answer: DirectoryAnswer) -> Option<Option<Layout>> {
    let DirectoryAnswer::Layout(layout) = answer else { return None };
    Some(layout)
}

/// The layout that shard 0 keeps, if anything was written yet.
pub(crate) fn current_layout() -> Question<Option<Layout>> {
    Question::of(DirectoryAsk::CurrentLayout, layout)
}

/// The layout that shard 0 keeps, or keeps from now on.
pub(crate) fn lay_out() -> Question<Layout> {
    Question::of(DirectoryAsk::LayOut, |answer| layout(answer)?)
}

/// Changes the number of shards. The layout has another target if another change is under way.
pub(crate) fn reshard(target: u32, part: audit::Part) -> Question<Layout> {
    Question::of(DirectoryAsk::ReshardAudited(target, Box::new(part)), |answer| layout(answer)?)
}

/// Takes these records in, and these parts of the audit. The ids that are other records'.
pub(crate) fn publish(records: Vec<Record>, parts: Vec<audit::Part>) -> Question<Vec<RecordId>> {
    let ask = if parts.is_empty() {
        DirectoryAsk::Publish(records)
    } else {
        DirectoryAsk::PublishAudited(records, parts)
    };
    Question::of(ask, |answer| {
        let DirectoryAnswer::Published { clashes } = answer else { return None };
        Some(clashes)
    })
}

/// The shard's part of the audit, and the most shards that the directory ever had as far as the shard knows.
pub(crate) fn audit(asked: audit::Asked) -> Question<(audit::Page, u32)> {
    Question::of(DirectoryAsk::Audit(Box::new(asked)), |answer| {
        let DirectoryAnswer::Audit(page, widest) = answer else { return None };
        Some((page, widest))
    })
}

/// The shard's part of a list; `None` where nothing was written yet.
pub(crate) fn list(asked: ShardQuery) -> Question<Option<Vec<Found>>> {
    Question::of(DirectoryAsk::List(asked), |answer| {
        let DirectoryAnswer::Found(found) = answer else { return None };
        Some(found)
    })
}

/// The record that stands for a user.
pub(crate) fn detail(user: i64, view: View) -> Question<Option<Record>> {
    Question::of(DirectoryAsk::Detail { user, view }, |answer| {
        let DirectoryAnswer::Detail(found) = answer else { return None };
        Some(found.into_iter().flatten().next())
    })
}

/// The users with open connections that belong to one of these bodies.
pub(crate) fn members(body: Body, ids: Vec<i64>) -> Question<Vec<i64>> {
    Question::of(DirectoryAsk::Members { body, ids }, |answer| {
        let DirectoryAnswer::Members(users) = answer else { return None };
        Some(users)
    })
}

/// The tenants in which these users have imported records that may be online.
pub(crate) fn imported_in(users: Vec<i64>) -> Question<Vec<(i64, TenantId)>> {
    Question::of(DirectoryAsk::ImportedIn(users), |answer| {
        let DirectoryAnswer::ImportedIn(found) = answer else { return None };
        Some(found)
    })
}

/// Takes these imported records in. Those that were written.
pub(crate) fn import(records: Vec<Record>) -> Question<Vec<Imported>> {
    Question::of(DirectoryAsk::Import(records), |answer| {
        let DirectoryAnswer::Imported(written) = answer else { return None };
        Some(written)
    })
}

/// Ends the imported records of these users. Whether all are ended.
pub(crate) fn end_imports(users: Vec<i64>, at: Timestamp, cut_off: bool) -> Question<bool> {
    Question::of(DirectoryAsk::EndImports { users, at, cut_off }, is_finished)
}

/// The records behind this one, those of a user together.
pub(crate) fn records_of_users(after: Option<(i64, RecordId)>) -> Question<Vec<Record>> {
    Question::of(DirectoryAsk::RecordsOfUsers(after), |answer| {
        let DirectoryAnswer::Records(records) = answer else { return None };
        Some(records)
    })
}

/// Writes down how live records differ from what their users' objects have.
pub(crate) fn repair(known: Vec<Record>, gone: Vec<RecordId>) -> Question<()> {
    Question::of(DirectoryAsk::Repair { known, gone }, is_done)
}

/// Delivers this order to the shard's users.
pub(crate) fn deliver(cutoff: Cutoff, notice: String) -> Question<()> {
    Question::of(DirectoryAsk::Deliver { cutoff, notice }, is_done)
}

/// The order that is under delivery.
pub(crate) fn undelivered() -> Question<Option<Undelivered>> {
    Question::of(DirectoryAsk::Undelivered, |answer| {
        let DirectoryAnswer::Undelivered(order) = answer else { return None };
        Some(order)
    })
}

/// The order that earlier code kept in shard 0, and the message of its delivery if that is under way.
pub(crate) fn kept() -> Question<(Option<Cutoff>, Option<String>)> {
    Question::of(DirectoryAsk::Kept, |answer| {
        let DirectoryAnswer::Kept { cutoff, notice } = answer else { return None };
        Some((cutoff, notice))
    })
}

/// Records of the buckets that are being copied, after this id, and where to go on if there are more.
pub(crate) fn copy(after: Option<RecordId>) -> Question<(Vec<Record>, Option<RecordId>)> {
    Question::of(DirectoryAsk::Copy(after), |answer| {
        let DirectoryAnswer::Copied { records, last } = answer else { return None };
        Some((records, last))
    })
}

/// Takes over records that are being copied.
pub(crate) fn receive(records: Vec<Record>) -> Question<()> {
    Question::of(DirectoryAsk::Receive(records), is_done)
}

/// Lets nothing but publications change the buckets that are being copied. Whether nothing did since the copy began, nor is about to.
pub(crate) fn seal() -> Question<bool> {
    Question::of(DirectoryAsk::Seal, is_finished)
}

/// Deletes some of the records that the shard does not answer for. Whether all are deleted.
pub(crate) fn clear() -> Question<bool> {
    Question::of(DirectoryAsk::Clear, is_finished)
}

/// Writes and reads, in an object that is a shard of no tenant.
pub(crate) fn probe() -> Question<()> {
    Question::of(DirectoryAsk::Probe, is_done)
}
