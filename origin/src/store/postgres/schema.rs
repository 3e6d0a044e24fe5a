//! The tables, in the schema `store.schema`.
//!
//! They have the columns that the embedded store has (`rollcall_core::store::migrations`), and steps of their own: each index ends
//! in the record's id, which SQLite adds by itself, and texts compare by their bytes.
//!
//! Two versions of the program may run side by side during an upgrade, so a step only adds. The row of `version` says from which
//! version on a program can work with the tables.

use anyhow::{Context as _, ensure};
use tokio_postgres::Client;

/// A change of tables. All missing ones are one transaction. One that leaves `compatible_from` as it was runs while other processes serve:
/// it takes no lock for long that holds up what they write, such as that of an index over a table with rows.
struct Step {
    sql: &'static str,
    /// The first version whose programs can work with tables that went through this step.
    compatible_from: i64,
}

/// Released steps are frozen; the next one follows them. The version is the number of steps.
const STEPS: &[Step] = &[
    Step { sql: include_str!("step_1.sql"), compatible_from: 1 },
    // An earlier program would not write down who is connected.
    Step { sql: include_str!("step_2.sql"), compatible_from: 2 },
    // An earlier program would serve data that was moved elsewhere.
    Step { sql: include_str!("step_3.sql"), compatible_from: 3 },
    // The orders of an earlier program leave no entry in the audit.
    Step { sql: include_str!("step_4.sql"), compatible_from: 3 },
    Step { sql: include_str!("step_5.sql"), compatible_from: 3 },
    // An earlier program writes no marks, and goes by none.
    Step { sql: include_str!("step_6.sql"), compatible_from: 3 },
    // An earlier program carries no order to a selection on, and delivers the scoped cutoff of one.
    Step { sql: include_str!("step_7.sql"), compatible_from: 3 },
    // An earlier program takes itself for the only one.
    Step { sql: include_str!("step_8.sql"), compatible_from: 8 },
    // An earlier program would not look for what others have for its sockets.
    Step { sql: include_str!("step_9.sql"), compatible_from: 9 },
    // An earlier program would not look for the orders of others.
    Step { sql: include_str!("step_10.sql"), compatible_from: 10 },
    // An earlier program lets denied users in, and carries an order out without its window.
    Step { sql: include_str!("step_11.sql"), compatible_from: 11 },
];

/// The first version whose programs know that others may use the tables.
const SHARED_FROM: i64 = 8;

/// Makes the schema, and runs the steps that it lacks, all or none of them. Programs that start together do it one after another.
///
/// # Errors
/// When a newer program made tables that this one cannot work with, or a step fails. Nothing is changed then.
pub(super) async fn migrate(client: &mut Client, schema: &str) -> anyhow::Result<()> {
    let transaction = client.transaction().await?;
    let alone = "SELECT pg_advisory_xact_lock(hashtextextended($1, 1))";
    transaction.execute(alone, &[&schema]).await?;
    let exists =
        transaction.query_one("SELECT to_regnamespace(quote_ident($1)) IS NOT NULL", &[&schema]).await?;
    if !exists.try_get::<_, bool>(0)? {
        let make = format!("CREATE SCHEMA {}", quoted(schema));
        transaction
            .batch_execute(&make)
            .await
            .with_context(|| format!("the schema {schema} cannot be made"))?;
    }
    transaction
        .batch_execute(
            "CREATE TABLE IF NOT EXISTS version (\
               id BIGINT PRIMARY KEY CHECK (id = 1), version BIGINT NOT NULL, compatible_from BIGINT NOT NULL)",
        )
        .await?;
    let own = i64::try_from(STEPS.len())?;
    let row = transaction.query_opt("SELECT version, compatible_from FROM version", &[]).await?;
    let (found, compatible_from) = match &row {
        Some(row) => (row.try_get(0)?, row.try_get(1)?),
        None => (0_i64, 0_i64),
    };
    ensure!(
        compatible_from <= own,
        "the store is of version {found}, this program knows up to {own}; run the newer program"
    );
    let missing = STEPS.get(usize::try_from(found)?..).unwrap_or_default();
    for step in missing {
        transaction.batch_execute(step.sql).await?;
    }
    if let Some(from) = missing.iter().map(|step| step.compatible_from).max() {
        let write = "INSERT INTO version (id, version, compatible_from) VALUES (1, $1, $2) \
                     ON CONFLICT (id) DO UPDATE SET version = excluded.version, compatible_from = excluded.compatible_from";
        transaction.execute(write, &[&own, &from.max(compatible_from)]).await?;
    }
    Ok(transaction.commit().await?)
}

/// Whether this process may use the tables beside others: every program that can work with them knows that there may be others, and can
/// still work with them behind the steps that this one adds.
///
/// # Errors
/// When the server does not answer.
pub(super) async fn may_be_shared(client: &Client, schema: &str) -> anyhow::Result<bool> {
    if !is_made(client, schema).await? {
        return Ok(false);
    }
    let row = client.query_opt("SELECT version, compatible_from FROM version", &[]).await?;
    let Some(row) = row else { return Ok(false) };
    let (found, from): (i64, i64) = (row.try_get(0)?, row.try_get(1)?);
    let missing = STEPS.get(usize::try_from(found)?..).unwrap_or_default();
    Ok(from >= SHARED_FROM && missing.iter().all(|step| step.compatible_from <= from))
}

/// An error where a newer program has changed the tables in a way that this one can work with, and does not know.
///
/// # Errors
/// As said, and when the server does not answer.
pub(super) async fn refuse_newer(client: &Client) -> anyhow::Result<()> {
    let found: i64 = client.query_one("SELECT version FROM version", &[]).await?.try_get(0)?;
    let own = i64::try_from(STEPS.len())?;
    ensure!(
        found == own,
        "the store is of version {found}, this program knows all of version {own}; run the newer program"
    );
    Ok(())
}

/// Whether the tables of a store are in the schema.
///
/// # Errors
/// When the server does not answer.
pub(super) async fn is_made(client: &Client, schema: &str) -> anyhow::Result<bool> {
    let sql = "SELECT to_regclass(quote_ident($1) || '.version') IS NOT NULL";
    Ok(client.query_one(sql, &[&schema]).await?.try_get(0)?)
}

/// A name as SQL of either engine takes it.
pub(in crate::store) fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}
