//! Requests to the writer and readers of the embedded store.

use rollcall_core::store::{Statement, Value};
use tokio::sync::oneshot;

use super::error::StoreError;

/// Rows of one query.
pub type Rows = Vec<Vec<Value>>;

/// The request of a caller who waits.
pub(super) struct Job {
    pub(super) statements: Vec<Statement>,
    pub(super) done: oneshot::Sender<Result<Vec<Rows>, StoreError>>,
}
