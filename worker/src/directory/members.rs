//! Who is connected and belongs to a department or group.

use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use rollcall_core::{directory::membership::Body, id::TenantId};
use worker::Env;

use super::{ask_under, layouts, question};
use crate::stub::{AT_ONCE, CallError};

/// The users with open connections in any shard.
pub(crate) async fn members(
    env: &Env,
    tenant: TenantId,
    shards: u32,
    body: Body,
    ids: Vec<i64>,
) -> Result<Vec<i64>, CallError> {
    let answers = layouts::under(env, tenant, shards, async |layout| {
        let asked = (0..layout.places())
            .map(|index| ask_under(env, tenant, index, &layout, question::members(body, ids.clone())));
        stream::iter(asked).buffer_unordered(AT_ONCE).try_collect::<Vec<_>>().await
    });
    Ok(answers.await?.concat())
}
