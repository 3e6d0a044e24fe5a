//! Repetition of what has to become durable.

use std::time::Duration;

use super::error::CommandError;
use crate::store::StoreError;

/// The pause between two attempts.
const PAUSE: Duration = Duration::from_secs(1);

/// Repeats `attempt` until it succeeds, or until the store is closed and nothing can be written any more.
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
            Err(error) => tracing::error!(%error, "{what} is tried again"),
        }
        tokio::time::sleep(PAUSE).await;
    }
}
