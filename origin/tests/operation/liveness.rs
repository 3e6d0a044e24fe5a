//! Clients that are gone without a word, and clients that only seem to be.

use std::time::{Duration, Instant};

use rollcall_conformance::ws::Socket;

use crate::kit::Server;

/// The read deadline, and what may pass after it on a machine with nothing else to do.
const GONE: Duration = Duration::from_secs(30);
const LATE: Duration = Duration::from_secs(1);
const WATCHED: Duration = Duration::from_secs(36);
/// On a machine that is too busy to look in time.
const LONGEST: Duration = Duration::from_secs(70);

/// Reads on, so that control pings are answered; ends only with the socket.
async fn read_on(mut socket: Socket) {
    let event = socket.next().await;
    panic!("a client that is alive saw {event:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_frozen_client_is_gone_after_thirty_seconds_and_any_frame_keeps_one() {
    let home = tempfile::tempdir().unwrap();
    let server = Server::start(&home.path().join("data"), "");
    let world = server.world();
    let begun = Instant::now();
    // Nobody reads these two: not even the ping that a browser is sent would be answered.
    let _native = world.login("frozen-native", 2).await.unwrap();
    let _browser = world.login("frozen-browser", 5).await.unwrap();
    let (_, browser) = world.login("quiet-browser", 5).await.unwrap();
    let reading = tokio::spawn(read_on(browser));
    let (_, mut native) = world.login("pinging-native", 2).await.unwrap();
    let pinging = tokio::spawn(async move {
        loop {
            native.control_ping(b"").await.unwrap();
            tokio::time::sleep(GONE / 3).await;
        }
    });
    let mut ends = [None, None];
    // How late this test itself is: the longest time between two looks.
    let (mut looked, mut blind) = (begun, Duration::ZERO);
    while begun.elapsed() < WATCHED || (ends.contains(&None) && begun.elapsed() < LONGEST) {
        for (user, end) in ["frozen-native", "frozen-browser"].iter().zip(&mut ends) {
            if world.platforms(user).await.unwrap().is_empty() {
                end.get_or_insert(begun.elapsed());
            }
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
        blind = blind.max(looked.elapsed());
        looked = Instant::now();
    }
    println!("frozen clients were offline after {ends:?}, seen at least every {blind:?}");
    for end in ends {
        let end = end.expect("a frozen client is still online");
        assert!(end >= GONE && end <= GONE + LATE + 2 * blind, "{end:?}");
    }
    assert_eq!(world.platforms("quiet-browser").await.unwrap(), [5]);
    assert_eq!(world.platforms("pinging-native").await.unwrap(), [2]);
    assert!(!reading.is_finished() && !pinging.is_finished());
    reading.abort();
    pinging.abort();
}
