//! The end of the process: new sockets are rejected, open ones are closed one after the other, requests finish, and the
//! store is flushed (`docs/operating.md#drain`).

use std::time::Duration;

use rollcall_api::Backend as _;
use rollcall_core::gateway::Close;
use tokio::time::{Instant, sleep, sleep_until, timeout};

use super::Running;
use crate::outbox::Outbox;

/// The longest wait for the last sockets to close; each has its own close timeout within it.
const CLOSES: Duration = Duration::from_secs(5);
/// The interval of searches for sockets that were still opening when the drain began.
const LATECOMERS: Duration = Duration::from_millis(50);
/// The longest wait for requests to finish.
const REQUESTS: Duration = Duration::from_secs(10);

impl Running {
    /// Drains the process: `/health` reports it, sockets are closed with 1012 evenly over `server.drain_seconds`, and requests
    /// and commits finish. Where another process declares this one dead meanwhile, it is abandoned. Whether it was not.
    pub async fn stop(mut self) -> bool {
        let store = self.origin.users.store().clone();
        let is_drained = tokio::select! {
            () = self.drain() => true,
            () = store.dead() => false,
        };
        if !is_drained {
            self.abandon().await;
            return false;
        }
        self.lease.abort();
        self.sweep.abort();
        self.mailbox.abort();
        self.origin.users.store().close().await;
        // The last commits are of one that is alive.
        self.beats.abort();
        self.origin.users.store().leave().await;
        // Last, so that the metrics show the drain.
        drop(self.metrics);
        tracing::info!("stopped");
        true
    }

    async fn drain(&mut self) {
        self.origin.drain();
        let span = Duration::from_secs(self.origin.settings().server.drain_seconds.into());
        let sockets = self.origin.users.sockets();
        tracing::info!(sockets = sockets.len(), seconds = span.as_secs(), "draining");
        self.origin.sessions().close();
        self.close_evenly(sockets, span).await;
        if timeout(CLOSES, self.close_latecomers()).await.is_err() {
            tracing::warn!("some sockets did not close in time");
        }
        // The accept loop may have ended already.
        let _ = self.stop.send(true);
        let _ = (&mut self.accepting).await;
        self.connections.close();
        if timeout(REQUESTS, self.connections.wait()).await.is_err() {
            tracing::warn!(requests = self.connections.len(), "some requests did not finish");
        }
    }

    /// Resolves when another process has declared this one dead.
    pub async fn dead(&self) {
        self.origin.users.store().dead().await;
    }

    /// Closes every socket at once. Nothing is written: others have ended what this process has left.
    pub async fn abandon(self) {
        tracing::error!("another process has declared this one dead: it ends");
        self.origin.drain();
        let _ = self.stop.send(true);
        let sockets = self.origin.users.sockets();
        let closing: Vec<_> = sockets.iter().map(|socket| socket.close(Close::Draining)).collect();
        for closed in closing {
            closed.wait().await;
        }
    }

    /// Closes sockets at even intervals, so that their clients do not all reconnect to other machines at once.
    async fn close_evenly(&self, sockets: Vec<Outbox>, span: Duration) {
        let begun = Instant::now();
        let count = u32::try_from(sockets.len()).unwrap_or(u32::MAX);
        for (socket, index) in sockets.into_iter().zip(0..count) {
            tokio::select! {
                biased;
                () = self.origin.sessions().wait() => return,
                () = sleep_until(begun + span.mul_f64(f64::from(index) / f64::from(count))) => {}
            }
            let _ = socket.close(Close::Draining);
        }
    }

    /// Closes sockets until the last session has ended and its end is durable.
    async fn close_latecomers(&self) {
        loop {
            for socket in self.origin.users.sockets() {
                let _ = socket.close(Close::Draining);
            }
            tokio::select! {
                () = self.origin.sessions().wait() => return,
                () = sleep(LATECOMERS) => {}
            }
        }
    }
}
