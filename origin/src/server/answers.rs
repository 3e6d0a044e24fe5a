//! Answers: which request is under way until when, and how slowly a client of HTTP/2 may take one
//! (`docs/operating.md#time-limits`).
//!
//! The library below takes a piece of an answer as soon as the client allows one byte of it, keeps the rest, and forgets an
//! answer that it has taken whole. So an answer of HTTP/2 is handed over in small pieces that tell when they are sent, and its
//! end follows when all are: until then the stream can be reset.

use std::{
    pin::{Pin, pin},
    sync::Arc,
    task::{Context, Poll, Waker, ready},
};

use axum::body::{Body, Bytes};
use http::{StatusCode, Version};
use hyper::{
    body::{Body as HttpBody, Buf, Frame, Incoming, SizeHint},
    rt::Executor,
};
use parking_lot::Mutex;
use tokio::time::{Instant, sleep_until};

use super::{pace::Pace, timeouts::Timeouts};
use crate::deadline::reached;

/// The most bytes of an answer that are handed over at once: a frame's.
const PIECE: usize = 16 * 1024;

tokio::task_local! {
    /// The progress of the answer that a task of [`AnswerExecutor`] sends.
    static PROGRESS: Arc<Progress>;
}

/// A request under way. hyper drops it unanswered when its client leaves.
pub(super) struct OpenRequest {
    timeouts: Arc<Timeouts>,
    upgraded: bool,
}

impl OpenRequest {
    pub(super) fn of(request: &hyper::Request<Incoming>, timeouts: &Arc<Timeouts>) -> Self {
        timeouts.request(request.version() == Version::HTTP_2);
        Self { timeouts: timeouts.clone(), upgraded: false }
    }

    /// The request is under way until its answer is complete where that is streamed, since such a one may pause, and until it
    /// is sent where the protocol is HTTP/2, whose other frames say nothing about it.
    pub(super) fn answered(mut self, response: hyper::Response<Body>) -> hyper::Response<AnswerBody> {
        self.upgraded = response.status() == StatusCode::SWITCHING_PROTOCOLS;
        let is_empty = response.body().is_end_stream();
        let is_streamed = response.body().size_hint().exact().is_none();
        let progress = PROGRESS.try_with(Arc::clone).ok().filter(|_| !is_empty);
        if let Some(progress) = &progress {
            progress.begin(self.timeouts.clone());
        }
        let open = (is_streamed || progress.is_some()).then_some(self);
        response.map(|body| AnswerBody { body, progress, open, rest: Bytes::new(), is_over: false })
    }
}

impl Drop for OpenRequest {
    fn drop(&mut self) {
        self.timeouts.answer(self.upgraded);
    }
}

/// The body of an answer.
pub(super) struct AnswerBody {
    body: Body,
    /// That of an answer of HTTP/2.
    progress: Option<Arc<Progress>>,
    open: Option<OpenRequest>,
    /// What is not handed over yet.
    rest: Bytes,
    /// Whether `body` has ended.
    is_over: bool,
}

/// A piece of an answer. It tells when it is sent.
pub(super) struct Piece {
    bytes: Bytes,
    progress: Option<Arc<Progress>>,
}

impl HttpBody for AnswerBody {
    type Data = Piece;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Piece>, axum::Error>>> {
        let this = &mut *self;
        let Some(progress) = &this.progress else {
            let polled = ready!(Pin::new(&mut this.body).poll_frame(context));
            let whole = |bytes| Piece { bytes, progress: None };
            return Poll::Ready(polled.map(|frame| frame.map(|frame| frame.map_data(whole))));
        };
        while this.rest.is_empty() && !this.is_over {
            match ready!(Pin::new(&mut this.body).poll_frame(context)) {
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(data) => this.rest = data,
                    Err(other) => {
                        return Poll::Ready(Some(
                            Ok(other.map_data(|bytes| Piece { bytes, progress: None })),
                        ));
                    }
                },
                Some(Err(error)) => return Poll::Ready(Some(Err(error))),
                None => this.is_over = true,
            }
        }
        if this.rest.is_empty() {
            ready!(progress.poll_sent(context));
            // Before the end is sent, and not with the stream behind it.
            this.open = None;
            return Poll::Ready(None);
        }
        let bytes = this.rest.split_to(PIECE.min(this.rest.len()));
        progress.hand_over(bytes.len());
        Poll::Ready(Some(Ok(Frame::data(Piece { bytes, progress: Some(progress.clone()) }))))
    }

    fn is_end_stream(&self) -> bool {
        self.progress.is_none() && self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl Buf for Piece {
    fn remaining(&self) -> usize {
        self.bytes.remaining()
    }

    fn chunk(&self) -> &[u8] {
        self.bytes.chunk()
    }

    fn advance(&mut self, count: usize) {
        self.bytes.advance(count);
        if let Some(progress) = &self.progress {
            progress.sent(count);
        }
    }
}

/// What a client takes of an answer of HTTP/2.
#[derive(Default)]
struct Progress {
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// Counted anew whenever the client has taken all that there was: a stream may pause, and send little.
    pace: Pace,
    /// Bytes that are handed over and not sent.
    waiting: usize,
    /// When the client is too slow unless it takes more.
    deadline: Option<Instant>,
    /// Waits until everything is sent.
    waker: Option<Waker>,
    timeouts: Option<Arc<Timeouts>>,
}

impl Progress {
    fn begin(&self, timeouts: Arc<Timeouts>) {
        self.state.lock().timeouts = Some(timeouts);
    }

    fn hand_over(&self, bytes: usize) {
        let mut state = self.state.lock();
        state.waiting += bytes;
        state.deadline = Some(state.pace.wait(Instant::now()));
    }

    fn sent(&self, bytes: usize) {
        let mut state = self.state.lock();
        state.waiting = state.waiting.saturating_sub(bytes);
        if state.waiting > 0 {
            let now = Instant::now();
            state.pace.progress(now, bytes);
            state.deadline = Some(state.pace.wait(now));
            return;
        }
        (state.pace, state.deadline) = (Pace::default(), None);
        let waker = state.waker.take();
        drop(state);
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    fn poll_sent(&self, context: &Context<'_>) -> Poll<()> {
        let mut state = self.state.lock();
        if state.waiting == 0 {
            return Poll::Ready(());
        }
        state.waker = Some(context.waker().clone());
        Poll::Pending
    }

    /// Resolves when the client takes the answer too slowly. While the connection itself cannot be written, it has a pace of
    /// its own, and its answers wait for each other: their time begins anew.
    async fn stalled(&self) {
        let mut sleep = pin!(sleep_until(Instant::now()));
        loop {
            reached(sleep.as_mut(), || self.state.lock().deadline).await;
            let mut state = self.state.lock();
            if !state.timeouts.as_ref().is_some_and(|timeouts| timeouts.is_unread()) {
                return;
            }
            state.pace = Pace::default();
            state.deadline = Some(state.pace.wait(Instant::now()));
        }
    }
}

/// Runs the requests of HTTP/2, each in a task, and resets those whose client does not take the answer.
#[derive(Clone, Copy)]
pub(super) struct AnswerExecutor;

impl<F> Executor<F> for AnswerExecutor
where
    F: Future + Send + 'static,
    F::Output: Send,
{
    fn execute(&self, request: F) {
        tokio::spawn(async move {
            let progress = Arc::<Progress>::default();
            tokio::select! {
                biased;
                _ = PROGRESS.scope(progress.clone(), request) => {}
                () = progress.stalled() => tracing::debug!("an answer was taken too slowly"),
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use std::{convert::Infallible, net::SocketAddr, time::Duration};

    use axum::{Router, routing::get};
    use futures_util::{StreamExt as _, future::pending, stream};
    use http::Request;
    use http_body_util::{BodyExt as _, Empty};
    use hyper::client::conn::http2::{Builder, SendRequest};
    use hyper_util::rt::{TokioExecutor, TokioIo};
    use rollcall_core::config::Settings;
    use tokio::{
        io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream},
        sync::watch,
        task::JoinHandle,
    };

    use super::{
        super::{admission::Admission, connection::ConnectionServer, timeouts::TimedStream},
        *,
    };
    use crate::metrics::Metrics;

    const SECOND: Duration = Duration::from_secs(1);
    const HEAD_TIME: Duration = Duration::from_secs(5);
    /// A long answer, in bytes.
    const LONG: usize = 400 << 10;
    /// What the client lets arrive of one answer before it reads it, in bytes.
    const WINDOW: u32 = 16 << 10;
    /// The time without a request after which a connection ends.
    const IDLE: Duration = Duration::from_secs(75);

    type Client = SendRequest<Empty<Bytes>>;

    fn routes() -> Router {
        let beats = || async {
            let beats = stream::iter(0..100).then(|_| async {
                tokio::time::sleep(30 * SECOND).await;
                Ok::<_, Infallible>("beat\n")
            });
            Body::from_stream(beats)
        };
        Router::new()
            .route("/long", get(|| async { vec![b'x'; LONG] }))
            .route("/short", get(|| async { "short" }))
            .route("/beats", get(beats))
            .route("/never", get(|| async { pending::<()>().await }))
    }

    /// A client of a server, over a wire; the task ends with the server's connection.
    async fn connected(
        (theirs, ours): (DuplexStream, DuplexStream),
        window: u32,
    ) -> (Client, JoinHandle<()>) {
        let server = ConnectionServer::new(routes(), HEAD_TIME, None, Metrics::new(false));
        let peer = SocketAddr::from(([127, 0, 0, 1], 1));
        let permit = Admission::new(&Settings::default()).enter(peer.ip()).unwrap();
        let stream = TimedStream::new(theirs, Timeouts::new(HEAD_TIME), permit);
        let serving = tokio::spawn(async move {
            let (_stop, stopping) = watch::channel(false);
            server.serve_http(stream, peer, stopping).await;
        });
        let mut client = Builder::new(TokioExecutor::new());
        client.initial_stream_window_size(window).initial_connection_window_size(1 << 20);
        let (client, connection) = client.handshake(TokioIo::new(ours)).await.unwrap();
        tokio::spawn(connection);
        (client, serving)
    }

    async fn with_window(window: u32) -> (Client, JoinHandle<()>) {
        connected(tokio::io::duplex(1 << 20), window).await
    }

    async fn ask(client: &mut Client, path: &str) -> Incoming {
        let request = Request::get(format!("http://x{path}")).body(Empty::new()).unwrap();
        client.send_request(request).await.unwrap().into_body()
    }

    /// The bytes of an answer that were read, one frame each so many seconds, until it ends or fails.
    async fn read(mut body: Incoming, every: Duration) -> (usize, bool) {
        let mut bytes = 0;
        loop {
            match body.frame().await {
                Some(Ok(frame)) => bytes += frame.into_data().map_or(0, |data| data.len()),
                Some(Err(_)) => return (bytes, false),
                None => return (bytes, true),
            }
            tokio::time::sleep(every).await;
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_long_answer_arrives_however_long_a_steady_client_takes() {
        let (mut client, _serving) = with_window(WINDOW).await;
        let begun = Instant::now();
        let body = ask(&mut client, "/long").await;
        assert_eq!(read(body, 10 * SECOND).await, (LONG, true));
        assert!(begun.elapsed() > 3 * IDLE, "{:?}", begun.elapsed());
        assert_eq!(read(ask(&mut client, "/short").await, SECOND).await, (5, true));
    }

    #[tokio::test(start_paused = true)]
    async fn an_answer_that_is_not_taken_is_reset_and_its_connection_ends_like_others() {
        // The first beat of a stream comes after 30 s.
        for (path, window) in [("/long", WINDOW), ("/long", 0), ("/short", 0), ("/beats", 0)] {
            let (mut client, serving) = with_window(window).await;
            let mut stalled = Vec::new();
            for _ in 0..3 {
                stalled.push(ask(&mut client, path).await);
            }
            tokio::time::sleep(100 * SECOND).await;
            for body in stalled {
                let (bytes, whole) = read(body, Duration::ZERO).await;
                assert!(!whole && bytes <= window as usize, "{path}: {bytes} bytes of {window}");
            }
            assert!(!serving.is_finished(), "{path}: its connection was cut");
            tokio::time::timeout(2 * IDLE, serving).await.expect("the connection stays for ever").unwrap();
        }
    }

    #[tokio::test(start_paused = true)]
    async fn an_answer_that_is_sipped_is_reset() {
        let (mut client, _serving) = with_window(WINDOW).await;
        let begun = Instant::now();
        // Its frames have 16 KiB at first.
        let (bytes, whole) = read(ask(&mut client, "/long").await, 40 * SECOND).await;
        assert!(!whole && bytes < LONG / 2, "{bytes} bytes");
        assert!(begun.elapsed() < 5 * IDLE, "{:?}", begun.elapsed());
    }

    #[tokio::test(start_paused = true)]
    async fn beats_that_are_taken_keep_a_streamed_answer_for_as_long_as_it_lasts() {
        let (mut client, _serving) = with_window(WINDOW).await;
        let begun = Instant::now();
        assert_eq!(read(ask(&mut client, "/beats").await, Duration::ZERO).await, (500, true));
        assert!(begun.elapsed() >= 3000 * SECOND);
    }

    /// Hands on so many bytes a second.
    async fn trickle(
        mut from: impl tokio::io::AsyncRead + Unpin,
        mut to: impl tokio::io::AsyncWrite + Unpin,
        a_second: usize,
    ) {
        let mut bytes = vec![0; a_second];
        while let Ok(count @ 1..) = from.read(&mut bytes).await {
            to.write_all(&bytes[..count]).await.unwrap();
            tokio::time::sleep(SECOND).await;
        }
    }

    #[tokio::test(start_paused = true)]
    async fn answers_that_share_a_slow_connection_wait_for_each_other() {
        const ANSWERS: usize = 8;
        let ((theirs, near), (far, ours)) = (tokio::io::duplex(4096), tokio::io::duplex(64 << 10));
        let ((near_reads, near_writes), (far_reads, far_writes)) =
            (tokio::io::split(near), tokio::io::split(far));
        tokio::spawn(trickle(near_reads, far_writes, 4096));
        tokio::spawn(trickle(far_reads, near_writes, 64 << 10));
        let (client, _serving) = connected((theirs, ours), WINDOW).await;
        let begun = Instant::now();
        let answers: Vec<_> = (0..ANSWERS)
            .map(|_| {
                let mut client = client.clone();
                tokio::spawn(async move { read(ask(&mut client, "/long").await, Duration::ZERO).await })
            })
            .collect();
        for answer in answers {
            assert_eq!(answer.await.unwrap(), (LONG, true));
        }
        assert!(begun.elapsed() > 10 * IDLE, "{:?}", begun.elapsed());
    }

    #[tokio::test(start_paused = true)]
    async fn a_connection_whose_client_gives_its_request_up_rests_and_ends() {
        let (mut client, serving) = with_window(WINDOW).await;
        let request = Request::get("http://x/never").body(Empty::new()).unwrap();
        let asked = client.send_request(request);
        assert!(tokio::time::timeout(10 * IDLE, asked).await.is_err());
        tokio::time::timeout(2 * IDLE, serving).await.expect("the connection stays for ever").unwrap();
    }
}
