//! More connections than there is room for.

use std::{net::SocketAddr, time::Duration};

use rollcall_conformance::http::{Connection, Request};
use tokio::{
    io::AsyncReadExt as _,
    net::{TcpSocket, TcpStream},
};

use crate::kit::Server;

fn health() -> Request {
    Request::new("GET", "/health")
}

/// Everything a server says to a connection that asks nothing.
async fn unasked(address: SocketAddr) -> String {
    let mut said = Vec::new();
    TcpStream::connect(address).await.unwrap().read_to_end(&mut said).await.unwrap();
    String::from_utf8(said).unwrap()
}

#[tokio::test]
async fn above_the_bound_a_connection_is_told_so_and_a_socket_keeps_its_place() {
    let home = tempfile::tempdir().unwrap();
    let data = home.path().join("data");
    let server = Server::start_with(&data, &[("max_connections", "3")]);
    let world = server.world();
    let (_, socket) = world.login("7", 5).await.unwrap();
    let (_, second) = world.login("8", 5).await.unwrap();
    let mut kept = Connection::open(server.address).await.unwrap();
    assert_eq!(kept.send(&health()).await.unwrap().status, 200);
    let refusal = unasked(server.address).await;
    assert!(refusal.starts_with("HTTP/1.1 503 "), "{refusal:?}");
    assert!(refusal.contains("\r\nRetry-After: 1\r\n"), "{refusal:?}");
    // A place is free as soon as a socket is gone.
    second.close().await.unwrap();
    assert_eq!(kept.send(&health()).await.unwrap().status, 200);
    let deadline = tokio::time::Instant::now() + Duration::from_secs(60);
    loop {
        let mut next = Connection::open(server.address).await.unwrap();
        if next.send(&health()).await.is_ok_and(|response| response.status == 200) {
            break;
        }
        assert!(tokio::time::Instant::now() < deadline, "the place of a socket that is gone stays taken");
    }
    drop(socket);
}

#[tokio::test]
async fn an_address_that_has_enough_does_not_keep_others_out() {
    let home = tempfile::tempdir().unwrap();
    let server = Server::start_with(&home.path().join("data"), &[("max_connections_per_address", "2")]);
    let mut kept = Vec::new();
    for _ in 0..2 {
        let mut connection = Connection::open(server.address).await.unwrap();
        assert_eq!(connection.send(&health()).await.unwrap().status, 200);
        kept.push(connection);
    }
    assert!(unasked(server.address).await.starts_with("HTTP/1.1 503 "));
    let elsewhere = TcpSocket::new_v4().unwrap();
    elsewhere.bind("127.0.0.2:0".parse().unwrap()).unwrap();
    let stream = elsewhere.connect(server.address).await.unwrap();
    let mut other = Connection::over(stream, server.address);
    assert_eq!(other.send(&health()).await.unwrap().status, 200);
}

/// All but the last one of a crowd leave; how long it waits for its answer from then on.
async fn served_when_there_is_room(server: &Server, crowd: &mut Vec<TcpStream>) -> Duration {
    let Some(last) = crowd.pop() else { return Duration::MAX };
    let mut waiting = Connection::over(last, server.address);
    crowd.clear();
    let begun = tokio::time::Instant::now();
    assert_eq!(waiting.send(&health()).await.unwrap().status, 200);
    begun.elapsed()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_descriptors_it_waits_without_spinning_and_then_serves_who_waited() {
    const LIMIT: usize = 80;
    let home = tempfile::tempdir().unwrap();
    let data = home.path().join("data");
    let variables = [("header_timeout_seconds", "600")];
    let server = Server::start_as(&data, "", &variables, &format!("ulimit -n {LIMIT}"));
    let world = server.world();
    let mut kept = Connection::open(server.address).await.unwrap();
    assert_eq!(kept.send(&health()).await.unwrap().status, 200);
    let mut crowd = Vec::new();
    for _ in 0..2 * LIMIT {
        crowd.push(TcpStream::connect(server.address).await.unwrap());
    }
    server.until_logged("connections cannot be accepted").await;
    let open = || std::fs::read_dir(format!("/proc/{}/fd", server.pid())).unwrap().count();
    assert!(open() >= LIMIT - 2, "{} descriptors", open());

    // Who was served before is served on, and nothing burns the processor.
    let before = server.processor_time();
    let begun = tokio::time::Instant::now();
    while begun.elapsed() < Duration::from_secs(3) {
        assert_eq!(kept.send(&health()).await.unwrap().status, 200);
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let used = server.processor_time() - before;
    println!("{used:?} of processor time in 3 s without descriptors");
    assert!(used < Duration::from_millis(600), "it spins: {used:?} in 3 s");
    assert_eq!(server.log().matches("connections cannot be accepted").count(), 1, "{}", server.log());

    // Room again: those who waited in the backlog are served in their turn, as soon as a descriptor is free. Otherwise they
    // would wait for the next try, a second after a shortage: the fastest of some rounds tells which it was.
    let mut fastest = Duration::MAX;
    for shortage in 2..5 {
        served_when_there_is_room(&server, &mut crowd).await;
        for _ in 0..2 * LIMIT {
            crowd.push(TcpStream::connect(server.address).await.unwrap());
        }
        let logged = async {
            while server.log().matches("connections cannot be accepted").count() < shortage {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(60), logged).await.expect("the shortage is logged");
        fastest = fastest.min(served_when_there_is_room(&server, &mut crowd).await);
    }
    println!("served {fastest:?} after there was room");
    assert!(fastest < Duration::from_millis(500), "{fastest:?}");
    let (_, mut socket) = world.login("7", 5).await.unwrap();
    socket.alive().await.unwrap();
    assert!(server.terminate().success());
}
