//! Who is connected and belongs to a department or group.

use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use rollcall_core::{directory::membership::Body, id::TenantId};
use worker::Env;

use super::ask;
use crate::{
    stub::{AT_ONCE, CallError},
    wire::{DirectoryAnswer, DirectoryAsk},
};

/// The users with open connections in any shard.
pub(crate) async fn members(
    env: &Env,
    tenant: TenantId,
    shards: u32,
    body: Body,
    ids: Vec<i64>,
) -> Result<Vec<i64>, CallError> {
    let asked = (0..shards).map(|index| {
        let asked = DirectoryAsk::Members { body, ids: ids.clone() };
        ask(env, tenant, index, shards, asked)
    });
    let answers: Vec<_> = stream::iter(asked).buffer_unordered(AT_ONCE).try_collect().await?;
    let mut users = Vec::new();
    for answer in answers {
        let DirectoryAnswer::Members(members) = answer else { return Err(CallError::AnotherQuestion) };
        users.extend(members);
    }
    Ok(users)
}
