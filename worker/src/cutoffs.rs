//! The cutoffs of tenants that this isolate has cached (`docs/rules/edge.md#cutoffs`).

use rollcall_core::{
    directory::view::Cutoff,
    id::{TenantId, UserId},
    user::Profile,
};
use worker::Env;

use crate::{
    config, directory,
    shared::Shared,
    stub::CallError,
    wire::{CachedCutoff, DirectoryAnswer, DirectoryAsk},
};

/// Questions to a user's object until its tenant is the guessed one: under the first guess, under the tenant that it answers, and
/// under the one to which another request may have moved it meanwhile.
const TRIES: usize = 3;

/// What this isolate remembers.
static KNOWN: Shared<TenantId, Option<Cutoff>> = Shared::new();

/// The cutoff in force for a tenant, as of at most a second ago.
pub(crate) async fn of(env: &Env, tenant: TenantId, shards: u32) -> Result<Option<Cutoff>, CallError> {
    cached(env, tenant, shards).await.map(|cached| cached.cutoff)
}

/// The same, in the form in which it goes to an object.
pub(crate) async fn cached(env: &Env, tenant: TenantId, shards: u32) -> Result<CachedCutoff, CallError> {
    let ask = async {
        match directory::ask(env, tenant, 0, shards, DirectoryAsk::Cutoff).await? {
            DirectoryAnswer::Cutoff(cutoff) => Ok(cutoff),
            _ => Err(CallError::AnotherQuestion),
        }
    };
    let cutoff = KNOWN.get(tenant, |_| true, ask).await?;
    Ok(CachedCutoff { tenant, cutoff })
}

/// The answer of a user's object to a question under the cutoff of a tenant.
pub(crate) enum UnderCutoff<T> {
    /// It answered.
    Done(T),
    /// It did nothing: the user is at home in this tenant.
    OtherTenant(TenantId),
}

/// Asks a user's object under the cutoff of its tenant. Which tenant that is, only the object knows: the first guess is
/// what the configuration says, else `issuer_tenant`, else 0; an object that is at home elsewhere says so, and is asked again.
pub(crate) async fn under<T>(
    env: &Env,
    user: &UserId,
    issuer_tenant: Option<TenantId>,
    ask: impl AsyncFn(CachedCutoff) -> Result<UnderCutoff<T>, CallError>,
) -> Result<T, CallError> {
    let configuration = config::load(env)?;
    let shards = configuration.settings.presence.directory_shards;
    let mut tenant =
        configuration.rules.tenant(user, &Profile { tenant: issuer_tenant, ..Profile::default() });
    for _ in 0..TRIES {
        match ask(cached(env, tenant, shards).await?).await? {
            UnderCutoff::Done(answer) => return Ok(answer),
            UnderCutoff::OtherTenant(home) => tenant = home,
        }
    }
    Err(CallError::TenantChanges)
}
