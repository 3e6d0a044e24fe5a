//! The deletion of old records (`docs/rules/message-center.md#retention`).

use std::time::Duration;

use rollcall_core::{
    directory::upsert::{self, CrowdedUser},
    shard::progress::SWEEP_EVERY,
    store::{Statement, Value},
    time::Timestamp,
};
use tokio::time::Instant;

use crate::{
    clock::{Agreement, LOOK},
    store::{Store, StoreError},
    users::Users,
};

/// Records of one commit. It is short, since other commits wait for it.
const ROWS: u32 = 2_000;
const DAY: Duration = Duration::from_secs(86_400);

/// Sweeps once the clock is to be believed and every [`SWEEP_EVERY`] from then on, for ever. A sweep deletes for good, so it does
/// not trust a clock that has just been set (`docs/rules/message-center.md#retention`).
pub(super) async fn keep(users: Users) {
    let mut agreement = Agreement::begin();
    let mut looks = tokio::time::interval(LOOK);
    let mut swept: Option<Instant> = None;
    loop {
        looks.tick().await;
        let Some(now) = agreement.settled() else { continue };
        if swept.is_some_and(|swept| swept.elapsed() < SWEEP_EVERY) {
            continue;
        }
        swept = Some(Instant::now());
        if let Err(error) = sweep(&users, now).await {
            tracing::error!(error = format!("{error:#}"), "old records could not be deleted");
        }
    }
}

/// Ends records whose lease ran out, deletes records that ended long ago, and trims each user's records to the limit.
async fn sweep(users: &Users, now: Timestamp) -> anyhow::Result<()> {
    let (store, settings) = (users.store(), users.settings());
    let before = now - DAY * settings.message_center.retention_days;
    let settled = repeat(store, &upsert::settle_leases(now, ROWS)).await?;
    let deleted = repeat(store, &upsert::delete_ended_before(before, ROWS)).await?;
    let keep = settings.presence.max_records_per_user;
    let crowded = store.query(vec![upsert::crowded_users(keep)]).await?;
    for row in crowded.iter().flatten() {
        let user = CrowdedUser::read(row)?;
        store.commit(vec![upsert::trim_user(user.tenant, user.user, keep)]).await?;
    }
    tracing::debug!(settled, deleted, "old records were looked for");
    Ok(())
}

/// Commits a statement that changes at most [`ROWS`] records until it changes fewer. Returns the number of changed records.
async fn repeat(store: &Store, statement: &Statement) -> Result<i64, StoreError> {
    let mut all = 0;
    loop {
        let answers = store.commit(vec![statement.clone(), Statement::new("SELECT changes()", [])]).await?;
        let changed = match answers.last().and_then(|rows| rows.first()?.first()) {
            Some(Value::Int(changed)) => *changed,
            _ => 0,
        };
        all += changed;
        if changed < i64::from(ROWS) {
            return Ok(all);
        }
    }
}
