//! SockJS over requests: `docs/rules/message-center.md#fallbacks`.

use std::time::Duration;

use rollcall_conformance::http::{Request, Response};
use serde_json::json;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::timeout,
};

use crate::{
    consoles::{OTHER, SOCKET, USER, ask, key, online, server, take_off, text, until_online},
    kit::Server,
};

const CONNECT: &str = "CONNECT\naccept-version:1.2\nheart-beat:0,0\n\n\0";
const SUBSCRIBE: &str = "SUBSCRIBE\nid:s\ndestination:/user/queue/messages\nreceipt:r\n\n\0";

fn request(session: &str, transport: &str, token: &str) -> Request {
    Request::new("POST", &format!("{SOCKET}/000/{session}/{transport}?access_token={token}&deviceId=d"))
}

async fn poll(server: &Server, session: &str) -> Response {
    ask(server, &request(session, "xhr", USER)).await
}

async fn send(server: &Server, session: &str, frames: &[&str]) -> Response {
    let body = serde_json::to_string(frames).unwrap();
    ask(server, &request(session, "xhr_send", USER).header("Content-Type", "text/plain").body(body)).await
}

/// A streamed answer.
struct Stream {
    tcp: TcpStream,
    read: String,
}

impl Stream {
    async fn open(server: &Server, session: &str) -> Self {
        let mut tcp = TcpStream::connect(server.address).await.unwrap();
        let head = request(session, "xhr_streaming", USER).head("localhost");
        tcp.write_all(&head).await.unwrap();
        Self { tcp, read: String::new() }
    }

    /// Reads until this has come.
    async fn until(&mut self, wanted: &str) {
        let reading = async {
            while !self.read.contains(wanted) {
                let mut bytes = vec![0; 64 << 10];
                let count = self.tcp.read(&mut bytes).await.unwrap();
                assert!(count > 0, "the answer ended before {wanted:?}: {}", self.read);
                self.read.push_str(std::str::from_utf8(&bytes[..count]).unwrap());
            }
        };
        timeout(Duration::from_secs(60), reading).await.unwrap_or_else(|_| panic!("{wanted:?} never came"));
    }
}

#[tokio::test]
async fn a_conversation_by_polling_ends_with_the_order_that_ends_it() {
    let home = tempfile::tempdir().unwrap();
    let server = server(&home, &[]);
    let world = server.world();
    let first = poll(&server, "a").await;
    assert_eq!((first.status, text(&first)), (200, "o\n"));
    assert_eq!(first.header("content-type").unwrap(), "application/javascript; charset=UTF-8");
    assert!(first.header("cache-control").unwrap().contains("no-store"));
    assert_eq!(online(&world, 101).await, 1, "a console like any other");

    let (polled, sent) = tokio::join!(poll(&server, "a"), send(&server, "a", &[CONNECT]));
    assert_eq!((sent.status, text(&sent)), (204, ""));
    assert!(text(&polled).starts_with("a[\"CONNECTED\\nversion:1.2\\n"), "{}", text(&polled));
    assert_eq!(send(&server, "a", &[SUBSCRIBE]).await.status, 204);
    assert!(text(&poll(&server, "a").await).starts_with("a[\"RECEIPT\\n"));

    let (polled, ()) = tokio::join!(poll(&server, "a"), take_off(&world, 101));
    let mut lines: Vec<String> = text(&polled).lines().map(str::to_owned).collect();
    if lines.len() == 1 {
        // The order was quicker than the request.
        lines.extend(text(&poll(&server, "a").await).lines().map(str::to_owned));
    }
    let [message, close] = lines.as_slice() else { panic!("{lines:?}") };
    assert!(message.starts_with("a[\"MESSAGE\\n") && message.contains("forced_offline"), "{message}");
    assert_eq!(close, r#"c[4001,"forced_offline"]"#);
    assert_eq!(online(&world, 101).await, 0);
    // Its name stays taken for a moment, and says the same.
    assert_eq!(text(&poll(&server, "a").await), "c[4001,\"forced_offline\"]\n");
    assert_eq!(send(&server, "a", &[CONNECT]).await.status, 404);
    // The token is dead for a new one.
    let refused = poll(&server, "b").await;
    assert_eq!((refused.status, key(&refused).as_str()), (401, "invalid_token"));
}

#[tokio::test]
async fn a_streamed_answer_has_a_prelude_and_an_end_and_the_next_one_goes_on() {
    let home = tempfile::tempdir().unwrap();
    let server = server(&home, &[]);
    let world = server.world();
    let mut stream = Stream::open(&server, "a").await;
    stream.until("o\n").await;
    assert!(stream.read.contains(&format!("{}\n", "h".repeat(2048))), "no prelude");
    assert_eq!(send(&server, "a", &[CONNECT]).await.status, 204);
    stream.until("CONNECTED").await;
    // One receiver at a time.
    assert_eq!(text(&poll(&server, "a").await), "c[2010,\"Another connection still open\"]\n");

    let long = format!("ACK\nreceipt:{}\n\n\0", "x".repeat(7000));
    for _ in 0..3 {
        assert_eq!(send(&server, "a", &[long.as_str(); 7]).await.status, 204);
    }
    // The last chunk.
    stream.until("\r\n0\r\n\r\n").await;
    assert!(stream.read.len() >= 128 * 1024, "{}", stream.read.len());
    let mut next = Stream::open(&server, "a").await;
    assert_eq!(send(&server, "a", &[SUBSCRIBE]).await.status, 204);
    next.until("RECEIPT\\nreceipt-id:r").await;
    assert!(!next.read.contains("\no\n"));
    assert_eq!(online(&world, 101).await, 1);

    // A client that leaves is gone at once, and its session with it.
    drop(next);
    until_online(&world, 101, 0).await;
    assert_eq!(text(&poll(&server, "a").await), "c[1002,\"Connection interrupted\"]\n");
}

#[tokio::test]
async fn a_session_without_a_receiver_ends() {
    let home = tempfile::tempdir().unwrap();
    let server = server(&home, &[]);
    let world = server.world();
    assert_eq!(text(&poll(&server, "a").await), "o\n");
    assert_eq!(online(&world, 101).await, 1);
    until_online(&world, 101, 0).await;
    assert_eq!(send(&server, "a", &[CONNECT]).await.status, 404);
}

#[tokio::test]
async fn the_name_of_a_session_proves_nothing_and_rubbish_does_no_harm() {
    let home = tempfile::tempdir().unwrap();
    let server = server(&home, &[]);
    let world = server.world();
    assert_eq!(text(&poll(&server, "a").await), "o\n");
    for transport in ["xhr", "xhr_streaming", "xhr_send"] {
        let path = format!("{SOCKET}/000/a/{transport}");
        let refused = ask(&server, &Request::new("POST", &path).body("[]")).await;
        assert_eq!((refused.status, key(&refused).as_str()), (401, "unauthorized"), "{transport}");
        let dotted = ask(&server, &request("a.b", transport, USER)).await;
        assert_eq!(dotted.status, 404, "{transport}");
    }
    let bad = ask(&server, &request("a", "xhr", "bad")).await;
    assert_eq!((bad.status, key(&bad).as_str()), (401, "invalid_token"));
    let stolen = request("a", "xhr_send", OTHER).body(json!([CONNECT]).to_string());
    assert_eq!(ask(&server, &stolen).await.status, 404, "another user's token");
    assert_eq!(text(&ask(&server, &request("a", "xhr", OTHER)).await), "o\n", "a session of its own");
    until_online(&world, 102, 1).await;

    let big = format!("[{:?}]", "x".repeat(60_000));
    let [most, many] = [1_000, 1_001].map(|count| serde_json::to_string(&vec![""; count]).unwrap());
    for (body, status, answer) in [
        ("", 500, "Payload expected.\n"),
        ("[\"x", 500, "Broken JSON encoding.\n"),
        ("{}", 500, "Broken JSON encoding.\n"),
        (big.as_str(), 413, "Payload too large.\n"),
        (many.as_str(), 413, "Payload too large.\n"),
        (most.as_str(), 204, ""),
        ("[]", 204, ""),
    ] {
        let sent = ask(&server, &request("a", "xhr_send", USER).body(body)).await;
        assert_eq!((sent.status, text(&sent)), (status, answer), "{}", &body[..body.len().min(9)]);
    }
    assert_eq!(send(&server, "a", &[CONNECT]).await.status, 204);
    assert!(text(&poll(&server, "a").await).starts_with("a[\"CONNECTED"));

    // What waits for a client that does not come for it is bounded.
    let long = format!("ACK\nreceipt:{}\n\n\0", "x".repeat(7000));
    let mut statuses = Vec::new();
    for _ in 0..8 {
        statuses.push(send(&server, "a", &[long.as_str(); 7]).await.status);
    }
    assert_eq!(statuses.first(), Some(&204));
    assert_eq!(statuses.last(), Some(&404), "{statuses:?}");
    assert_eq!(text(&poll(&server, "a").await), "c[1008,\"too slow\"]\n");
}

#[tokio::test]
async fn openings_are_handshakes_and_the_end_of_the_process_is_told() {
    let home = tempfile::tempdir().unwrap();
    let limited = [
        ("ROLLCALL__LIMITS__HANDSHAKES_PER_MINUTE", "2"),
        ("allowed_origins", "https://console.example.test"),
        ("drain_seconds", "0"),
    ];
    let server = server(&home, &limited);
    let world = server.world();
    let page = |origin: &str| request("p", "xhr", USER).header("Origin", origin);
    assert_eq!(ask(&server, &page("https://evil.example.test")).await.status, 403);
    let answer = ask(&server, &page("https://console.example.test")).await;
    assert_eq!(text(&answer), "o\n");
    let name = "access-control-allow-credentials";
    assert_eq!(answer.header(name).as_deref(), Some("true"));
    let refused = poll(&server, "q").await;
    assert_eq!((refused.status, key(&refused).as_str()), (429, "too_many_requests"));
    let mut stream = Stream::open(&server, "p").await;
    assert_eq!(send(&server, "p", &[CONNECT]).await.status, 204);
    stream.until("CONNECTED").await;
    assert_eq!(online(&world, 101).await, 1);
    server.signal(rustix::process::Signal::TERM);
    stream.until("c[1012,\"draining\"]\n").await;
    assert!(server.ended().await.success());
}
