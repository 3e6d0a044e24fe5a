//! Connections for long queries. Each runs one query at a time, on a thread of the runtime's blocking pool.

use std::{
    ffi::c_int,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use parking_lot::Mutex;
use rollcall_core::store::Statement;
use rusqlite::{Connection, ErrorCode};
use tokio::{sync::Semaphore, time::timeout};

use super::{
    super::{
        QUERIES, QUERY_TURN, QUERY_WITHIN,
        error::{Late, StoreError},
        job::Rows,
    },
    connection::open_read_only,
    convert,
};

/// Steps of SQLite between two looks at the clock, which take some 10 µs.
const STEPS: c_int = 1_000;

#[derive(Clone)]
pub(super) struct Readers {
    idle: Arc<Mutex<Vec<Connection>>>,
    permits: Arc<Semaphore>,
    within: Duration,
    /// Ends the queries under way.
    closing: Arc<AtomicBool>,
}

impl Readers {
    pub(super) fn open(path: &Path) -> rusqlite::Result<Self> {
        Self::bounded(path, QUERY_WITHIN)
    }

    fn bounded(path: &Path, within: Duration) -> rusqlite::Result<Self> {
        let idle = (0..QUERIES).map(|_| open_read_only(path)).collect::<rusqlite::Result<Vec<_>>>()?;
        Ok(Self {
            idle: Arc::new(Mutex::new(idle)),
            permits: Arc::new(Semaphore::new(QUERIES)),
            within,
            closing: Arc::default(),
        })
    }

    pub(super) async fn query(&self, statements: Vec<Statement>) -> Result<Vec<Rows>, StoreError> {
        let turn = timeout(QUERY_TURN, self.permits.clone().acquire_owned());
        let permit = turn.await.map_err(|_| StoreError::Busy)?.map_err(|_| StoreError::Closed)?;
        let (idle, within, closing) = (self.idle.clone(), self.within, self.closing.clone());
        let run = move || {
            let mut connection = idle.lock().pop().ok_or(StoreError::Closed)?;
            let result = read(&mut connection, &statements, within, closing);
            idle.lock().push(connection);
            drop(permit);
            result
        };
        tokio::task::spawn_blocking(run).await.map_err(|error| StoreError::refused(error, true))?
    }

    /// Ends the queries under way, and closes the connections.
    pub(super) async fn close(&self) {
        self.closing.store(true, Ordering::Relaxed);
        let all = self.permits.acquire_many(u32::try_from(QUERIES).unwrap_or(u32::MAX)).await;
        self.permits.close();
        drop(all);
        self.idle.lock().clear();
    }
}

/// The rows of the statements, unless they take longer than that in all.
fn read(
    connection: &mut Connection,
    statements: &[Statement],
    within: Duration,
    closing: Arc<AtomicBool>,
) -> Result<Vec<Rows>, StoreError> {
    let until = Instant::now() + within;
    // It replaces that of the query before.
    connection
        .progress_handler(STEPS, Some(move || closing.load(Ordering::Relaxed) || Instant::now() >= until))?;
    read_all(connection, statements).map_err(|error| match error.sqlite_error_code() {
        Some(ErrorCode::OperationInterrupted) => StoreError::refused(Late(within.as_secs()), false),
        _ => error.into(),
    })
}

fn read_all(connection: &mut Connection, statements: &[Statement]) -> rusqlite::Result<Vec<Rows>> {
    let transaction = connection.transaction()?;
    let rows = statements.iter().map(|statement| convert::query(&transaction, statement)).collect();
    // A reading transaction has nothing to commit; its end releases its snapshot.
    transaction.finish()?;
    rows
}

#[cfg(test)]
mod tests {
    use super::*;

    /// It counts until it is stopped.
    const ENDLESS: &str = "WITH RECURSIVE counted (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM counted) SELECT count(*) FROM counted";

    #[tokio::test]
    async fn a_query_that_takes_too_long_fails_and_its_reader_serves_the_next_one() {
        let home = tempfile::tempdir().unwrap();
        let readers = Readers::bounded(&home.path().join("test.sqlite3"), Duration::from_millis(50)).unwrap();
        let ask = |sql: &'static str| readers.query(vec![Statement::new(sql, [])]);
        // Twice as many as there are readers: each of them is free again.
        let endless = futures_util::future::join_all((0..2 * QUERIES).map(|_| ask(ENDLESS)));
        for answer in timeout(Duration::from_secs(60), endless).await.unwrap() {
            let error = answer.unwrap_err();
            assert!(error.to_string().contains("no answer within"), "{error}");
            assert!(!error.is_permanent(), "another time it may take less");
        }
        assert_eq!(ask("SELECT 1").await.unwrap(), [vec![vec![1.into()]]]);
    }
}
