//! What is scraped is what happened.

use std::{collections::BTreeMap, time::Duration};

use rollcall_conformance::{
    http::{Connection, Request},
    ws::{Event, Handshake, Opening, upgrade},
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::Instant,
};

use crate::kit::{Server, scrape};

/// The bearer token `password`.
const STATIC: &str = "[[auth.tokens]]\nsha256 = '5e884898da28047151d0e56f8dc6292773603d0d6aabbdd62a11ef721d1542d8'\n\
                      user_id = 100\ntenant_id = 1\n";
const LISTEN: (&str, &str) = ("metrics_listen", "127.0.0.1:0");
const WITHIN: Duration = Duration::from_secs(60);

type Figures = BTreeMap<String, f64>;

/// The series of some metrics that are not 0.
fn of(figures: &Figures, metrics: &[&str]) -> Vec<(String, f64)> {
    let is_of = |series: &str| metrics.contains(&series.split('{').next().unwrap());
    figures
        .iter()
        .filter(|(series, figure)| is_of(series) && **figure != 0.0)
        .map(|(series, figure)| (series.clone(), *figure))
        .collect()
}

fn expected(series: &[(&str, f64)]) -> Vec<(String, f64)> {
    let mut all: Vec<_> = series.iter().map(|(series, figure)| ((*series).to_owned(), *figure)).collect();
    all.sort_by(|one, other| one.0.cmp(&other.0));
    all
}

/// Scrapes until these metrics are as expected: a client hears of its end before its server is done with it.
async fn until(server: &Server, metrics: &[&str], wanted: &[(&str, f64)]) {
    let (deadline, wanted) = (Instant::now() + WITHIN, expected(wanted));
    loop {
        let seen = of(&scrape(server).await, metrics);
        if seen == wanted {
            return;
        }
        // A scrape takes its time: there is nothing to wait for between two.
        assert!(Instant::now() < deadline, "{seen:#?}\nis not\n{wanted:#?}");
    }
}

#[tokio::test]
async fn connections_kicks_closes_and_refusals_are_counted_as_they_happened() {
    let home = tempfile::tempdir().unwrap();
    let server = Server::start_as(&home.path().join("data"), STATIC, &[LISTEN], "");
    let world = server.world();
    let live = ["rollcall_connections", "rollcall_users_online"];

    let (token, mut browser) = world.login("7", 5).await.unwrap();
    let handshake = Handshake::new("8", 1, &world.issue("8", 1).await.unwrap()).set("sdkType", "go").silent();
    let native = world.upgraded(&handshake).await.unwrap();
    let native_too = world.login("7", 1).await.unwrap().1;
    let console = upgrade("/ws/messageCenter?access_token=password", &[]);
    let Opening::Upgraded(console) = world.try_upgrade_with(&console).await.unwrap() else {
        panic!("refused")
    };
    let everybody = [
        ("rollcall_connections{platform=\"IOS\",protocol=\"gob\"}", 1.0),
        ("rollcall_connections{platform=\"IOS\",protocol=\"json\"}", 1.0),
        ("rollcall_connections{platform=\"Web\",protocol=\"json\"}", 1.0),
        ("rollcall_connections{platform=\"console\",protocol=\"text\"}", 1.0),
        ("rollcall_users_online", 3.0),
    ];
    until(&server, &live, &everybody).await;

    // Refused: no token of ours, a parameter too few, no token at all of a console's.
    for wrong in [Handshake::new("7", 5, "no token"), Handshake::new("7", 5, "no token").silent()] {
        world.refusal(&wrong).await.unwrap();
    }
    world.refusal(&Handshake::new("7", 5, &token).without("sendID")).await.unwrap();
    assert!(matches!(
        world.try_upgrade_with(&upgrade("/ws/messageCenter", &[])).await.unwrap(),
        Opening::Refused(response) if response.status == 401
    ));

    // A login that takes the place of another, an order, a goodbye and a loss.
    let fresh = world.issue("7", 5).await.unwrap();
    let mut second = world.open("7", 5, &fresh).await.unwrap();
    browser.kicked().await.unwrap();
    world.force_logout("7", 5).await.unwrap();
    second.kicked().await.unwrap();
    native.close().await.unwrap();
    drop(native_too);

    let happened = [
        ("rollcall_connects_total{protocol=\"gob\"}", 1.0),
        ("rollcall_connects_total{protocol=\"json\"}", 3.0),
        ("rollcall_connects_total{protocol=\"text\"}", 1.0),
        ("rollcall_kicks_total{cause=\"login\"}", 1.0),
        ("rollcall_kicks_total{cause=\"order\"}", 1.0),
        ("rollcall_closes_total{reason=\"client_close\"}", 1.0),
        ("rollcall_closes_total{reason=\"connection_lost\"}", 1.0),
        ("rollcall_closes_total{reason=\"kicked\"}", 2.0),
        ("rollcall_handshake_failures_total{code=\"1503\"}", 2.0),
        ("rollcall_handshake_failures_total{code=\"1602\"}", 1.0),
        ("rollcall_handshake_failures_total{code=\"unauthorized\"}", 1.0),
        ("rollcall_connections{platform=\"console\",protocol=\"text\"}", 1.0),
        ("rollcall_users_online", 1.0),
    ];
    let metrics = [
        "rollcall_connects_total",
        "rollcall_kicks_total",
        "rollcall_closes_total",
        "rollcall_handshake_failures_total",
        "rollcall_dropped_messages_total",
        "rollcall_connections",
        "rollcall_users_online",
    ];
    until(&server, &metrics, &happened).await;
    drop(console);
}

#[tokio::test]
async fn requests_are_measured_by_the_template_of_their_route_and_commits_by_what_callers_wait() {
    let home = tempfile::tempdir().unwrap();
    let server = Server::start_with(&home.path().join("data"), &[LISTEN]);
    let mut client = Connection::open(server.address).await.unwrap();
    let before = scrape(&server).await;
    let begun = Instant::now();
    for (target, times) in
        [("/health", 3), ("/api/v1/message/center/online/12345?a=b", 2), ("/no/such/12345", 2)]
    {
        for _ in 0..times {
            client.send(&Request::new("GET", target)).await.unwrap();
        }
    }
    let after = scrape(&server).await;
    let count = "rollcall_request_duration_seconds_count";
    let requests = [
        ("rollcall_request_duration_seconds_count{route=\"/health\",status=\"200\"}", 3.0),
        (
            "rollcall_request_duration_seconds_count{route=\"/api/v1/message/center/online/{userId}\",\
             status=\"401\"}",
            2.0,
        ),
        ("rollcall_request_duration_seconds_count{route=\"none\",status=\"404\"}", 2.0),
    ];
    assert_eq!(of(&after, &[count]), expected(&requests));
    assert!(after.keys().all(|series| !series.contains("12345")), "{after:#?}");
    let seconds: f64 =
        of(&after, &["rollcall_request_duration_seconds_sum"]).iter().map(|(_, sum)| sum).sum();
    assert!(seconds > 0.0 && seconds < begun.elapsed().as_secs_f64(), "{seconds} s for 7 requests");

    server.world().issue("7", 5).await.unwrap();
    let commits = |figures: &Figures| figures["rollcall_store_commit_duration_seconds_count"];
    let (before, after) = (commits(&before), commits(&scrape(&server).await));
    // The administrator's token and the user's.
    assert!(after - before >= 2.0, "{before} commits became {after}");
    assert_eq!(scrape(&server).await["rollcall_store_queue_commits"], 0.0);
    assert_eq!(scrape(&server).await["rollcall_store_commit_failures_total"], 0.0);
}

#[tokio::test]
async fn tcp_connections_are_counted_in_and_out_and_rejected_ones_apart() {
    let home = tempfile::tempdir().unwrap();
    let server = Server::start_with(&home.path().join("data"), &[LISTEN, ("max_connections", "3")]);
    let mut kept = Vec::new();
    for _ in 0..3 {
        let mut connection = Connection::open(server.address).await.unwrap();
        assert_eq!(connection.send(&Request::new("GET", "/health")).await.unwrap().status, 200);
        kept.push(connection);
    }
    let mut refused = Vec::new();
    TcpStream::connect(server.address).await.unwrap().read_to_end(&mut refused).await.unwrap();
    let metrics = ["rollcall_tcp_connections", "rollcall_tcp_accepted_total", "rollcall_tcp_rejected_total"];
    let full = [
        ("rollcall_tcp_connections", 3.0),
        ("rollcall_tcp_accepted_total", 3.0),
        ("rollcall_tcp_rejected_total{bound=\"all\"}", 1.0),
    ];
    until(&server, &metrics, &full).await;
    drop(kept);
    until(&server, &metrics, &full[1..]).await;
}

#[tokio::test]
async fn the_metrics_port_serves_nothing_else_and_nobody_holds_its_places() {
    let home = tempfile::tempdir().unwrap();
    let server = Server::start_with(&home.path().join("data"), &[LISTEN]);
    let address = server.metrics.unwrap();
    for (method, target, status) in
        [("GET", "/", 404), ("GET", "/health", 404), ("GET", "/metrics/", 404), ("POST", "/metrics", 405)]
    {
        let mut connection = Connection::open(address).await.unwrap();
        let response = connection.send(&Request::new(method, target)).await.unwrap();
        assert_eq!(response.status, status, "{method} {target}");
    }
    let mut elsewhere = Connection::open(server.address).await.unwrap();
    assert_eq!(elsewhere.send(&Request::new("GET", "/metrics")).await.unwrap().status, 404);

    let begun = Instant::now();
    let mut silent = Vec::new();
    for _ in 0..9 {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(b"GET /metrics HTTP/1.1\r\n").await.unwrap();
        silent.push(stream);
    }
    scrape(&server).await;
    println!("scraped {:?} after 9 clients that never asked whole", begun.elapsed());
    assert!(begun.elapsed() < WITHIN, "{:?}", begun.elapsed());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_drain_can_be_watched_to_its_end() {
    let home = tempfile::tempdir().unwrap();
    let server = Server::start_with(&home.path().join("data"), &[LISTEN, ("drain_seconds", "2")]);
    let world = server.world();
    let mut sockets = Vec::new();
    for user in ["7", "8", "9", "10"] {
        sockets.push(world.login(user, 5).await.unwrap().1);
    }
    server.signal(rustix::process::Signal::TERM);
    for (socket, gone) in sockets.iter_mut().take(2).zip(1..) {
        assert!(matches!(socket.next().await, Event::Closed { code: Some(1012), .. }));
        let figures = scrape(&server).await;
        assert!(figures["rollcall_closes_total{reason=\"draining\"}"] >= f64::from(gone), "{figures:#?}");
    }
    let metrics = server.metrics.unwrap();
    for socket in sockets.iter_mut().skip(2) {
        assert!(matches!(socket.next().await, Event::Closed { code: Some(1012), .. }));
    }
    assert!(server.ended().await.success());
    assert!(TcpStream::connect(metrics).await.is_err());
}

#[tokio::test]
async fn without_a_port_for_them_nothing_is_served() {
    let home = tempfile::tempdir().unwrap();
    let server = Server::start(&home.path().join("data"), "");
    assert_eq!(server.metrics, None);
    let mut connection = Connection::open(server.address).await.unwrap();
    assert_eq!(connection.send(&Request::new("GET", "/metrics")).await.unwrap().status, 404);
}
