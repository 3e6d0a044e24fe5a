//! One TCP connection, from its first byte to its end or its upgrade: TLS if configured, then HTTP/1.1 or HTTP/2.

use std::{convert::Infallible, net::SocketAddr, time::Duration};

use axum::{Router, body::Body};
use hyper::{body::Incoming, service::service_fn};
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    server::conn::auto::Builder,
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
    sync::watch,
};
use tower_service::Service as _;

use super::{
    admission::ConnectionPermit,
    answers::{AnswerExecutor, OpenRequest},
    stopping::stopped,
    timeouts::{TimedStream, Timeouts},
    tls::Tls,
};
use crate::{metrics::Metrics, peer::Peer};

/// The largest request head of HTTP/1.1 in bytes: room for a token in the query and some headers.
const HEAD_BYTES: usize = 16 * 1024;
/// The same for HTTP/2, which counts each header with a surcharge.
const HEADER_LIST_BYTES: u32 = 32 * 1024;
/// Concurrent requests of one HTTP/2 connection.
const STREAMS: u32 = 32;
/// Bytes of one HTTP/2 request that may arrive before they are read.
pub(super) const STREAM_WINDOW: usize = 24 * 1024;
/// The same of all requests of a connection, so that one that is not read keeps none from arriving.
const CONNECTION_WINDOW: usize = STREAM_WINDOW * STREAMS as usize;
/// Bytes that may wait to be sent on one HTTP/2 stream.
const STREAM_BYTES: usize = 64 * 1024;

/// Serves accepted connections.
pub(super) struct ConnectionServer {
    http: Builder<AnswerExecutor>,
    router: Router,
    header_timeout: Duration,
    tls: Option<Tls>,
    /// For the accept loop, which counts connections.
    pub(super) metrics: Metrics,
}

impl ConnectionServer {
    pub(super) fn new(router: Router, header_timeout: Duration, tls: Option<Tls>, metrics: Metrics) -> Self {
        let mut http = Builder::new(AnswerExecutor);
        // `Timeouts` has the time limits, for every protocol.
        http.http1().header_read_timeout(None).max_buf_size(HEAD_BYTES);
        http.http2()
            .timer(TokioTimer::new())
            .max_header_list_size(HEADER_LIST_BYTES)
            .max_concurrent_streams(STREAMS)
            .initial_stream_window_size(u32::try_from(STREAM_WINDOW).ok())
            .initial_connection_window_size(u32::try_from(CONNECTION_WINDOW).ok())
            .max_send_buf_size(STREAM_BYTES);
        Self { http, router, header_timeout, tls, metrics }
    }

    pub(super) fn is_encrypted(&self) -> bool {
        self.tls.is_some()
    }

    pub(super) async fn serve(
        &self,
        stream: TcpStream,
        peer: SocketAddr,
        permit: ConnectionPermit,
        mut stopping: watch::Receiver<bool>,
    ) {
        let timeouts = Timeouts::new(self.header_timeout);
        let Some(tls) = &self.tls else {
            return self.serve_http(TimedStream::new(stream, timeouts, permit), peer, stopping).await;
        };
        let handshake = tokio::select! {
            biased;
            handshake = tls.acceptor().accept(stream) => handshake,
            () = timeouts.exceeded() => return,
            () = stopped(&mut stopping) => return,
        };
        match handshake {
            Ok(stream) => self.serve_http(TimedStream::new(stream, timeouts, permit), peer, stopping).await,
            Err(error) => tracing::debug!(%error, "a TLS handshake failed"),
        }
    }

    pub(super) async fn serve_http<T>(
        &self,
        stream: TimedStream<T>,
        peer: SocketAddr,
        mut stopping: watch::Receiver<bool>,
    ) where
        T: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let timeouts = stream.timeouts.clone();
        let shared_timeouts = timeouts.clone();
        let service = service_fn(move |mut request: hyper::Request<Incoming>| {
            let open = OpenRequest::of(&request, &shared_timeouts);
            request.extensions_mut().insert(Peer(peer));
            rollcall_api::trim_slashes(request.uri_mut());
            let mut router = self.router.clone();
            async move { Ok::<_, Infallible>(open.answered(answer(&mut router, request.map(Body::new)).await)) }
        });
        let connection = self.http.serve_connection_with_upgrades(TokioIo::new(stream), service);
        tokio::pin!(connection);
        // The connection first: polling it moves the deadline.
        let ended = tokio::select! {
            biased;
            ended = connection.as_mut() => ended,
            () = timeouts.exceeded() => {
                tracing::debug!("a connection took too long");
                return;
            }
            () = stopped(&mut stopping) => {
                connection.as_mut().graceful_shutdown();
                tokio::select! {
                    biased;
                    ended = connection.as_mut() => ended,
                    () = timeouts.exceeded() => return,
                }
            }
        };
        if let Err(error) = ended {
            tracing::debug!(%error, "a connection ended early");
        }
    }
}

async fn answer(router: &mut Router, request: hyper::Request<Body>) -> hyper::Response<Body> {
    match router.call(request).await {
        Ok(response) => response,
        Err(never) => match never {},
    }
}

#[cfg(test)]
mod tests {
    use axum::routing::get;
    use futures_util::{StreamExt as _, stream};
    use rollcall_core::config::Settings;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    use super::{super::admission::Admission, *};

    /// Far longer than a connection may rest.
    const PAUSE: Duration = Duration::from_secs(600);

    #[tokio::test(start_paused = true)]
    async fn an_answer_that_is_streamed_may_pause() {
        let beats = || async {
            let beats = stream::iter(["one", "two"]).then(|beat| async move {
                tokio::time::sleep(PAUSE).await;
                Ok::<_, Infallible>(beat)
            });
            Body::from_stream(beats)
        };
        let header_timeout = Duration::from_secs(5);
        let router = Router::new().route("/", get(beats));
        let server = ConnectionServer::new(router, header_timeout, None, Metrics::new(false));
        let peer = SocketAddr::from(([127, 0, 0, 1], 1));
        let permit = Admission::new(&Settings::default()).enter(peer.ip()).unwrap();
        let (theirs, mut ours) = tokio::io::duplex(4096);
        let stream = TimedStream::new(theirs, Timeouts::new(header_timeout), permit);
        let (_stop, stopping) = watch::channel(false);
        let asking = async {
            let mut said = String::new();
            ours.write_all(b"GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").await.unwrap();
            ours.read_to_string(&mut said).await.unwrap();
            said
        };
        let ((), said) = tokio::join!(server.serve_http(stream, peer, stopping), asking);
        assert!(said.contains("one") && said.ends_with("two\r\n0\r\n\r\n"), "{said}");
    }
}
