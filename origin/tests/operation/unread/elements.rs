//! The elements of the protocols, as a peer sends them without end.

use std::io::Write as _;

use flate2::{Compression, write::GzEncoder};
use rollcall_conformance::{
    http::Request,
    proto, vectors,
    world::World,
    ws::{Handshake, request, upgrade},
};
use serde_json::json;

use super::End;

/// The connection preface of HTTP/2, with empty settings.
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";

/// An element of a protocol, sent without end.
pub(super) struct Element {
    pub(super) name: &'static str,
    /// The upgrade, where it is one of a socket's.
    pub(super) upgrade: Option<Request>,
    /// Sent once, on a connection of its own.
    pub(super) beside: Vec<u8>,
    /// Sent once.
    pub(super) first: Vec<u8>,
    /// Sent again and again.
    pub(super) again: Vec<u8>,
    /// How it must end with a peer that reads nothing, once more is sent than the kernel takes. Where its answers wait in the
    /// connection's account, the server reads on and closes it; answers that are in no account are written before more is read.
    pub(super) ends: Option<End>,
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

fn zipped(message: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(message).unwrap();
    frame(2, &encoder.finish().unwrap())
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

/// The elements of a client's socket: JSON, gob, and both compressed.
pub(super) async fn elements_of_clients(world: &World) -> Vec<Element> {
    let token = world.issue("peer", 5).await.unwrap();
    let client = || Handshake::new("peer", 5, &token).request();
    // The user of the published message.
    let token_of_gob = world.issue("u1", 5).await.unwrap();
    let gob = || Handshake::new("u1", 5, &token_of_gob).set("sdkType", "go");
    let message = vectors::load().unwrap().gob("G1").unwrap();
    let json = request(1001, "peer", None).to_string();
    let many: Vec<String> = (0..100).map(|n| n.to_string()).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    let follow = |users: &[&str]| ask(2005, &proto::subscription(users, &[]));
    let long = json!({"type": "ping", "body": "x".repeat(40_000)}).to_string();
    let background = [true, false].map(|is| ask(2004, &proto::background_status("peer", is))).concat();
    let of = |name, again| Element::of(name, Vec::new(), again);
    vec![
        of("control pings", pings()).on(client()).ends(End::Closed),
        of("empty control pings", frame(9, b"").repeat(10_000)).on(client()),
        of("control pongs", frame(10, &[b'p'; 125]).repeat(500)).on(client()),
        of("text pings", text(r#"{"type":"ping"}"#).repeat(1000)).on(client()),
        of("long text pings", text(&long)).on(client()),
        of("requests", ask(1001, b"").repeat(500)).on(client()),
        of("compressed requests", zipped(json.as_bytes()).repeat(500))
            .on(Handshake::new("peer", 5, &token).set("compression", "gzip").request()),
        of("gob requests", frame(2, &message).repeat(500)).on(gob().request()),
        of("compressed gob requests", zipped(&message).repeat(500))
            .on(gob().set("compression", "gzip").request()),
        of("requests to be in the background and back", background.repeat(250)).on(client()),
        of("requests to follow one user", follow(&["7"]).repeat(500)).on(client()),
        of("requests to follow many users", follow(&many).repeat(4)).on(client()),
    ]
}

fn pings() -> Vec<u8> {
    frame(9, &[b'p'; 125]).repeat(500)
}

/// The elements of HTTP/1.1.
pub(super) fn elements_of_http1() -> Vec<Element> {
    vec![
        Element::of(
            "request heads",
            Vec::new(),
            "GET /health HTTP/1.1\r\nhost: h\r\n\r\n".repeat(1000).into(),
        ),
        Element::of("headers", b"GET /health HTTP/1.1\r\n".to_vec(), b"name: value\r\n".repeat(1000)),
        Element::of("request bodies", Vec::new(), post("/auth/parse_token", &"x".repeat(8_000))),
        Element::of(
            "endless bodies",
            b"POST /auth/parse_token HTTP/1.1\r\nhost: h\r\ntransfer-encoding: chunked\r\n\r\n".to_vec(),
            b"1\r\nx\r\n".repeat(1000),
        ),
    ]
}

/// The elements of HTTP/2.
fn elements_of_http2() -> Vec<Element> {
    vec![
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

/// Every element: of the sockets' protocols, and of HTTP. `round` names what is used once.
pub(super) async fn elements(world: &World, round: usize) -> Vec<Element> {
    let mut all = elements_of_clients(world).await;
    let at = |path: &str| upgrade(&format!("/ws/messageCenter{path}"), &[]);
    let console = |path: &str| at(&format!("{path}?access_token=password"));
    let connect = "CONNECT\naccept-version:1.2\nhost:h\n\n\0";
    let receipt = format!("SEND\ndestination:/app/chat\nreceipt:{}\n\n\0", "r".repeat(1000));
    let of = |name, again| Element::of(name, Vec::new(), again);
    let listed = json!([connect]).to_string();
    let session = format!("/ws/messageCenter/000/s{round}");
    let by_request =
        |transport: &str, body: &str| post(&format!("{session}/{transport}?access_token=password"), body);
    let polled =
        |transport: &str, body: &str| post(&format!("{session}p/{transport}?access_token=password"), body);
    all.extend([
        of("control pings of a console", pings()).on(console("")).ends(End::Closed),
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
        Element::of(
            "polls of SockJS",
            [polled("xhr", ""), polled("xhr_send", &listed), polled("xhr", "")].concat(),
            [polled("xhr_send", &json!([receipt]).to_string()), polled("xhr", "")].concat().repeat(20),
        ),
        of("control pings before a login", pings()).on(at("/websocket")).ends(End::Stuck),
        of("beats before a login", text("\n").repeat(1000)).on(at("/websocket")),
    ]);
    all.extend(elements_of_http1());
    all.extend(elements_of_http2());
    all
}
