//! One page of a tenant's records, over all of its shards.

use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use rollcall_core::{
    directory::{
        page::{Answer, Ask, Merge, Step},
        query::{ListQuery, Listed},
        view::View,
    },
    id::TenantId,
    shard::{bucket, layout::Layout},
};
use worker::Env;

use super::{ask_under, layouts, question, reconcile};
use crate::stub::{AT_ONCE, CallError};

/// The page, after its live rows that were not confirmed lately were compared with their users' objects.
pub(crate) async fn list(
    env: &Env,
    tenant: TenantId,
    shards: u32,
    asked: ListQuery,
    view: &View,
) -> Result<Listed, CallError> {
    let listed = merged(env, tenant, shards, &asked, view).await?;
    if reconcile::rows(env, shards, view, &listed.records).await {
        return merged(env, tenant, shards, &asked, view).await;
    }
    Ok(listed)
}

/// All rounds go by one layout. A list that meets another begins anew.
async fn merged(
    env: &Env,
    tenant: TenantId,
    shards: u32,
    asked: &ListQuery,
    view: &View,
) -> Result<Listed, CallError> {
    layouts::under(env, tenant, shards, async |layout| merged_under(env, tenant, &layout, asked, view).await)
        .await
}

async fn merged_under(
    env: &Env,
    tenant: TenantId,
    layout: &Layout,
    asked: &ListQuery,
    view: &View,
) -> Result<Listed, CallError> {
    let places = usize::try_from(layout.places()).unwrap_or(usize::MAX);
    let place = |user| usize::try_from(layout.home(bucket(user))).unwrap_or(usize::MAX);
    let views = view.split(places, place);
    let mut merge = Merge::new(asked.clone(), view.clone(), places);
    let mut answers = Vec::new();
    loop {
        match merge.advance(answers)? {
            Step::Done(listed) => return Ok(listed),
            Step::Ask(asks) => {
                let asked = asks.into_iter().map(|mut asked| {
                    asked.query.view.scoped =
                        views.get(asked.shard).map_or_else(Vec::new, |view| view.scoped.clone());
                    part(env, tenant, layout, asked)
                });
                answers = stream::iter(asked).buffered(AT_ONCE).try_collect().await?;
            }
        }
    }
}

/// A shard's part of the list.
pub(super) async fn part(
    env: &Env,
    tenant: TenantId,
    layout: &Layout,
    asked: Ask,
) -> Result<Answer, CallError> {
    let index = u32::try_from(asked.shard).unwrap_or(u32::MAX);
    ask_under(env, tenant, index, layout, question::list(asked.query)).await
}
