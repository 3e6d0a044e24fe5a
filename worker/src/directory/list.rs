//! One page of a tenant's records, over all of its shards.

use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use rollcall_core::{
    directory::{
        page::{Answer, Ask, Merge, Step},
        query::{ListQuery, Listed},
        view::View,
    },
    id::TenantId,
};
use worker::Env;

use super::{ask, reconcile};
use crate::{
    stub::{AT_ONCE, CallError},
    wire::{DirectoryAnswer, DirectoryAsk},
};

/// The page, after its live rows that were not confirmed lately were compared with their users' objects.
pub(crate) async fn list(
    env: &Env,
    tenant: TenantId,
    shards: u32,
    asked: ListQuery,
    view: View,
) -> Result<Listed, CallError> {
    let listed = merged(env, tenant, shards, &asked, &view).await?;
    if reconcile::rows(env, shards, &view, &listed.records).await {
        return merged(env, tenant, shards, &asked, &view).await;
    }
    Ok(listed)
}

/// The first round asks every shard, so that shard 0, which always has the layout, refuses another number of them.
async fn merged(
    env: &Env,
    tenant: TenantId,
    shards: u32,
    asked: &ListQuery,
    view: &View,
) -> Result<Listed, CallError> {
    let places = usize::try_from(shards).unwrap_or(usize::MAX);
    let mut merge = Merge::new(asked.clone(), view.clone(), places);
    let mut answers = Vec::new();
    loop {
        match merge.advance(answers)? {
            Step::Done(listed) => return Ok(listed),
            Step::Ask(asks) => {
                let asked = asks.into_iter().map(|asked| part(env, tenant, shards, asked));
                answers = stream::iter(asked).buffered(AT_ONCE).try_collect().await?;
            }
        }
    }
}

/// A shard's part of the list.
async fn part(env: &Env, tenant: TenantId, shards: u32, asked: Ask) -> Result<Answer, CallError> {
    let index = u32::try_from(asked.shard).unwrap_or(u32::MAX);
    match ask(env, tenant, index, shards, DirectoryAsk::List(asked.query)).await? {
        DirectoryAnswer::Found(found) => Ok(found),
        _ => Err(CallError::AnotherQuestion),
    }
}
