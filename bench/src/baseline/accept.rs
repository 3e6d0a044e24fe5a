//! The accept loop, without any limits.

use std::{convert::Infallible, io, time::Duration};

use axum::{Router, body::Body};
use hyper::{Request, body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tower_service::Service as _;

use super::{json, layer::Layer, sockets};

/// The same as the origin's, so that a storm meets the same queue.
const BACKLOG: u32 = 4096;
const HEADER_TIMEOUT: Duration = Duration::from_secs(5);

pub(super) fn bind() -> io::Result<TcpListener> {
    let socket = TcpSocket::new_v4()?;
    socket.set_reuseaddr(true)?;
    socket.bind(([127, 0, 0, 1], 0).into())?;
    socket.listen(BACKLOG)
}

pub(super) async fn accept(listener: TcpListener, layer: Layer) {
    let router = sockets::websocket().merge(json::routes());
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                // A stream that is gone already fails where it is read.
                stream.set_nodelay(true).ok();
                match layer {
                    Layer::Tcp => drop(tokio::spawn(sockets::by_hand(stream))),
                    Layer::Upgrade => drop(tokio::spawn(upgrade(stream))),
                    Layer::Ws => drop(tokio::spawn(serve(stream, router.clone()))),
                }
            }
            Err(error) => {
                eprintln!("baseline: {error}");
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
    }
}

fn http() -> http1::Builder {
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new()).header_read_timeout(HEADER_TIMEOUT).max_buf_size(16 * 1024);
    http
}

async fn upgrade(stream: TcpStream) {
    let service =
        service_fn(|request: Request<Incoming>| async { Ok::<_, Infallible>(sockets::held(request)) });
    // How it ends is of no interest.
    http().serve_connection(TokioIo::new(stream), service).with_upgrades().await.ok();
}

async fn serve(stream: TcpStream, router: Router) {
    let service = service_fn(move |request: Request<Incoming>| {
        let mut router = router.clone();
        async move { router.call(request.map(Body::new)).await }
    });
    http().serve_connection(TokioIo::new(stream), service).with_upgrades().await.ok();
}
