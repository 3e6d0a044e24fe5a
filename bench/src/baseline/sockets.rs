//! One socket at each layer; it holds the connection and answers control frames.

use axum::{
    Router,
    body::Body,
    extract::ws::WebSocketUpgrade,
    response::{IntoResponse as _, Response},
    routing::get,
};
use http::{StatusCode, header};
use hyper::{Request, body::Incoming};
use hyper_util::rt::TokioIo;
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

use crate::clients::codec::{ACCEPT, CLOSE_BEGINS, KEY};

/// Reads the head of one request, switches the protocol without looking at it, and holds the stream.
pub(super) async fn by_hand(mut stream: TcpStream) {
    if head(&mut stream).await.is_none() {
        return;
    }
    let answer = format!(
        "HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\n\
         sec-websocket-accept: {ACCEPT}\r\n\r\n"
    );
    if stream.write_all(answer.as_bytes()).await.is_ok() {
        // Forgotten before the long wait, so that the task does not keep it.
        drop(answer);
        hold(stream).await;
    }
}

/// Reads up to the empty line, in a buffer that ends here.
async fn head(stream: &mut TcpStream) -> Option<()> {
    let mut read = Vec::with_capacity(1024);
    while !read.ends_with(b"\r\n\r\n") {
        if stream.read_buf(&mut read).await.ok()? == 0 || read.len() > 16 * 1024 {
            return None;
        }
    }
    Some(())
}

/// Reads until the end, or a Close frame: a client that says goodbye says nothing else with it.
async fn hold(mut stream: impl AsyncRead + Unpin) {
    let mut bytes = [0; 64];
    while stream.read(&mut bytes).await.is_ok_and(|read| read > 0 && bytes.first() != Some(&CLOSE_BEGINS)) {}
}

/// hyper's upgrade, with the stream that comes of it.
pub(super) fn held(mut request: Request<Incoming>) -> Response {
    if request.headers().get(header::SEC_WEBSOCKET_KEY).is_none_or(|key| key != KEY) {
        return StatusCode::BAD_REQUEST.into_response();
    }
    let upgrade = hyper::upgrade::on(&mut request);
    tokio::spawn(async {
        if let Ok(upgraded) = upgrade.await {
            hold(TokioIo::new(upgraded)).await;
        }
    });
    let answer = Response::builder()
        .status(StatusCode::SWITCHING_PROTOCOLS)
        .header(header::CONNECTION, "upgrade")
        .header(header::UPGRADE, "websocket")
        .header(header::SEC_WEBSOCKET_ACCEPT, ACCEPT)
        .body(Body::empty());
    answer.unwrap_or_else(|_| StatusCode::INTERNAL_SERVER_ERROR.into_response())
}

/// As the origin's sockets have it.
const READ_BUFFER: usize = 256;

/// axum's socket with small buffers, read until it ends.
pub(super) fn websocket() -> Router {
    Router::new().route(
        "/",
        get(|upgrade: WebSocketUpgrade| async {
            upgrade
                .read_buffer_size(READ_BUFFER)
                .write_buffer_size(0)
                .on_upgrade(|mut socket| async move { while let Some(Ok(_)) = socket.recv().await {} })
        }),
    )
}
