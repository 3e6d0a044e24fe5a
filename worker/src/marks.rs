//! Tenants' marks, as this isolate believes them (`docs/rules/edge.md#marks`).

use std::sync::{Mutex, PoisonError};

use rollcall_core::{
    directory::view::Mark,
    id::{TenantId, UserId},
    time::Timestamp,
    user::Profile,
};
use worker::Env;

use crate::{
    cache::Recent,
    clock, config, directory,
    stub::CallError,
    wire::{Belief, DirectoryAnswer, DirectoryAsk},
};

/// How often a user's object is asked until its tenant is the one that was believed: the first guess, the tenant that it
/// tells, and that to which another request may have moved it meanwhile.
const TRIES: usize = 3;

/// What this isolate remembers.
static KNOWN: Mutex<Option<Recent<TenantId, Option<Mark>>>> = Mutex::new(None);

/// The mark in force for a tenant, as of at most a second ago.
pub(crate) async fn of(env: &Env, tenant: TenantId, shards: u32) -> Result<Option<Mark>, CallError> {
    believed(env, tenant, shards).await.map(|belief| belief.mark)
}

/// The same, with when it was asked for.
pub(crate) async fn believed(env: &Env, tenant: TenantId, shards: u32) -> Result<Belief, CallError> {
    let asked = clock::now();
    if let Some(belief) = remembered(tenant, asked) {
        return Ok(belief);
    }
    let mark = match directory::ask(env, tenant, 0, shards, DirectoryAsk::Mark).await? {
        DirectoryAnswer::Mark(stored) => stored.map(|stored| stored.mark),
        _ => return Err(CallError("a shard's answer is to another question".to_owned())),
    };
    let mut known = KNOWN.lock().unwrap_or_else(PoisonError::into_inner);
    known.get_or_insert_default().remember(tenant, mark.clone(), asked);
    Ok(Belief { tenant, mark, asked })
}

/// Asks a user's object under the mark of its tenant. Which tenant that is, only the object knows: the first guess is
/// what the configuration says, else `told`, else 0; an object that is at home elsewhere says so, and is asked again.
pub(crate) async fn under<T>(
    env: &Env,
    user: &UserId,
    told: Option<TenantId>,
    ask: impl AsyncFn(Belief) -> Result<Result<T, TenantId>, CallError>,
) -> Result<T, CallError> {
    let configuration = config::load(env).map_err(CallError)?;
    let shards = configuration.settings.presence.directory_shards;
    let mut tenant = configuration.rules.tenant(user, &Profile { tenant: told, ..Profile::default() });
    for _ in 0..TRIES {
        match ask(believed(env, tenant, shards).await?).await? {
            Ok(answer) => return Ok(answer),
            Err(home) => tenant = home,
        }
    }
    Err(CallError("a user's tenant changes all the time".to_owned()))
}

fn remembered(tenant: TenantId, now: Timestamp) -> Option<Belief> {
    let known = KNOWN.lock().unwrap_or_else(PoisonError::into_inner);
    let (asked, mark) = known.as_ref()?.get(&tenant, now)?;
    Some(Belief { tenant, mark: mark.clone(), asked })
}
