//! The audit of a tenant: its shards have the entries of orders to single users, the object of its orders has the others.

use std::future::ready;

use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use rollcall_core::audit::{Asked, Page, merge};
use worker::Env;

use super::{ask, question};
use crate::{cutoffs, stub::CallError};

/// Shards that are asked at the same time. An isolate has 128 MB for all its requests, and an answer may have [`PAGE_BYTES`] of details.
///
/// [`PAGE_BYTES`]: rollcall_core::audit::PAGE_BYTES
const AT_ONCE: usize = 16;

/// A page. Entries stay in the shard that they were written to, so every shard that the directory ever had is asked.
pub(crate) async fn page(env: &Env, shards: u32, asked: Asked) -> Result<Page, CallError> {
    let of_shard =
        async |index: u32| ask(env, asked.tenant, index, shards, question::audit(asked.clone())).await;
    let (first, widest) = of_shard(0).await?;
    let orders = cutoffs::audit(env, &asked).await?;
    let add = |all: Page, more: Page| merge(vec![all, more], asked.limit);
    let others = stream::iter((1..widest).map(of_shard)).buffer_unordered(AT_ONCE);
    others.try_fold(add(first, orders), |all, (page, _)| ready(Ok(add(all, page)))).await
}
