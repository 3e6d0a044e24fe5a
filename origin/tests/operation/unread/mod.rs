//! A peer that sends each element of the protocols without end, and reads nothing or slowly: it costs next to no memory, and others
//! do not wait for it.

mod elements;

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use rollcall_conformance::{http::Request, size::size, world::World};
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, split},
    net::{TcpSocket, TcpStream},
    sync::Mutex,
    task::JoinSet,
};

use self::elements::{Element, elements, elements_of_clients, elements_of_http1};
use crate::{
    encryption::{self, Trusted},
    kit::{Server, UNPACED, scrape},
    memory::{forget_peak, memory},
};

/// A connection, encrypted or not.
trait Duplex: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Duplex for T {}

type Stream = Box<dyn Duplex>;

/// The bearer token `password`.
const STATIC: &str = "[[auth.tokens]]\nsha256 = '5e884898da28047151d0e56f8dc6292773603d0d6aabbdd62a11ef721d1542d8'\n\
                      user_id = 100\ntenant_id = 1\n";
/// What the server's memory may have grown by, in bytes.
const GROWTH: u64 = 1 << 20;
/// Answers that others get without the peer's bytes moving on: by then the server reads no more of them.
const STUCK: usize = 30;
/// The most bytes that a peer sends, and the time that it sends them for.
fn flood() -> (usize, Duration) {
    (size(2 << 20, 150 << 20), Duration::from_millis(size(300, 60_000)))
}

/// How a peer reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reading {
    Nothing,
    Slowly,
}

/// A connection for which the kernel keeps little on the peer's side.
async fn narrow(server: &Server) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(1).unwrap();
    socket2::SockRef::from(&socket).set_tcp_mss(536).unwrap();
    socket.connect(server.address).await.unwrap()
}

/// Who asks beside a peer, and how both reach the server.
enum Others<'a> {
    Plain(&'a World),
    /// Inside TLS, with an administrator's token.
    Encrypted(&'a Trusted, Mutex<Stream>, String),
}

impl Others<'_> {
    /// A connection of the peer.
    async fn peer(&self, server: &Server) -> Stream {
        let stream = narrow(server).await;
        match self {
            Self::Plain(_) => Box::new(stream),
            Self::Encrypted(trusted, ..) => {
                Box::new(encryption::encrypt(stream, trusted, b"http/1.1").await.unwrap())
            }
        }
    }

    /// How long somebody else waits for an answer.
    async fn status(&self) -> Duration {
        let asked = Instant::now();
        match self {
            Self::Plain(world) => assert_eq!(world.platforms("honest").await.unwrap(), [5]),
            Self::Encrypted(_, stream, token) => {
                let mut stream = stream.lock().await;
                stream.write_all(&question(token)).await.unwrap();
                let answer = read_until(&mut stream, "}]}").await;
                assert!(answer.contains("\"userID\":\"honest\""), "{answer}");
            }
        }
        asked.elapsed()
    }
}

/// The question for the status of one user.
fn question(token: &str) -> Vec<u8> {
    let body = r#"{"userIDs":["honest"]}"#;
    let head =
        Request::post("/user/get_users_online_status").header("operationID", "op").header("token", token);
    [head.body(body).head("localhost").as_slice(), body.as_bytes()].concat()
}

async fn read_until(stream: &mut Stream, end: &str) -> String {
    let mut heard = Vec::new();
    while !heard.ends_with(end.as_bytes()) {
        let mut some = [0; 4_096];
        let length = stream.read(&mut some).await.unwrap();
        assert_ne!(length, 0, "{}", String::from_utf8_lossy(&heard));
        heard.extend_from_slice(&some[..length]);
    }
    String::from_utf8(heard).unwrap()
}

async fn upgraded(mut stream: Stream, upgrade: &Request) -> Stream {
    stream.write_all(&upgrade.head("h")).await.unwrap();
    // What is behind the head is for nobody: frames of a socket that is flooded are not read.
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.unwrap());
    }
    assert!(head.starts_with(b"HTTP/1.1 101 "), "{upgrade:?}: {}", String::from_utf8_lossy(&head));
    stream
}

/// How a flood ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    /// The server ended the connection.
    Closed,
    /// The server reads no more of it.
    Stuck,
    /// All was read.
    Read,
}

/// Reads some bytes now and then.
async fn sip(mut stream: impl AsyncRead + Unpin) {
    let mut bytes = [0; 512];
    while let Ok(1..) = stream.read(&mut bytes).await {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// Floods the server while others ask. Returns how it ended, the bytes that were sent, and how long others waited.
async fn flooded(
    server: &Server,
    others: &Others<'_>,
    element: &Element,
    reading: Reading,
) -> (End, usize, Vec<Duration>) {
    let mut tasks = JoinSet::new();
    let mut stream = others.peer(server).await;
    if let Some(upgrade) = &element.upgrade {
        stream = upgraded(stream, upgrade).await;
    }
    let mut unread = Vec::new();
    if !element.beside.is_empty() {
        let mut beside = others.peer(server).await;
        beside.write_all(&element.beside).await.unwrap();
        // What comes after it takes the session that it opens.
        beside.read_u8().await.unwrap();
        match reading {
            Reading::Nothing => unread.push(beside),
            Reading::Slowly => drop(tasks.spawn(sip(beside))),
        }
    }
    stream.write_all(&element.first).await.unwrap();
    let (reads, mut stream) = split(stream);
    let _unread = match reading {
        Reading::Nothing => Some(reads),
        Reading::Slowly => {
            tasks.spawn(sip(reads));
            None
        }
    };
    let sent = Arc::new(AtomicUsize::new(0));
    let (count, again) = (sent.clone(), element.again.clone());
    let (most, time) = flood();
    let (most, time) = match (element.ends, reading) {
        (None, _) | (Some(End::Stuck), Reading::Slowly) => (most, time),
        // More than the kernel takes on both sides, however long that takes.
        (Some(_), _) => (most.max(64 << 20), Duration::MAX),
    };
    let begun = Instant::now();
    let flooding = tokio::spawn(async move {
        while count.load(Relaxed) < most && begun.elapsed() < time {
            let mut rest = again.as_slice();
            while !rest.is_empty() {
                let Ok(written @ 1..) = stream.write(rest).await else { return (End::Closed, stream) };
                count.fetch_add(written, Relaxed);
                rest = &rest[written..];
            }
        }
        (End::Read, stream)
    });
    let (mut waits, mut last, mut still) = (Vec::new(), 0, 0);
    // One that is closed as too slow has a moment for the Close frame.
    let patience = if element.ends == Some(End::Closed) { Duration::from_secs(60) } else { Duration::ZERO };
    while !flooding.is_finished() && (still < STUCK || begun.elapsed() < patience) {
        waits.push(others.status().await);
        let now = sent.load(Relaxed);
        still = if now == last { still + 1 } else { 0 };
        last = now;
    }
    // As many as tell something.
    while waits.len() < STUCK {
        waits.push(others.status().await);
    }
    let end = if flooding.is_finished() {
        flooding.await.unwrap().0
    } else {
        flooding.abort();
        End::Stuck
    };
    (end, sent.load(Relaxed), waits)
}

/// The median, and the wait that one of a hundred exceeds.
fn percentiles(mut waits: Vec<Duration>) -> (Duration, Duration) {
    waits.sort_unstable();
    (waits[waits.len() / 2], waits[waits.len() * 99 / 100])
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_peer_that_does_not_read_takes_no_memory_and_holds_up_no_other() {
    let home = tempfile::tempdir().unwrap();
    let settings = format!("{UNPACED}{STATIC}");
    let server =
        Server::start_as(&home.path().join("data"), &settings, &[("metrics_listen", "127.0.0.1:0")], "");
    let world = server.world();
    let (_, mut honest) = world.login("honest", 5).await.unwrap();
    let others = Others::Plain(&world);
    // Once, so that everything that is kept for good is there.
    for element in elements(&world, 0).await {
        honest.alive().await.unwrap();
        flooded(&server, &others, &element, Reading::Nothing).await;
    }
    let mut wrong = Vec::new();
    for (round, reading) in [Reading::Nothing, Reading::Slowly].into_iter().enumerate() {
        for element in elements(&world, 1 + round).await {
            // Any message keeps it.
            honest.alive().await.unwrap();
            wrong.extend(harm(&server, &others, &element, reading).await);
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    let figures = scrape(&server).await;
    // At least those that fill their account, in the first two rounds.
    assert!(figures["rollcall_closes_total{reason=\"too_slow\"}"] >= 4.0, "{figures:#?}");
    honest.alive().await.unwrap();
}

/// Inside TLS there is a buffer more on the way, of what is encrypted.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_peer_inside_tls_that_does_not_read_takes_no_memory_and_holds_up_no_other() {
    let home = tempfile::tempdir().unwrap();
    let data = home.path().join("data");
    let server = Server::start(&data, UNPACED);
    let world = server.world();
    let token = world.admin_token().await.unwrap();
    world.issue("honest", 5).await.unwrap();
    let clients = elements_of_clients(&world).await;
    assert!(server.terminate().success());
    let (server, trusted) = encryption::serve(&data, UNPACED);
    let stream = encryption::encrypt(narrow(&server).await, &trusted, b"http/1.1").await.unwrap();
    let others = Others::Encrypted(&trusted, Mutex::new(Box::new(stream)), token);
    let mut wrong = Vec::new();
    for reading in [None, Some(Reading::Nothing), Some(Reading::Slowly)] {
        for element in clients.iter().chain(&elements_of_http1()) {
            match reading {
                // Once, so that everything that is kept for good is there.
                None => drop(flooded(&server, &others, element, Reading::Nothing).await),
                Some(reading) => wrong.extend(harm(&server, &others, element, reading).await),
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// What is wrong with the server while a peer floods it.
async fn harm(server: &Server, others: &Others<'_>, element: &Element, reading: Reading) -> Vec<String> {
    let mut calm = Vec::new();
    for _ in 0..STUCK {
        calm.push(others.status().await);
    }
    let (calm, calm_p99) = percentiles(calm);
    let (mut end, mut sent, mut waits, mut grown) = (End::Stuck, 0, Vec::new(), u64::MAX);
    // What the peer does not cause does not happen each time.
    for _ in 0..3 {
        let before = forget_peak(server);
        (end, sent, waits) = flooded(server, others, element, reading).await;
        grown = memory(server, "VmHWM").saturating_sub(before);
        if grown < GROWTH {
            break;
        }
    }
    let (median, p99) = percentiles(waits);
    println!(
        "{}, read {reading:?}: {end:?} after {} KiB, memory grows by {} KiB, others wait {median:?} \
         (p99 {p99:?}) instead of {calm:?} ({calm_p99:?})",
        element.name,
        sent >> 10,
        grown >> 10
    );
    let mut wrong = Vec::new();
    if grown >= GROWTH {
        wrong.push(format!("{}, read {reading:?}: memory grows by {grown} bytes", element.name));
    }
    // The flood takes its share of the machine; a server that waits for the peer takes seconds.
    if median > 20 * calm + Duration::from_millis(100) || p99 > 20 * calm_p99 + Duration::from_secs(1) {
        wrong.push(format!("{}: {calm:?} became {median:?}, p99 {p99:?}", element.name));
    }
    if reading == Reading::Nothing && element.ends.is_some_and(|wanted| wanted != end) {
        wrong.push(format!("{}: {end:?}", element.name));
    }
    wrong
}
