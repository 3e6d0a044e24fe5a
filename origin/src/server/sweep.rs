//! The deletion of what is over: old records (`docs/rules/message-center.md#retention`), expired tokens, and orders about users who
//! were never seen. Each commit is short, since other commits wait for it.

use rollcall_core::{
    directory::{
        upsert::{self, CrowdedUsers},
        view::retained_from,
    },
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
pub(super) async fn keep(users: Users) {
    let mut agreement = Agreement::begin();
    let mut looks = tokio::time::interval(LOOK);
    let mut swept: Option<Instant> = None;
    loop {
        let is_look = tokio::select! {
            _ = looks.tick() => true,
            () = users.unseen_crowd() => false,
        };
        let done = if is_look {
            let Some(now) = agreement.settled() else { continue };
            if swept.is_some_and(|swept| swept.elapsed() < SWEEP_EVERY) {
                continue;
            }
            swept = Some(Instant::now());
            sweep(&users, now).await
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
    tracing::debug!(settled, deleted, tokens, "what is over was looked for");
    Ok(())
}
