//! Imported records, which exist in the directory only.

use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use rollcall_core::{
    directory::{record::Record, upsert::Imported},
    id::TenantId,
    shard::shard,
    time::Timestamp,
};
use worker::Env;

use super::{ask, by_shard, groups};
use crate::{
    stub::{AT_ONCE, CallError},
    wire::{DirectoryAnswer, DirectoryAsk},
};

/// Brings records to their shards. What is not among the answers has the id of a live record there.
pub(crate) async fn import(env: &Env, shards: u32, records: Vec<Record>) -> Result<Vec<Imported>, CallError> {
    let asked = by_shard(records, shards).into_iter().map(|((tenant, index), records)| async move {
        match ask(env, tenant, index, shards, DirectoryAsk::Import(records)).await? {
            DirectoryAnswer::Imported(written) => Ok(written),
            _ => Err(CallError::AnotherQuestion),
        }
    });
    let written: Vec<Vec<Imported>> = stream::iter(asked).buffer_unordered(AT_ONCE).try_collect().await?;
    Ok(written.into_iter().flatten().collect())
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
