//! PostgreSQL as the store.
//!
//! A commit that succeeded is on the server's disk, and on that of its synchronous standby where it has one. Statements are core's,
//! in the words of [`dialect`].

mod connection;
mod convert;
mod dialect;
mod failure;
mod pool;
mod schema;
mod tls;
mod url;

use std::sync::{Arc, atomic::AtomicU64};

use anyhow::{Context as _, bail, ensure};
use rollcall_core::{config, secret::Secret, store::Statement};
use tokio_postgres::{Client, error::SqlState};

use super::{condition::Condition, error::StoreError, job::Rows};

use self::{
    connection::{Answer, Connector, Driver, Role},
    pool::{Engine, Pool},
};

/// Sessions for short queries. One carries thousands a second, since callers share its journeys.
const LOADERS: u32 = 2;
/// Sessions for lists; more would only compete for the same processors.
const LISTS: u32 = 4;

/// Sessions beside those that write: the readers, and the one that says who uses the schema.
const OTHERS: u32 = LOADERS + LISTS + 1;

/// A handle; clones share the sessions.
#[derive(Clone)]
pub struct Postgres {
    writers: Pool,
    loaders: Pool,
    lists: Pool,
    /// The session that says to other processes that this one uses the schema.
    _use: Arc<(Client, Driver)>,
}

/// Reads what the settings say of the engine, and keeps nothing of it.
///
/// # Errors
/// When `store.url` or `store.ca` does not read.
pub fn check(settings: &config::Store) -> anyhow::Result<()> {
    settings.url.iter().try_for_each(|url| Connector::new(url, settings).map(drop))
}

impl Postgres {
    /// Connects, refuses a server that cannot keep this program's promises, and brings its tables up to date.
    ///
    /// # Errors
    /// When the server cannot be reached, or is refused.
    pub(super) async fn open(
        url: &Secret<String>,
        settings: &config::Store,
        condition: Condition,
    ) -> anyhow::Result<Self> {
        let connector = Connector::new(url, settings)?;
        let (mut client, driver) =
            connector.connect().await.context("store.url: the engine cannot be reached")?;
        examine(&client, settings.connections + OTHERS).await.context("store.url")?;
        occupy(&client, &settings.schema).await.context("store.url")?;
        schema::migrate(&mut client, &settings.schema).await.context("store.url")?;
        let engine = Arc::new(Engine { connector, condition, generation: AtomicU64::new(0) });
        Ok(Self {
            writers: Pool::start(&engine, Role::Write, settings.connections),
            loaders: Pool::start(&engine, Role::Load, LOADERS),
            lists: Pool::start(&engine, Role::List, LISTS),
            _use: Arc::new((client, driver)),
        })
    }

    pub(super) async fn commit(&self, statements: Vec<Statement>) -> Result<Vec<Rows>, StoreError> {
        self.writers.ask(statements).await.map(rows)
    }

    pub(super) async fn change(&self, statement: Statement) -> Result<u64, StoreError> {
        let answers = self.writers.ask(vec![statement]).await?;
        Ok(answers.iter().map(|answer| answer.changed).sum())
    }

    pub(super) fn queued(&self) -> usize {
        self.writers.queued()
    }

    pub(super) async fn load(&self, statements: Vec<Statement>) -> Result<Vec<Rows>, StoreError> {
        self.loaders.ask(statements).await.map(rows)
    }

    pub(super) async fn query(&self, statements: Vec<Statement>) -> Result<Vec<Rows>, StoreError> {
        self.lists.ask(statements).await.map(rows)
    }

    pub(super) async fn close(&self) {
        self.writers.close().await;
        self.loaders.close().await;
        self.lists.close().await;
    }
}

fn rows(answers: Vec<Answer>) -> Vec<Rows> {
    answers.into_iter().map(|answer| answer.rows).collect()
}

/// Lets no other process use the schema: it would end the records of this one, whose sockets it does not know.
async fn occupy(client: &Client, schema: &str) -> anyhow::Result<()> {
    // A server notices within seconds that the machine of an earlier process is gone.
    client
        .batch_execute(
            "SET lock_timeout TO '2s'; SET tcp_keepalives_idle TO 5; SET tcp_keepalives_interval TO 2; \
             SET tcp_keepalives_count TO 3",
        )
        .await?;
    match client.execute("SELECT pg_advisory_lock(hashtextextended($1, 2))", &[&schema]).await {
        Err(error) if error.code() == Some(&SqlState::LOCK_NOT_AVAILABLE) => {
            bail!("another rollcall uses the schema {schema}; stop it, or choose another store.schema")
        }
        outcome => Ok(outcome.map(drop)?),
    }
}

/// The oldest server whose plans and settings this program knows, as the server writes it.
const OLDEST: i64 = 140_000;

/// Refuses a server on which an answered commit could be lost or texts would not come back.
async fn examine(client: &Client, sessions: u32) -> anyhow::Result<()> {
    let row = client
        .query_one(
            "SELECT current_setting('server_version_num')::bigint, current_setting('server_encoding'), \
             current_setting('fsync') = 'on', current_setting('full_page_writes') = 'on', \
             current_setting('synchronous_standby_names') = '', \
             current_setting('max_connections')::bigint - current_setting('superuser_reserved_connections')::bigint",
            &[],
        )
        .await?;
    let version: i64 = row.try_get(0)?;
    ensure!(version >= OLDEST, "PostgreSQL 14 or newer is needed; this is {}", version / 10_000);
    let encoding: String = row.try_get(1)?;
    ensure!(encoding == "UTF8", "the database's encoding is {encoding}; create it WITH ENCODING 'UTF8'");
    ensure!(
        row.try_get::<_, bool>(2)?,
        "the server runs with fsync off: a crash would lose what was answered"
    );
    ensure!(
        row.try_get::<_, bool>(3)?,
        "the server runs with full_page_writes off: a crash would damage what was answered"
    );
    if row.try_get(4)? {
        tracing::warn!("the store has no synchronous standby: a failover may lose what was answered");
    }
    let room: i64 = row.try_get(5)?;
    ensure!(
        i64::from(sessions) <= room,
        "this process needs {sessions} sessions, the server has room for {room}; raise its max_connections, or lower store.connections"
    );
    tracing::info!(sessions, room, "the store is PostgreSQL");
    Ok(())
}
