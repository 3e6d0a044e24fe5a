//! Descriptors of sockets that are gone.

use std::time::Duration;

use rollcall_conformance::{
    http::{Connection, Request},
    ws::Handshake,
};
use tokio::time::Instant;

use crate::kit::Server;

const CHURN: usize = 200;
const KEPT: usize = 7;
const WITHIN: Duration = Duration::from_secs(60);

#[tokio::test]
async fn after_a_churn_the_descriptors_are_those_of_the_live_sockets() {
    let home = tempfile::tempdir().unwrap();
    let server = Server::start(&home.path().join("data"), "");
    let world = server.world();
    let token = world.issue("7", 5).await.unwrap();
    let other = world.issue("8", 5).await.unwrap();
    // Everything that is opened once is open from here on.
    world.open("7", 5, &token).await.unwrap().close().await.unwrap();
    let mut control = Connection::open(server.address).await.unwrap();
    let open = || std::fs::read_dir(format!("/proc/{}/fd", server.pid())).unwrap().count();
    settled(&mut control, &open, None).await;
    let constant = open();

    for n in 0..CHURN {
        match n % 4 {
            0 => world.open("7", 5, &token).await.unwrap().close().await.unwrap(),
            // Gone without a goodbye; of another user, or they would connect too often.
            1 => drop(world.open("8", 5, &other).await.unwrap()),
            // Refused.
            2 => drop(world.try_upgrade(&Handshake::new("7", 5, "no token")).await.unwrap()),
            // Never asked anything.
            _ => drop(Connection::open(server.address).await.unwrap()),
        }
    }
    let mut kept = Vec::new();
    for n in 0..KEPT {
        kept.push(world.login(&format!("kept-{n}"), 5).await.unwrap());
    }
    settled(&mut control, &open, Some(constant + KEPT)).await;
    for (_, socket) in &mut kept {
        socket.alive().await.unwrap();
    }
    drop(kept);
    settled(&mut control, &open, Some(constant)).await;
}

/// Waits, a request at a time, until as many descriptors are open; without a number, until their number has stayed the
/// same for 200 requests.
async fn settled(control: &mut Connection, open: &impl Fn() -> usize, wanted: Option<usize>) {
    let deadline = Instant::now() + WITHIN;
    let (mut last, mut same) = (0, 0);
    loop {
        assert_eq!(control.send(&Request::new("GET", "/health")).await.unwrap().status, 200);
        let now = open();
        same = if now == last { same + 1 } else { 0 };
        last = now;
        match wanted {
            Some(wanted) if now == wanted => return,
            None if same == 200 => return,
            _ => assert!(Instant::now() < deadline, "{now} descriptors, {wanted:?} wanted"),
        }
    }
}
