//! Imported records, which exist in the directory only.

use std::collections::BTreeMap;

use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use rollcall_core::{
    directory::{record::Record, upsert::Imported},
    id::TenantId,
    shard::{imports, shard},
    time::Timestamp,
};
use worker::Env;

use super::{ask, by_shard, groups};
use crate::{
    stub::{AT_ONCE, CallError},
    wire::{DirectoryAnswer, DirectoryAsk},
};

/// Brings records to their shards. What is not among the answers has the id of a live record there. Their entries come before them, so
/// that what is online is found.
pub(crate) async fn import(env: &Env, shards: u32, records: Vec<Record>) -> Result<Vec<Imported>, CallError> {
    let entries = records.iter().filter_map(imports::entry).map(|entry| (shard(entry.user, shards), entry));
    let entries = groups(entries).into_iter().map(|(index, entries)| ((imports::ENTRIES, index), entries));
    import_into(env, shards, entries.collect()).await?;
    import_into(env, shards, by_shard(records, shards)).await
}

async fn import_into(
    env: &Env,
    shards: u32,
    records: BTreeMap<(TenantId, u32), Vec<Record>>,
) -> Result<Vec<Imported>, CallError> {
    let asked = records.into_iter().map(|((tenant, index), records)| async move {
        match ask(env, tenant, index, shards, DirectoryAsk::Import(records)).await? {
            DirectoryAnswer::Imported(written) => Ok(written),
            _ => Err(CallError::AnotherQuestion),
        }
    });
    let written: Vec<Vec<Imported>> = stream::iter(asked).buffer_unordered(AT_ONCE).try_collect().await?;
    Ok(written.into_iter().flatten().collect())
}

/// The tenants in which these users have imported records that may be online.
pub(crate) async fn imported_in(
    env: &Env,
    shards: u32,
    users: Vec<i64>,
) -> Result<Vec<(i64, TenantId)>, CallError> {
    let asked = groups(users.into_iter().map(|user| (shard(user, shards), user)))
        .into_iter()
        .map(|(index, users)| ask(env, imports::ENTRIES, index, shards, DirectoryAsk::ImportedIn(users)));
    let answers: Vec<_> = stream::iter(asked).buffer_unordered(AT_ONCE).try_collect().await?;
    let mut pairs = Vec::new();
    for answer in answers {
        let DirectoryAnswer::ImportedIn(found) = answer else { return Err(CallError::AnotherQuestion) };
        pairs.extend(found);
    }
    Ok(pairs)
}

/// Ends the imported records of these users, or only what a cutoff at `at` covers of them.
pub(crate) async fn end(
    env: &Env,
    tenant: TenantId,
    shards: u32,
    users: Vec<i64>,
    at: Timestamp,
    cut_off: bool,
) -> Result<(), CallError> {
    let told = groups(users.into_iter().map(|user| (shard(user, shards), user))).into_iter().map(
        |(index, users)| async move {
            loop {
                let end = DirectoryAsk::EndImports { users: users.clone(), at, cut_off };
                match ask(env, tenant, index, shards, end).await? {
                    DirectoryAnswer::Done => return Ok(()),
                    DirectoryAnswer::Unfinished => {}
                    _ => return Err(CallError::AnotherQuestion),
                }
            }
        },
    );
    // Each of them, even if one fails: repeating the order has less left to do.
    stream::iter(told).buffer_unordered(AT_ONCE).collect::<Vec<_>>().await.into_iter().collect()
}
