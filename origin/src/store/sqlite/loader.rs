//! The loader of users' rows. Loads that arrive while another is under way share the next snapshot, since SQLite drops its
//! cached pages with each new one.

use rollcall_core::store::Statement;
use rusqlite::Connection;

use super::{
    super::{
        error::StoreError,
        job::{Job, Rows},
    },
    convert,
    worker::Worker,
};

/// The most loads of one snapshot.
const GROUP: usize = 128;

/// A handle; clones share the thread.
#[derive(Clone)]
pub(super) struct Loader(Worker);

impl Loader {
    pub(super) fn start(connection: Connection) -> std::io::Result<Self> {
        Worker::start("store-loader", connection, GROUP, load_group).map(Self)
    }

    pub(super) async fn load(&self, statements: Vec<Statement>) -> Result<Vec<Rows>, StoreError> {
        self.0.ask(statements).await
    }

    /// Returns when every accepted load is answered and the connection is closed.
    pub(super) async fn close(&self) {
        self.0.close().await;
    }
}

fn load_group(connection: &mut Connection, group: &mut Vec<Job>) {
    // Its drop releases the snapshot; there is nothing to commit.
    let snapshot = connection.transaction().map_err(StoreError::from);
    for job in group.drain(..) {
        let rows = snapshot.as_ref().map_err(Clone::clone).and_then(|snapshot| {
            let query = |statement| convert::query(snapshot, statement).map_err(StoreError::from);
            job.statements.iter().map(query).collect()
        });
        // The caller may have left.
        let _ = job.done.send(rows);
    }
}

#[cfg(test)]
mod tests {
    use tokio::sync::oneshot;

    use super::*;

    fn job(sql: &'static str) -> (Job, oneshot::Receiver<Result<Vec<Rows>, StoreError>>) {
        let (done, answer) = oneshot::channel();
        (Job { statements: vec![Statement::new(sql, [])], done }, answer)
    }

    #[test]
    fn a_load_that_fails_fails_alone_and_the_next_snapshot_is_a_new_one() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("test.sqlite3");
        let writing = super::super::connection::open(&path).unwrap();
        writing
            .execute_batch("CREATE TABLE kept (number INTEGER) STRICT; INSERT INTO kept VALUES (1)")
            .unwrap();
        let mut reading = super::super::connection::open_read_only(&path).unwrap();
        let sum = "SELECT sum(number) FROM kept";
        for expected in [1, 3] {
            let ((first, one), (bad, none), (last, two)) = (job(sum), job("SELECT 1 FROM nowhere"), job(sum));
            load_group(&mut reading, &mut vec![first, bad, last]);
            for mut answer in [one, two] {
                assert_eq!(answer.try_recv().unwrap().unwrap(), [vec![vec![expected.into()]]]);
            }
            none.blocking_recv().unwrap().unwrap_err();
            writing.execute_batch("INSERT INTO kept VALUES (2)").unwrap();
        }
    }
}
