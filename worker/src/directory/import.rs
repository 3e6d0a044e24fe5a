//! Imported records, which exist in the directory only.

use std::{cell::RefCell, collections::BTreeMap};

use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use rollcall_core::{
    directory::{record::Record, upsert::Imported},
    id::TenantId,
    shard::{bucket, imports, layout::Layout},
    time::Timestamp,
};
use worker::Env;

use super::{ask_under, groups, layouts, question};
use crate::stub::{AT_ONCE, CallError};

/// Brings records to their shards. What is not among the answers has the id of a live record there. Their entries come before them, so
/// that what is online is found.
pub(crate) async fn import(env: &Env, shards: u32, records: Vec<Record>) -> Result<Vec<Imported>, CallError> {
    let entries: Vec<_> = records.iter().filter_map(imports::entry).collect();
    import_into(env, imports::ENTRIES, shards, entries).await?;
    let tenants = groups(records.into_iter().map(|record| (record.tenant, record)));
    let written = tenants.into_iter().map(|(tenant, records)| import_into(env, tenant, shards, records));
    let written: Vec<Vec<Imported>> = stream::iter(written).buffer_unordered(AT_ONCE).try_collect().await?;
    Ok(written.into_iter().flatten().collect())
}

/// What a shard has taken in is not sent again when another one knows a newer layout.
async fn import_into(
    env: &Env,
    tenant: TenantId,
    shards: u32,
    records: Vec<Record>,
) -> Result<Vec<Imported>, CallError> {
    let written = RefCell::new(Vec::new());
    let left = RefCell::new(records);
    layouts::under(env, tenant, shards, async |layout| {
        let placed = left
            .borrow()
            .iter()
            .cloned()
            .map(|record| (layout.home(bucket(record.user)), record))
            .collect::<Vec<_>>();
        let asked = groups(placed).into_iter().map(|(index, records)| async move {
            (index, ask_under(env, tenant, index, &layout, question::import(records)).await)
        });
        let answers: Vec<_> = stream::iter(asked).buffer_unordered(AT_ONCE).collect().await;
        let mut failed = Ok(());
        for (index, answer) in answers {
            match answer {
                Ok(part) => {
                    written.borrow_mut().extend(part);
                    left.borrow_mut().retain(|record| layout.home(bucket(record.user)) != index);
                }
                Err(error) => failed = Err(error),
            }
        }
        failed
    })
    .await?;
    Ok(written.into_inner())
}

/// The tenants in which these users have imported records that may be online.
pub(crate) async fn imported_in(
    env: &Env,
    shards: u32,
    users: Vec<i64>,
) -> Result<Vec<(i64, TenantId)>, CallError> {
    let answers = layouts::under(env, imports::ENTRIES, shards, async |layout| {
        let asked = at_home(&layout, &users).into_iter().map(|(index, users)| {
            ask_under(env, imports::ENTRIES, index, &layout, question::imported_in(users))
        });
        stream::iter(asked).buffer_unordered(AT_ONCE).try_collect::<Vec<_>>().await
    })
    .await?;
    Ok(answers.concat())
}

/// Ends the imported records of these users, or only what a cutoff at `at` covers of them.
pub(crate) async fn end(
    env: &Env,
    tenant: TenantId,
    shards: u32,
    users: Vec<i64>,
    at: Timestamp,
    cut_off: bool,
) -> Result<(), CallError> {
    layouts::under(env, tenant, shards, async |layout| {
        let told = at_home(&layout, &users).into_iter().map(|(index, users)| async move {
            let end = || question::end_imports(users.clone(), at, cut_off);
            while !ask_under(env, tenant, index, &layout, end()).await? {}
            Ok(())
        });
        // Each of them, even if one fails: repeating the order has less left to do.
        stream::iter(told).buffer_unordered(AT_ONCE).collect::<Vec<_>>().await.into_iter().collect()
    })
    .await
}

/// Users by the shards that answer for them.
fn at_home(layout: &Layout, users: &[i64]) -> BTreeMap<u32, Vec<i64>> {
    groups(users.iter().map(|user| (layout.home(bucket(*user)), *user)))
}
