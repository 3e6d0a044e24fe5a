//! The time limits of a connection (`docs/operating.md#time-limits`).
//!
//! hyper's own header timeout also runs between two requests, so that a client could not keep a connection for longer
//! than a head may take; and it does not cover TLS handshakes, HTTP/2 and bodies. One deadline here covers them all.

use std::{
    pin::{Pin, pin},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU8, AtomicU32, AtomicU64, Ordering::Relaxed},
    },
    task::{Context, Poll},
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    time::{Instant, sleep_until},
};

use super::admission::ConnectionPermit;
use crate::deadline::reached;

/// The longest pause between two requests.
const IDLE: Duration = Duration::from_secs(75);
/// The time of a request from its head to its answer, plus the time that its bytes earn.
const REQUEST: Duration = Duration::from_secs(60);
/// Bytes received or sent that earn a request one more second.
const BYTES_PER_SECOND: u64 = 1024;

/// A head is awaited: the first, or one whose first bytes have arrived. This includes the TLS handshake.
const HEAD: u8 = 0;
/// No request is under way.
const AT_REST: u8 = 1;
/// A request is under way.
const BUSY: u8 = 2;
/// The connection is a WebSocket, which has time limits of its own.
const RELEASED: u8 = 3;

/// No deadline.
const NEVER: u64 = u64::MAX;

/// The time limits of one connection.
///
/// Atomics, because the connection's stream, its requests and its task share it. All of them run in that one task, but for
/// the requests of HTTP/2: see [`Timeouts::answer`].
pub(super) struct Timeouts {
    /// The deadline in milliseconds since `begun`, or [`NEVER`].
    deadline: AtomicU64,
    head: Duration,
    state: AtomicU8,
    /// Requests under way: HTTP/2 has several.
    requests: AtomicU32,
    /// Whether the protocol is HTTP/2, some of whose frames announce no head.
    http2: AtomicBool,
    /// Bytes since the connection became busy.
    moved: AtomicU64,
    /// When it became busy, in milliseconds since `begun`.
    busy_since: AtomicU64,
    begun: Instant,
}

impl Timeouts {
    /// A connection that was just accepted.
    pub(super) fn new(head: Duration) -> Arc<Self> {
        let timeouts = Self {
            deadline: AtomicU64::new(NEVER),
            head,
            state: AtomicU8::new(HEAD),
            requests: AtomicU32::new(0),
            http2: AtomicBool::new(false),
            moved: AtomicU64::new(0),
            busy_since: AtomicU64::new(0),
            begun: Instant::now(),
        };
        timeouts.set(timeouts.begun + head);
        Arc::new(timeouts)
    }

    /// Resolves when the deadline is reached. Poll it after the connection, which moves the deadline.
    pub(super) async fn exceeded(&self) {
        let deadline = || match self.deadline.load(Relaxed) {
            NEVER => None,
            millis => Some(self.begun + Duration::from_millis(millis)),
        };
        let sleep = pin!(sleep_until(deadline().unwrap_or(self.begun)));
        reached(sleep, deadline).await;
    }

    fn set(&self, at: Instant) {
        self.deadline.store(self.millis_until(at), Relaxed);
    }

    /// Rounded up, so that a limit is never cut short.
    fn millis_until(&self, at: Instant) -> u64 {
        let since = at.saturating_duration_since(self.begun) + Duration::from_nanos(999_999);
        u64::try_from(since.as_millis()).unwrap_or(NEVER)
    }

    /// A request's head has arrived.
    pub(super) fn request(&self, http2: bool) {
        self.http2.store(http2, Relaxed);
        if self.requests.fetch_add(1, Relaxed) == 0 {
            self.moved.store(0, Relaxed);
            self.busy_since.store(self.millis_until(Instant::now()), Relaxed);
            self.state.store(BUSY, Relaxed);
            self.keep_busy();
        }
    }

    /// A request has its answer, or its client is gone. A request of HTTP/2 may run in a task of its own; the connection's
    /// task is then woken to write the answer, and polls the new deadline.
    pub(super) fn answer(&self, upgraded: bool) {
        if upgraded {
            self.state.store(RELEASED, Relaxed);
            self.deadline.store(NEVER, Relaxed);
        } else if self.requests.fetch_sub(1, Relaxed) == 1 {
            self.state.store(AT_REST, Relaxed);
            self.set(Instant::now() + IDLE);
        }
    }

    fn keep_busy(&self) {
        let earned = Duration::from_secs(self.moved.load(Relaxed) / BYTES_PER_SECOND);
        let since = Duration::from_millis(self.busy_since.load(Relaxed));
        self.set(self.begun + since + REQUEST + earned);
    }

    fn read(&self, bytes: usize) {
        match self.state.load(Relaxed) {
            AT_REST if !self.http2.load(Relaxed) => {
                self.state.store(HEAD, Relaxed);
                self.set(Instant::now() + self.head);
            }
            BUSY => self.busy(bytes),
            _ => {}
        }
    }

    fn written(&self, bytes: usize) {
        match self.state.load(Relaxed) {
            AT_REST => self.set(Instant::now() + IDLE),
            BUSY => self.busy(bytes),
            _ => {}
        }
    }

    fn busy(&self, bytes: usize) {
        self.moved.fetch_add(u64::try_from(bytes).unwrap_or(0), Relaxed);
        self.keep_busy();
    }
}

/// A connection's stream, whose bytes move its deadline. It holds the connection's permit.
pub(super) struct TimedStream<T> {
    pub(super) stream: T,
    pub(super) timeouts: Arc<Timeouts>,
    pub(super) _permit: ConnectionPermit,
}

impl<T: AsyncRead + Unpin> AsyncRead for TimedStream<T> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<std::io::Result<()>> {
        let before = buffer.filled().len();
        let polled = Pin::new(&mut self.stream).poll_read(context, buffer);
        let bytes = buffer.filled().len() - before;
        if bytes > 0 {
            self.timeouts.read(bytes);
        }
        polled
    }
}

impl<T: AsyncWrite + Unpin> TimedStream<T> {
    fn observe(&self, polled: Poll<std::io::Result<usize>>) -> Poll<std::io::Result<usize>> {
        if let Poll::Ready(Ok(bytes @ 1..)) = polled {
            self.timeouts.written(bytes);
        }
        polled
    }
}

impl<T: AsyncWrite + Unpin> AsyncWrite for TimedStream<T> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<std::io::Result<usize>> {
        let polled = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.observe(polled)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[std::io::IoSlice<'_>],
    ) -> Poll<std::io::Result<usize>> {
        let polled = Pin::new(&mut self.stream).poll_write_vectored(context, slices);
        self.observe(polled)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEAD_TIME: Duration = Duration::from_secs(5);

    async fn cut_after(timeouts: &Timeouts) -> Duration {
        let begun = Instant::now();
        timeouts.exceeded().await;
        let after = begun.elapsed();
        // To the second: a timer may be a millisecond late.
        Duration::from_secs(after.as_secs())
    }

    #[tokio::test(start_paused = true)]
    async fn a_head_has_its_time_however_many_bytes_of_it_come() {
        let timeouts = Timeouts::new(HEAD_TIME);
        tokio::time::sleep(HEAD_TIME / 5).await;
        timeouts.read(1);
        assert_eq!(cut_after(&timeouts).await, HEAD_TIME * 4 / 5);
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_may_rest_between_requests_until_it_begins_the_next() {
        let timeouts = Timeouts::new(HEAD_TIME);
        timeouts.request(false);
        timeouts.answer(false);
        tokio::time::sleep(IDLE / 2).await;
        timeouts.read(1);
        assert_eq!(cut_after(&timeouts).await, HEAD_TIME);
        let timeouts = Timeouts::new(HEAD_TIME);
        timeouts.request(false);
        timeouts.answer(false);
        assert_eq!(cut_after(&timeouts).await, IDLE);
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_buys_time_with_bytes_and_cannot_drip_for_ever() {
        let timeouts = Timeouts::new(HEAD_TIME);
        timeouts.request(false);
        let begun = Instant::now();
        for _ in 0..50 {
            tokio::time::sleep(Duration::from_secs(1)).await;
            timeouts.read(16);
        }
        timeouts.exceeded().await;
        assert_eq!(begun.elapsed().as_secs(), REQUEST.as_secs(), "16 bytes a second are not enough");
        let timeouts = Timeouts::new(HEAD_TIME);
        timeouts.request(false);
        for _ in 0..600 {
            tokio::time::sleep(Duration::from_secs(1)).await;
            timeouts.read(2 * usize::try_from(BYTES_PER_SECOND).unwrap());
        }
        let patient = tokio::time::timeout(REQUEST, timeouts.exceeded()).await;
        assert!(patient.is_err(), "a long upload was cut");
    }

    #[tokio::test(start_paused = true)]
    async fn a_websocket_and_frames_of_http2_are_not_mistaken_for_heads() {
        let timeouts = Timeouts::new(HEAD_TIME);
        timeouts.request(false);
        timeouts.answer(true);
        timeouts.read(10);
        assert!(tokio::time::timeout(10 * IDLE, timeouts.exceeded()).await.is_err());
        let timeouts = Timeouts::new(HEAD_TIME);
        timeouts.request(true);
        timeouts.request(true);
        timeouts.answer(false);
        tokio::time::sleep(REQUEST / 2).await;
        timeouts.answer(false);
        timeouts.read(17);
        assert_eq!(cut_after(&timeouts).await, IDLE);
    }
}
