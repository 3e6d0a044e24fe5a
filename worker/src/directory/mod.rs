//! The directory as its callers see it: a name for each shard, and the questions and changes that go to them.

pub(crate) mod detail;
pub(crate) mod import;
pub(crate) mod layouts;
pub(crate) mod list;
pub(crate) mod members;
pub(crate) mod order;
pub(crate) mod population;
pub(crate) mod reconcile;

use std::collections::BTreeMap;

use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use rollcall_core::{
    directory::record::Record,
    id::{RecordId, TenantId},
    shard::{bucket, layout::Layout},
};
use worker::Env;

use crate::{
    stub::{self, AT_ONCE, CallError, DIRECTORY},
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

/// Asks one shard what does not depend on the layout.
pub(crate) async fn ask(
    env: &Env,
    tenant: TenantId,
    index: u32,
    shards: u32,
    ask: DirectoryAsk,
) -> Result<DirectoryAnswer, CallError> {
    ask_as(env, tenant, index, DirectoryCall { shards, layout: None, ask }).await
}

/// Asks one shard under a layout.
pub(crate) async fn ask_under(
    env: &Env,
    tenant: TenantId,
    index: u32,
    layout: &Layout,
    ask: DirectoryAsk,
) -> Result<DirectoryAnswer, CallError> {
    // Older code knows the number only, and compares it.
    let call = DirectoryCall { shards: layout.shards, layout: Some(*layout), ask };
    ask_as(env, tenant, index, call).await
}

async fn ask_as(
    env: &Env,
    tenant: TenantId,
    index: u32,
    call: DirectoryCall,
) -> Result<DirectoryAnswer, CallError> {
    match stub::call(env, DIRECTORY, &name(tenant, index), &call).await? {
        DirectoryAnswer::Failed(problem) => Err(CallError::Failed(problem)),
        DirectoryAnswer::Moved(layout) => Err(CallError::Moved(layout)),
        answer => Ok(answer),
    }
}

/// Asks every shard of a layout the same.
pub(crate) async fn ask_all(
    env: &Env,
    tenant: TenantId,
    layout: &Layout,
    question: impl Fn() -> DirectoryAsk,
) -> Result<Vec<DirectoryAnswer>, CallError> {
    let asked = (0..layout.places()).map(|index| ask_under(env, tenant, index, layout, question()));
    stream::iter(asked).buffer_unordered(AT_ONCE).try_collect().await
}

/// Items by their keys; the items of one key keep their order.
pub(crate) fn groups<K: Ord, T>(items: impl IntoIterator<Item = (K, T)>) -> BTreeMap<K, Vec<T>> {
    let mut groups: BTreeMap<K, Vec<T>> = BTreeMap::new();
    for (key, item) in items {
        groups.entry(key).or_default().push(item);
    }
    groups
}

/// Brings records to their shards. Returns the ids that are other records' there; the rest is taken in. A record whose bucket is being
/// copied goes to both shards, and to the one that receives it first: what the other one shows is never missing there.
pub(crate) async fn publish(env: &Env, records: &[Record], shards: u32) -> Result<Vec<RecordId>, CallError> {
    let mut refused = Vec::new();
    for (tenant, records) in groups(records.iter().cloned().map(|record| (record.tenant, record))) {
        refused.extend(
            layouts::under(env, tenant, shards, async |layout| {
                let mut refused =
                    publish_to(env, &layout, &records, |bucket| layout.receiver(bucket)).await?;
                let rest: Vec<_> =
                    records.iter().filter(|record| !refused.contains(&record.id)).cloned().collect();
                refused.extend(publish_to(env, &layout, &rest, |bucket| Some(layout.home(bucket))).await?);
                Ok(refused)
            })
            .await?,
        );
    }
    Ok(refused)
}

async fn publish_to(
    env: &Env,
    layout: &Layout,
    records: &[Record],
    place: impl Fn(u16) -> Option<u32>,
) -> Result<Vec<RecordId>, CallError> {
    let placed = records.iter().filter_map(|record| Some((place(bucket(record.user))?, record.clone())));
    let mut refused = Vec::new();
    for (index, records) in groups(placed) {
        let Some(tenant) = records.first().map(|record| record.tenant) else { continue };
        match ask_under(env, tenant, index, layout, DirectoryAsk::Publish(records)).await? {
            DirectoryAnswer::Published { clashes } => refused.extend(clashes),
            _ => return Err(CallError::AnotherQuestion),
        }
    }
    Ok(refused)
}
