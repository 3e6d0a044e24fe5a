//! Orders to whole tenants and to sets of users, and how far their deliveries are.

use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use rollcall_core::{
    audit::Part,
    id::{TenantId, UserId},
    shard::undelivered::Undelivered,
    user::ForceOff,
};
use worker::Env;

use super::{ask_all, import, layouts, question};
use crate::{
    backend, cutoffs,
    stub::{AT_ONCE, CallError},
    wire::CutoffAsk,
};

/// Puts a cutoff in force. The answer comes when no isolate remembers the one before.
pub(crate) async fn cut_off(
    env: &Env,
    tenant: TenantId,
    shards: u32,
    exempt: Vec<i64>,
    notice: String,
    part: Part,
) -> Result<(), CallError> {
    settle(env, tenant, shards, &exempt, &notice).await?;
    let audit = Box::new(part);
    cutoffs::give(env, tenant, &CutoffAsk::SetAudited { exempt, notice, audit }).await.map(drop)
}

/// Puts an order to these users in force, likewise.
pub(crate) async fn cut_off_users(
    env: &Env,
    tenant: TenantId,
    users: Vec<i64>,
    notice: String,
    part: Part,
) -> Result<(), CallError> {
    let audit = Box::new(part);
    cutoffs::give(env, tenant, &CutoffAsk::OrderAudited { users, notice, audit }).await.map(drop)
}

/// Lifts the cutoff; false if there is none. The answer comes when no isolate remembers it.
pub(crate) async fn lift_cutoff(env: &Env, tenant: TenantId, part: Part) -> Result<bool, CallError> {
    cutoffs::give(env, tenant, &CutoffAsk::LiftAudited(Box::new(part))).await
}

/// A tenant has one cutoff. What the previous one revoked of users that the next one exempts is stored with the users.
async fn settle(
    env: &Env,
    tenant: TenantId,
    shards: u32,
    exempt: &[i64],
    notice: &str,
) -> Result<(), CallError> {
    let Some(before) = cutoffs::state(env, tenant).await?.cutoff else { return Ok(()) };
    let newly_exempt = exempt.iter().copied().filter(|user| !before.exempt.contains(user)).collect();
    import::end(env, tenant, shards, newly_exempt, before.at, true).await?;
    let settled = exempt.iter().map(|user| {
        let order = ForceOff::CutOff { within: Some(tenant), notice: notice.to_owned(), settle: true };
        let user = UserId::from(*user);
        async move { backend::run(env, &user, order).await }
    });
    stream::iter(settled).buffer_unordered(AT_ONCE).try_collect::<Vec<()>>().await.map(drop)
}

/// The orders under delivery, in their order: those to sets of users, and the one to the whole tenant, which every shard delivers.
pub(crate) async fn undelivered(
    env: &Env,
    tenant: TenantId,
    shards: u32,
) -> Result<Vec<Undelivered>, CallError> {
    let mut orders = cutoffs::undelivered(env, tenant).await?;
    let answers = layouts::under(env, tenant, shards, async |layout| {
        ask_all(env, tenant, &layout, question::undelivered).await
    });
    for order in answers.await?.into_iter().flatten() {
        match orders.iter_mut().find(|other| other.serial == order.serial) {
            Some(other) => other.reached = other.reached.saturating_add(order.reached),
            None => orders.push(order),
        }
    }
    orders.sort_by_key(|order| order.serial);
    Ok(orders)
}
