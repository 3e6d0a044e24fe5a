//! The deletion of what is over: old records (`docs/rules/message-center.md#retention`), old entries of the audit, expired tokens, and
//! orders about users who were never seen. Each commit is short, since other commits wait for it.

use rollcall_core::{
    audit,
    directory::{
        upsert::{self, CrowdedUsers},
        view::retained_from,
    },
    order,
    shard::progress::SWEEP_EVERY,
    time::Timestamp,
    token::store::delete_expired,
};
use tokio::time::Instant;

use crate::{
    clock::{Agreement, LOOK},
    store::rows_at,
    users::{MOST_UNSEEN, Users},
};

/// Rows that one commit changes.
const ROWS: u32 = 2_000;
/// Rows that one step of the search for users with too many records reads.
const STEP: u32 = 20_000;

/// Sweeps once the clock is to be believed and every [`SWEEP_EVERY`] from then on, for ever, and makes room for orders in between. A
/// sweep deletes for good, so it does not trust a clock that has just been set (`docs/rules/message-center.md#retention`).
pub(crate) async fn keep(users: Users) {
    let mut agreement = Agreement::begin();
    let mut looks = tokio::time::interval(LOOK);
    let mut swept: Option<Instant> = None;
    loop {
        let is_look = tokio::select! {
            _ = looks.tick() => true,
            () = users.unseen_crowd() => false,
        };
        let done = if is_look {
            users.resume_force_offs();
            let Some(now) = agreement.settled() else { continue };
            if swept.is_some_and(|swept| swept.elapsed() < SWEEP_EVERY) {
                continue;
            }
            let begun = Instant::now();
            let done = sweep(&users, now).await;
            // One that failed is tried again at the next look.
            swept = done.is_ok().then_some(begun);
            done
        } else {
            users.forget_unseen(None, MOST_UNSEEN).await.map_err(Into::into)
        };
        if let Err(error) = done {
            tracing::error!(error = format!("{error:#}"), "what is over could not be deleted");
        }
    }
}

async fn sweep(users: &Users, now: Timestamp) -> anyhow::Result<()> {
    let (store, settings) = (users.store(), users.settings());
    let before = retained_from(now, settings.message_center.retention_days);
    let settled = store.change_all(&upsert::settle_leases(now, ROWS), ROWS).await?;
    let mut deleted = store.change_all(&upsert::delete_ended_before(before, ROWS).statement(), ROWS).await?;
    let keep = settings.presence.max_records_per_user;
    let mut walk = CrowdedUsers::new(keep, STEP);
    while let Some(question) = walk.question() {
        let answers = store.query(vec![question]).await?;
        for user in walk.advance(rows_at(&answers, 0)?)? {
            deleted += store
                .change_all(&upsert::trim_user(user.tenant, user.user, keep, ROWS).statement(), ROWS)
                .await?;
        }
    }
    let tokens = store.change_all(&delete_expired(now, ROWS), ROWS).await?;
    users.forget_unseen(Some(now - users.rules().unseen_for()), MOST_UNSEEN).await?;
    store.commit(Vec::from(order::sweep(now))).await?;
    let expired = audit::expired(now, settings.audit.retention_days);
    let mut entries = store.change_all(&audit::delete(expired, ROWS), ROWS).await?;
    // The last, since it reads every row of the audit.
    entries += sweep_surplus(users).await?;
    tracing::debug!(settled, deleted, entries, tokens, "what is over was looked for");
    Ok(())
}

/// Deletes the rows of the audit that are too many, tenant by tenant. Returns how many there were.
async fn sweep_surplus(users: &Users) -> anyhow::Result<u64> {
    let store = users.store();
    let (mut deleted, mut before) = (0, None);
    while let Some(tenant) =
        audit::read_tenant(rows_at(&store.query(vec![audit::tenant_behind(before)]).await?, 0)?)
    {
        let mut surplus = audit::Surplus::of(tenant, users.settings().audit.max_rows);
        while let Some(question) = surplus.question() {
            let answers = store.query(vec![question]).await?;
            if let Some(too_many) = surplus.advance(rows_at(&answers, 0)?) {
                deleted += store.change_all(&too_many.delete(ROWS), ROWS).await?;
            }
        }
        before = Some(tenant);
    }
    Ok(deleted)
}
