//! Heads of requests and of answers: how large the one may be, and what the other does not give away.

use http::StatusCode;
use http_body_util::Empty;
use hyper::body::Bytes;
use hyper_util::rt::{TokioExecutor, TokioIo};
use rollcall_conformance::http::{Connection, Request};
use tokio::net::TcpStream;

use crate::kit::Server;

const HEAD_BYTES: usize = 16 * 1024;
/// Of HTTP/2, where each name and value counts 32 bytes more.
const HEADER_LIST_BYTES: usize = 32 * 1024;

#[tokio::test]
async fn a_head_over_its_bound_is_refused_and_one_under_it_is_read() {
    let home = tempfile::tempdir().unwrap();
    let server = Server::start(&home.path().join("data"), "");
    for (bytes, status) in [(HEAD_BYTES - 1024, 200), (HEAD_BYTES + 1, 431)] {
        let request = Request::new("GET", "/health").header("x-padding", &"p".repeat(bytes));
        let mut connection = Connection::open(server.address).await.unwrap();
        assert_eq!(connection.send(&request).await.unwrap().status, status, "{bytes} bytes");
    }
}

#[tokio::test]
async fn more_headers_than_a_hundred_are_refused() {
    let home = tempfile::tempdir().unwrap();
    let server = Server::start(&home.path().join("data"), "");
    for (headers, status) in [(90, 200), (101, 431)] {
        let request = (0..headers)
            .fold(Request::new("GET", "/health"), |request, n| request.header(&format!("x-{n}"), "y"));
        let mut connection = Connection::open(server.address).await.unwrap();
        assert_eq!(connection.send(&request).await.unwrap().status, status, "{headers} headers");
    }
}

#[tokio::test]
async fn a_head_of_http2_has_its_bound_too_and_the_connection_goes_on() {
    let home = tempfile::tempdir().unwrap();
    let server = Server::start(&home.path().join("data"), "");
    let stream = TokioIo::new(TcpStream::connect(server.address).await.unwrap());
    let (mut client, connection) =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), stream).await.unwrap();
    tokio::spawn(connection);
    for (bytes, status) in [
        (HEADER_LIST_BYTES - 1024, StatusCode::OK),
        (HEADER_LIST_BYTES + 1, StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE),
        (0, StatusCode::OK),
    ] {
        let request = http::Request::get(format!("http://{}/health", server.address))
            .header("x-padding", "p".repeat(bytes))
            .body(Empty::<Bytes>::new())
            .unwrap();
        assert_eq!(client.send_request(request).await.unwrap().status(), status, "{bytes} bytes");
    }
}

#[tokio::test]
async fn no_answer_says_which_program_made_it() {
    let home = tempfile::tempdir().unwrap();
    let server = Server::start(&home.path().join("data"), "");
    let mut connection = Connection::open(server.address).await.unwrap();
    for (method, target) in [
        ("GET", "/health"),
        ("GET", "/"),
        ("GET", "/no-such-route"),
        ("POST", "/auth/get_admin_token"),
        ("GET", "/api/v1/message/center/online"),
        ("GET", "/ws/messageCenter/info"),
    ] {
        let response = connection.send(&Request::new(method, target)).await.unwrap();
        for name in ["server", "x-powered-by", "via"] {
            assert_eq!(response.header(name), None, "{method} {target}");
        }
    }
}
