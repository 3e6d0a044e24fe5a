//! Requests to the writer and readers of the embedded store.

use rollcall_core::store::{Statement, Value};
use tokio::sync::{mpsc, oneshot};

use super::error::StoreError;

/// Requests that wait to be taken; further callers wait to enter the queue.
const QUEUE: usize = 4096;

/// Rows of one query.
pub type Rows = Vec<Vec<Value>>;

/// The rows of the answer in that place.
///
/// # Errors
/// [`StoreError::Unanswered`] where there is no such answer: that is not an answer without rows.
pub fn rows_at(answers: &[Rows], at: usize) -> Result<&[Vec<Value>], StoreError> {
    answers.get(at).map(Vec::as_slice).ok_or(StoreError::Unanswered)
}

/// The rows of the next answer.
///
/// # Errors
/// As [`rows_at`].
pub fn next_rows(answers: &mut impl Iterator<Item = Rows>) -> Result<Rows, StoreError> {
    answers.next().ok_or(StoreError::Unanswered)
}

/// The request of a caller who waits.
pub(super) struct Job {
    pub(super) statements: Vec<Statement>,
    pub(super) done: oneshot::Sender<Result<Vec<Rows>, StoreError>>,
}

/// Where callers hand in their requests.
#[derive(Clone)]
pub(super) struct Jobs(mpsc::Sender<Job>);

impl Jobs {
    /// A queue, and its end for those who answer.
    pub(super) fn queue() -> (Self, mpsc::Receiver<Job>) {
        let (jobs, queue) = mpsc::channel(QUEUE);
        (Self(jobs), queue)
    }

    /// Waits for the answer to each statement.
    pub(super) async fn ask(&self, statements: Vec<Statement>) -> Result<Vec<Rows>, StoreError> {
        let (done, answer) = oneshot::channel();
        self.0.send(Job { statements, done }).await.map_err(|_| StoreError::Closed)?;
        answer.await.map_err(|_| StoreError::Closed)?
    }

    /// How many requests wait.
    pub(super) fn waiting(&self) -> usize {
        self.0.max_capacity() - self.0.capacity()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_answer_is_no_answer_without_rows() {
        let answers: Vec<Rows> = vec![Vec::new()];
        assert!(rows_at(&answers, 0).unwrap().is_empty());
        assert!(matches!(rows_at(&answers, 1), Err(StoreError::Unanswered)));
        let mut answers = answers.into_iter();
        assert!(next_rows(&mut answers).unwrap().is_empty());
        assert!(matches!(next_rows(&mut answers), Err(StoreError::Unanswered)));
    }
}
