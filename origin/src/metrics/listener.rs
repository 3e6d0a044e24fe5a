//! The port that serves the metrics, with one path.
//!
//! It asks for no credentials, so the metrics name no user; and no request to it may cost the server more than a few
//! connections for a few seconds.

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

use super::exposition::Exposition;

/// The one path.
pub(crate) const PATH: &str = "/metrics";
/// Concurrent connections; others wait in the kernel's backlog.
const CONNECTIONS: usize = 8;
/// The time limit of a request's head.
const HEAD: Duration = Duration::from_secs(5);
/// The time limit of a connection, which serves one request.
const WHOLE: Duration = Duration::from_secs(10);
const HEAD_BYTES: usize = 8 * 1024;
/// After an error of accepting, such as a shortage of descriptors.
const PAUSE: Duration = Duration::from_secs(1);

/// Serves metrics until it is dropped.
pub(crate) struct Listener {
    /// Its address.
    pub(crate) address: SocketAddr,
    accepting: JoinHandle<()>,
}

impl Listener {
    /// Serves `exposition` at `listen`, an address with a port.
    ///
    /// # Errors
    /// When the address is taken, or not this machine's.
    pub(crate) async fn start(listen: &str, exposition: Exposition) -> io::Result<Self> {
        let socket = TcpListener::bind(listen).await?;
        let address = socket.local_addr()?;
        Ok(Self { address, accepting: tokio::spawn(accept(socket, exposition)) })
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

async fn accept(socket: TcpListener, exposition: Exposition) {
    let permits = Arc::new(Semaphore::new(CONNECTIONS));
    // Connections end with the listener.
    let mut connections = JoinSet::new();
    while let Ok(permit) = permits.clone().acquire_owned().await {
        while connections.try_join_next().is_some() {}
        match socket.accept().await {
            Ok((stream, _)) => {
                let exposition = exposition.clone();
                connections.spawn(async move {
                    let _permit = permit;
                    if timeout(WHOLE, serve(stream, exposition)).await.is_err() {
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

async fn serve(stream: TcpStream, exposition: Exposition) {
    let answer = service_fn(move |request: Request<Incoming>| {
        let exposition = exposition.clone();
        async move { Ok::<_, Infallible>(answer(&request, exposition).await) }
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

async fn answer(request: &Request<Incoming>, exposition: Exposition) -> Response<Body> {
    if request.uri().path() != PATH {
        return empty(StatusCode::NOT_FOUND);
    }
    if request.method() != Method::GET {
        let mut response = empty(StatusCode::METHOD_NOT_ALLOWED);
        response.headers_mut().insert(header::ALLOW, http::HeaderValue::from_static("GET"));
        return response;
    }
    // On a thread of its own, since the census visits every user.
    match tokio::task::spawn_blocking(move || exposition.text()).await {
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
