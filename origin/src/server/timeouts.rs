//! How long a connection may take over what it is doing (`docs/operating.md#time-limits`).
//!
//! hyper's own header timeout also runs between two requests, so that a client could not keep a connection for longer
//! than a head may take; and it does not cover TLS handshakes, HTTP/2 and bodies. This does, with one alarm.

use std::{
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU8, AtomicU32, AtomicU64, Ordering::Relaxed},
    },
    task::{Context, Poll},
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    time::Instant,
};

use super::admission::ConnectionPermit;
use crate::wheel::{Alarm, Wheel};

/// Between two requests.
const IDLE: Duration = Duration::from_secs(75);
/// A request from its head to its answer, besides what its bytes may take.
const REQUEST: Duration = Duration::from_secs(60);
/// Bytes of a body that must come, or go, in a second.
const BYTES_PER_SECOND: u64 = 1024;

/// A head is awaited: the first, or one whose first bytes are there. This includes the TLS handshake.
const HEAD: u8 = 0;
/// Nothing is awaited: the client may take its time.
const AT_REST: u8 = 1;
/// A request is being carried out.
const BUSY: u8 = 2;
/// The connection is a WebSocket now and has rules of its own.
const RELEASED: u8 = 3;

/// The time limits of one connection.
pub(super) struct Timeouts {
    alarm: Alarm,
    head: Duration,
    state: AtomicU8,
    /// Requests that are being carried out: HTTP/2 has several.
    requests: AtomicU32,
    /// HTTP/2 has frames of its own that announce no head.
    http2: AtomicBool,
    /// Bytes since the connection became busy.
    moved: AtomicU64,
    /// When it became busy, in milliseconds since `begun`.
    busy_since: AtomicU64,
    begun: Instant,
}

impl Timeouts {
    /// A connection that was just accepted.
    pub(super) fn new(wheel: &Wheel, head: Duration) -> Arc<Self> {
        let timeouts = Self {
            alarm: wheel.alarm(),
            head,
            state: AtomicU8::new(HEAD),
            requests: AtomicU32::new(0),
            http2: AtomicBool::new(false),
            moved: AtomicU64::new(0),
            busy_since: AtomicU64::new(0),
            begun: Instant::now(),
        };
        timeouts.alarm.set(timeouts.begun + head);
        Arc::new(timeouts)
    }

    /// Resolves when the connection has taken too long.
    pub(super) async fn exceeded(&self) {
        self.alarm.rung().await;
    }

    /// A head is there.
    pub(super) fn request(&self, http2: bool) {
        self.http2.store(http2, Relaxed);
        if self.requests.fetch_add(1, Relaxed) == 0 {
            self.moved.store(0, Relaxed);
            let since = u64::try_from(self.begun.elapsed().as_millis()).unwrap_or(u64::MAX);
            self.busy_since.store(since, Relaxed);
            self.state.store(BUSY, Relaxed);
            self.keep_busy();
        }
    }

    /// Its answer is there, to be written.
    pub(super) fn answer(&self, upgraded: bool) {
        if upgraded {
            self.state.store(RELEASED, Relaxed);
            self.alarm.clear();
        } else if self.requests.fetch_sub(1, Relaxed) == 1 {
            self.state.store(AT_REST, Relaxed);
            self.alarm.set(Instant::now() + IDLE);
        }
    }

    fn keep_busy(&self) {
        let earned = Duration::from_secs(self.moved.load(Relaxed) / BYTES_PER_SECOND);
        let since = Duration::from_millis(self.busy_since.load(Relaxed));
        self.alarm.set(self.begun + since + REQUEST + earned);
    }

    fn read(&self, bytes: usize) {
        match self.state.load(Relaxed) {
            AT_REST if !self.http2.load(Relaxed) => {
                self.state.store(HEAD, Relaxed);
                self.alarm.set(Instant::now() + self.head);
            }
            BUSY => self.busy(bytes),
            _ => {}
        }
    }

    fn written(&self, bytes: usize) {
        match self.state.load(Relaxed) {
            AT_REST => self.alarm.set(Instant::now() + IDLE),
            BUSY => self.busy(bytes),
            _ => {}
        }
    }

    fn busy(&self, bytes: usize) {
        self.moved.fetch_add(u64::try_from(bytes).unwrap_or(0), Relaxed);
        self.keep_busy();
    }
}

/// A connection's bytes, seen by its timeouts. It holds the connection's permit.
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
    fn saw(&self, polled: Poll<std::io::Result<usize>>) -> Poll<std::io::Result<usize>> {
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
        self.saw(polled)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[std::io::IoSlice<'_>],
    ) -> Poll<std::io::Result<usize>> {
        let polled = Pin::new(&mut self.stream).poll_write_vectored(context, slices);
        self.saw(polled)
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
        // To the second: the wheel may be a tick late.
        Duration::from_secs(after.as_secs())
    }

    #[tokio::test(start_paused = true)]
    async fn a_head_has_its_time_however_many_bytes_of_it_come() {
        let wheel = Wheel::start();
        let timeouts = Timeouts::new(&wheel, HEAD_TIME);
        tokio::time::sleep(HEAD_TIME / 5).await;
        timeouts.read(1);
        assert_eq!(cut_after(&timeouts).await, HEAD_TIME * 4 / 5);
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_may_rest_between_requests_until_it_begins_the_next() {
        let wheel = Wheel::start();
        let timeouts = Timeouts::new(&wheel, HEAD_TIME);
        timeouts.request(false);
        timeouts.answer(false);
        tokio::time::sleep(IDLE / 2).await;
        timeouts.read(1);
        assert_eq!(cut_after(&timeouts).await, HEAD_TIME);
        let timeouts = Timeouts::new(&wheel, HEAD_TIME);
        timeouts.request(false);
        timeouts.answer(false);
        assert_eq!(cut_after(&timeouts).await, IDLE);
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_buys_time_with_bytes_and_cannot_drip_for_ever() {
        let wheel = Wheel::start();
        let timeouts = Timeouts::new(&wheel, HEAD_TIME);
        timeouts.request(false);
        let begun = Instant::now();
        for _ in 0..50 {
            tokio::time::sleep(Duration::from_secs(1)).await;
            timeouts.read(16);
        }
        timeouts.exceeded().await;
        assert_eq!(begun.elapsed().as_secs(), REQUEST.as_secs(), "16 bytes a second are not enough");
        let timeouts = Timeouts::new(&wheel, HEAD_TIME);
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
        let wheel = Wheel::start();
        let timeouts = Timeouts::new(&wheel, HEAD_TIME);
        timeouts.request(false);
        timeouts.answer(true);
        timeouts.read(10);
        assert!(tokio::time::timeout(10 * IDLE, timeouts.exceeded()).await.is_err());
        let timeouts = Timeouts::new(&wheel, HEAD_TIME);
        timeouts.request(true);
        timeouts.request(true);
        timeouts.answer(false);
        tokio::time::sleep(REQUEST / 2).await;
        timeouts.answer(false);
        timeouts.read(17);
        assert_eq!(cut_after(&timeouts).await, IDLE);
    }
}
