//! The time limits of a connection (`docs/operating.md#time-limits`).
//!
//! hyper's own header timeout also runs between two requests, so that a client could not keep a connection for longer
//! than a head may take; and it does not cover TLS handshakes and HTTP/2. One deadline here covers them all, and one more
//! the client that does not read. While a request is under way only its body has a limit, of its own (`bodies`): the server's
//! own work has none here.

use std::{
    future::poll_fn,
    pin::{Pin, pin},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU8, AtomicU32, AtomicU64, Ordering::Relaxed},
    },
    task::{Context, Poll},
    time::Duration,
};

use futures_util::task::AtomicWaker;
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    time::{Instant, sleep_until},
};

use super::{admission::ConnectionPermit, pace::Pace};
use crate::deadline::reached;

/// The longest pause between two requests.
const IDLE: Duration = Duration::from_secs(75);

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
/// the requests of HTTP/2, which wake it.
pub(super) struct Timeouts {
    /// The deadline in milliseconds since `begun`, or [`NEVER`].
    deadline: AtomicU64,
    /// The same for a client that has to read before more can be sent.
    reading: AtomicU64,
    head: Duration,
    state: AtomicU8,
    /// Requests under way: HTTP/2 has several.
    requests: AtomicU32,
    /// Whether the protocol is HTTP/2, some of whose frames announce no head.
    http2: AtomicBool,
    /// The connection's task, for requests that run in others.
    task: AtomicWaker,
    begun: Instant,
}

impl Timeouts {
    /// A connection that was just accepted.
    pub(super) fn new(head: Duration) -> Arc<Self> {
        let timeouts = Self {
            deadline: AtomicU64::new(NEVER),
            reading: AtomicU64::new(NEVER),
            head,
            state: AtomicU8::new(HEAD),
            requests: AtomicU32::new(0),
            http2: AtomicBool::new(false),
            task: AtomicWaker::new(),
            begun: Instant::now(),
        };
        timeouts.set(timeouts.begun + head);
        Arc::new(timeouts)
    }

    /// Resolves when the deadline is reached. Poll it after the connection, which moves the deadline.
    pub(super) async fn exceeded(&self) {
        let deadline = || match self.deadline.load(Relaxed).min(self.reading.load(Relaxed)) {
            NEVER => None,
            millis => Some(self.begun + Duration::from_millis(millis)),
        };
        let sleep = pin!(sleep_until(deadline().unwrap_or(self.begun)));
        let mut reached = pin!(reached(sleep, deadline));
        let _registered = Registered(&self.task);
        poll_fn(|context| {
            // Before the deadline is read, so that none that is set meanwhile is missed.
            self.task.register(context.waker());
            reached.as_mut().poll(context)
        })
        .await;
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
            self.state.store(BUSY, Relaxed);
            self.deadline.store(NEVER, Relaxed);
        }
    }

    /// A request has its answer, or its client is gone.
    pub(super) fn answer(&self, upgraded: bool) {
        if upgraded {
            self.state.store(RELEASED, Relaxed);
            self.deadline.store(NEVER, Relaxed);
        } else if self.requests.fetch_sub(1, Relaxed) == 1 {
            self.state.store(AT_REST, Relaxed);
            self.set(Instant::now() + IDLE);
            if self.http2.load(Relaxed) {
                // It knows of no deadline, and may have nothing to write.
                self.task.wake();
            }
        }
    }

    /// Whether the client has to read before more can be sent.
    pub(super) fn is_unread(&self) -> bool {
        self.reading.load(Relaxed) != NEVER
    }

    fn read(&self) {
        if self.rests() {
            self.state.store(HEAD, Relaxed);
            self.set(Instant::now() + self.head);
        }
    }

    fn written(&self) {
        self.reading.store(NEVER, Relaxed);
        if self.rests() {
            self.set(Instant::now() + IDLE);
        }
    }

    /// The client has to read by this moment.
    fn unread(&self, until: Instant) {
        self.reading.store(self.millis_until(until), Relaxed);
    }

    /// Whether bytes are an answer's rest or the next head. Those of HTTP/2 may be neither.
    fn rests(&self) -> bool {
        self.state.load(Relaxed) == AT_REST && !self.http2.load(Relaxed)
    }
}

/// A waker that is kept until its task no longer waits. A waker holds the memory of its task, which here would stay as long as the
/// WebSocket that the connection became.
struct Registered<'a>(&'a AtomicWaker);

impl Drop for Registered<'_> {
    fn drop(&mut self) {
        drop(self.0.take());
    }
}

/// A connection's stream, whose bytes move its deadline. It holds the connection's permit.
pub(super) struct TimedStream<T> {
    pub(super) stream: T,
    pub(super) timeouts: Arc<Timeouts>,
    /// What the client reads.
    pace: Pace,
    _permit: ConnectionPermit,
}

impl<T> TimedStream<T> {
    pub(super) fn new(stream: T, timeouts: Arc<Timeouts>, permit: ConnectionPermit) -> Self {
        Self { stream, timeouts, pace: Pace::default(), _permit: permit }
    }
}

impl<T: AsyncRead + Unpin> AsyncRead for TimedStream<T> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<std::io::Result<()>> {
        let before = buffer.filled().len();
        let polled = Pin::new(&mut self.stream).poll_read(context, buffer);
        if buffer.filled().len() > before {
            self.timeouts.read();
        }
        polled
    }
}

impl<T: AsyncWrite + Unpin> TimedStream<T> {
    fn observe(&mut self, polled: Poll<std::io::Result<usize>>) -> Poll<std::io::Result<usize>> {
        match polled {
            _ if self.timeouts.state.load(Relaxed) == RELEASED => {}
            Poll::Ready(Ok(bytes @ 1..)) => {
                self.pace.progress(Instant::now(), bytes);
                self.timeouts.written();
            }
            Poll::Pending => self.timeouts.unread(self.pace.wait(Instant::now())),
            Poll::Ready(_) => {}
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
    use std::task::{Wake, Waker};

    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    use super::{super::admission::Admission, *};

    const HEAD_TIME: Duration = Duration::from_secs(5);

    async fn cut_after(timeouts: &Timeouts) -> Duration {
        let begun = Instant::now();
        timeouts.exceeded().await;
        let after = begun.elapsed();
        // To the second: a timer may be a millisecond late.
        Duration::from_secs(after.as_secs())
    }

    #[tokio::test(start_paused = true)]
    async fn a_task_that_no_longer_waits_is_held_by_nothing() {
        struct Task;
        impl Wake for Task {
            fn wake(self: Arc<Self>) {}
        }
        let (timeouts, task) = (Timeouts::new(HEAD_TIME), Arc::new(Task));
        let waker = Waker::from(task.clone());
        {
            let mut exceeded = pin!(timeouts.exceeded());
            assert!(exceeded.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
        }
        drop(waker);
        assert_eq!(Arc::strong_count(&task), 1, "the connection's stream lives on, and its task has ended");
    }

    #[tokio::test(start_paused = true)]
    async fn a_head_has_its_time_however_many_bytes_of_it_come() {
        let timeouts = Timeouts::new(HEAD_TIME);
        tokio::time::sleep(HEAD_TIME / 5).await;
        timeouts.read();
        assert_eq!(cut_after(&timeouts).await, HEAD_TIME * 4 / 5);
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_may_rest_between_requests_until_it_begins_the_next() {
        let timeouts = Timeouts::new(HEAD_TIME);
        timeouts.request(false);
        timeouts.answer(false);
        tokio::time::sleep(IDLE / 2).await;
        timeouts.read();
        assert_eq!(cut_after(&timeouts).await, HEAD_TIME);
        let timeouts = Timeouts::new(HEAD_TIME);
        timeouts.request(false);
        timeouts.answer(false);
        assert_eq!(cut_after(&timeouts).await, IDLE);
    }

    #[tokio::test(start_paused = true)]
    async fn a_request_may_take_as_long_as_the_server_works_on_it() {
        let timeouts = Timeouts::new(HEAD_TIME);
        timeouts.request(false);
        assert!(tokio::time::timeout(10 * IDLE, timeouts.exceeded()).await.is_err());
        timeouts.answer(false);
        assert_eq!(cut_after(&timeouts).await, IDLE);
    }

    /// Over a pipe that holds 10 bytes, so that a write waits for the client.
    async fn until_cut(reads: u32) -> Duration {
        let mut settings = rollcall_core::config::Settings::default();
        settings.server.max_connections = 1;
        let permit = Admission::new(&settings).enter([127, 0, 0, 1].into()).unwrap();
        let (server, mut client) = tokio::io::duplex(10);
        let timeouts = Timeouts::new(HEAD_TIME);
        timeouts.request(false);
        let mut stream = TimedStream::new(server, timeouts.clone(), permit);
        let answer = vec![0; 1 << 20];
        let begun = Instant::now();
        let reading = async {
            for _ in 0..reads {
                tokio::time::sleep(Duration::from_secs(1)).await;
                client.read_exact(&mut [0; 10]).await.unwrap();
            }
            std::future::pending::<()>().await;
        };
        tokio::select! {
            biased;
            _ = stream.write_all(&answer) => panic!("all of it was read"),
            () = timeouts.exceeded() => {}
            () = reading => {}
        }
        Duration::from_secs(begun.elapsed().as_secs())
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_does_not_read_its_answer_is_cut_and_so_is_one_that_sips() {
        for reads in [0, 30, 600] {
            assert_eq!(until_cut(reads).await, Duration::from_secs(60), "{reads}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_websocket_and_frames_of_http2_are_not_mistaken_for_heads() {
        let timeouts = Timeouts::new(HEAD_TIME);
        timeouts.request(false);
        timeouts.answer(true);
        timeouts.read();
        assert!(tokio::time::timeout(10 * IDLE, timeouts.exceeded()).await.is_err());
        let timeouts = Timeouts::new(HEAD_TIME);
        timeouts.request(true);
        timeouts.request(true);
        timeouts.answer(false);
        tokio::time::sleep(10 * IDLE).await;
        timeouts.answer(false);
        timeouts.read();
        tokio::time::sleep(IDLE / 3).await;
        // Such as the answers to pings, which keep no connection that rests.
        timeouts.written();
        assert_eq!(cut_after(&timeouts).await, 2 * IDLE / 3);
    }
}
