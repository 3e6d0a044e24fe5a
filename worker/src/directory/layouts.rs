//! The layouts of directories that this isolate knows, and questions under them.

use std::{
    collections::BTreeMap,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use rollcall_core::{audit::Part, id::TenantId, shard::layout::Layout};
use worker::Env;

use super::{ask, question};
use crate::{
    clock::{self, Pause},
    stub::CallError,
};

/// The most tenants whose layouts are known. One more, and all are asked for again.
const MOST: usize = 1_000;
/// How long a question is repeated under newer layouts.
const TRIED: Duration = Duration::from_secs(10);
/// The pause before shard 0 is asked for the layout: a shard that knows no newer one cannot answer yet.
const PAUSE: Duration = Duration::from_millis(20);

/// Shards refuse what goes by an older layout, so a known one needs no end.
static KNOWN: Mutex<BTreeMap<TenantId, Layout>> = Mutex::new(BTreeMap::new());

/// Asks under the layout in force, and again from the beginning whenever a shard knows a newer one.
pub(crate) async fn under<T>(
    env: &Env,
    tenant: TenantId,
    shards: u32,
    ask: impl AsyncFn(Layout) -> Result<T, CallError>,
) -> Result<T, CallError> {
    let begun = clock::now();
    let mut layout = current(env, tenant, shards).await?;
    loop {
        match ask(layout).await {
            Err(CallError::Moved(newer)) => {
                if clock::now().since(begun) >= TRIED {
                    return Err(CallError::LayoutChanges);
                }
                layout = if newer.version > layout.version {
                    learn(tenant, newer);
                    newer
                } else {
                    Pause::of(PAUSE).await;
                    stored(env, tenant, shards).await?
                };
            }
            other => return other,
        }
    }
}

/// The layout of a tenant's directory. One that was never written has none, and is asked for again each time.
async fn current(env: &Env, tenant: TenantId, shards: u32) -> Result<Layout, CallError> {
    let known = KNOWN.lock().unwrap_or_else(PoisonError::into_inner).get(&tenant).copied();
    if let Some(layout) = known {
        return Ok(layout);
    }
    stored(env, tenant, shards).await
}

/// The layout that shard 0 keeps.
async fn stored(env: &Env, tenant: TenantId, shards: u32) -> Result<Layout, CallError> {
    let kept = ask(env, tenant, 0, shards, question::current_layout()).await?;
    Ok(kept.inspect(|layout| learn(tenant, *layout)).unwrap_or(Layout::unwritten(shards)))
}

fn learn(tenant: TenantId, layout: Layout) {
    let mut known = KNOWN.lock().unwrap_or_else(PoisonError::into_inner);
    if known.len() >= MOST {
        known.clear();
    }
    known.insert(tenant, layout);
}

/// Changes a directory's number of shards. The answer has another target if another change is under way.
pub(crate) async fn reshard(
    env: &Env,
    tenant: TenantId,
    shards: u32,
    target: u32,
    part: Part,
) -> Result<Layout, CallError> {
    ask(env, tenant, 0, shards, question::reshard(target, part)).await
}
