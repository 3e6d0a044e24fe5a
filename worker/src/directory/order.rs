//! Orders to whole tenants: the mark in shard 0, and the waves that follow it.

use std::time::Duration;

use rollcall_core::{
    id::{TenantId, UserId},
    user::{Command, ForceOff},
};
use worker::Env;

use super::{ask, unexpected};
use crate::{
    backend,
    cache::BELIEVED,
    clock::{self, Pause},
    stub::CallError,
    together,
    wire::{DirectoryAnswer, DirectoryAsk},
};

/// Puts a mark in force. The answer comes after the mark's instant, so that no isolate remembers a time before it.
pub(crate) async fn mark(
    env: &Env,
    tenant: TenantId,
    shards: u32,
    exempt: Vec<i64>,
    notice: String,
) -> Result<(), CallError> {
    settle(env, tenant, shards, &exempt, &notice).await?;
    let DirectoryAnswer::Marked(at) =
        ask(env, tenant, 0, shards, DirectoryAsk::SetMark { exempt, notice }).await?
    else {
        return Err(unexpected());
    };
    // The shard's clock may be another machine's; no memory is older than this in any case.
    Pause::of(at.since(clock::now()).min(2 * BELIEVED) + Duration::from_millis(1)).await;
    Ok(())
}

/// A tenant has one mark. What the one before took from users whom the next spares is written down with them.
async fn settle(
    env: &Env,
    tenant: TenantId,
    shards: u32,
    exempt: &[i64],
    notice: &str,
) -> Result<(), CallError> {
    let before = ask(env, tenant, 0, shards, DirectoryAsk::Mark).await?;
    if matches!(before, DirectoryAnswer::Mark(None)) {
        return Ok(());
    }
    let settled = exempt.iter().map(|user| {
        let order = ForceOff::Marked { within: Some(tenant), notice: notice.to_owned(), settle: true };
        let user = UserId::from(*user);
        async move { backend::run(env, &user, Command::ForceOff(order)).await.map(drop) }
    });
    together::all_or_error(settled).await.map(drop)
}

/// Lifts the mark; false if there is none. The answer comes when no isolate remembers it.
pub(crate) async fn unmark(env: &Env, tenant: TenantId, shards: u32) -> Result<bool, CallError> {
    match ask(env, tenant, 0, shards, DirectoryAsk::LiftMark).await? {
        DirectoryAnswer::Lifted(lifted) => {
            if lifted {
                Pause::of(BELIEVED).await;
            }
            Ok(lifted)
        }
        _ => Err(unexpected()),
    }
}
