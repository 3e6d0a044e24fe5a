//! The process's lease: records that a crash left open end at its last renewal.

use std::time::Duration;

use anyhow::Context as _;
use rollcall_core::{
    directory::upsert::end_left_open,
    store::{Statement, Value},
    time::Timestamp,
    user::{forget_all_subscriptions, release_all_held},
};

use crate::{clock::now, store::Store};

/// The interval of renewals, and so the largest error of an end after a crash.
const RENEWAL: Duration = Duration::from_secs(30);

/// The interval of attempts while the store fails.
const PROBE: Duration = Duration::from_secs(1);

/// Ends the records that earlier processes left open, and takes the lease.
pub(super) async fn take(store: &Store) -> anyhow::Result<()> {
    let asked = store.query(vec![Statement::new("SELECT renewed_at FROM lease", [])]).await?;
    let row = asked.first().and_then(|rows| rows.first()).and_then(|row| row.first());
    let last_alive = match row {
        None => now(),
        Some(Value::Int(millis)) => Timestamp::from_millis(*millis),
        Some(_) => None.context("the lease in the store does not read")?,
    };
    let mut statements = release_all_held().to_vec();
    // Subscriptions end with their sockets, and all sockets of earlier processes are closed.
    statements.extend(forget_all_subscriptions());
    statements.extend([end_left_open(last_alive), renewal()]);
    store.commit(statements).await?;
    Ok(())
}

/// Renews the lease for ever. A renewal also proves that a store that failed has recovered, since it surely writes.
pub(super) async fn keep(store: Store) {
    let condition = store.condition();
    let mut ticks = tokio::time::interval(RENEWAL);
    ticks.tick().await;
    loop {
        if condition.is_failing() {
            tokio::time::sleep(PROBE).await;
        } else {
            tokio::select! {
                _ = ticks.tick() => {}
                () = condition.failed() => continue,
            }
        }
        let failures = condition.failures();
        match store.commit(vec![renewal()]).await {
            Ok(_) if condition.overcome(failures) => tracing::info!("commits succeed again"),
            Ok(_) => {}
            // The writer has logged the cause.
            Err(error) => tracing::debug!(%error, "the lease could not be renewed"),
        }
    }
}

fn renewal() -> Statement {
    let sql = "INSERT INTO lease (id, renewed_at) VALUES (1, ?1) \
               ON CONFLICT (id) DO UPDATE SET renewed_at = excluded.renewed_at";
    Statement::new(sql, [Value::Int(now().millis())])
}
