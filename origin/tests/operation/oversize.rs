//! Messages that are made to be large, or never to end: what they cost is their own connection.

use std::{io::Write as _, time::Duration};

use flate2::{Compression, write::GzEncoder};
use rollcall_conformance::{
    http::Connection,
    size::size,
    world::World,
    ws::{Event, Handshake},
};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::{
    kit::Server,
    memory::{forget_peak, memory},
};

/// More than a message may have bytes.
fn fragments() -> usize {
    size(100_000, 1_000_000)
}

/// What the server's memory may have grown by, in bytes.
const MEMORY: u64 = 1 << 20;
/// The longest message.
const LONGEST: usize = 51_200;

/// A masked text frame, its mask being zero: the first of a message, or one that goes on; never the last.
fn fragment(is_first: bool, payload: &[u8]) -> Vec<u8> {
    let head = [u8::from(is_first), 0x80 | u8::try_from(payload.len()).unwrap(), 0, 0, 0, 0];
    [&head, payload].concat()
}

/// Sends a message in so many fragments, each with this payload and none the last, and `after`; what was heard of the
/// server until a pong or the end of the connection, and whether it was the end.
async fn endless(
    server: &Server,
    world: &World,
    user: &str,
    payload: &[u8],
    after: &[u8],
) -> (Vec<u8>, bool) {
    let token = world.issue(user, 5).await.unwrap();
    let mut connection = Connection::open(server.address).await.unwrap();
    let upgraded = connection.send(&Handshake::new(user, 5, &token).request()).await.unwrap();
    assert_eq!(upgraded.status, 101);
    let (stream, mut heard) = connection.into_parts();
    let (mut reading, mut writing) = stream.into_split();
    let mut bytes = fragment(true, payload);
    bytes.extend(fragment(false, payload).repeat(fragments()));
    bytes.extend_from_slice(after);
    // It fails where the server has had enough.
    let sending = tokio::spawn(async move {
        let sent = writing.write_all(&bytes).await.is_ok();
        (sent, writing)
    });
    let mut buffer = [0; 4096];
    let ended = loop {
        match tokio::time::timeout(Duration::from_secs(60), reading.read(&mut buffer)).await {
            Ok(Ok(0) | Err(_)) => break true,
            Ok(Ok(count)) => heard.extend_from_slice(&buffer[..count]),
            Err(_) => break false,
        }
        if heard.windows(4).any(|bytes| bytes == b"pong") {
            break false;
        }
    };
    drop(sending.await.unwrap());
    (heard, ended)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tiny_fragments_without_end_cost_their_connection_and_no_memory() {
    let home = tempfile::tempdir().unwrap();
    let server = Server::start(&home.path().join("data"), "");
    let world = server.world();
    let (_, mut honest) = world.login("honest", 5).await.unwrap();
    // Once, so that everything that is kept for good is there.
    assert!(endless(&server, &world, "first", b"x", b"").await.1);
    let before = forget_peak(&server);
    let (_, ended) = endless(&server, &world, "second", b"x", b"").await;
    assert!(ended, "a message of {} bytes was read on", fragments());
    world.until_platforms("second", &[]).await.unwrap();
    let grown = memory(&server, "VmHWM").saturating_sub(before);
    println!("{} fragments of a byte: {grown} bytes at most", fragments());
    assert!(grown < MEMORY, "{grown} bytes");
    honest.alive().await.unwrap();
}

/// They make no message longer, so that nothing is wrong with them; nor must they gather.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn empty_fragments_without_end_take_no_memory() {
    let home = tempfile::tempdir().unwrap();
    let server = Server::start(&home.path().join("data"), "");
    let world = server.world();
    let (_, mut honest) = world.login("honest", 5).await.unwrap();
    let ping = br#"{"type":"ping"}"#;
    let last = [&[0x80, 0x80 | u8::try_from(ping.len()).unwrap(), 0, 0, 0, 0], ping.as_slice()].concat();
    endless(&server, &world, "first", b"", &last).await;
    let before = forget_peak(&server);
    let (heard, _) = endless(&server, &world, "second", b"", &last).await;
    let grown = memory(&server, "VmHWM").saturating_sub(before);
    println!("{} empty fragments: {grown} bytes at most", fragments());
    assert!(grown < MEMORY, "{grown} bytes");
    assert!(heard.windows(4).any(|bytes| bytes == b"pong"), "the message was not read at last");
    honest.alive().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_gzip_bomb_costs_its_connection_and_is_not_inflated() {
    let home = tempfile::tempdir().unwrap();
    let server = Server::start(&home.path().join("data"), "");
    let world = server.world();
    let (_, mut honest) = world.login("honest", 5).await.unwrap();
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(&vec![0; 40 << 20]).unwrap();
    let bomb = encoder.finish().unwrap();
    assert!(bomb.len() < LONGEST, "{} bytes", bomb.len());
    let mut grown = 0;
    for user in ["first", "second"] {
        let token = world.issue(user, 5).await.unwrap();
        let handshake = Handshake::new(user, 5, &token).set("compression", "gzip");
        let mut socket = world.enter(&handshake).await.unwrap();
        let before = forget_peak(&server);
        socket.send_binary(bomb.clone()).await.unwrap();
        let event = socket.next().await;
        assert!(matches!(event, Event::Closed { code: Some(1002 | 1009), .. }), "{event:?}");
        world.until_platforms(user, &[]).await.unwrap();
        grown = memory(&server, "VmHWM").saturating_sub(before);
    }
    println!("40 MiB in {} bytes: {grown} bytes at most", bomb.len());
    assert!(grown < 2 * MEMORY, "{grown} bytes: what may be inflated is 1 MiB");
    honest.alive().await.unwrap();
}
