//! The orders of tenants that this isolate has cached (`docs/rules/edge.md#cutoffs`).

use std::sync::{Arc, Mutex, PoisonError};

use rollcall_core::{
    audit::{Asked, Page, Part},
    directory::view::{Cutoff, OwnOrder, ScopedCutoff, View},
    id::{TenantId, UserId},
    order::{self, Answer},
    serial::Serial,
    shard::undelivered::Undelivered,
    time::Timestamp,
    user::Profile,
};
use worker::Env;

use crate::{
    cache::{CACHE_SPAN, Sets},
    clock::{self, Pause},
    config,
    shared::Shared,
    stub::{self, CUTOFFS, CallError},
    wire::{CachedCutoff, CutoffAnswer, CutoffAsk, OrdersInForce},
};

/// Questions to a user's object until its tenant is the guessed one: under the first guess, under the tenant that it answers, and
/// under the one to which another request may have moved it meanwhile.
const TRIES: usize = 3;

/// What this isolate remembers.
static KNOWN: Shared<TenantId, Known> = Shared::new();
/// The sets of orders that this isolate remembers. A set never changes under its serial.
static SETS: Mutex<Option<Sets>> = Mutex::new(None);

/// A tenant's orders, with the sets of users.
#[derive(Clone)]
struct Known {
    orders: OrdersInForce,
    sets: Vec<Arc<ScopedCutoff>>,
}

/// The name of the object of a tenant's orders.
pub(crate) fn name(tenant: TenantId) -> String {
    format!("cutoff:v1:{tenant}")
}

/// What such a name says.
pub(crate) fn parse(name: &str) -> Option<TenantId> {
    Some(TenantId(name.strip_prefix("cutoff:v1:")?.parse().ok()?))
}

/// Asks the object of a tenant's orders.
async fn ask(env: &Env, tenant: TenantId, ask: &CutoffAsk) -> Result<CutoffAnswer, CallError> {
    match stub::call(env, CUTOFFS, &name(tenant), ask).await? {
        CutoffAnswer::Failed(problem) => Err(CallError::Failed(problem)),
        CutoffAnswer::TooMany => Err(CallError::TooManyOrders),
        answer => Ok(answer),
    }
}

/// Gives an order, or lifts one. The answer comes when no isolate remembers what was in force before.
pub(crate) async fn give(env: &Env, tenant: TenantId, order: &CutoffAsk) -> Result<bool, CallError> {
    let changed = match ask(env, tenant, order).await? {
        CutoffAnswer::Done => true,
        CutoffAnswer::Lifted(lifted) => lifted,
        _ => return Err(CallError::AnotherQuestion),
    };
    if changed {
        Pause::of(CACHE_SPAN).await;
    }
    Ok(changed)
}

/// Puts an order of another server in force, likewise. Whether it changed anything.
pub(crate) async fn adopt(
    env: &Env,
    tenant: TenantId,
    moved: Cutoff,
) -> Result<Result<bool, OwnOrder>, CallError> {
    let CutoffAnswer::Adopted(changed) = ask(env, tenant, &CutoffAsk::Adopt(moved)).await? else {
        return Err(CallError::AnotherQuestion);
    };
    if changed == Some(true) {
        Pause::of(CACHE_SPAN).await;
    }
    Ok(changed.ok_or(OwnOrder))
}

/// Keeps an entry of the audit that is of no order here.
pub(crate) async fn keep_part(env: &Env, part: Part) -> Result<(), CallError> {
    match ask(env, part.tenant, &CutoffAsk::Audited(Box::new(part.clone()))).await? {
        CutoffAnswer::Done => Ok(()),
        _ => Err(CallError::AnotherQuestion),
    }
}

/// Asks for an order to a selection. One that became a cutoff is answered when no isolate remembers what was in force before.
pub(crate) async fn force_off(env: &Env, tenant: TenantId, about: order::Ask) -> Result<Answer, CallError> {
    let CutoffAnswer::ForceOff(answer) =
        ask(env, tenant, &CutoffAsk::ForceOff(Box::new(about.clone()))).await?
    else {
        return Err(CallError::AnotherQuestion);
    };
    let is_given = matches!(about, order::Ask::Give(_));
    if is_given && matches!(&answer, Answer::Order(order, _) if order.serial.is_some()) {
        Pause::of(CACHE_SPAN).await;
    }
    Ok(answer)
}

/// The audit's entries of the tenant's orders.
pub(crate) async fn audit(env: &Env, asked: &Asked) -> Result<Page, CallError> {
    match ask(env, asked.tenant, &CutoffAsk::Audit(Box::new(asked.clone()))).await? {
        CutoffAnswer::Audit(page) => Ok(page),
        _ => Err(CallError::AnotherQuestion),
    }
}

/// The orders that the object of the tenant's orders delivers.
pub(crate) async fn undelivered(env: &Env, tenant: TenantId) -> Result<Vec<Undelivered>, CallError> {
    match ask(env, tenant, &CutoffAsk::Undelivered).await? {
        CutoffAnswer::Undelivered(orders) => Ok(orders),
        _ => Err(CallError::AnotherQuestion),
    }
}

/// The orders in force now, the sets of users left out, and not from memory.
pub(crate) async fn state(env: &Env, tenant: TenantId) -> Result<OrdersInForce, CallError> {
    match ask(env, tenant, &CutoffAsk::State).await? {
        CutoffAnswer::State(orders) => Ok(orders),
        _ => Err(CallError::AnotherQuestion),
    }
}

/// The orders in force, as of at most a second ago.
async fn known(env: &Env, tenant: TenantId) -> Result<Known, CallError> {
    let ask = async {
        let orders = state(env, tenant).await?;
        let mut sets = Vec::new();
        for (serial, at) in &orders.scoped {
            let known = with_sets(|sets| sets.get(tenant, *serial));
            let set = match known {
                Some(set) => Some(set),
                None => set(env, tenant, *serial, *at).await?,
            };
            sets.extend(set);
        }
        Ok(Known { orders, sets })
    };
    KNOWN.get(tenant, |_| true, ask).await
}

/// The set of an order; `None` when it was delivered meanwhile.
async fn set(
    env: &Env,
    tenant: TenantId,
    serial: Serial,
    at: Timestamp,
) -> Result<Option<Arc<ScopedCutoff>>, CallError> {
    let CutoffAnswer::Users(users) = ask(env, tenant, &CutoffAsk::Users(serial)).await? else {
        return Err(CallError::AnotherQuestion);
    };
    let set = users.map(|users| Arc::new(ScopedCutoff { serial, at, users: users.into() }));
    if let Some(set) = &set {
        with_sets(|sets| sets.remember(tenant, set.clone()));
    }
    Ok(set)
}

fn with_sets<T>(look: impl FnOnce(&mut Sets) -> T) -> T {
    look(SETS.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert_default())
}

/// The moment and the orders under which a tenant's records are read.
pub(crate) async fn view(env: &Env, tenant: TenantId, retention_days: u32) -> Result<View, CallError> {
    let Known { orders, sets } = known(env, tenant).await?;
    let scoped = sets.iter().map(|set| set.as_ref().clone()).collect();
    Ok(View::under(orders.cutoff, scoped, clock::now(), retention_days))
}

/// The orders of a tenant that concern a user, in the form in which they go to its object.
pub(crate) async fn cached(env: &Env, tenant: TenantId, user: &UserId) -> Result<CachedCutoff, CallError> {
    let Known { orders, sets } = known(env, tenant).await?;
    let names = |set: &&Arc<ScopedCutoff>| user.number().is_some_and(|number| set.names(number));
    let order = |set: &Arc<ScopedCutoff>| {
        let denying = orders.denying.iter().find(|cutoff| cutoff.serial == set.serial);
        denying.cloned().unwrap_or_else(|| set.of_one())
    };
    let named = sets.iter().filter(names).map(order).collect();
    Ok(CachedCutoff { tenant, cutoff: orders.cutoff, named, newest: orders.newest })
}

/// The answer of a user's object to a question under the cutoff of a tenant.
pub(crate) enum UnderCutoff<T> {
    /// It answered.
    Done(T),
    /// It did nothing: the user is at home in this tenant.
    OtherTenant(TenantId),
}

/// Asks a user's object under the orders of its tenant. Which tenant that is, only the object knows: the first guess is
/// what the configuration says, else `issuer_tenant`, else 0; an object that is at home elsewhere says so, and is asked again.
pub(crate) async fn under<T>(
    env: &Env,
    user: &UserId,
    issuer_tenant: Option<TenantId>,
    ask: impl AsyncFn(CachedCutoff) -> Result<UnderCutoff<T>, CallError>,
) -> Result<T, CallError> {
    let configuration = config::load(env)?;
    let mut tenant =
        configuration.rules.tenant(user, &Profile { tenant: issuer_tenant, ..Profile::default() });
    for _ in 0..TRIES {
        match ask(cached(env, tenant, user).await?).await? {
            UnderCutoff::Done(answer) => return Ok(answer),
            UnderCutoff::OtherTenant(home) => tenant = home,
        }
    }
    Err(CallError::TenantChanges)
}
