//! The walk over a population: the records of each tenant's shards, and the users that they name.

use rollcall_core::{
    directory::view::{Cutoff, OwnOrder},
    id::{TenantId, UserId},
    population::{PAGE, Part, Position},
};
use worker::Env;

use super::ask;
use crate::{
    cache::CACHE_SPAN,
    clock::Pause,
    stub::CallError,
    wire::{DirectoryAnswer, DirectoryAsk},
};

/// Shards that one page asks, since most of a small tenant's have nothing.
const SHARDS_AT_MOST: usize = 64;

/// The next part, of one shard. A user is named with its first record.
pub(crate) async fn part(
    env: &Env,
    tenants: &[TenantId],
    shards: u32,
    from: Option<Position>,
) -> Result<Part, CallError> {
    let mut at = match from {
        None => tenants.first().map(|tenant| (*tenant, 0, None)),
        Some(Position::Shard(tenant, index, after)) => Some((tenant, index, after)),
        Some(_) => return Err(CallError::Failed("the cursor is another runtime's".to_owned())),
    };
    for _ in 0..SHARDS_AT_MOST {
        let Some((tenant, index, after)) = at else { break };
        let asked = ask(env, tenant, index, shards, DirectoryAsk::RecordsOfUsers(after)).await?;
        let DirectoryAnswer::Records(records) = asked else { return Err(CallError::AnotherQuestion) };
        let last = records.last().filter(|_| records.len() >= PAGE as usize);
        at = match last {
            Some(last) => Some((tenant, index, Some((last.user, last.id)))),
            None if index + 1 < shards => Some((tenant, index + 1, None)),
            None => tenants.iter().skip_while(|other| **other != tenant).nth(1).map(|next| (*next, 0, None)),
        };
        if !records.is_empty() {
            let mut users: Vec<i64> = records.iter().map(|record| record.user).collect();
            users.dedup();
            users.retain(|user| after.is_none_or(|(named, _)| named != *user));
            let users = users.into_iter().map(UserId::from).collect();
            return Ok(Part { users, records, next: at.map(position) });
        }
    }
    Ok(Part { next: at.map(position), ..Part::default() })
}

fn position((tenant, index, after): (TenantId, u32, Option<(i64, rollcall_core::id::RecordId)>)) -> Position {
    Position::Shard(tenant, index, after)
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
