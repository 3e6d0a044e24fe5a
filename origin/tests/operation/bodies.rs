//! Request bodies that never end: what they may hold, and whom they hold up.

use std::{
    convert::Infallible,
    net::{Ipv4Addr, SocketAddr},
    time::{Duration, Instant},
};

use http::{StatusCode, Version};
use http_body_util::{BodyExt as _, StreamBody};
use hyper::body::{Bytes, Frame};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rollcall_conformance::{
    http::{Connection, Request, Response},
    size::size,
    world::{PARSE_TOKEN, STATUS, World, post},
};
use serde_json::{Value, json};
use tokio::net::{TcpSocket, TcpStream};

use crate::{
    kit::{Server, scrape},
    memory::{forget_peak, memory},
};

/// The largest body of a request that needs no token.
const OPEN: usize = 8 << 10;
/// How many such bodies the strangers of one address may hold.
const OF_ADDRESS: u8 = 32;
/// How many addresses fill the strangers' part.
const ADDRESSES: u8 = 32;
const BODY_BYTES: &str = "rollcall_request_body_bytes";

/// A connection from 127.0.0.`host`.
async fn from(host: u8, server: SocketAddr) -> Connection {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind((Ipv4Addr::new(127, 0, 0, host), 0).into()).unwrap();
    Connection::over(socket.connect(server).await.unwrap(), server)
}

/// Sends the head and `length` bytes of a body that does not end.
async fn begin(connection: &mut Connection, request: Request, length: usize) {
    let head = request.header("transfer-encoding", "chunked").head("localhost");
    let chunk = format!("{length:x}\r\n{}\r\n", " ".repeat(length));
    connection.write(&[head.as_slice(), chunk.as_bytes()].concat()).await.unwrap();
}

fn refused(response: &Response) -> Value {
    assert_eq!(response.status, 503);
    assert_eq!(response.header("retry-after").as_deref(), Some("1"));
    serde_json::from_slice(&response.body).unwrap()
}

/// Adds the time of one status query.
async fn statuses(world: &World, times: &mut Vec<Duration>) {
    let asked = Instant::now();
    assert!(world.platforms("nobody").await.unwrap().is_empty());
    times.push(asked.elapsed());
}

fn p99(times: &mut [Duration]) -> Duration {
    times.sort_unstable();
    times[times.len() * 99 / 100]
}

/// Waits until bodies hold so many bytes. No request is sent meanwhile: its own body would take the place of the last piece.
async fn until_held(server: &Server, bytes: usize) {
    let deadline = Instant::now() + Duration::from_secs(60);
    loop {
        let held = scrape(server).await[BODY_BYTES];
        if held >= bytes as f64 {
            return;
        }
        assert!(Instant::now() < deadline, "{held} bytes are held, not {bytes}");
    }
}

/// Waits until a short request of a stranger is answered so.
async fn until_strangers_get(server: &Server, status: u16) {
    let deadline = Instant::now() + Duration::from_secs(60);
    loop {
        let mut connection = from(200, server.address).await;
        let response = connection.send(&post(PARSE_TOKEN, None, r#"{"token":"a"}"#)).await.unwrap();
        if response.status == status {
            if status == 503 {
                assert_eq!(refused(&response)["errCode"], 500);
            }
            return;
        }
        assert!(Instant::now() < deadline, "strangers still get {}", response.status);
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn strangers_fill_their_own_part_and_callers_with_a_token_do_not_notice() {
    let home = tempfile::tempdir().unwrap();
    let server = Server::start_with(&home.path().join("attacked"), &[("metrics_listen", "127.0.0.1:0")]);
    let other = Server::start(&home.path().join("calm"), "");
    let (attacked, calm) = (server.world(), other.world());
    until_strangers_get(&server, 200).await;
    // A token is asked for without one, and therefore before the attack.
    for world in [&attacked, &calm] {
        statuses(world, &mut Vec::new()).await;
    }
    let before = forget_peak(&server);

    let mut strangers = Vec::new();
    for host in 1..=ADDRESSES {
        for _ in 0..OF_ADDRESS {
            let mut connection = from(host, server.address).await;
            begin(&mut connection, post(PARSE_TOKEN, None, ""), OPEN).await;
            strangers.push(connection);
        }
    }
    until_held(&server, 8 << 20).await;
    until_strangers_get(&server, 503).await;
    let figures = scrape(&server).await;
    assert_eq!(figures[BODY_BYTES], f64::from(8 << 20), "bytes that are held");
    assert!(figures[r#"rollcall_request_bodies_refused_total{caller="stranger"}"#] >= 1.0, "{figures:#?}");
    assert_eq!(figures[r#"rollcall_request_bodies_refused_total{caller="user"}"#], 0.0);
    let grown = memory(&server, "VmHWM").saturating_sub(before);
    println!(
        "{} bodies that do not end: {} KiB each",
        strangers.len(),
        grown / 1024 / strangers.len() as u64
    );
    // The bodies are 8 MiB; the rest is what so many connections take in any case.
    assert!(grown < 96 << 20, "{grown} bytes");

    let (mut meanwhile, mut undisturbed) = (Vec::new(), Vec::new());
    for _ in 0..size(300, 3000) {
        statuses(&attacked, &mut meanwhile).await;
        statuses(&calm, &mut undisturbed).await;
    }
    let (meanwhile, undisturbed) = (p99(&mut meanwhile), p99(&mut undisturbed));
    println!("99 of 100 status queries took {meanwhile:?} at most, {undisturbed:?} without strangers");
    assert!(meanwhile < 3 * undisturbed + Duration::from_millis(20), "{undisturbed:?} became {meanwhile:?}");

    drop(strangers);
    until_strangers_get(&server, 200).await;
}

#[tokio::test]
async fn one_address_cannot_take_the_part_of_others() {
    let home = tempfile::tempdir().unwrap();
    let server = Server::start_with(&home.path().join("data"), &[("metrics_listen", "127.0.0.1:0")]);
    let mut held = Vec::new();
    for _ in 0..OF_ADDRESS {
        let mut connection = from(1, server.address).await;
        begin(&mut connection, post(PARSE_TOKEN, None, ""), OPEN).await;
        held.push(connection);
    }
    until_held(&server, usize::from(OF_ADDRESS) * OPEN).await;
    let mut connection = from(1, server.address).await;
    let answer = connection.send(&post(PARSE_TOKEN, None, "{}")).await.unwrap();
    assert_eq!(answer.status, 503, "an address holds more than its part");
    until_strangers_get(&server, 200).await;
}

#[tokio::test]
async fn above_the_budget_a_caller_with_a_token_is_told_to_come_again() {
    let home = tempfile::tempdir().unwrap();
    let options = [("body_budget_bytes", "16777216"), ("metrics_listen", "127.0.0.1:0")];
    let server = Server::start_with(&home.path().join("data"), &options);
    let world = server.world();
    let token = world.admin_token().await.unwrap();
    let query = || post(STATUS, Some(&token), r#"{"userIDs":[]}"#);
    let mut held = Vec::new();
    for _ in 0..16 {
        let mut connection = Connection::open(server.address).await.unwrap();
        begin(&mut connection, post(STATUS, Some(&token), ""), 1 << 20).await;
        held.push(connection);
    }
    until_held(&server, 16 << 20).await;
    let mut connection = Connection::open(server.address).await.unwrap();
    assert_eq!(refused(&connection.send(&query()).await.unwrap())["errCode"], 500);
    let order = json!({"receiveObjectType": "USER", "receiveObjectIds": ["7"]}).to_string();
    let order = Request::new("POST", "/api/v1/message/center/online/off")
        .header("content-type", "application/json")
        .header("authorization", &format!("Bearer {token}"))
        .body(order);
    let mut consoles = Connection::open(server.address).await.unwrap();
    let refusal = refused(&consoles.send(&order).await.unwrap());
    assert_eq!((&refusal["code"], &refusal["ext"]["eKey"]), (&json!("E2"), &json!("server_busy")));
    held.pop();
    let deadline = Instant::now() + Duration::from_secs(60);
    while connection.send(&query()).await.unwrap().status != 200 {
        assert!(Instant::now() < deadline, "what a client left behind stays held");
    }
}

#[tokio::test]
async fn an_import_counts_with_the_lines_that_are_not_written_yet() {
    const COMMITS: &str = "rollcall_store_commit_duration_seconds_count";
    /// So many are written at once.
    const BATCH: usize = 2_000;
    /// More of them.
    const REST: usize = 500;
    let home = tempfile::tempdir().unwrap();
    let server = Server::start_with(&home.path().join("data"), &[("metrics_listen", "127.0.0.1:0")]);
    let token = server.world().admin_token().await.unwrap();
    let before = scrape(&server).await[COMMITS];
    let line = |n: usize| {
        let name = "n".repeat(100);
        let line = json!({"id": n, "tenantId": 0, "userId": n, "fullName": name, "onlineDate": "2026-01-02T03:04:05Z"});
        format!("{line}\n")
    };
    let lines: String = (1..=BATCH + REST).map(line).collect();
    let head = Request::post("/admin/v1/records:import")
        .header("authorization", &format!("Bearer {token}"))
        .header("transfer-encoding", "chunked")
        .head("localhost");
    let mut connection = Connection::open(server.address).await.unwrap();
    let chunk = format!("{:x}\r\n{lines}\r\n", lines.len());
    connection.write(&[head.as_slice(), chunk.as_bytes()].concat()).await.unwrap();
    let rest = lines.len() * REST / (BATCH + REST);
    let deadline = Instant::now() + Duration::from_secs(60);
    loop {
        let figures = scrape(&server).await;
        // With a line's own bound, and the piece that the line came in.
        let held = rest as f64..(rest + (96 << 10)) as f64;
        if figures[COMMITS] > before && held.contains(&figures[BODY_BYTES]) {
            break;
        }
        assert!(Instant::now() < deadline, "of {} bytes {} are held", lines.len(), figures[BODY_BYTES]);
    }
    connection.write(b"0\r\n\r\n").await.unwrap();
    let answer = connection.answer("POST").await.unwrap();
    let report: Value = serde_json::from_slice(&answer.body).unwrap();
    assert_eq!(report["imported"], BATCH + REST, "{report}");
    assert_eq!(scrape(&server).await[BODY_BYTES], 0.0);
}

/// A body of so many pieces of a MiB.
fn endless(pieces: usize) -> StreamBody<impl futures_util::Stream<Item = Result<Frame<Bytes>, Infallible>>> {
    let piece = Bytes::from(vec![b' '; 1 << 20]);
    StreamBody::new(futures_util::stream::iter((0..pieces).map(move |_| Ok(Frame::data(piece.clone())))))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_connection_of_http2_holds_little_however_many_requests_it_begins() {
    let home = tempfile::tempdir().unwrap();
    let server = Server::start(&home.path().join("data"), "");
    until_strangers_get(&server, 200).await;
    let before = forget_peak(&server);
    let stream = TokioIo::new(TcpStream::connect(server.address).await.unwrap());
    let (client, connection) =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), stream).await.unwrap();
    tokio::spawn(connection);
    // After an answer the client knows how many requests it may have under way.
    let first = http::Request::get(format!("http://{}/health", server.address)).body(endless(0)).unwrap();
    assert_eq!(client.clone().send_request(first).await.unwrap().status(), StatusCode::OK);
    let mut asked = Vec::new();
    for _ in 0..100 {
        let request = http::Request::post(format!("http://{}{PARSE_TOKEN}", server.address))
            .version(Version::HTTP_2)
            .header("operationID", "op")
            .body(endless(usize::MAX))
            .unwrap();
        asked.push(tokio::spawn(client.clone().send_request(request)));
    }
    let mut answers = Vec::new();
    for one in asked {
        let answer = one.await.unwrap().unwrap();
        answers.push(answer.status());
        answer.into_body().collect().await.ok();
    }
    let expected = [StatusCode::PAYLOAD_TOO_LARGE, StatusCode::SERVICE_UNAVAILABLE];
    assert!(answers.iter().all(|status| expected.contains(status)), "{answers:?}");
    let grown = memory(&server, "VmHWM").saturating_sub(before);
    println!("100 requests of endless bodies on one connection: {} KiB", grown / 1024);
    assert!(grown < 8 << 20, "{grown} bytes");
}

/// What is refused before its first line is written is no order. Of what breaks off later the entry says what was taken.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_import_that_breaks_off_is_in_the_audit_as_far_as_it_came() {
    const WHOLE: usize = 2_000;
    let home = tempfile::tempdir().unwrap();
    let server = Server::start(&home.path().join("data"), "");
    let world = server.world();
    let bearer = format!("Bearer {}", world.admin_token().await.unwrap());
    let head = Request::post("/admin/v1/records:import")
        .header("Authorization", &bearer)
        .header("Content-Type", "application/x-ndjson")
        .header("Transfer-Encoding", "chunked")
        .head("localhost");
    let line = |id: usize| {
        json!({"id": id, "tenantId": 0, "userId": 7, "onlineDate": "2099-01-01T00:00:00Z"}).to_string() + "\n"
    };
    let audit = Request::new("GET", "/admin/v1/audit").header("Authorization", &bearer);
    let mut seen = Vec::new();
    for lines in [1, WHOLE + 1] {
        let body: String = (1..=lines).map(line).collect();
        let whole =
            [head.as_slice(), format!("{:x}\r\n{body}\r\nno size\r\n", body.len()).as_bytes()].concat();
        let mut connection = Connection::open(server.address).await.unwrap();
        let answer = connection.answer_while_sending(&whole, "POST").await.unwrap();
        assert_eq!(answer.status, 400, "{}", String::from_utf8_lossy(&answer.body));
        let page: Value = world.send(&audit).await.unwrap().json().unwrap();
        let of = |entry: &Value| {
            (entry["operation"].clone(), entry["progress"].clone(), entry["records"]["taken"].clone())
        };
        seen.push(page["list"].as_array().unwrap().iter().map(of).collect::<Vec<_>>());
    }
    assert_eq!(seen, [vec![], vec![(json!("recordsImport"), json!("begun"), json!(WHOLE))]]);
}
