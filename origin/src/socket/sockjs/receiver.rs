//! The answer through which a client receives: one frame a line.

use std::{convert::Infallible, time::Duration};

use axum::body::{Body, Bytes};
use futures_util::stream;
use tokio::{sync::mpsc, time::Instant};

/// Bytes after which a streamed answer ends, since a page keeps all of it in memory.
const ANSWER_BYTES: usize = 128 * 1024;
/// The time after which a streamed answer ends. The client comes back, and so shows that it is there.
const ANSWER_TIME: Duration = Duration::from_secs(30);
/// Browsers hand out nothing of an answer before they have this much.
const PRELUDE_BYTES: usize = 2048;

/// How a client receives.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Transport {
    /// `xhr`: an answer ends with the first frames.
    Polling,
    /// `xhr_streaming`: an answer takes many frames.
    Streaming,
}

/// The server's end of an answer. Dropping it ends the answer.
pub(crate) struct Receiver {
    body: mpsc::Sender<Bytes>,
    transport: Transport,
    written: usize,
    begun: Instant,
}

impl Receiver {
    /// The answer's two ends.
    pub(super) fn new(transport: Transport) -> (Self, Body) {
        let (body, chunks) = mpsc::channel(2);
        if transport == Transport::Streaming {
            let mut prelude = "h".repeat(PRELUDE_BYTES);
            prelude.push('\n');
            // There is room for it.
            let _ = body.try_send(prelude.into());
        }
        let chunks = stream::unfold(chunks, |mut chunks| async {
            chunks.recv().await.map(|chunk| (Ok::<_, Infallible>(chunk), chunks))
        });
        (Self { body, transport, written: 0, begun: Instant::now() }, Body::from_stream(chunks))
    }

    /// Writes lines, as soon as the client reads. False when the client is gone.
    pub(super) async fn write(&mut self, lines: String) -> bool {
        self.written += lines.len();
        self.body.send(lines.into()).await.is_ok()
    }

    /// Writes the last lines of an answer, if there is room for them, and ends it.
    pub(super) fn finish(self, lines: String) {
        if !lines.is_empty() {
            let _ = self.body.try_send(lines.into());
        }
    }

    /// Whether the answer has to end after what was written.
    pub(super) fn is_full(&self) -> bool {
        self.transport == Transport::Polling || self.written >= ANSWER_BYTES
    }

    /// When the answer ends, full or not.
    pub(super) fn ends_at(&self) -> Instant {
        self.begun + ANSWER_TIME
    }

    /// Resolves when the client has left.
    pub(super) async fn left(&self) {
        self.body.closed().await;
    }
}
