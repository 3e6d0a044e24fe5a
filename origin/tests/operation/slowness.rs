//! Clients that take their time on purpose.

use std::time::{Duration, Instant};

use rollcall_conformance::{
    http::{Connection, Request},
    size::size,
    ws::Handshake,
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

use crate::kit::{Server, UNPACED};

const HEADER_TIMEOUT: Duration = Duration::from_secs(3);
/// For timers that are a tick late.
const SLACK: Duration = Duration::from_secs(2);
/// What ends an idle connection in any case comes far later than what is tested here.
const FAR_SOONER: Duration = Duration::from_secs(40);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn half_open_handshakes_are_closed_in_time_and_hold_up_nobody() {
    let half_open = size(500, 5_000);
    let home = tempfile::tempdir().unwrap();
    let timeout = HEADER_TIMEOUT.as_secs().to_string();
    let variables = [("header_timeout_seconds", timeout.as_str())];
    let server = Server::start_as(&home.path().join("data"), UNPACED, &variables, "");
    let world = server.world();
    let token = world.issue("honest", 5).await.unwrap();
    let address = server.address;
    let request = Handshake::new("slow", 5, &token).request().head("localhost");
    let half = request[..request.len() / 2].to_vec();

    let attack = tokio::spawn(async move {
        let mut slow = Vec::new();
        for n in 0..half_open {
            let half = half.clone();
            let mut stream = TcpStream::connect(address).await.unwrap();
            let begun = Instant::now();
            slow.push(tokio::spawn(async move {
                stream.write_all(&half).await.unwrap();
                let mut end = [0; 1];
                // Every other one drips a byte at a time, which must not buy it any.
                loop {
                    tokio::select! {
                        read = stream.read(&mut end) => {
                            assert!(!matches!(read, Ok(1..)), "half a request was answered");
                            return begun.elapsed();
                        }
                        () = tokio::time::sleep(Duration::from_millis(500)), if n % 2 == 0 => {
                            // What arrives after the end is noticed by the next read.
                            stream.write_all(b"x").await.ok();
                        }
                    }
                }
            }));
        }
        slow
    });
    // Meanwhile honest clients come and go.
    let mut honest = Vec::new();
    let all_the_time = Instant::now() + HEADER_TIMEOUT;
    while !attack.is_finished() || Instant::now() < all_the_time {
        let begun = Instant::now();
        let socket = world.open("honest", 5, &token).await.unwrap();
        honest.push(begun.elapsed());
        socket.close().await.unwrap();
    }
    let mut ends = Vec::new();
    for slow in attack.await.unwrap() {
        ends.push(slow.await.unwrap());
    }
    honest.sort();
    let (first, last) = (ends.iter().min().unwrap(), ends.iter().max().unwrap());
    println!(
        "{half_open} half-open handshakes closed {first:?} to {last:?} after they began; {} honest connects \
         meanwhile, median {:?}, slowest {:?}",
        honest.len(),
        honest[honest.len() / 2],
        honest[honest.len() - 1],
    );
    assert!(*first >= HEADER_TIMEOUT - Duration::from_millis(100), "cut before its time: {first:?}");
    // What an honest client waits for the machine, a slow one waits too.
    let slowest = honest[honest.len() - 1];
    assert!(*last <= HEADER_TIMEOUT + SLACK + 2 * slowest, "{last:?}, an honest one {slowest:?}");
    assert!(honest[honest.len() / 2] < HEADER_TIMEOUT / 10, "honest clients waited for slow ones");
}

#[tokio::test]
async fn a_client_may_rest_between_requests_for_longer_than_a_head_may_take() {
    let home = tempfile::tempdir().unwrap();
    let server = Server::start_with(&home.path().join("data"), &[("header_timeout_seconds", "1")]);
    let mut connection = Connection::open(server.address).await.unwrap();
    let health = Request::new("GET", "/health");
    assert_eq!(connection.send(&health).await.unwrap().status, 200);
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert_eq!(connection.send(&health).await.unwrap().status, 200);
    // The head of its next request has its bound again.
    let begun = Instant::now();
    connection.write(b"GET /health HTTP/1.1\r\n").await.unwrap();
    connection.rest().await;
    assert!(begun.elapsed() > Duration::from_millis(900) && begun.elapsed() < FAR_SOONER);
}
