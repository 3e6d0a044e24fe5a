//! The process's own lease: what it left open when it crashed reads as ended when it was last known to live.

use std::time::Duration;

use anyhow::Context as _;
use rollcall_core::{
    directory::upsert::end_left_open,
    store::{Statement, Value},
    time::Timestamp,
    user::{forget_all_subscriptions, release_all_held},
};

use crate::{clock::now, store::Store};

/// How often the lease is renewed; the error of an end that a crash left open is at most this.
const RENEWAL: Duration = Duration::from_secs(30);

/// How often a store that fails is tried.
const PROBE: Duration = Duration::from_secs(1);

/// Ends what earlier processes left open, and takes the lease.
pub(super) async fn take(store: &Store) -> anyhow::Result<()> {
    let asked = store.query(vec![Statement::new("SELECT renewed_at FROM lease", [])]).await?;
    let row = asked.first().and_then(|rows| rows.first()).and_then(|row| row.first());
    let last_alive = match row {
        None => now(),
        Some(Value::Int(millis)) => Timestamp::from_millis(*millis),
        Some(_) => None.context("the lease in the store does not read")?,
    };
    let mut statements = release_all_held().to_vec();
    // Every socket of earlier processes is gone, and what it followed with it.
    statements.extend(forget_all_subscriptions());
    statements.extend([end_left_open(last_alive), renewal()]);
    store.commit(statements).await?;
    Ok(())
}

/// Renews the lease for ever. It is also how a store that failed shows that it is well again.
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
            // The writer has said why.
            Err(error) => tracing::debug!(%error, "the lease could not be renewed"),
        }
    }
}

fn renewal() -> Statement {
    let sql = "INSERT INTO lease (id, renewed_at) VALUES (1, ?1) \
               ON CONFLICT (id) DO UPDATE SET renewed_at = excluded.renewed_at";
    Statement::new(sql, [Value::Int(now().millis())])
}
