//! Who is connected and belongs to a department or group.

use rollcall_core::{
    directory::membership::{self, Body},
    id::TenantId,
};
use worker::Env;

use super::query;
use crate::{stub::CallError, together};

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
    let answers = together::all_or_error(asked).await?;
    let mut users = Vec::new();
    for rows in answers.into_iter().flatten().flatten() {
        users.extend(membership::users(&rows).map_err(|error| CallError(error.to_string()))?);
    }
    Ok(users)
}
