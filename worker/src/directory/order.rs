//! Orders to whole tenants: the cutoff in shard 0, and the deliveries that follow it.

use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use rollcall_core::{
    id::{TenantId, UserId},
    user::ForceOff,
};
use worker::Env;

use super::{ask, import, tell};
use crate::{
    backend,
    cache::CACHE_SPAN,
    clock::Pause,
    stub::{AT_ONCE, CallError},
    wire::{DirectoryAnswer, DirectoryAsk},
};

/// Puts a cutoff in force. The answer comes when no isolate remembers the one before.
pub(crate) async fn cut_off(
    env: &Env,
    tenant: TenantId,
    shards: u32,
    exempt: Vec<i64>,
    notice: String,
) -> Result<(), CallError> {
    settle(env, tenant, shards, &exempt, &notice).await?;
    tell(env, tenant, 0, shards, DirectoryAsk::SetCutoff { exempt, notice }).await?;
    Pause::of(CACHE_SPAN).await;
    Ok(())
}

/// A tenant has one cutoff. What the previous one revoked of users that the next one exempts is stored with the users.
async fn settle(
    env: &Env,
    tenant: TenantId,
    shards: u32,
    exempt: &[i64],
    notice: &str,
) -> Result<(), CallError> {
    let DirectoryAnswer::Cutoff(before) = ask(env, tenant, 0, shards, DirectoryAsk::Cutoff).await? else {
        return Err(CallError::AnotherQuestion);
    };
    let Some(before) = before else { return Ok(()) };
    let newly_exempt = exempt.iter().copied().filter(|user| !before.exempt.contains(user)).collect();
    import::end(env, tenant, shards, newly_exempt, before.at, true).await?;
    let settled = exempt.iter().map(|user| {
        let order = ForceOff::CutOff { within: Some(tenant), notice: notice.to_owned(), settle: true };
        let user = UserId::from(*user);
        async move { backend::run(env, &user, order).await }
    });
    stream::iter(settled).buffer_unordered(AT_ONCE).try_collect::<Vec<()>>().await.map(drop)
}

/// Lifts the cutoff; false if there is none. The answer comes when no isolate remembers it.
pub(crate) async fn lift_cutoff(env: &Env, tenant: TenantId, shards: u32) -> Result<bool, CallError> {
    match ask(env, tenant, 0, shards, DirectoryAsk::LiftCutoff).await? {
        DirectoryAnswer::Lifted(lifted) => {
            if lifted {
                Pause::of(CACHE_SPAN).await;
            }
            Ok(lifted)
        }
        _ => Err(CallError::AnotherQuestion),
    }
}
