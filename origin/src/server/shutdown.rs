//! The end of the process: no more requests, sockets told, store flushed.

use std::time::Duration;

use rollcall_core::gateway::Close;
use tokio::time::timeout;

use super::Running;

/// How long the goodbyes may take altogether; each socket has its own bound within it.
const GOODBYES: Duration = Duration::from_secs(5);

impl Running {
    /// Stops accepting, closes every socket with 1012, waits for requests and commits, and stops.
    pub async fn stop(self) {
        self.origin.drain();
        // Nobody listens when the accept loop has already ended.
        let _ = self.stop.send(true);
        let _ = self.accepting.await;
        let goodbyes = async {
            let closing: Vec<_> =
                self.origin.users.sockets().into_iter().map(|socket| socket.close(Close::Draining)).collect();
            for closed in closing {
                closed.wait().await;
            }
        };
        if timeout(GOODBYES, goodbyes).await.is_err() {
            tracing::warn!("some clients did not take their goodbye");
        }
        self.lease.abort();
        self.sweep.abort();
        self.origin.users.store().close().await;
    }
}
