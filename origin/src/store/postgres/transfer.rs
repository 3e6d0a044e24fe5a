//! All of the tables as one end of a move to or from the embedded store.

use std::path::Path;

use anyhow::{bail, ensure};
use futures_util::{StreamExt as _, TryStreamExt as _, pin_mut};
use rollcall_core::{config, secret::Secret, store::Value};
use tokio::runtime::Handle;
use tokio_postgres::{Client, Error, binary_copy::BinaryCopyInWriter, error::SqlState, types::Type};

use super::{
    super::{
        sqlite::{Embedded, is_filled},
        transfer::{Batch, Destination, Filling, Mark as _, Side, Table},
    },
    Connector, Entered, Tables,
    connection::Driver,
    convert::{Bound, Read},
    enter,
    failure::{is_undone, readable, told},
    holding::{Company, HEED_CLIENT, Holding},
    schema::{self, quoted},
};

/// A move takes as long as it takes, and what it writes waits for no disk until the end. Not every server bounds transactions.
const SETTINGS: &str = "SET statement_timeout TO 0; SET idle_in_transaction_session_timeout TO 0; SET lock_timeout TO '10s'; \
                        SELECT set_config(name, '0', false) FROM pg_settings WHERE name = 'transaction_timeout'; \
                        SELECT set_config('synchronous_commit', 'on', false) \
                        WHERE current_setting('synchronous_commit') IN ('off', 'local')";

/// Which move brought the data.
const FROM: &str = "migrated_from";
/// Where the data went.
const TO: &str = "migrated_to";
/// Which move took it there.
const TO_ID: &str = "migrated_to_id";

/// The tables in a transaction of their own. One that is dropped has changed nothing.
pub(in crate::store) struct Whole {
    runtime: Handle,
    client: Client,
    driver: Driver,
    schema: String,
    place: String,
    /// Nothing else uses the tables meanwhile.
    holding: Holding,
}

/// Why a commit is not known to be durable.
#[derive(Debug, thiserror::Error)]
pub(in crate::store) enum CommitError {
    /// The engine has undone everything.
    #[error("the engine refuses to commit, and nothing was moved: {0}")]
    Refused(String),
    /// It may have it.
    #[error("whether the engine has it durably is not known; run the same command again, which finds out")]
    Unknown(#[source] anyhow::Error),
}

/// An error where the data was moved elsewhere: what is here is not the truth any more.
pub(super) async fn refuse_moved(client: &Client, schema: &str) -> anyhow::Result<()> {
    if let Some(place) = setting(client, TO).await? {
        bail!(
            "the data was moved to {place}: serve that. What is here is as it was before the move; {}",
            how_to_serve(schema)
        );
    }
    Ok(())
}

/// An error where `data_dir` has data that the schema lacks: a server on the schema would begin with nothing.
pub(super) async fn refuse_unmoved(client: &Client, schema: &str, data_dir: &Path) -> anyhow::Result<()> {
    if !Embedded::is_in(data_dir) {
        return Ok(());
    }
    let place = data_dir.display();
    if let Some(destination) = Destination::read(data_dir)? {
        // Of the move that was done, the file's new name alone may be missing.
        ensure!(
            setting(client, FROM).await?.is_some_and(|from| from == destination.id),
            "a move of the store in {place} to {} was cut off as it ended, and the schema {schema} does not have it; run rollcall \
             migrate --to again, which finds out what became of it",
            destination.to
        );
        return Ok(());
    }
    let tables = Table::all()?;
    ensure!(
        filled(client, &tables).await?.is_some() || !is_filled(data_dir, &tables)?,
        "the schema {schema} is empty, and the embedded store in {place} is not: move it there by rollcall migrate --to, or, to \
         begin with nothing, move its file away"
    );
    Ok(())
}

/// A table that has data.
async fn filled<'a>(client: &Client, tables: &'a [Table]) -> Result<Option<&'a Table>, Error> {
    for table in tables.iter().filter(|table| !table.is_of_processes()) {
        if client.query_one(&table.is_filled(), &[]).await?.try_get(0)? {
            return Ok(Some(table));
        }
    }
    Ok(None)
}

/// What makes a server start on a schema whose data was moved elsewhere.
fn how_to_serve(schema: &str) -> String {
    format!("to serve it all the same: DELETE FROM {}.setting WHERE key = '{TO}'", quoted(schema))
}

async fn setting(client: &Client, key: &str) -> Result<Option<String>, Error> {
    let row = client.query_opt("SELECT value FROM setting WHERE key = $1", &[&key]).await?;
    row.map(|row| row.try_get(0)).transpose()
}

async fn set(client: &Client, key: &str, value: &str) -> Result<(), Error> {
    let sql = "INSERT INTO setting (key, value) VALUES ($1, $2) ON CONFLICT (key) DO UPDATE SET value = excluded.value";
    client.execute(sql, &[&key, &value]).await.map(drop)
}

impl Whole {
    /// The tables of the settings' schema, empty ones to be filled or those of a store to be read, which no process serves meanwhile.
    ///
    /// # Errors
    /// When the server cannot be reached or is refused, another process uses the schema, or its tables are of a newer version: this
    /// program does not know all that is in them.
    pub(in crate::store) fn open(
        runtime: &Handle,
        url: &Secret<String>,
        settings: &config::Store,
        tables: Tables,
    ) -> anyhow::Result<Self> {
        runtime.block_on(async {
            let connector = Connector::new(url, settings)?;
            let Entered { client, driver, holding, .. } =
                enter(&connector, settings, tables, Company::None).await?;
            schema::refuse_newer(&client).await?;
            client.batch_execute(HEED_CLIENT).await?;
            client.batch_execute(SETTINGS).await?;
            let begin = match tables {
                Tables::Make => "BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE",
                Tables::Expect => "BEGIN ISOLATION LEVEL REPEATABLE READ READ WRITE",
            };
            client.batch_execute(begin).await?;
            let (schema, place) = (settings.schema.clone(), connector.place());
            Ok(Self { runtime: runtime.clone(), client, driver, schema, place, holding })
        })
    }

    fn wait<T>(&self, asking: impl Future<Output = Result<T, Error>>) -> anyhow::Result<T> {
        self.runtime.block_on(asking).map_err(readable)
    }

    /// Where they are, without the password.
    pub(in crate::store) fn place(&self) -> &str {
        &self.place
    }

    /// What makes a server start on them although the data was moved elsewhere.
    pub(in crate::store) fn how_to_serve(&self) -> String {
        how_to_serve(&self.schema)
    }

    /// The number of the move that brought the data.
    pub(in crate::store) fn moved_from(&self) -> anyhow::Result<Option<String>> {
        self.wait(setting(&self.client, FROM))
    }

    /// Where the data was moved, and the number of that move.
    pub(in crate::store) fn left_for(&self) -> anyhow::Result<Option<(String, String)>> {
        let Some(to) = self.wait(setting(&self.client, TO))? else { return Ok(None) };
        Ok(Some((to, self.wait(setting(&self.client, TO_ID))?.unwrap_or_default())))
    }

    /// An error unless nothing is stored in them yet. What a start alone leaves is removed.
    pub(in crate::store) fn refuse_unless_empty(&self, tables: &[Table]) -> anyhow::Result<()> {
        if let Some(table) = self.wait(filled(&self.client, tables))? {
            bail!(
                "{} holds data already, in its table {}: a move fills an empty one. Name another store.schema, or, if nothing in it \
                 is needed, drop the schema (DROP SCHEMA {} CASCADE)",
                self.place,
                table.name,
                quoted(&self.schema)
            );
        }
        for table in tables.iter().filter(|table| table.is_of_processes()) {
            self.wait(self.client.batch_execute(&format!("DELETE FROM {}", table.quoted())))?;
        }
        Ok(())
    }

    /// Writes down in the transaction that the data came by the move `id`.
    pub(in crate::store) fn say_filled(&self, id: &str) -> anyhow::Result<()> {
        self.wait(async {
            set(&self.client, FROM, id).await?;
            self.client.execute("DELETE FROM setting WHERE key IN ($1, $2)", &[&TO, &TO_ID]).await?;
            self.holding.end_others(&self.client).await
        })
    }

    /// Writes down in the transaction that the data went to `place` by the move `id`: no server starts on it any more.
    pub(in crate::store) fn say_left(&self, place: &str, id: &str) -> anyhow::Result<()> {
        self.wait(async {
            set(&self.client, TO, place).await?;
            set(&self.client, TO_ID, id).await?;
            self.holding.end_others(&self.client).await
        })
    }

    /// Makes durable what was written. A process that used the tables before, and was cut off from them, uses them no more.
    ///
    /// # Errors
    /// When it is not known to be durable.
    pub(in crate::store) fn commit(self) -> Result<Filled, CommitError> {
        match self.runtime.block_on(self.client.batch_execute("COMMIT")) {
            Err(error) if is_undone(&error) => Err(CommitError::Refused(told(&error))),
            Err(error) => Err(CommitError::Unknown(readable(error))),
            Ok(()) if self.driver.is_unreplicated() => {
                Err(CommitError::Unknown(anyhow::anyhow!("the commit did not wait for the standby")))
            }
            Ok(()) => Ok(Filled(self)),
        }
    }

    /// The same tables, which an earlier call had filled. Nothing is changed.
    pub(in crate::store) fn into_filled(self) -> anyhow::Result<Filled> {
        self.wait(self.client.batch_execute("ROLLBACK"))?;
        Ok(Filled(self))
    }

    /// The row that the engine refused, by its number: its contents are not shown.
    fn refused(&self, error: Error, table: &Table, batch: &Batch) -> anyhow::Error {
        let line = error.as_db_error().and_then(|refusal| {
            let (_, line) = refusal.where_()?.split_once(", line ")?;
            line.split(|c: char| !c.is_ascii_digit()).next()?.parse::<usize>().ok()
        });
        let row = line.and_then(|line| batch.get(line.checked_sub(1)?));
        let id = table.columns.iter().position(|column| column.name == "id" && !column.is_text);
        let number = match row.zip(id).and_then(|(row, id)| row.get(id)) {
            Some(Value::Int(number)) => Some(*number),
            _ => None,
        };
        let is_long = error.code() == Some(&SqlState::PROGRAM_LIMIT_EXCEEDED);
        let mut said = readable(error);
        if is_long {
            said = said.context("its texts are longer than an index of the engine takes");
        }
        match number {
            Some(number) => said.context(format!("the row with the id {number}")),
            None => said,
        }
    }
}

/// Tables that a move has filled.
pub(in crate::store) struct Filled(Whole);

impl Filled {
    /// Tells the engine what the tables hold, so that it plans questions well from the first one on.
    ///
    /// # Errors
    /// When the engine does not. It does so by itself later.
    pub(in crate::store) fn analyze(&self, table: &Table) -> anyhow::Result<()> {
        let Self(Whole { runtime, client, .. }) = self;
        let sql = format!("VACUUM (ANALYZE) {}", table.quoted());
        runtime.block_on(client.batch_execute(&sql)).map_err(readable)
    }
}

impl Side for Whole {
    fn count(&mut self, table: &Table) -> anyhow::Result<u64> {
        let count: i64 = self.wait(self.client.query_one(&table.count(), &[]))?.try_get(0)?;
        Ok(u64::try_from(count)?)
    }

    fn read(
        &mut self,
        table: &Table,
        take: &mut dyn FnMut(Batch) -> anyhow::Result<()>,
    ) -> anyhow::Result<()> {
        let none: [&str; 0] = [];
        // Behind its end it would be an error.
        let rows = self.wait(self.client.query_raw(&table.rows(), none))?.fuse();
        // The session takes the next rows from its socket when these have been taken.
        pin_mut!(rows);
        loop {
            let batch = self.wait(async {
                let mut filling = Filling::default();
                while !filling.is_full() {
                    let Some(row) = rows.as_mut().try_next().await? else { break };
                    let column = |at| row.try_get::<usize, Read>(at).map(|Read(value)| value);
                    filling.push((0..row.len()).map(column).collect::<Result<_, _>>()?);
                }
                Ok(filling.take())
            })?;
            if batch.is_empty() {
                return Ok(());
            }
            take(batch)?;
        }
    }

    fn write(&mut self, table: &Table, batch: &Batch) -> anyhow::Result<()> {
        let sql = format!("COPY {} ({}) FROM STDIN BINARY", table.quoted(), table.names());
        let of = |is_text| if is_text { Type::TEXT } else { Type::INT8 };
        let types: Vec<Type> = table.columns.iter().map(|column| of(column.is_text)).collect();
        let writing = async {
            let writer = BinaryCopyInWriter::new(self.client.copy_in(&sql).await?, &types);
            pin_mut!(writer);
            for row in batch {
                writer.as_mut().write_raw(row.iter().map(Bound)).await?;
            }
            writer.finish().await.map(drop)
        };
        self.runtime.block_on(writing).map_err(|error| self.refused(error, table, batch))
    }
}
