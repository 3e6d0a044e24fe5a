//! A peer that sends each element of the protocols without end, and reads nothing or slowly: it costs next to no memory, and others
//! do not wait for it.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use rollcall_conformance::{
    http::{Connection, Request},
    proto,
    size::size,
    world::World,
    ws::{Handshake, request, upgrade},
};
use serde_json::json;
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpSocket, TcpStream},
    task::JoinSet,
};

use crate::{
    kit::{Server, UNPACED, scrape},
    memory::{forget_peak, memory},
};

/// The bearer token `password`.
const STATIC: &str = "[[auth.tokens]]\nsha256 = '5e884898da28047151d0e56f8dc6292773603d0d6aabbdd62a11ef721d1542d8'\n\
                      user_id = 100\ntenant_id = 1\n";
/// What the server's memory may have grown by, in bytes.
const GROWTH: u64 = 1 << 20;
/// Answers that others get without the peer's bytes moving on: by then the server reads no more of them.
const STUCK: usize = 30;
/// The connection preface of HTTP/2, with empty settings.
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";

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

/// An element of a protocol, sent without end.
struct Element {
    name: &'static str,
    /// The upgrade, where it is one of a socket's.
    upgrade: Option<Request>,
    /// Sent once, on a connection of its own.
    beside: Vec<u8>,
    /// Sent once.
    first: Vec<u8>,
    /// Sent again and again.
    again: Vec<u8>,
    /// How it must end with a peer that reads nothing, once more is sent than the kernel takes. Where its answers wait in the
    /// connection's account, the server reads on and closes it; answers that are in no account are written before more is read.
    ends: Option<End>,
}

impl Element {
    fn of(name: &'static str, first: Vec<u8>, again: Vec<u8>) -> Self {
        Self { name, upgrade: None, beside: Vec::new(), first, again, ends: None }
    }

    fn on(self, upgrade: Request) -> Self {
        Self { upgrade: Some(upgrade), ..self }
    }

    fn ends(self, end: End) -> Self {
        Self { ends: Some(end), ..self }
    }
}

/// A masked frame, its mask being zero.
fn frame(opcode: u8, payload: &[u8]) -> Vec<u8> {
    let length = payload.len();
    let mut bytes = vec![0x80 | opcode];
    match u16::try_from(length).unwrap() {
        short @ 0..126 => bytes.push(0x80 | u8::try_from(short).unwrap()),
        long => {
            bytes.push(0x80 | 126);
            bytes.extend(long.to_be_bytes());
        }
    }
    bytes.extend([0; 4]);
    bytes.extend_from_slice(payload);
    bytes
}

fn text(payload: &str) -> Vec<u8> {
    frame(1, payload.as_bytes())
}

fn ask(identifier: i64, data: &[u8]) -> Vec<u8> {
    frame(2, request(identifier, "peer", Some(data)).to_string().as_bytes())
}

/// A frame of HTTP/2.
fn frame2(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

/// Requests of HTTP/2 for the long description of the interface, each with what follows it on its stream.
fn requests2(count: u32, then: impl Fn(u32) -> Vec<u8>) -> Vec<u8> {
    // GET and http by their numbers, `:path` and `:authority` as literals.
    let head = [b"\x82\x86\x04\x0d/openapi.json\x01\x01h".as_slice()].concat();
    let request = |stream| [frame2(1, 5, stream, &head), then(stream)].concat();
    (0..count).flat_map(|n| request(2 * n + 1)).collect()
}

fn post(path: &str, body: &str) -> Vec<u8> {
    let length = body.len();
    format!("POST {path} HTTP/1.1\r\nhost: h\r\ncontent-length: {length}\r\n\r\n{body}").into()
}

/// Every element: of the sockets' protocols, and of HTTP. `round` names what is used once.
async fn elements(world: &World, round: usize) -> Vec<Element> {
    let token = world.issue("peer", 5).await.unwrap();
    let client = || Handshake::new("peer", 5, &token).request();
    let at = |path: &str| upgrade(&format!("/ws/messageCenter{path}"), &[]);
    let console = |path: &str| at(&format!("{path}?access_token=password"));
    let many: Vec<String> = (0..100).map(|n| n.to_string()).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    let follow = |users: &[&str]| ask(2005, &proto::subscription(users, &[]));
    let long = json!({"type": "ping", "body": "x".repeat(40_000)}).to_string();
    let connect = "CONNECT\naccept-version:1.2\nhost:h\n\n\0";
    let receipt = format!("SEND\ndestination:/app/chat\nreceipt:{}\n\n\0", "r".repeat(1000));
    let pings = || frame(9, &[b'p'; 125]).repeat(500);
    let of = |name, again| Element::of(name, Vec::new(), again);
    let listed = json!([connect]).to_string();
    let session = format!("/ws/messageCenter/000/s{round}");
    let by_request =
        |transport: &str, body: &str| post(&format!("{session}/{transport}?access_token=password"), body);
    vec![
        of("control pings", pings()).on(client()).ends(End::Closed),
        of("control pings of a console", pings()).on(console("")).ends(End::Closed),
        of("empty control pings", frame(9, b"").repeat(10_000)).on(client()),
        of("control pongs", frame(10, &[b'p'; 125]).repeat(500)).on(client()),
        of("text pings", text(r#"{"type":"ping"}"#).repeat(1000)).on(client()),
        of("long text pings", text(&long)).on(client()),
        of("requests", ask(1001, b"").repeat(500)).on(client()),
        of("requests to follow one user", follow(&["7"]).repeat(500)).on(client()),
        of("requests to follow many users", follow(&many).repeat(4)).on(client()),
        of("texts of a console", text(r#"{"type":"ping","body":1}"#).repeat(1000)).on(console("")),
        Element::of("STOMP frames", text(connect), text(&receipt).repeat(50)).on(console("/websocket")),
        Element::of(
            "SockJS frames",
            text(&listed),
            text(&json!([receipt, receipt, receipt]).to_string()).repeat(20),
        )
        .on(console("/000/abcd1234/websocket")),
        Element {
            beside: by_request("xhr_streaming", ""),
            ..Element::of(
                "SockJS frames by request",
                by_request("xhr_send", &listed),
                by_request("xhr_send", &json!([receipt, receipt, receipt]).to_string()).repeat(20),
            )
        },
        of("control pings before a login", pings()).on(at("/websocket")).ends(End::Stuck),
        of("beats before a login", text("\n").repeat(1000)).on(at("/websocket")),
        of("request heads", "GET /health HTTP/1.1\r\nhost: h\r\n\r\n".repeat(1000).into()),
        Element::of("headers", b"GET /health HTTP/1.1\r\n".to_vec(), b"name: value\r\n".repeat(1000)),
        of("request bodies", post("/auth/parse_token", &"x".repeat(8_000))),
        Element::of(
            "endless bodies",
            b"POST /auth/parse_token HTTP/1.1\r\nhost: h\r\ntransfer-encoding: chunked\r\n\r\n".to_vec(),
            b"1\r\nx\r\n".repeat(1000),
        ),
        Element::of("pings of HTTP/2", PREFACE.to_vec(), frame2(6, 0, 0, &[0; 8]).repeat(1000)),
        Element::of("settings of HTTP/2", PREFACE.to_vec(), frame2(4, 0, 0, &[]).repeat(1000)),
        Element::of("requests of HTTP/2", PREFACE.to_vec(), requests2(20_000, |_| Vec::new())),
        Element::of(
            "requests of HTTP/2 that are taken back",
            PREFACE.to_vec(),
            requests2(20_000, |stream| frame2(3, 0, stream, &8_u32.to_be_bytes())),
        ),
    ]
}

/// A connection for which the kernel keeps little on the peer's side.
async fn narrow(server: &Server) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(1).unwrap();
    socket2::SockRef::from(&socket).set_tcp_mss(536).unwrap();
    socket.connect(server.address).await.unwrap()
}

async fn upgraded(server: &Server, upgrade: &Request) -> TcpStream {
    let mut connection = Connection::over(narrow(server).await, server.address);
    assert_eq!(connection.send(upgrade).await.unwrap().status, 101, "{upgrade:?}");
    connection.into_parts().0
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
    world: &World,
    element: &Element,
    reading: Reading,
) -> (End, usize, Vec<Duration>) {
    let mut tasks = JoinSet::new();
    let mut stream = match &element.upgrade {
        Some(upgrade) => upgraded(server, upgrade).await,
        None => narrow(server).await,
    };
    let mut unread = Vec::new();
    if !element.beside.is_empty() {
        let mut beside = narrow(server).await;
        beside.write_all(&element.beside).await.unwrap();
        // What comes after it takes the session that it opens.
        beside.readable().await.unwrap();
        match reading {
            Reading::Nothing => unread.push(beside),
            Reading::Slowly => drop(tasks.spawn(sip(beside))),
        }
    }
    stream.write_all(&element.first).await.unwrap();
    let (reads, mut stream) = stream.into_split();
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
        waits.push(status(world).await);
        let now = sent.load(Relaxed);
        still = if now == last { still + 1 } else { 0 };
        last = now;
    }
    // As many as tell something.
    while waits.len() < STUCK {
        waits.push(status(world).await);
    }
    let end = if flooding.is_finished() {
        flooding.await.unwrap().0
    } else {
        flooding.abort();
        End::Stuck
    };
    (end, sent.load(Relaxed), waits)
}

async fn status(world: &World) -> Duration {
    let asked = Instant::now();
    assert_eq!(world.platforms("honest").await.unwrap(), [5]);
    asked.elapsed()
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
    // Once, so that everything that is kept for good is there.
    for element in elements(&world, 0).await {
        honest.alive().await.unwrap();
        flooded(&server, &world, &element, Reading::Nothing).await;
    }
    let mut wrong = Vec::new();
    for (round, reading) in [Reading::Nothing, Reading::Slowly].into_iter().enumerate() {
        for element in elements(&world, 1 + round).await {
            // Any message keeps it.
            honest.alive().await.unwrap();
            let mut calm = Vec::new();
            for _ in 0..STUCK {
                calm.push(status(&world).await);
            }
            let (calm, calm_p99) = percentiles(calm);
            let (mut end, mut sent, mut waits, mut grown) = (End::Stuck, 0, Vec::new(), u64::MAX);
            // What the peer does not cause does not happen each time.
            for _ in 0..3 {
                let before = forget_peak(&server);
                (end, sent, waits) = flooded(&server, &world, &element, reading).await;
                grown = memory(&server, "VmHWM").saturating_sub(before);
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
            if grown >= GROWTH {
                wrong.push(format!("{}, read {reading:?}: memory grows by {grown} bytes", element.name));
            }
            // The flood takes its share of the machine; a server that waits for the peer takes seconds.
            if median > 20 * calm + Duration::from_millis(100) || p99 > 20 * calm_p99 + Duration::from_secs(1)
            {
                wrong.push(format!("{}: {calm:?} became {median:?}, p99 {p99:?}", element.name));
            }
            if reading == Reading::Nothing && element.ends.is_some_and(|wanted| wanted != end) {
                wrong.push(format!("{}: {end:?}", element.name));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    let figures = scrape(&server).await;
    // At least those that fill their account, in the first two rounds.
    assert!(figures["rollcall_closes_total{reason=\"too_slow\"}"] >= 4.0, "{figures:#?}");
    honest.alive().await.unwrap();
}
