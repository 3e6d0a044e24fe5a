//! The errors of the store.

use std::sync::Arc;

use tokio::task::JoinError;

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

impl From<rusqlite::Error> for StoreError {
    fn from(error: rusqlite::Error) -> Self {
        Self::Sqlite(Arc::new(error))
    }
}
