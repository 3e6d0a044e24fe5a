//! The writer. Commits that arrive while a transaction is being written share the next one, and so its fsync.

use std::{sync::Arc, thread};

use parking_lot::Mutex;
use rollcall_core::store::Statement;
use rusqlite::{Connection, ErrorCode};
use tokio::sync::{mpsc, oneshot};

use super::{
    super::{
        condition::Condition,
        error::StoreError,
        job::{Job, Jobs, Rows},
    },
    convert,
    error::is_transient,
};

/// The most commits of one transaction. It bounds the time that the first of them waits.
const GROUP: usize = 512;

#[derive(Clone)]
pub(super) struct Writer {
    jobs: Jobs,
    ended: Arc<Mutex<Option<oneshot::Receiver<()>>>>,
    close: Arc<Mutex<Option<oneshot::Sender<()>>>>,
}

impl Writer {
    pub(super) fn start(connection: Connection, condition: Condition) -> std::io::Result<Self> {
        let (jobs, queue) = Jobs::queue();
        let (close, closing) = oneshot::channel();
        let (ending, ended) = oneshot::channel();
        thread::Builder::new().name("store-writer".into()).spawn(move || {
            write(connection, &condition, queue, closing);
            // Its receiver may be gone.
            let _ = ending.send(());
        })?;
        Ok(Self { jobs, ended: Arc::new(Mutex::new(Some(ended))), close: Arc::new(Mutex::new(Some(close))) })
    }

    pub(super) async fn commit(&self, statements: Vec<Statement>) -> Result<Vec<Rows>, StoreError> {
        self.jobs.ask(statements).await
    }

    pub(super) fn queued(&self) -> usize {
        self.jobs.waiting()
    }

    pub(super) async fn close(&self) {
        drop(self.close.lock().take());
        // Wakes a writer that waits for work.
        let _ = self.commit(Vec::new()).await;
        let ended = self.ended.lock().take();
        if let Some(ended) = ended {
            let _ = ended.await;
        }
    }
}

fn write(
    mut connection: Connection,
    condition: &Condition,
    mut queue: mpsc::Receiver<Job>,
    mut closing: oneshot::Receiver<()>,
) {
    let mut group = Vec::with_capacity(GROUP);
    loop {
        if queue.blocking_recv_many(&mut group, GROUP) == 0 {
            return;
        }
        commit_group(&mut connection, condition, &mut group);
        if !matches!(closing.try_recv(), Err(oneshot::error::TryRecvError::Empty)) {
            queue.close();
        }
    }
}

fn commit_group(connection: &mut Connection, condition: &Condition, group: &mut Vec<Job>) {
    let outcome = try_group(connection, condition, group);
    for (job, result) in group.drain(..).zip(outcome) {
        // A caller who left does not undo its commit.
        let _ = job.done.send(result);
    }
}

/// Writes a group in one transaction, with a savepoint for each job: a job that fails rolls back alone, a commit that fails
/// rolls back all. Returns one result for each job.
fn try_group(
    connection: &mut Connection,
    condition: &Condition,
    group: &[Job],
) -> Vec<Result<Vec<Rows>, StoreError>> {
    let all = |error: rusqlite::Error| {
        failed(condition, &error);
        let error = StoreError::from(error);
        group.iter().map(|_| Err(error.clone())).collect::<Vec<_>>()
    };
    let mut transaction = match connection.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)
    {
        Ok(transaction) => transaction,
        Err(error) => return all(error),
    };
    let mut results = Vec::with_capacity(group.len());
    for job in group {
        match one(&mut transaction, job) {
            Ok(rows) => results.push(Ok(rows)),
            // SQLite rolls the whole transaction back after some errors, a full disk among them. The next jobs would then
            // commit outside of it, although they are answered as failed.
            Err(error) if transaction.is_autocommit() => return all(error),
            Err(error) => {
                if is_disk_error(&error) {
                    failed(condition, &error);
                } else {
                    tracing::error!(%error, "a change was refused");
                }
                results.push(Err(error.into()));
            }
        }
    }
    match transaction.commit() {
        Ok(()) => results,
        Err(error) => all(error),
    }
}

/// Logs the first failure only: a full disk is often the log's disk too.
fn failed(condition: &Condition, error: &rusqlite::Error) {
    if condition.fail() {
        tracing::error!(%error, "commits fail; until they succeed again the health is degraded");
    } else {
        tracing::debug!(%error, "a commit failed again");
    }
}

/// Whether an error is the disk's and not the statement's.
fn is_disk_error(error: &rusqlite::Error) -> bool {
    use ErrorCode::{ConstraintViolation, DatabaseCorrupt, NotADatabase};
    match error.sqlite_error_code() {
        Some(ConstraintViolation) | None => false,
        Some(DatabaseCorrupt | NotADatabase) => true,
        Some(_) => is_transient(error),
    }
}

fn one(transaction: &mut rusqlite::Transaction<'_>, job: &Job) -> rusqlite::Result<Vec<Rows>> {
    let savepoint = transaction.savepoint()?;
    let rows = job
        .statements
        .iter()
        .map(|statement| convert::query(&savepoint, statement))
        .collect::<rusqlite::Result<_>>()?;
    savepoint.commit()?;
    Ok(rows)
}

#[cfg(test)]
mod tests {
    use rollcall_core::store::Value;

    use super::*;

    fn job(text: &str) -> Job {
        let insert = Statement::new("INSERT INTO kept VALUES (?1)", [Value::from(text)]);
        Job { statements: vec![insert], done: oneshot::channel().0 }
    }

    fn kept(connection: &Connection) -> i64 {
        connection.query_row("SELECT count(*) FROM kept", [], |row| row.get(0)).unwrap()
    }

    fn database(home: &tempfile::TempDir) -> Connection {
        let connection = super::super::connection::open(&home.path().join("test.sqlite3")).unwrap();
        connection.execute_batch("CREATE TABLE kept (text TEXT NOT NULL CHECK (text <> '')) STRICT").unwrap();
        connection
    }

    #[test]
    fn when_sqlite_rolls_the_transaction_back_no_job_of_the_group_is_done() {
        let home = tempfile::tempdir().unwrap();
        let (mut connection, condition) = (database(&home), Condition::default());
        // No room for the second job: SQLite then rolls the transaction back, and the third job would commit alone.
        let pages: u32 = connection.query_row("PRAGMA page_count", [], |row| row.get(0)).unwrap();
        connection.pragma_update(None, "max_page_count", pages).unwrap();
        let group = [job("first"), job(&"x".repeat(1 << 20)), job("third")];
        let results = try_group(&mut connection, &condition, &group);
        assert_eq!(results.iter().filter(|result| result.is_err()).count(), 3, "{results:?}");
        assert_eq!(kept(&connection), 0);
        assert!(condition.is_failing());
        assert!(try_group(&mut connection, &condition, &[job("later")]).iter().all(Result::is_ok));
        assert_eq!(kept(&connection), 1);
    }

    #[test]
    fn a_job_that_violates_a_constraint_rolls_back_alone() {
        let home = tempfile::tempdir().unwrap();
        let (mut connection, condition) = (database(&home), Condition::default());
        let results = try_group(&mut connection, &condition, &[job("first"), job(""), job("third")]);
        assert!(matches!(results.as_slice(), [Ok(_), Err(_), Ok(_)]), "{results:?}");
        assert_eq!(kept(&connection), 2);
        assert!(!condition.is_failing(), "the disk has no part in it");
    }
}
