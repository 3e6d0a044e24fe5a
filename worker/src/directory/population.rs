//! The walk over a population: the records of each tenant's shards, and the users that they name.

use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use rollcall_core::{
    directory::{
        record::Record,
        view::{Cutoff, OwnOrder},
    },
    id::{RecordId, TenantId, UserId},
    population::{self, Part, Position},
};
use worker::Env;

use super::{ask, ask_under, layouts};
use crate::{
    cache::CACHE_SPAN,
    clock::Pause,
    stub::{AT_ONCE, CallError},
    wire::{DirectoryAnswer, DirectoryAsk},
};

/// The next part, of one tenant. A user is named with its first record.
pub(crate) async fn part(
    env: &Env,
    tenants: &[TenantId],
    shards: u32,
    from: Option<Position>,
) -> Result<Part, CallError> {
    let (tenant, after) = match from {
        None => match tenants.first() {
            Some(first) => (*first, None),
            None => return Ok(Part::default()),
        },
        Some(Position::Directory(tenant, after)) => (tenant, after),
        Some(_) => return Err(CallError::Failed("the cursor is another runtime's".to_owned())),
    };
    let (records, behind) = records_after(env, tenant, shards, after).await?;
    let mut users: Vec<i64> = records.iter().map(|record| record.user).collect();
    users.dedup();
    users.retain(|user| after.is_none_or(|(named, _)| named != *user));
    let users = users.into_iter().map(UserId::from).collect();
    let next = match behind {
        Some(_) => Some(Position::Directory(tenant, behind)),
        None => {
            let further = tenants.iter().skip_while(|other| **other != tenant).nth(1);
            further.map(|next| Position::Directory(*next, None))
        }
    };
    Ok(Part { users, records, next })
}

/// Records of every shard under one layout, so that each is there once, and where to go on.
async fn records_after(
    env: &Env,
    tenant: TenantId,
    shards: u32,
    after: Option<(i64, RecordId)>,
) -> Result<(Vec<Record>, Option<(i64, RecordId)>), CallError> {
    layouts::under(env, tenant, shards, async |layout| {
        let asked = (0..layout.places()).map(async |index| {
            let ask = DirectoryAsk::RecordsOfUsers(after);
            match ask_under(env, tenant, index, &layout, ask).await? {
                DirectoryAnswer::Records(records) => Ok(records),
                _ => Err(CallError::AnotherQuestion),
            }
        });
        let shards = stream::iter(asked).buffer_unordered(AT_ONCE).try_collect().await?;
        Ok(population::merge(&layout, shards))
    })
    .await
}

/// Puts an order of another server in force. The answer comes when no isolate remembers the one before.
pub(crate) async fn adopt_cutoff(
    env: &Env,
    tenant: TenantId,
    shards: u32,
    cutoff: Cutoff,
) -> Result<Result<bool, OwnOrder>, CallError> {
    match ask(env, tenant, 0, shards, DirectoryAsk::AdoptCutoff(cutoff)).await? {
        DirectoryAnswer::Adopted(Some(changed)) => {
            if changed {
                Pause::of(CACHE_SPAN).await;
            }
            Ok(Ok(changed))
        }
        DirectoryAnswer::Adopted(None) => Ok(Err(OwnOrder)),
        _ => Err(CallError::AnotherQuestion),
    }
}
