//! Repetition of what has to become durable.

use std::time::Duration;

use rollcall_api::Chain;

use super::error::CommandError;
use crate::store::StoreError;

/// The pause between two attempts.
const PAUSE: Duration = Duration::from_secs(1);

/// Repeats `attempt` until it succeeds. `None` when it is not durable and no repetition helps: after a permanent error, and once
/// the store is closed and nothing can be written any more.
///
/// It pauses instead of waiting for an event, since a disk that has room again reports it to no one.
pub(super) async fn until_durable<T, F>(what: &str, mut attempt: impl FnMut() -> F) -> Option<T>
where
    F: Future<Output = Result<T, CommandError>>,
{
    loop {
        match attempt().await {
            Ok(done) => return Some(done),
            Err(CommandError::Store(StoreError::Closed)) => return None,
            Err(error) if error.is_permanent() => {
                tracing::error!(error = %Chain(&error), "{what} is given up, since no repetition helps");
                return None;
            }
            // Said once where it begins. A crowd of ends would say it each second.
            Err(CommandError::Store(error @ StoreError::Suspended)) => {
                tracing::debug!(%error, "{what} is tried again");
            }
            Err(error) => tracing::error!(%error, "{what} is tried again"),
        }
        tokio::time::sleep(PAUSE).await;
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    /// The outcome after these errors, and the number of attempts.
    async fn after(errors: Vec<StoreError>) -> (Option<()>, usize) {
        let (attempts, mut errors) = (Cell::new(0), errors.into_iter());
        let attempt = || {
            attempts.set(attempts.get() + 1);
            std::future::ready(errors.next().map_or(Ok(()), |error| Err(error.into())))
        };
        (until_durable("a test", attempt).await, attempts.get())
    }

    fn sqlite(code: i32) -> StoreError {
        rusqlite::Error::SqliteFailure(rusqlite::ffi::Error::new(code), None).into()
    }

    #[tokio::test(start_paused = true)]
    async fn only_what_may_pass_is_repeated() {
        use rusqlite::ffi::{SQLITE_BUSY, SQLITE_CORRUPT, SQLITE_FULL, SQLITE_IOERR};
        let passing = [SQLITE_BUSY, SQLITE_FULL, SQLITE_IOERR].map(sqlite).to_vec();
        assert_eq!(after(passing).await, (Some(()), 4));
        assert_eq!(after(vec![sqlite(SQLITE_FULL), sqlite(SQLITE_CORRUPT)]).await, (None, 2));
        assert_eq!(after(vec![StoreError::Closed]).await, (None, 1));
    }
}
