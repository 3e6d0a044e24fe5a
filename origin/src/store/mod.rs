//! The embedded store: one SQLite file, one writer that groups commits, a few readers.
//!
//! A commit for which [`Store::commit`] returned `Ok` survives a crash of the process and of the machine
//! (`synchronous=FULL`). The store does not know what its statements mean.

mod backup;
mod condition;
mod convert;
mod loader;
mod reader;
mod schema;
mod writer;

use std::{path::Path, sync::Arc, time::Instant};

use rollcall_core::store::{Statement, Value};
use rusqlite::{Connection, OpenFlags, config::DbConfig};
use tokio::{sync::oneshot, task::JoinError};

use crate::metrics::Metrics;

use self::{loader::Loader, reader::Readers, writer::Writer};

pub use self::{backup::back_up, condition::Condition};

/// The database file in the data directory.
const FILE: &str = "rollcall.sqlite3";

/// Why the store did not execute a request. Nothing of the request was done.
#[derive(Clone, Debug, thiserror::Error)]
pub enum StoreError {
    /// SQLite's error: a full disk, a failed fsync, a damaged file. Shared, since every commit of a group gets it.
    #[error(transparent)]
    Sqlite(Arc<rusqlite::Error>),
    /// A query panicked.
    #[error("a query panicked")]
    Panicked(#[source] Arc<JoinError>),
    /// The writer or the loader has stopped.
    #[error("the store is closed")]
    Closed,
}

/// Rows of one query.
pub type Rows = Vec<Vec<Value>>;

/// A handle; clones share the store.
#[derive(Clone)]
pub struct Store {
    writer: Writer,
    loader: Loader,
    readers: Readers,
    condition: Condition,
    metrics: Metrics,
}

impl Store {
    /// Opens or creates the store in `data_dir` and brings its schema up to date. How long commits take
    /// is counted in `metrics`.
    ///
    /// # Errors
    /// When the file cannot be opened, or is of a newer version than this program knows.
    pub fn open(data_dir: &Path, metrics: Metrics) -> anyhow::Result<Self> {
        let path = data_dir.join(FILE);
        let mut connection = open(&path)?;
        schema::migrate(&mut connection)?;
        let condition = Condition::default();
        let writer = Writer::start(connection, condition.clone())?;
        let loader = Loader::start(reading(&path)?)?;
        Ok(Self { writer, loader, readers: Readers::open(&path)?, condition, metrics })
    }

    /// Makes all of `statements` durable in one transaction, or none of them, and returns the rows of each.
    ///
    /// Commits of different callers share an fsync.
    ///
    /// # Errors
    /// When the commit fails. Then none of them happened.
    pub async fn commit(&self, statements: Vec<Statement>) -> Result<Vec<Rows>, StoreError> {
        let begun = Instant::now();
        let answer = self.writer.commit(statements).await;
        self.metrics.committed(begun.elapsed());
        answer
    }

    /// The number of commits that wait for the writer.
    pub fn queued(&self) -> usize {
        self.writer.queued()
    }

    /// Runs short queries over one user's rows, against one committed state no older than this call.
    ///
    /// # Errors
    /// When a query fails.
    pub async fn load(&self, statements: Vec<Statement>) -> Result<Vec<Rows>, StoreError> {
        self.loader.load(statements).await
    }

    /// Runs queries that may take long, against one committed state.
    ///
    /// # Errors
    /// When a query fails.
    pub async fn query(&self, statements: Vec<Statement>) -> Result<Vec<Rows>, StoreError> {
        self.readers.query(statements).await
    }

    /// Whether commits succeed.
    pub fn condition(&self) -> &Condition {
        &self.condition
    }

    /// Waits until every accepted commit is written, and stops the writer.
    pub async fn close(&self) {
        self.writer.close().await;
    }
}

/// The request of a caller who waits.
struct Job {
    statements: Vec<Statement>,
    done: oneshot::Sender<Result<Vec<Rows>, StoreError>>,
}

/// A read-only connection.
fn reading(path: &Path) -> rusqlite::Result<Connection> {
    let connection = open(path)?;
    connection.pragma_update(None, "query_only", true)?;
    Ok(connection)
}

fn open(path: &Path) -> rusqlite::Result<Connection> {
    let flags =
        OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    connection.pragma_update(None, "journal_mode", "WAL")?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    // A statement keeps its plan whatever values are bound to it. With the statistics that SQLite is built with here, it
    // would be planned anew at every use.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    connection.busy_timeout(std::time::Duration::from_secs(1))?;
    connection.set_prepared_statement_cache_capacity(64);
    Ok(connection)
}

impl From<rusqlite::Error> for StoreError {
    fn from(error: rusqlite::Error) -> Self {
        Self::Sqlite(Arc::new(error))
    }
}
