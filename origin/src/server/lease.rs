//! The process's lease: records that a crash left open end at its last renewal.

use std::{os::unix::fs::MetadataExt as _, time::Duration};

use anyhow::Context as _;
use rollcall_core::{
    directory::upsert::end_left_open,
    store::{Statement, Value},
    time::Timestamp,
    user::{forget_all_subscriptions, release_all_held},
};

use crate::{
    clock::utc,
    cluster::{STARTS, forget_all},
    data_dir::DataDir,
    store::{Durability, Patience, Postgres, Store, rows_at},
};

/// The interval of renewals, and so the largest error of an end after a crash.
const RENEWAL: Duration = Duration::from_secs(30);

/// A clock that is this far behind the newest stored date is worth a warning.
const BEHIND: Duration = Duration::from_secs(60);

/// The interval of attempts while the store fails.
const PROBE: Duration = Duration::from_secs(1);

/// The file of a data directory with its place, and the numbers of the processes that have used it there. All but one have ended, since it
/// is locked.
const OWN: &str = "node";

/// Ends the records that earlier processes left open, unless others that serve may have left them, and takes the lease.
pub(super) async fn take(store: &Store, data_dir: &DataDir) -> anyhow::Result<()> {
    match store.postgres().filter(|engine| engine.may_have_company()) {
        None => {
            store.commit(ends_of_all(store).await?).await?;
        }
        Some(engine) => {
            end_own_earlier(engine, data_dir).await?;
            // Those who start do so one after the other: what one of them ends is of nobody who has started. One that is about to start
            // sees to nothing yet.
            let (transaction, answers) =
                engine.begin(STARTS, &[entered(engine.node())], Patience::Long).await?;
            let mut all =
                if rows_at(&answers, 0)?.is_empty() { ends_of_all(store).await? } else { Vec::new() };
            all.push(enter(engine.node()));
            transaction.commit(&all, Durability::Now).await?;
            data_dir.write(OWN, &format!("{} {}", place(data_dir)?, engine.node()))?;
        }
    }
    Ok(())
}

/// Other processes that nobody has declared dead.
fn others(own: i64) -> Statement {
    Statement::new("SELECT id, beat FROM node WHERE state = 0 AND id <> ?1", [own.into()])
}

/// Those of them that have ended what was left open before them, or that others have.
fn entered(own: i64) -> Statement {
    Statement::new("SELECT id FROM node WHERE state = 0 AND entered = 1 AND id <> ?1", [own.into()])
}

fn enter(own: i64) -> Statement {
    Statement::new("UPDATE node SET entered = 1 WHERE id = ?1", [own.into()])
}

/// This directory since the start of its machine. A copy of it is another place: what a copy names may be alive.
fn place(data_dir: &DataDir) -> anyhow::Result<String> {
    let boot = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
    let place = std::fs::metadata(data_dir.path())?;
    Ok(format!("{}/{}/{}", boot.trim(), place.dev(), place.ino()))
}

/// Declares the earlier processes of this data directory dead, which have ended.
async fn end_own_earlier(engine: &Postgres, data_dir: &DataDir) -> anyhow::Result<()> {
    let path = data_dir.path().join(OWN);
    let known = match std::fs::read_to_string(&path) {
        Ok(known) => known,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => String::new(),
        Err(error) => return Err(error).with_context(|| format!("cannot read {}", path.display())),
    };
    let place = place(data_dir)?;
    let (of, known) = known.trim().split_once(' ').unwrap_or_default();
    let known = if of == place { known } else { "" };
    let earlier: Vec<i64> = known.split_whitespace().filter_map(|number| number.parse().ok()).collect();
    // Before it can leave anything.
    data_dir.write(OWN, &format!("{place} {known} {}", engine.node()))?;
    let answers = engine.load(vec![others(engine.node())]).await?;
    for row in rows_at(&answers, 0)? {
        if let [Value::Int(id), Value::Int(beat)] = row.as_slice()
            && earlier.contains(id)
        {
            engine.declare_dead(*id, *beat).await?;
        }
    }
    Ok(())
}

/// What ends everything that earlier processes left open, and takes the lease.
async fn ends_of_all(store: &Store) -> anyhow::Result<Vec<Statement>> {
    let now = store.now();
    let stored = |sql| async move {
        let answers = store.query(vec![Statement::new(sql, [])]).await?;
        match answers.first().and_then(|rows| rows.first()).and_then(|row| row.first()) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::Int(millis)) => Ok(Some(Timestamp::from_millis(*millis))),
            Some(Value::Text(_)) => None.context("a date in the store does not read"),
        }
    };
    let last_alive = stored("SELECT renewed_at FROM lease").await?;
    let last_order = stored("SELECT max(at) FROM tenant_mark WHERE lifted = 0").await?;
    if let Some(newest) = last_alive.max(last_order).filter(|newest| newest.since(now) > BEHIND) {
        tracing::warn!(
            clock = %utc(now),
            stored = %utc(newest),
            "the system clock is far behind what is stored: it is wrong now, or it was ahead then; tokens of other issuers that \
             orders of that time took are good again after their users or tenants are unlocked"
        );
    }
    // Nothing ends later than now.
    let last_alive = last_alive.map_or(now, |last_alive| last_alive.min(now));
    let mut statements = release_all_held().to_vec();
    // Subscriptions end with their sockets, and all sockets of earlier processes are closed.
    statements.extend(forget_all_subscriptions());
    statements.extend(store.postgres().map(|_| forget_all()));
    statements.extend([end_left_open(last_alive), renewal(store)]);
    Ok(statements)
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
        match store.commit(vec![renewal(&store)]).await {
            Ok(_) if condition.overcome(failures) => tracing::info!("commits succeed again"),
            Ok(_) => {}
            // The writer has logged the cause.
            Err(error) => tracing::debug!(%error, "the lease could not be renewed"),
        }
    }
}

/// Renews the lease and reads it back.
pub(crate) async fn probe(store: &Store) -> anyhow::Result<()> {
    let at = store.now();
    store.commit(vec![renewal(store)]).await?;
    let answers = store.load(vec![Statement::new("SELECT renewed_at FROM lease", [])]).await?;
    match answers.first().and_then(|rows| rows.first()).map(Vec::as_slice) {
        Some([Value::Int(renewed)]) if *renewed >= at.millis() => Ok(()),
        _ => anyhow::bail!("the lease that was written is not read"),
    }
}

fn renewal(store: &Store) -> Statement {
    let has_company = store.postgres().is_some_and(Postgres::may_have_company);
    // Others renew it too, some behind this one with a time that is before this one's.
    let at = if has_company { "max(lease.renewed_at, excluded.renewed_at)" } else { "excluded.renewed_at" };
    let sql = format!(
        "INSERT INTO lease (id, renewed_at) VALUES (1, ?1) ON CONFLICT (id) DO UPDATE SET renewed_at = {at}"
    );
    Statement::new(sql, [Value::Int(store.now().millis())])
}
