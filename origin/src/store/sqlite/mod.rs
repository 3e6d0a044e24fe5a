//! The embedded store: one SQLite file, one writer that groups commits, a few readers.
//!
//! A commit that succeeded survives a crash of the process and of the machine (`synchronous=FULL`).

mod backup;
mod connection;
mod convert;
mod error;
mod loader;
mod reader;
mod schema;
mod transfer;
mod worker;
mod writer;

use std::path::Path;

use anyhow::Context as _;
use rollcall_core::store::{Statement, Value};

use super::{
    condition::Condition,
    error::StoreError,
    job::Rows,
    transfer::{Arrival, Mark as _},
};

use self::{
    connection::{FILE, make_private, open, open_read_only},
    loader::Loader,
    reader::Readers,
    writer::Writer,
};

pub use self::backup::back_up;
pub(super) use self::transfer::{Embedded, is_filled};

/// A handle; clones share the store.
#[derive(Clone)]
pub struct Sqlite {
    writer: Writer,
    loader: Loader,
    readers: Readers,
}

impl Sqlite {
    /// Opens or creates the store in `data_dir` and brings its schema up to date. Its files are readable by their owner only.
    ///
    /// # Errors
    /// When the file cannot be opened, is of a newer version than this program knows, or was moved to PostgreSQL.
    pub(super) fn open(data_dir: &Path, condition: Condition) -> anyhow::Result<Self> {
        transfer::refuse_moved(data_dir)?;
        // Of a move to this directory that was cut off when it was done.
        Arrival::remove(data_dir)?;
        let path = data_dir.join(FILE);
        make_private(&path).with_context(|| format!("cannot write {}", path.display()))?;
        let mut connection = open(&path)?;
        schema::migrate(&mut connection)?;
        let writer = Writer::start(connection, condition)?;
        let loader = Loader::start(open_read_only(&path)?)?;
        Ok(Self { writer, loader, readers: Readers::open(&path)? })
    }

    /// Commits of different callers share an fsync.
    pub(super) async fn commit(&self, statements: Vec<Statement>) -> Result<Vec<Rows>, StoreError> {
        self.writer.commit(statements).await
    }

    pub(super) async fn change(&self, statement: Statement) -> Result<u64, StoreError> {
        let answers = self.commit(vec![statement, Statement::new("SELECT changes()", [])]).await?;
        Ok(match answers.last().and_then(|rows| rows.first()?.first()) {
            Some(Value::Int(changed)) => u64::try_from(*changed).unwrap_or(0),
            _ => 0,
        })
    }

    pub(super) fn queued(&self) -> usize {
        self.writer.queued()
    }

    pub(super) async fn load(&self, statements: Vec<Statement>) -> Result<Vec<Rows>, StoreError> {
        self.loader.load(statements).await
    }

    pub(super) async fn query(&self, statements: Vec<Statement>) -> Result<Vec<Rows>, StoreError> {
        self.readers.query(statements).await
    }

    /// Closes every connection, the one that writes last: SQLite then leaves one file that has everything.
    pub(super) async fn close(&self) {
        tokio::join!(self.readers.close(), self.loader.close());
        self.writer.close().await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The known-wrong way was to close the writer alone: what it had written last was in a second file, which a copy or a move of
    /// the first one leaves behind.
    #[tokio::test]
    async fn a_closed_store_is_one_file() {
        let home = tempfile::tempdir().unwrap();
        let store = Sqlite::open(home.path(), Condition::default()).unwrap();
        let token = || vec![Statement::new("SELECT count(*) FROM token", [])];
        store.commit(vec![Statement::new("INSERT INTO user (id) VALUES ('7')", [])]).await.unwrap();
        store.load(token()).await.unwrap();
        let endless = "WITH RECURSIVE counted (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM counted) SELECT count(*) FROM counted";
        let asked = store.query(vec![Statement::new(endless, [])]);
        let (asked, ()) = tokio::join!(asked, store.close());
        assert!(asked.is_err(), "a query holds up no end of the process");
        let files = std::fs::read_dir(home.path()).unwrap().map(|file| file.unwrap().file_name());
        assert_eq!(files.collect::<Vec<_>>(), [FILE]);
        assert!(matches!(store.load(token()).await, Err(StoreError::Closed)));
        assert!(matches!(store.query(token()).await, Err(StoreError::Closed)));
        assert!(matches!(store.commit(token()).await, Err(StoreError::Closed)));
    }
}
