//! Requests to the writers and readers of the store.

use rollcall_core::store::{Statement, Value};
use tokio::sync::oneshot;

use super::error::StoreError;

/// Rows of one query.
pub type Rows = Vec<Vec<Value>>;

/// The request of a caller who waits.
pub(super) struct Job<Answer = Rows> {
    pub(super) statements: Vec<Statement>,
    pub(super) done: oneshot::Sender<Result<Vec<Answer>, StoreError>>,
}
