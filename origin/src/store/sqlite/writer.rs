//! The writer. Commits that arrive while a transaction is being written share the next one, and so its fsync.

use rollcall_core::store::Statement;
use rusqlite::{Connection, ErrorCode};

use super::{
    super::{
        condition::Condition,
        error::StoreError,
        job::{Job, Rows},
    },
    convert,
    error::is_transient,
    worker::Worker,
};

/// The most commits of one transaction. It bounds the time that the first of them waits.
const GROUP: usize = 512;

/// A handle; clones share the thread.
#[derive(Clone)]
pub(super) struct Writer(Worker);

impl Writer {
    pub(super) fn start(connection: Connection, condition: Condition) -> std::io::Result<Self> {
        let commit = move |connection: &mut _, group: &mut _| commit_group(connection, &condition, group);
        Worker::start("store-writer", connection, GROUP, commit).map(Self)
    }

    pub(super) async fn commit(&self, statements: Vec<Statement>) -> Result<Vec<Rows>, StoreError> {
        self.0.ask(statements).await
    }

    pub(super) fn queued(&self) -> usize {
        self.0.waiting()
    }

    /// Returns when every accepted commit is written and the connection is closed.
    pub(super) async fn close(&self) {
        self.0.close().await;
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
        Job { statements: vec![insert], done: tokio::sync::oneshot::channel().0 }
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
