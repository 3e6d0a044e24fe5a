//! SIGTERM: sockets leave one after the other, requests finish, nothing is lost.

use std::time::{Duration, Instant};

use rollcall_conformance::{
    http::{Connection, Request},
    size::size,
    ws::{Event, Handshake, Opening, Socket, upgrade},
};
use rustix::process::Signal;
use serde_json::{Value, json};
use tokio::net::TcpStream;

use crate::kit::{Lateness, Server};

/// Long enough for everything that is asked meanwhile.
const DRAIN: Duration = Duration::from_secs(8);
/// How long after its turn a socket may be closed.
const LATE: Duration = Duration::from_millis(800);

async fn crowd(server: &Server, size: u32) -> Vec<Socket> {
    let world = server.world();
    world.admin_token().await.unwrap();
    let mut sockets = Vec::new();
    for user in 0..size {
        let (_, socket) = world.login(&user.to_string(), 5).await.unwrap();
        sockets.push(socket);
    }
    sockets
}

/// Records, and those of them without an end.
fn records(data_dir: &std::path::Path) -> (u32, u32) {
    let store = rusqlite::Connection::open(data_dir.join("rollcall.sqlite3")).unwrap();
    let sql = "SELECT count(*), count(*) FILTER (WHERE offline_at IS NULL) FROM record";
    store.query_row(sql, [], |row| Ok((row.get(0)?, row.get(1)?))).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sockets_are_closed_evenly_and_meanwhile_newcomers_are_sent_elsewhere() {
    let size = size(120, 400);
    let home = tempfile::tempdir().unwrap();
    let data = home.path().join("data");
    let seconds = DRAIN.as_secs().to_string();
    let server = Server::start_with(&data, &[("drain_seconds", &seconds)]);
    let world = server.world();
    let sockets = crowd(&server, size).await;
    let token = world.issue("late", 5).await.unwrap();
    let lateness = Lateness::measure();
    let begun = Instant::now();
    let closing: Vec<_> = sockets
        .into_iter()
        .map(|mut socket| {
            tokio::spawn(async move {
                let event = socket.next().await;
                (event, begun.elapsed())
            })
        })
        .collect();
    server.signal(Signal::TERM);
    server.until_logged("draining").await;

    let mut probe = Connection::open(server.address).await.unwrap();
    let health = probe.send(&Request::new("GET", "/health")).await.unwrap();
    assert_eq!((health.status, health.body.as_slice()), (503, br#"{"status":"draining"}"#.as_slice()));
    for request in
        [Handshake::new("late", 5, &token).request(), Handshake::new("late", 5, &token).silent().request()]
    {
        match world.try_upgrade_with(&request).await.unwrap() {
            Opening::Refused(refusal) => {
                assert_eq!(refusal.status, 503);
                assert_eq!(refusal.header("retry-after").as_deref(), Some("1"));
                let told: Value = serde_json::from_slice(&refusal.body).unwrap();
                assert_eq!(told["errCode"], 500, "{told}");
            }
            Opening::Upgraded(_) => panic!("a socket was opened during the drain"),
        }
    }
    let Opening::Refused(refusal) = world.try_upgrade_with(&upgrade("/ws/messageCenter", &[])).await.unwrap()
    else {
        panic!("a console was opened during the drain")
    };
    let told: Value = serde_json::from_slice(&refusal.body).unwrap();
    assert_eq!((refusal.status, &told["ext"]["eKey"]), (503, &json!("server_busy")), "{told}");
    // Those who are still connected are shown, and REST is served.
    assert_eq!(world.platforms(&(size - 1).to_string()).await.unwrap().len(), 1);

    let mut ends = Vec::new();
    for closed in closing {
        let (event, after) = closed.await.unwrap();
        assert!(matches!(&event, Event::Closed { code: Some(1012), .. }), "{event:?}");
        ends.push(after);
    }
    ends.sort_unstable();
    let late = lateness.worst();
    println!("closed from {:?} to {:?}, this machine {late:?} late at most", ends[0], ends[ends.len() - 1]);
    for (end, nth) in ends.iter().zip(0..) {
        let turn = DRAIN.mul_f64(f64::from(nth) / f64::from(size));
        assert!(*end >= turn, "socket {nth} was closed after {end:?}, before its turn at {turn:?}");
        assert!(*end < turn + LATE + 2 * late, "socket {nth} was closed after {end:?}, its turn is {turn:?}");
    }
    let status = server.ended().await;
    println!("ended with {status} {:?} after SIGTERM", begun.elapsed());
    assert!(status.success());
    assert_eq!(records(&data), (size, 0), "records, and those without an end");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_that_is_under_way_is_finished() {
    let home = tempfile::tempdir().unwrap();
    let data = home.path().join("data");
    let server = Server::start_with(&data, &[("drain_seconds", "1")]);
    let world = server.world();
    let bearer = format!("Bearer {}", world.admin_token().await.unwrap());
    let line = json!({"id": 1, "tenantId": 0, "userId": 7, "onlineDate": "2025-07-16T09:00:00Z",
        "offlineDate": "2100-01-01T00:00:00Z"});
    let import = Request::new("POST", "/admin/v1/records:import")
        .header("Authorization", &bearer)
        .body(line.to_string().into_bytes());
    let whole = [import.head("localhost").as_slice(), line.to_string().as_bytes()].concat();
    let (first, second) = whole.split_at(whole.len() - 10);
    let mut under_way = Connection::open(server.address).await.unwrap();
    under_way.write(first).await.unwrap();
    let mut idle = Connection::open(server.address).await.unwrap();
    assert_eq!(idle.send(&Request::new("GET", "/health")).await.unwrap().status, 200);
    server.signal(Signal::TERM);
    // Until nobody is let in any more.
    let deadline = Instant::now() + Duration::from_secs(60);
    while TcpStream::connect(server.address).await.is_ok() {
        assert!(Instant::now() < deadline, "the port stays open");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert!(idle.rest().await.is_empty(), "an idle connection is closed");
    under_way.write(second).await.unwrap();
    assert_eq!(under_way.answer("POST").await.unwrap().status, 200);
    assert!(server.ended().await.success());
    assert_eq!(records(&data), (1, 0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_second_signal_ends_it_at_once() {
    let home = tempfile::tempdir().unwrap();
    let data = home.path().join("data");
    let server = Server::start_with(&data, &[("drain_seconds", "600")]);
    let sockets = crowd(&server, 3).await;
    server.signal(Signal::TERM);
    server.until_logged("draining").await;
    let begun = Instant::now();
    server.signal(Signal::INT);
    let status = server.ended().await;
    assert_eq!(status.code(), Some(1));
    // Far sooner than the drain would be over.
    assert!(begun.elapsed() < Duration::from_secs(60), "{:?}", begun.elapsed());
    drop(sockets);
    let again = Server::start(&data, "");
    assert_eq!(records(&data), (3, 0), "the next start ends what was left open");
    drop(again);
}
