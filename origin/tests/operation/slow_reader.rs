//! A client that no longer takes what others' doings send it.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use rollcall_conformance::{
    http::Connection,
    proto,
    world::World,
    ws::{Event, Handshake, Opening, Socket},
};
use tokio::{net::TcpSocket, task::JoinSet};

use crate::{
    kit::{Server, UNPACED, scrape},
    memory::{forget_peak, memory},
};

const FOLLOWED: usize = 16;
/// A little less than how long a client may be silent: its last message came before the first push.
const READ_DEADLINE: Duration = Duration::from_secs(28);
/// Pushes to somebody else before the client follows anybody.
const WARM: usize = 1_000;
/// What the server's memory may have grown by when it is closed, in bytes. The comings and goings that it is told of take some of it.
const GROWTH: u64 = 2 << 20;
/// The most that may be sent before it is closed.
const EVENTS: usize = 10_000;

async fn follow(socket: &mut Socket, user: &str, followed: &[String]) {
    let all: Vec<&str> = followed.iter().map(String::as_str).collect();
    let answer = socket.ask(2005, user, Some(&proto::subscription(&all, &[]))).await.unwrap();
    assert_eq!(answer["errCode"], 0, "{answer}");
}

/// A socket for which the kernel, on both sides, takes hardly anything that is not read: by default it is some megabytes on
/// the loopback, whose segments are large.
async fn narrow(server: &Server, world: &World, user: &str) -> Socket {
    let token = world.issue(user, 5).await.unwrap();
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(1).unwrap();
    socket2::SockRef::from(&socket).set_tcp_mss(536).unwrap();
    let connection = Connection::over(socket.connect(server.address).await.unwrap(), server.address);
    match world.try_upgrade_over(connection, &Handshake::new(user, 5, &token)).await.unwrap() {
        Opening::Upgraded(mut socket) => {
            socket.text().await.unwrap();
            *socket
        }
        Opening::Refused(response) => panic!("refused: {}", response.status),
    }
}

/// Whether the slow client is online, and how long the answer took.
async fn status(world: &World) -> (bool, Duration) {
    let asked = Instant::now();
    let platforms = world.platforms("slow").await.unwrap();
    (!platforms.is_empty(), asked.elapsed())
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times[times.len() / 2]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_does_not_read_what_it_is_pushed_is_closed_and_holds_up_nobody() {
    let home = tempfile::tempdir().unwrap();
    let server =
        Server::start_as(&home.path().join("data"), UNPACED, &[("metrics_listen", "127.0.0.1:0")], "");
    let world = server.world();
    // Long names, so that few events fill much.
    let followed: Vec<String> = (0..FOLLOWED).map(|n| format!("{n}-{}", "s".repeat(240))).collect();
    let mut slow = narrow(&server, &world, "slow").await;
    let (_, mut honest) = world.login("honest", 5).await.unwrap();
    follow(&mut honest, "honest", &followed).await;

    let mut calm = Vec::new();
    for _ in 0..50 {
        calm.push(status(&world).await.1);
    }

    let (pushed, over) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicBool::new(false)));
    let listening = tokio::spawn({
        let (pushed, over) = (pushed.clone(), over.clone());
        async move {
            while !over.load(Relaxed) {
                let event = honest.next().await;
                assert!(matches!(event, Event::Binary(_)), "{event:?}");
                pushed.fetch_add(1, Relaxed);
            }
            honest
        }
    });
    let mut moving = JoinSet::new();
    for user in followed.clone() {
        let (world, over) = (server.world(), over.clone());
        moving.spawn(async move {
            let token = world.issue(&user, 2).await.unwrap();
            while !over.load(Relaxed) {
                world.open(&user, 2, &token).await.unwrap().close().await.unwrap();
            }
        });
    }

    // Until everything that is kept for good is there.
    while pushed.load(Relaxed) < WARM {
        assert!(status(&world).await.0);
        slow.alive().await.unwrap();
    }
    follow(&mut slow, "slow", &followed).await;
    let before = forget_peak(&server);
    pushed.store(0, Relaxed);
    let begun = Instant::now();
    let mut meanwhile = Vec::new();
    let closed_after = loop {
        let (online, took) = status(&world).await;
        meanwhile.push(took);
        let sent = pushed.load(Relaxed);
        if !online {
            println!("closed after {sent} pushes and {:?}", begun.elapsed());
            break begun.elapsed();
        }
        assert!(sent < EVENTS, "{sent} pushes wait for a client that reads none");
    };
    let grown = memory(&server, "VmHWM").saturating_sub(before);
    println!("memory grew by {} KiB", grown >> 10);
    assert!(grown < GROWTH, "memory grew by {grown} bytes");
    let (calm, meanwhile) = (median(calm), median(meanwhile));
    println!("a status took {calm:?} before and {meanwhile:?} meanwhile");
    // The load takes its share; a server that waits for the slow client takes seconds.
    assert!(meanwhile < 20 * calm + Duration::from_millis(100), "{calm:?} became {meanwhile:?}");

    let figures = scrape(&server).await;
    let closed = |reason| figures[&format!("rollcall_closes_total{{reason=\"{reason}\"}}")];
    // A full queue holds more than 256 pushes, since a push is less than 1 KiB.
    let is_full = closed("too_slow") == 1.0 && figures["rollcall_dropped_messages_total"] > 256.0;
    // On a machine that is too slow to fill it, the read deadline ends the silent client first.
    let is_silent = closed_after > READ_DEADLINE && closed("too_slow") + closed("idle_timeout") == 1.0;
    assert!(is_full || is_silent, "{closed_after:?}: {figures:#?}");

    over.store(true, Relaxed);
    while let Some(moved) = moving.join_next().await {
        moved.unwrap();
    }
    // One more push, so that who waits for it sees that it is over.
    let _last = world.login(&followed[0], 2).await.unwrap();
    let mut honest = listening.await.unwrap();
    honest.send_text(r#"{"type":"ping"}"#).await.unwrap();
    loop {
        match honest.next().await {
            Event::Binary(_) => {}
            Event::Text(pong) => break assert!(pong.contains("pong"), "{pong}"),
            other => panic!("{other:?}"),
        }
    }
    drop(slow);
    world.login("slow", 5).await.unwrap().1.alive().await.unwrap();
}
