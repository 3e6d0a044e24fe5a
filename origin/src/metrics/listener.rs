//! Where the metrics are served: a port of its own, with one path.
//!
//! Whoever reaches it may read it, so it says nothing about anybody; and nothing that it is sent may cost the server
//! more than a few connections for a few seconds.

use std::{convert::Infallible, io, net::SocketAddr, sync::Arc, time::Duration};

use axum::body::Body;
use http::{Method, Request, Response, StatusCode, header};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use prometheus_client::encoding::prometheus_text::CONTENT_TYPE;
use tokio::{
    net::{TcpListener, TcpStream},
    sync::Semaphore,
    task::{JoinHandle, JoinSet},
    time::{sleep, timeout},
};

use super::Live;

/// The one path.
pub(crate) const PATH: &str = "/metrics";
/// Connections at a time; others wait in the kernel's backlog.
const CONNECTIONS: usize = 8;
/// A request's head.
const HEAD: Duration = Duration::from_secs(5);
/// A connection, which serves one request.
const WHOLE: Duration = Duration::from_secs(10);
const HEAD_BYTES: usize = 8 * 1024;
/// After an error of accepting, such as a shortage of descriptors.
const PAUSE: Duration = Duration::from_secs(1);

/// Serves metrics until it is dropped.
pub(crate) struct Listener {
    /// Where.
    pub(crate) address: SocketAddr,
    accepting: JoinHandle<()>,
}

impl Listener {
    /// Serves what `live` says at `listen`, an address with its port.
    ///
    /// # Errors
    /// When the address is taken, or not this machine's.
    pub(crate) async fn start(listen: &str, live: Live) -> io::Result<Self> {
        let socket = TcpListener::bind(listen).await?;
        let address = socket.local_addr()?;
        Ok(Self { address, accepting: tokio::spawn(accept(socket, live)) })
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

async fn accept(socket: TcpListener, live: Live) {
    let permits = Arc::new(Semaphore::new(CONNECTIONS));
    // Connections end with the listener.
    let mut connections = JoinSet::new();
    while let Ok(permit) = permits.clone().acquire_owned().await {
        while connections.try_join_next().is_some() {}
        match socket.accept().await {
            Ok((stream, _)) => {
                let live = live.clone();
                connections.spawn(async move {
                    let _permit = permit;
                    if timeout(WHOLE, serve(stream, live)).await.is_err() {
                        tracing::debug!("a scrape took too long");
                    }
                });
            }
            Err(error) => {
                tracing::debug!(%error, "a scrape could not be accepted");
                sleep(PAUSE).await;
            }
        }
    }
}

async fn serve(stream: TcpStream, live: Live) {
    let answer = service_fn(move |request: Request<Incoming>| {
        let live = live.clone();
        async move { Ok::<_, Infallible>(answer(&request, live).await) }
    });
    let served = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD)
        .max_buf_size(HEAD_BYTES)
        // An idle connection would keep others from asking.
        .keep_alive(false)
        .serve_connection(TokioIo::new(stream), answer)
        .await;
    if let Err(error) = served {
        tracing::debug!(%error, "a scrape ended early");
    }
}

async fn answer(request: &Request<Incoming>, live: Live) -> Response<Body> {
    if request.uri().path() != PATH {
        return empty(StatusCode::NOT_FOUND);
    }
    if request.method() != Method::GET {
        let mut response = empty(StatusCode::METHOD_NOT_ALLOWED);
        response.headers_mut().insert(header::ALLOW, http::HeaderValue::from_static("GET"));
        return response;
    }
    // Not on the threads that serve: every user is visited.
    match tokio::task::spawn_blocking(move || live.text()).await {
        Ok(Ok(text)) => {
            let mut response = Response::new(Body::from(text));
            let kind = http::HeaderValue::from_static(CONTENT_TYPE);
            response.headers_mut().insert(header::CONTENT_TYPE, kind);
            response
        }
        Ok(Err(error)) => unwritten(&error),
        Err(error) => unwritten(&error),
    }
}

fn unwritten(error: &impl std::fmt::Display) -> Response<Body> {
    tracing::error!(%error, "the metrics could not be written");
    empty(StatusCode::INTERNAL_SERVER_ERROR)
}

fn empty(status: StatusCode) -> Response<Body> {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = status;
    response
}
