//! The directory as its callers see it: a name for each shard, and the questions and changes that go to them.

pub(crate) mod detail;
pub(crate) mod import;
pub(crate) mod list;
pub(crate) mod members;
pub(crate) mod order;
pub(crate) mod population;
pub(crate) mod reconcile;

use std::collections::BTreeMap;

use rollcall_core::{
    directory::record::Record,
    id::{RecordId, TenantId},
    shard::shard,
};
use worker::Env;

use crate::{
    stub::{self, CallError, DIRECTORY},
    wire::{DirectoryAnswer, DirectoryAsk, DirectoryCall},
};

/// The name of a shard's object.
pub(crate) fn name(tenant: TenantId, shard: u32) -> String {
    format!("dir:v1:{tenant}:{shard}")
}

/// What a shard's name says.
pub(crate) fn parse(name: &str) -> Option<(TenantId, u32)> {
    let (tenant, shard) = name.strip_prefix("dir:v1:")?.split_once(':')?;
    Some((TenantId(tenant.parse().ok()?), shard.parse().ok()?))
}

/// Asks one shard.
pub(crate) async fn ask(
    env: &Env,
    tenant: TenantId,
    index: u32,
    shards: u32,
    ask: DirectoryAsk,
) -> Result<DirectoryAnswer, CallError> {
    let call = DirectoryCall { shards, ask };
    match stub::call(env, DIRECTORY, &name(tenant, index), &call).await? {
        DirectoryAnswer::Failed(problem) => Err(CallError::Failed(problem)),
        answer => Ok(answer),
    }
}

/// Tells one shard to change something.
pub(crate) async fn tell(
    env: &Env,
    tenant: TenantId,
    index: u32,
    shards: u32,
    what: DirectoryAsk,
) -> Result<(), CallError> {
    match ask(env, tenant, index, shards, what).await? {
        DirectoryAnswer::Done => Ok(()),
        _ => Err(CallError::AnotherQuestion),
    }
}

/// Items by their keys; the items of one key keep their order.
pub(crate) fn groups<K: Ord, T>(items: impl IntoIterator<Item = (K, T)>) -> BTreeMap<K, Vec<T>> {
    let mut groups: BTreeMap<K, Vec<T>> = BTreeMap::new();
    for (key, item) in items {
        groups.entry(key).or_default().push(item);
    }
    groups
}

/// Records with the tenant and the shard that each of them belongs to.
fn by_shard(records: Vec<Record>, shards: u32) -> BTreeMap<(TenantId, u32), Vec<Record>> {
    groups(records.into_iter().map(|record| ((record.tenant, shard(record.user, shards)), record)))
}

/// Brings records to their shards. Returns the ids that are other records' there; the rest is taken in.
pub(crate) async fn publish(env: &Env, records: &[Record], shards: u32) -> Result<Vec<RecordId>, CallError> {
    let mut refused = Vec::new();
    for ((tenant, index), records) in by_shard(records.to_vec(), shards) {
        match ask(env, tenant, index, shards, DirectoryAsk::Publish(records)).await? {
            DirectoryAnswer::Published { clashes } => refused.extend(clashes),
            _ => return Err(CallError::AnotherQuestion),
        }
    }
    Ok(refused)
}
