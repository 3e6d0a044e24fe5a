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

use std::{
    path::{Path, PathBuf},
    process::Command,
    time::{Duration, Instant},
};

use kit::Server;
use rollcall_conformance::{
    console::api::OFF,
    http::Request,
    world::{FORCE_LOGOUT, USER_TOKEN, World},
};
use rusqlite::Connection;
use rustix::process::{Pid, Resource, Rlimit, Signal, prlimit};
use serde_json::json;

const HEALTHY: (u16, &str) = (200, r#"{"status":"ok"}"#);
const DEGRADED: (u16, &str) = (503, r#"{"status":"degraded"}"#);

async fn health(world: &World) -> (u16, String) {
    ask(world, "/health").await
}

async fn ask(world: &World, target: &str) -> (u16, String) {
    let answer = world.send(&Request::new("GET", target)).await.unwrap().response;
    (answer.status, String::from_utf8(answer.body).unwrap())
}

const DEEP: &str = "/health?deep=1";

/// There is a probe a second, each of which may wait a second for a lock; a busy machine takes its time.
const WITHIN: Duration = Duration::from_secs(60);

/// Of another process there is nothing to await.
async fn until(what: &str, holds: impl AsyncFn() -> bool) {
    let deadline = Instant::now() + WITHIN;
    while !holds().await {
        assert!(Instant::now() < deadline, "not within {WITHIN:?}: {what}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

async fn until_healthy(world: &World) {
    until("it recovers", async || health(world).await == (HEALTHY.0, HEALTHY.1.to_owned())).await;
}

/// Tokens and records, and the records without an end.
fn stored(data_dir: &Path) -> (i64, i64, i64) {
    let store = Connection::open(data_dir.join("rollcall.sqlite3")).unwrap();
    let sql = "SELECT (SELECT count(*) FROM token), count(*), count(*) FILTER (WHERE offline_at IS NULL) FROM record";
    store.query_row(sql, [], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?))).unwrap()
}

/// While `fail` holds, nothing that must be durable happens, and the process says so; after `mend` everything is as if
/// nothing had been. Also in the store, and also after a crash.
async fn nothing_happens_while_it_fails(
    server: Server,
    data_dir: &Path,
    fail: impl FnOnce(&Server),
    mend: impl FnOnce(&Server),
) {
    let world = server.world();
    let token = world.issue("7", 5).await.unwrap();
    let mut socket = world.open("7", 5, &token).await.unwrap();
    let before = world.status("7").await.unwrap();
    let kept = stored(data_dir);
    assert_eq!(health(&world).await, (HEALTHY.0, HEALTHY.1.to_owned()));

    fail(&server);
    for (path, platform) in [(FORCE_LOGOUT, 5), (USER_TOKEN, 5), (USER_TOKEN, 2)] {
        let answer = world.as_admin(path, &json!({"userID": "7", "platformID": platform})).await.unwrap();
        assert_eq!(answer.envelope_with(500).unwrap().code(), 500, "{path}");
    }
    assert_eq!(health(&world).await, (DEGRADED.0, DEGRADED.1.to_owned()));
    // A login that would be recorded is refused too, and replaces nobody.
    let refused =
        world.try_upgrade(&rollcall_conformance::ws::Handshake::new("7", 5, &token).silent()).await.unwrap();
    assert!(matches!(refused, rollcall_conformance::ws::Opening::Refused(_)));
    assert_eq!(world.status("7").await.unwrap(), before);
    assert_eq!(world.verdict(&token).await.unwrap(), 0);
    // Alive, and nothing was sent: the next thing it reads is the answer to its own ping.
    socket.alive().await.unwrap();
    assert_eq!(server.log().matches("commits fail").count(), 1, "{}", server.log());

    mend(&server);
    // Without anybody's commit: a load balancer sends none while it is degraded.
    until_healthy(&world).await;
    assert_eq!(stored(data_dir), kept);
    world.force_logout("7", 5).await.unwrap();
    socket.kicked().await.unwrap();
    assert_eq!(world.verdict(&token).await.unwrap(), 1506);
    assert!(world.status("7").await.unwrap().connections.is_empty());
    let (token, socket) = world.login("7", 5).await.unwrap();
    server.kill();
    drop(socket);
    let server = Server::start(data_dir, "");
    let (_, records, open) = stored(data_dir);
    assert_eq!((records, open), (kept.1 + 1, 0));
    assert_eq!(server.world().verdict(&token).await.unwrap(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_store_that_somebody_else_holds_changes_nothing_and_tells_nobody() {
    let home = tempfile::tempdir().unwrap();
    let data_dir = home.path().join("data");
    let server = Server::start(&data_dir, "");
    // Another writer holds the database: every commit of the server fails once its patience is over.
    let intruder = Connection::open(data_dir.join("rollcall.sqlite3")).unwrap();
    let fail = |_: &Server| intruder.execute_batch("BEGIN IMMEDIATE").unwrap();
    let mend = |_: &Server| intruder.execute_batch("ROLLBACK").unwrap();
    nothing_happens_while_it_fails(server, &data_dir, fail, mend).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_disk_changes_nothing_and_tells_nobody() {
    let home = tempfile::tempdir().unwrap();
    let data_dir = home.path().join("data");
    let server = Server::start(&data_dir, "");
    let log = data_dir.join("rollcall.sqlite3-wal");
    // No file of the server may grow: what a disk without room looks like to it, and no root is needed.
    let bound = |server: &Server, bytes: Option<u64>| {
        let pid = Pid::from_raw(server.pid().try_into().unwrap());
        prlimit(pid, Resource::Fsize, Rlimit { current: bytes, maximum: None }).unwrap();
    };
    let fail = |server: &Server| {
        let bytes = std::fs::metadata(&log).unwrap().len();
        bound(server, Some(bytes));
    };
    nothing_happens_while_it_fails(server, &data_dir, fail, |server: &Server| bound(server, None)).await;
}

/// A server whose disk does what `kit/sync_fails.c` says of the variable, while the returned file exists.
fn start_with_switch(home: &tempfile::TempDir, data_dir: &Path, variable: &str) -> (Server, PathBuf) {
    let (shim, switch) = (home.path().join("sync_fails.so"), home.path().join("switch"));
    let source = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/kit/sync_fails.c");
    let built = kit::output(Command::new("cc").args(["-shared", "-fPIC", "-o"]).arg(&shim).arg(source));
    assert!(built.status.success(), "{built:?}");
    let variables = [("LD_PRELOAD", shim.to_str().unwrap()), (variable, switch.to_str().unwrap())];
    (Server::start_with(data_dir, &variables), switch)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_failing_fsync_changes_nothing_and_tells_nobody() {
    let home = tempfile::tempdir().unwrap();
    let data_dir = home.path().join("data");
    let (server, switch) = start_with_switch(&home, &data_dir, "FAIL_SYNC");
    let fail = |_: &Server| std::fs::write(&switch, "").unwrap();
    let mend = |_: &Server| std::fs::remove_file(&switch).unwrap();
    nothing_happens_while_it_fails(server, &data_dir, fail, mend).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_leaves_while_nothing_can_be_written_is_offline() {
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
    let deadline = Instant::now() + WITHIN;
    while !world.status("7").await.unwrap().connections.is_empty() {
        assert!(Instant::now() < deadline, "the client is still shown");
    }
    intruder.execute_batch("ROLLBACK").unwrap();
    // Its end becomes durable as soon as it can, and the user comes back as if nothing had been.
    let _again = world.open("7", 5, &token).await.unwrap();
    assert_eq!(world.platforms("7").await.unwrap(), [5]);
}

/// The known-wrong way was to show a lost connection until its end was durable: on a hung disk for ever.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_leaves_while_the_disk_hangs_is_offline_and_its_record_follows() {
    let home = tempfile::tempdir().unwrap();
    let data_dir = home.path().join("data");
    let (server, switch) = start_with_switch(&home, &data_dir, "HANG_SYNC");
    let world = server.world();
    let (_token, staying) = world.login("7", 2).await.unwrap();
    let (token, leaving) = world.login("7", 5).await.unwrap();
    assert_eq!(world.platforms("7").await.unwrap(), [2, 5]);
    std::fs::write(&switch, "").unwrap();
    leaving.close().await.unwrap();
    until("it is offline", async || world.platforms("7").await.unwrap() == [2]).await;
    let detail = json!({"userIDs": ["7"]});
    let detail = world.as_admin("/user/get_users_online_token_detail", &detail).await.unwrap();
    let detail = String::from_utf8(detail.response.body).unwrap();
    assert!(!detail.contains(&token), "its token is in no detail");
    assert_eq!(records(&data_dir), (2, 2), "nothing could be written yet");
    std::fs::remove_file(&switch).unwrap();
    until("the end is written", async || records(&data_dir) == (2, 1)).await;
    drop(staying);
}

/// No commit fails while the disk hangs, so that only a check that writes finds out.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_deep_health_check_finds_a_disk_that_hangs() {
    let home = tempfile::tempdir().unwrap();
    let data_dir = home.path().join("data");
    let (server, switch) = start_with_switch(&home, &data_dir, "HANG_SYNC");
    let world = server.world();
    let (healthy, degraded) = ((HEALTHY.0, HEALTHY.1.to_owned()), (DEGRADED.0, DEGRADED.1.to_owned()));
    assert_eq!(ask(&world, DEEP).await, healthy);
    std::fs::write(&switch, "").unwrap();
    until("it is found", async || ask(&world, DEEP).await == degraded).await;
    assert_eq!(health(&world).await, healthy, "nothing has failed");
    std::fs::remove_file(&switch).unwrap();
    until("it is found to be over", async || ask(&world, DEEP).await == healthy).await;
    assert_eq!(server.log().matches("does not write and read").count(), 1, "{}", server.log());
}

/// Records, and those without an end.
fn records(data_dir: &Path) -> (i64, i64) {
    let (_, all, open) = stored(data_dir);
    (all, open)
}

/// An order to a tenant is answered and has reached the one socket, whose record gets no end until [`MEND`].
async fn taken_off_without_an_end(server: &Server, data_dir: &Path) -> Connection {
    let world = server.world();
    let (token, mut socket) = world.login("7", 5).await.unwrap();
    // The order itself can be written, and the end of no record.
    let intruder = Connection::open(data_dir.join("rollcall.sqlite3")).unwrap();
    let refuse = "CREATE TRIGGER no_end BEFORE UPDATE OF offline_at ON record BEGIN SELECT RAISE(ABORT, 'no end'); END";
    intruder.execute_batch(refuse).unwrap();
    let bearer = format!("Bearer {}", world.admin_token().await.unwrap());
    let body = json!({"receiveObjectType": "TENANT", "receiveObjectIds": ["0"]}).to_string();
    let order = Request::new("POST", OFF)
        .header("authorization", &bearer)
        .header("content-type", "application/json")
        .body(body);
    assert_eq!(world.send(&order).await.unwrap().response.status, 200);
    assert_eq!(world.status("7").await.unwrap().status, 0);
    socket.kicked().await.unwrap();
    assert_eq!(world.verdict(&token).await.unwrap(), 1506);
    assert_eq!(records(data_dir), (1, 1), "the record has no end in the store");
    intruder
}

const MEND: &str = "DROP TRIGGER no_end";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_order_to_a_tenant_reaches_sockets_whose_ends_cannot_be_written_yet() {
    let home = tempfile::tempdir().unwrap();
    let data_dir = home.path().join("data");
    let server = Server::start(&data_dir, "");
    let intruder = taken_off_without_an_end(&server, &data_dir).await;
    intruder.execute_batch(MEND).unwrap();
    until("the end is written", async || records(&data_dir) == (1, 0)).await;
    let _again = server.world().login("7", 5).await.unwrap();
    assert_eq!(records(&data_dir), (2, 1));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_is_stopped_writes_down_first_what_an_order_to_a_tenant_ended() {
    let home = tempfile::tempdir().unwrap();
    let data_dir = home.path().join("data");
    let server = Server::start(&data_dir, "");
    let intruder = taken_off_without_an_end(&server, &data_dir).await;
    server.signal(Signal::TERM);
    server.until_logged("draining").await;
    intruder.execute_batch(MEND).unwrap();
    server.ended().await;
    assert_eq!(records(&data_dir), (1, 0));
}
