//! The record that stands for a user.

use rollcall_core::{
    directory::{record::Record, view::View},
    id::TenantId,
    shard::bucket,
};
use worker::Env;

use super::{ask_under, layouts, question, reconcile};
use crate::stub::CallError;

/// Rows of one user that are repaired in one request; a crash leaves no more open than there were sockets.
const ROUNDS: usize = 8;

/// The record, after its user's object was asked whether a live one still is.
pub(crate) async fn detail(
    env: &Env,
    tenant: TenantId,
    shards: u32,
    user: i64,
    view: View,
) -> Result<Option<Record>, CallError> {
    let view = view.of_user(user);
    let mut record = read(env, tenant, shards, user, &view).await?;
    for _ in 0..ROUNDS {
        let Some(live) = record.as_ref().filter(|record| reconcile::is_live(record, &view)) else { break };
        // *Could not ask* is not *offline*: then the row is shown as it is.
        if reconcile::row(env, shards, live).await? != Some(true) {
            break;
        }
        record = read(env, tenant, shards, user, &view).await?;
    }
    Ok(record)
}

async fn read(
    env: &Env,
    tenant: TenantId,
    shards: u32,
    user: i64,
    view: &View,
) -> Result<Option<Record>, CallError> {
    layouts::under(env, tenant, shards, async |layout| {
        let asked = question::detail(user, view.clone());
        ask_under(env, tenant, layout.home(bucket(user)), &layout, asked).await
    })
    .await
}
