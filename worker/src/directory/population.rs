//! The walk over a population: the records of each tenant's shards, and the users that they name.

use rollcall_core::{
    directory::record::Record,
    id::{RecordId, TenantId, UserId},
    population::{self, Part, Position},
};
use worker::Env;

use super::{ask_all, layouts, question};
use crate::stub::CallError;

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
        let records = ask_all(env, tenant, &layout, || question::records_of_users(after)).await?;
        Ok(population::merge(&layout, records))
    })
    .await
}
