//! The embedded store: one SQLite file, one writer that groups commits, a few readers.
//!
//! A commit for which [`Store::commit`] returned `Ok` survives a crash of the process and of the machine
//! (`synchronous=FULL`). The store does not know what its statements mean.

mod backup;
mod condition;
mod connection;
mod convert;
mod error;
mod job;
mod loader;
mod reader;
mod schema;
mod writer;

use std::{path::Path, time::Instant};

use anyhow::Context as _;
use rollcall_core::store::{Statement, Value};

use crate::metrics::Metrics;

use self::{
    connection::{FILE, make_private, open, open_read_only},
    loader::Loader,
    reader::Readers,
    writer::Writer,
};

pub use self::{backup::back_up, condition::Condition, error::StoreError, job::Rows};

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
    /// is counted in `metrics`. Its files are readable by their owner only.
    ///
    /// # Errors
    /// When the file cannot be opened, or is of a newer version than this program knows.
    pub fn open(data_dir: &Path, metrics: Metrics) -> anyhow::Result<Self> {
        let path = data_dir.join(FILE);
        make_private(&path).with_context(|| format!("cannot write {}", path.display()))?;
        let mut connection = open(&path)?;
        schema::migrate(&mut connection)?;
        let condition = Condition::default();
        let writer = Writer::start(connection, condition.clone())?;
        let loader = Loader::start(open_read_only(&path)?)?;
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

    /// Makes one statement durable, and returns the number of rows that it changed.
    ///
    /// # Errors
    /// When the commit fails. Then it did not happen.
    pub async fn change(&self, statement: Statement) -> Result<u64, StoreError> {
        let answers = self.commit(vec![statement, Statement::new("SELECT changes()", [])]).await?;
        Ok(match answers.last().and_then(|rows| rows.first()?.first()) {
            Some(Value::Int(changed)) => u64::try_from(*changed).unwrap_or(0),
            _ => 0,
        })
    }

    /// Repeats a statement that changes at most `rows` rows, each time in a commit of its own, until it changes fewer. Returns how
    /// many it changed.
    ///
    /// # Errors
    /// When a commit fails. Those before it happened.
    pub async fn change_all(&self, statement: &Statement, rows: u32) -> Result<u64, StoreError> {
        let mut all = 0;
        loop {
            let changed = self.change(statement.clone()).await?;
            all += changed;
            if changed < u64::from(rows) {
                return Ok(all);
            }
        }
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
