//! What cannot be made durable does not happen: no frame, no close, an error, and everything as it was.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    unreachable_pub,
    missing_docs,
    dead_code,
    reason = "a test"
)]

mod kit;

use kit::Server;
use rollcall_conformance::world::{FORCE_LOGOUT, USER_TOKEN};
use rusqlite::Connection;
use serde_json::json;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_commit_that_fails_changes_nothing_and_tells_nobody() {
    let home = tempfile::tempdir().unwrap();
    let data_dir = home.path().join("data");
    let server = Server::start(&data_dir, "");
    let world = server.world();
    let token = world.issue("7", 5).await.unwrap();
    let mut socket = world.open("7", 5, &token).await.unwrap();
    let before = world.status("7").await.unwrap();

    // Another writer holds the database: every commit of the server fails once its patience is over.
    let intruder = Connection::open(data_dir.join("rollcall.sqlite3")).unwrap();
    intruder.execute_batch("BEGIN IMMEDIATE").unwrap();
    for (path, platform) in [(FORCE_LOGOUT, 5), (USER_TOKEN, 5), (USER_TOKEN, 2)] {
        let answer = world.as_admin(path, &json!({"userID": "7", "platformID": platform})).await.unwrap();
        assert_eq!(answer.envelope_with(500).unwrap().code(), 500, "{path}");
    }
    // A login that would be recorded is refused too, and replaces nobody.
    let refused =
        world.knock(&rollcall_conformance::ws::Handshake::new("7", 5, &token).silent()).await.unwrap();
    assert!(matches!(refused, rollcall_conformance::ws::Opening::Refused(_)));
    assert_eq!(world.status("7").await.unwrap(), before);
    assert_eq!(world.verdict(&token).await.unwrap(), 0);
    // Alive, and nothing was sent: the next thing it reads is the answer to its own ping.
    socket.alive().await.unwrap();

    intruder.execute_batch("ROLLBACK").unwrap();
    world.force_logout("7", 5).await.unwrap();
    socket.kicked().await.unwrap();
    assert_eq!(world.verdict(&token).await.unwrap(), 1506);
    assert!(world.status("7").await.unwrap().connections.is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_leaves_while_nothing_can_be_written_is_no_ghost() {
    let home = tempfile::tempdir().unwrap();
    let data_dir = home.path().join("data");
    let server = Server::start(&data_dir, "");
    let world = server.world();
    let token = world.issue("7", 5).await.unwrap();
    let socket = world.open("7", 5, &token).await.unwrap();
    let intruder = Connection::open(data_dir.join("rollcall.sqlite3")).unwrap();
    intruder.execute_batch("BEGIN IMMEDIATE").unwrap();
    socket.close().await.unwrap();
    // The commit of its end is being refused meanwhile; nobody may see it for longer than one try takes.
    let deadline = tokio::time::Instant::now() + std::time::Duration::from_secs(5);
    while !world.status("7").await.unwrap().connections.is_empty() {
        assert!(tokio::time::Instant::now() < deadline, "a ghost");
    }
    intruder.execute_batch("ROLLBACK").unwrap();
    // Its end becomes durable as soon as it can, and the user comes back as if nothing had been.
    let _again = world.open("7", 5, &token).await.unwrap();
    assert_eq!(world.platforms("7").await.unwrap(), [5]);
}
