//! HTTP/2 without TLS, by prior knowledge, as back ends behind a proxy speak it.

use std::convert::Infallible;

use http::{Request, StatusCode, Version};
use http_body_util::{BodyExt as _, Full, StreamBody};
use hyper::body::{Bytes, Frame};
use hyper_util::rt::{TokioExecutor, TokioIo};
use serde_json::{Value, json};
use tokio::net::TcpStream;

use crate::kit::{SECRET, Server};

#[tokio::test]
async fn rest_is_served_over_http2_many_requests_at_a_time() {
    let home = tempfile::tempdir().unwrap();
    let server = Server::start(&home.path().join("data"), "");
    let stream = TokioIo::new(TcpStream::connect(server.address).await.unwrap());
    let (client, connection) =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), stream).await.unwrap();
    tokio::spawn(connection);
    let body = json!({"secret": SECRET, "userID": "imAdmin"}).to_string();
    // After an answer the client knows how many requests it may have under way.
    let health = Request::get(format!("http://{}/health", server.address)).body(Full::default()).unwrap();
    assert_eq!(client.clone().send_request(health).await.unwrap().status(), StatusCode::OK);
    let asked = (0..50).map(|n| {
        let request = Request::post(format!("http://{}/auth/get_admin_token", server.address))
            .header("operationID", format!("op-{n}"))
            .body(Full::new(Bytes::from(body.clone())))
            .unwrap();
        tokio::spawn(client.clone().send_request(request))
    });
    for answer in asked.collect::<Vec<_>>() {
        let answer = answer.await.unwrap().unwrap();
        assert_eq!(answer.version(), Version::HTTP_2);
        let body = answer.into_body().collect().await.unwrap().to_bytes();
        let body: Value = serde_json::from_slice(&body).unwrap();
        assert_eq!(body["errCode"], 0, "{body}");
    }
}

#[tokio::test]
async fn a_body_over_the_limit_is_refused_over_http2_before_it_arrives() {
    let home = tempfile::tempdir().unwrap();
    let server = Server::start(&home.path().join("data"), "");
    let stream = TokioIo::new(TcpStream::connect(server.address).await.unwrap());
    let (mut client, connection) =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), stream).await.unwrap();
    tokio::spawn(connection);
    let never = StreamBody::new(futures_util::stream::pending::<Result<Frame<Bytes>, Infallible>>());
    let request = Request::post(format!("http://{}/auth/get_admin_token", server.address))
        .header("operationID", "op")
        .header("content-length", (1 << 20) + 1)
        .body(never)
        .unwrap();
    assert_eq!(client.send_request(request).await.unwrap().status(), StatusCode::PAYLOAD_TOO_LARGE);
}
