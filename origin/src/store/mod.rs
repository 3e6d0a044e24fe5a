//! The store: the embedded SQLite, or PostgreSQL where `store.url` names one.
//!
//! A commit for which [`Store::commit`] returned `Ok` survives a crash of the process and of the machine. The store does not know
//! what its statements mean.

mod condition;
mod error;
mod job;
mod postgres;
mod sqlite;
mod transfer;

use std::{
    path::Path,
    time::{Duration, Instant},
};

use rollcall_core::{config, store::Statement, time::Timestamp};

pub(crate) use self::postgres::{since_boot, time_to_serve};
use crate::{clock, metrics::Metrics};

pub use self::{
    condition::Condition,
    error::{Refusal, Shared, StoreError},
    job::{Rows, next_rows, rows_at},
    postgres::{Alive, Durability, Node, NodeState, Patience, Postgres, Transaction, check, nodes},
    sqlite::{Sqlite, back_up},
    transfer::{Moved, Progress, from_postgres, to_postgres},
};

/// How many queries that may take long run at a time; more would only compete for the same processors.
pub(crate) const QUERIES: usize = 4;
/// How long one of them may take.
pub(crate) const QUERY_WITHIN: Duration = Duration::from_secs(10);
/// How long one may wait for its turn.
const QUERY_TURN: Duration = Duration::from_secs(2);

/// A handle; clones share the store.
#[derive(Clone)]
pub struct Store {
    engine: Engine,
    condition: Condition,
    metrics: Metrics,
}

/// What executes the statements.
#[derive(Clone)]
enum Engine {
    Sqlite(Sqlite),
    Postgres(Postgres),
}

impl Store {
    /// Opens or creates the store that the settings name, the embedded one in `data_dir`, and brings its schema up to date. How long
    /// commits take is counted in `metrics`.
    ///
    /// # Errors
    /// When it cannot be opened, is of a newer version than this program knows, cannot keep its promises, or is not the one that
    /// has the data: `data_dir` has, or what was there was moved.
    pub async fn open(
        settings: &config::Store,
        cluster: &config::Cluster,
        data_dir: &Path,
        metrics: Metrics,
    ) -> anyhow::Result<Self> {
        let condition = Condition::default();
        let engine = match &settings.url {
            None => Engine::Sqlite(Sqlite::open(data_dir, condition.clone())?),
            Some(url) => {
                Engine::Postgres(Postgres::open(url, settings, cluster, data_dir, condition.clone()).await?)
            }
        };
        Ok(Self { engine, condition, metrics })
    }

    /// Makes all of `statements` durable in one transaction, or none of them, and returns the rows of each.
    ///
    /// # Errors
    /// When the commit fails. Then none of them happened, or it is [`StoreError::Unknown`].
    pub async fn commit(&self, statements: Vec<Statement>) -> Result<Vec<Rows>, StoreError> {
        let begun = Instant::now();
        let answer = match &self.engine {
            Engine::Sqlite(store) => store.commit(statements).await,
            Engine::Postgres(store) => store.commit(statements).await,
        };
        self.metrics.committed(begun.elapsed());
        answer
    }

    /// Makes one statement durable, and returns the number of rows that it changed.
    ///
    /// # Errors
    /// As [`Store::commit`].
    pub async fn change(&self, statement: Statement) -> Result<u64, StoreError> {
        let begun = Instant::now();
        let answer = match &self.engine {
            Engine::Sqlite(store) => store.change(statement).await,
            Engine::Postgres(store) => store.change(statement).await,
        };
        self.metrics.committed(begun.elapsed());
        answer
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
        match &self.engine {
            Engine::Sqlite(store) => store.queued(),
            Engine::Postgres(store) => store.queued(),
        }
    }

    /// Runs short queries over one user's rows, against one committed state no older than this call.
    ///
    /// # Errors
    /// When a query fails.
    pub async fn load(&self, statements: Vec<Statement>) -> Result<Vec<Rows>, StoreError> {
        match &self.engine {
            Engine::Sqlite(store) => store.load(statements).await,
            Engine::Postgres(store) => store.load(statements).await,
        }
    }

    /// Runs queries that may take long, against one committed state.
    ///
    /// # Errors
    /// When a query fails, when all take more than 10 s, and [`StoreError::Busy`] when too many others are under way.
    pub async fn query(&self, statements: Vec<Statement>) -> Result<Vec<Rows>, StoreError> {
        match &self.engine {
            Engine::Sqlite(store) => store.query(statements).await,
            Engine::Postgres(store) => store.query(statements).await,
        }
    }

    /// The engine, where the store is PostgreSQL. The live set is then part of the store.
    pub const fn postgres(&self) -> Option<&Postgres> {
        match &self.engine {
            Engine::Sqlite(_) => None,
            Engine::Postgres(store) => Some(store),
        }
    }

    /// Resolves when another process has declared this one dead, and it never can use the store again. The embedded store has one
    /// process.
    pub async fn dead(&self) {
        match &self.engine {
            Engine::Sqlite(_) => std::future::pending().await,
            Engine::Postgres(store) => store.dead().await,
        }
    }

    /// # Errors
    /// When this process may not serve, as [`Postgres::may_serve`] says.
    pub fn may_serve(&self) -> Result<(), StoreError> {
        self.postgres().map_or(Ok(()), Postgres::may_serve)
    }

    /// The time by the clock that commands go by: the engine's, or this machine's where the store is embedded.
    pub fn now(&self) -> Timestamp {
        match &self.engine {
            Engine::Sqlite(_) => clock::now(),
            Engine::Postgres(store) => store.now(),
        }
    }

    /// Whether commits succeed.
    pub fn condition(&self) -> &Condition {
        &self.condition
    }

    /// Waits until every accepted commit is written, and stops the writers.
    pub async fn close(&self) {
        match &self.engine {
            Engine::Sqlite(store) => store.close().await,
            Engine::Postgres(store) => store.close().await,
        }
    }

    /// Says that this process has left, where others may have the store. It is closed.
    pub async fn leave(&self) {
        if let Some(store) = self.postgres() {
            store.leave().await;
        }
    }
}
