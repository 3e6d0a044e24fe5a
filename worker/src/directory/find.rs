//! Questions to every shard of a directory, whose answers nothing merges.

use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use rollcall_core::{
    directory::page::{Answer, Ask, Found, ShardQuery},
    id::TenantId,
    shard::bucket,
};
use worker::Env;

use super::{layouts, list::part};
use crate::stub::{AT_ONCE, CallError};

/// The answers of all shards. Each is asked with its part of the sets of orders.
pub(crate) async fn find(
    env: &Env,
    tenant: TenantId,
    shards: u32,
    asked: ShardQuery,
) -> Result<Vec<Found>, CallError> {
    layouts::under(env, tenant, shards, async |layout| {
        let places = usize::try_from(layout.places()).unwrap_or(usize::MAX);
        let place = |user| usize::try_from(layout.home(bucket(user))).unwrap_or(usize::MAX);
        let views = asked.view.split(places, place);
        let asks = views.into_iter().enumerate().map(|(shard, view)| {
            part(env, tenant, &layout, Ask { shard, query: ShardQuery { view, ..asked.clone() } })
        });
        let answers: Vec<Answer> = stream::iter(asks).buffered(AT_ONCE).try_collect().await?;
        Ok(answers.into_iter().flatten().flatten().collect())
    })
    .await
}
