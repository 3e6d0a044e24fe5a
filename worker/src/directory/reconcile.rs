//! Holding live rows against their users' objects, which know better.

use std::sync::{Mutex, PoisonError};

use futures_util::{StreamExt as _, stream};
use rollcall_api::Chain;
use rollcall_core::{
    directory::record::{Record, Source},
    directory::view::View,
    id::{RecordId, TenantId, UserId},
    shard::bucket,
};
use worker::Env;

use super::{ask_under, groups, layouts, question};
use crate::{
    cache::Checked,
    clock,
    stub::{self, AT_ONCE, CallError, USERS},
    wire::{UserAnswer, UserAsk},
};

/// Objects that are asked for one list.
const MOST: usize = 100;

/// When this isolate last held which row against its user's object.
static CHECKED: Mutex<Option<Checked>> = Mutex::new(None);

/// Of these records, those that the user's object still has, as they are.
pub(crate) async fn known(env: &Env, user: i64, ids: Vec<RecordId>) -> Result<Vec<Record>, CallError> {
    let name = UserId::from(user);
    match stub::call(env, USERS, name.as_str(), &UserAsk::Records(ids)).await? {
        UserAnswer::Records(known) => Ok(known),
        UserAnswer::Failed(problem) => Err(CallError::Failed(problem)),
        UserAnswer::Reply(_) | UserAnswer::OtherTenant(_) => Err(CallError::AnotherQuestion),
    }
}

/// Whether the user's object knows better than the directory if the record is online.
pub(super) fn is_live(record: &Record, view: &View) -> bool {
    record.source == Source::Live && view.is_online(record)
}

/// What a user's object said of rows that read as online.
struct Difference {
    tenant: TenantId,
    user: i64,
    known: Vec<Record>,
    gone: Vec<RecordId>,
}

/// Holds those live rows of a list against their users' objects that were not checked lately. Whether rows were wrong,
/// and are right now. *Could not ask* is not *offline*: such a row stays.
pub(super) async fn rows(env: &Env, shards: u32, view: &View, records: &[Record]) -> bool {
    let asked_at = clock::now();
    let due = due(records.iter().filter(|record| is_live(record, view)), asked_at);
    let users = groups(due.into_iter().map(|record| (record.user, record)));
    let asked = users.into_iter().take(MOST).map(|(user, rows)| async move {
        let compared = compare(env, user, &rows).await;
        (user, rows, compared)
    });
    let mut repaired = false;
    let answers: Vec<_> = stream::iter(asked).buffer_unordered(AT_ONCE).collect().await;
    for (user, rows, compared) in answers {
        let done = match compared {
            Ok(None) => Ok(()),
            Ok(Some(difference)) => {
                let told = repair(env, shards, difference).await;
                repaired |= told.is_ok();
                told
            }
            Err(error) => Err(error),
        };
        match done {
            Ok(()) => remember(&rows, asked_at),
            Err(error) => tracing::warn!(user, error = %Chain(&error), "rows of a list could not be checked"),
        }
    }
    repaired
}

/// Holds one row against its user's object. Whether it was wrong, and is right now; `None` when the object could not be
/// asked.
pub(super) async fn row(env: &Env, shards: u32, record: &Record) -> Result<Option<bool>, CallError> {
    match compare(env, record.user, &[record]).await {
        Err(error) => {
            tracing::warn!(user = record.user, error = %Chain(&error), "a row could not be checked");
            Ok(None)
        }
        Ok(None) => Ok(Some(false)),
        Ok(Some(difference)) => repair(env, shards, difference).await.map(|()| Some(true)),
    }
}

async fn compare(env: &Env, user: i64, rows: &[&Record]) -> Result<Option<Difference>, CallError> {
    let Some(first) = rows.first() else { return Ok(None) };
    let mut known = known(env, user, rows.iter().map(|row| row.id).collect()).await?;
    let is_gone = |id: &RecordId| known.iter().all(|record| record.id != *id);
    let gone: Vec<RecordId> = rows.iter().map(|row| row.id).filter(is_gone).collect();
    // The others are as the directory has them, or will be published again.
    known.retain(|record| rows.iter().any(|row| row.id == record.id && row.generation < record.generation));
    let differs = !(known.is_empty() && gone.is_empty());
    Ok(differs.then_some(Difference { tenant: first.tenant, user, known, gone }))
}

async fn repair(env: &Env, shards: u32, difference: Difference) -> Result<(), CallError> {
    let Difference { tenant, user, known, gone } = difference;
    layouts::under(env, tenant, shards, async |layout| {
        let repair = question::repair(known.clone(), gone.clone());
        ask_under(env, tenant, layout.home(bucket(user)), &layout, repair).await
    })
    .await
}

fn due<'a>(rows: impl Iterator<Item = &'a Record>, now: rollcall_core::time::Timestamp) -> Vec<&'a Record> {
    let checked = CHECKED.lock().unwrap_or_else(PoisonError::into_inner);
    rows.filter(|row| !checked.as_ref().is_some_and(|checked| checked.has(row.user, row.id, now))).collect()
}

fn remember(rows: &[&Record], asked_at: rollcall_core::time::Timestamp) {
    let mut checked = CHECKED.lock().unwrap_or_else(PoisonError::into_inner);
    let checked = checked.get_or_insert_default();
    rows.iter().for_each(|row| checked.remember(row.user, row.id, asked_at));
}
