//! Who is connected and belongs to a department or group.

use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use rollcall_core::{
    directory::membership::{self, Body},
    id::TenantId,
};
use worker::Env;

use super::query;
use crate::stub::{AT_ONCE, CallError};

/// The users with open connections in any shard.
pub(crate) async fn members(
    env: &Env,
    tenant: TenantId,
    shards: u32,
    body: Body,
    ids: Vec<i64>,
) -> Result<Vec<i64>, CallError> {
    let asked = (0..shards).map(|index| {
        query(env, tenant, index, shards, vec![membership::members(tenant, body, ids.iter().copied())])
    });
    let answers: Vec<_> = stream::iter(asked).buffer_unordered(AT_ONCE).try_collect().await?;
    let mut users = Vec::new();
    for rows in answers.into_iter().flatten().flatten() {
        users.extend(membership::users(&rows)?);
    }
    Ok(users)
}
