//! Several servers of one store: their starts, their ends, and what they leave.

use std::time::{Duration, Instant};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use rollcall_conformance::{postgres::Postgres, proto, world::World, ws::Socket};
use rollcall_core::{config, serial::Serial, store::Statement};
use rollcall_origin::store::{Alive, Durability, NodeState, Patience, Store, StoreError};
use tokio_postgres::Client;

use crate::{
    engines::{client, settings},
    kit::{Server, output},
};

/// A lease as the servers have it by default, and what a busy machine may add to what follows its end.
pub(crate) const LEASE: Duration = Duration::from_secs(5);
/// Within this time nobody is shown whose server is dead.
pub(crate) const OFFLINE: Duration = Duration::from_secs(10);

/// One of several servers on this store.
pub(crate) fn serve(home: &tempfile::TempDir, name: &str, settings: &config::Store) -> Server {
    serve_with(home, name, settings, "")
}

/// The same with more of a configuration, whose first keys are those of `cluster`.
pub(crate) fn serve_with(
    home: &tempfile::TempDir,
    name: &str,
    settings: &config::Store,
    more: &str,
) -> Server {
    let url = settings.url.as_ref().unwrap().expose();
    let more = format!(
        "[store]\nurl = '{url}'\nschema = '{}'\nconnections = 4\n[cluster]\nname = '{name}'\nseveral = true\n{more}",
        settings.schema
    );
    Server::start(&home.path().join(name), &more)
}

/// The same store without a server, and with a lease that does not end in a test.
pub(crate) async fn open(settings: &config::Store) -> Store {
    try_open(settings, 600).await.unwrap()
}

pub(crate) async fn try_open(settings: &config::Store, lease_seconds: u32) -> anyhow::Result<Store> {
    let cluster = config::Cluster { several: true, lease_seconds, ..config::Cluster::default() };
    let nowhere = std::path::Path::new("nowhere");
    Store::open(settings, &cluster, nowhere, rollcall_origin::metrics::Metrics::new(false)).await
}

pub(crate) fn insert(number: i64) -> Statement {
    Statement::new(
        "INSERT INTO account (user, nickname, face_url) VALUES (?1, '', '')",
        [number.to_string().into()],
    )
}

pub(crate) async fn count(client: &Client, of: &str) -> i64 {
    client.query_one(&format!("SELECT count(*) FROM {of}"), &[]).await.unwrap().get(0)
}

pub(crate) fn alive(lease: u64) -> Alive {
    Alive { sockets: 3, settled: Serial::NONE, lease: Some(Duration::from_secs(lease)) }
}

/// The time until nobody of the user is shown.
pub(crate) async fn until_offline(world: &World, user: &str) -> Duration {
    let begun = Instant::now();
    while !world.platforms(user).await.unwrap().is_empty() {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    begun.elapsed()
}

/// The next thing that a watcher gets is a push that shows a user on these platforms.
pub(crate) async fn pushed(watcher: &mut Socket, platforms: &[u64]) {
    let push: serde_json::Value = serde_json::from_str(&watcher.binary().await.unwrap()).unwrap();
    assert_eq!(push["reqIdentifier"], 2005, "{push}");
    let tips = proto::tips(&STANDARD.decode(push["data"].as_str().unwrap()).unwrap()).unwrap();
    let [tip] = tips.as_slice() else { panic!("{tips:?}") };
    assert_eq!((tip.user.as_str(), tip.platforms.as_slice()), ("7", platforms));
}

/// The states in the list of nodes, by name.
pub(crate) fn listed(home: &tempfile::TempDir, name: &str) -> Vec<(String, String)> {
    let config = home.path().join(name).with_extension("toml");
    let mut list = std::process::Command::new(env!("CARGO_BIN_EXE_rollcall"));
    let answer = output(list.arg("--config").arg(config).args(["nodes", "--json"]));
    let said: serde_json::Value = serde_json::from_slice(&answer.stdout).unwrap();
    let text = |node: &serde_json::Value, key: &str| node[key].as_str().unwrap().to_owned();
    let nodes = said["nodes"].as_array().unwrap().iter();
    nodes.map(|node| (text(node, "name"), text(node, "state"))).collect()
}

/// The known-wrong way was a look at the start of a transaction: one that was decided then was committed after its process was
/// declared dead.
#[tokio::test]
async fn a_process_that_is_declared_dead_commits_nothing_any_more_and_what_it_was_committing_is_decided_before()
 {
    let engine = Postgres::shared().unwrap();
    let settings = settings(&engine);
    let (first, second, client) = (open(&settings).await, open(&settings).await, client(&settings).await);
    let (one, other) = (first.postgres().unwrap(), second.postgres().unwrap());
    let nodes = one.beat(&alive(600)).await.unwrap();
    let seen = nodes.iter().find(|node| node.id == one.node()).unwrap();
    let beat = seen.beat;
    assert_eq!((beat, seen.sockets, nodes.len()), (2, 3, 2), "a start is a sign of life");
    assert!(!other.declare_dead(one.node(), 1).await.unwrap(), "it has beaten since");
    first.commit(vec![insert(1)]).await.unwrap();
    let (begun, _) = one.begin("7", &[insert(2)], Patience::Short).await.unwrap();
    // One that commits: it has passed the fence.
    client.batch_execute(&format!("BEGIN; SELECT fence({})", one.node())).await.unwrap();
    assert!(!other.declare_dead(one.node(), beat).await.unwrap(), "its commit is under way");
    client.batch_execute("INSERT INTO account VALUES ('3', '', ''); COMMIT").await.unwrap();
    assert!(other.declare_dead(one.node(), beat).await.unwrap());
    let refused = begun.commit(&[insert(4)], Durability::Now).await;
    assert!(matches!(refused, Err(StoreError::Closed)), "{refused:?}");
    assert!(matches!(first.commit(vec![insert(5)]).await, Err(StoreError::Closed)));
    assert!(matches!(one.begin("7", &[], Patience::Short).await, Err(StoreError::Closed)));
    assert!(matches!(one.beat(&alive(600)).await, Err(StoreError::Closed)));
    assert!(first.load(vec![Statement::new("SELECT 1", [])]).await.is_err());
    first.dead().await;
    assert_eq!(count(&client, "account").await, 2, "what came before it");
    assert!(!other.declare_dead(one.node(), beat).await.unwrap(), "once");
    let nodes = other.beat(&alive(600)).await.unwrap();
    let states: Vec<_> = nodes.iter().map(|node| (node.id == one.node(), node.state)).collect();
    assert!(states.contains(&(true, NodeState::Dead)) && states.contains(&(false, NodeState::Serving)));
    second.commit(vec![insert(6)]).await.unwrap();
}

/// The known-wrong way was to go by what the tables were before the step alone.
#[tokio::test]
async fn a_step_that_those_who_serve_cannot_work_with_waits_until_they_have_ended() {
    let engine = Postgres::shared().unwrap();
    let settings = settings(&engine);
    let first = open(&settings).await;
    drop(open(&settings).await);
    let client = client(&settings).await;
    // As if the program of the version before had made the tables, and served them.
    let earlier = "UPDATE version SET version = version - 1, compatible_from = version - 1";
    client.batch_execute(earlier).await.unwrap();
    let error = format!("{:#}", try_open(&settings, 600).await.err().unwrap());
    assert!(error.contains("another rollcall"), "{error}");
    first.commit(vec![insert(1)]).await.unwrap();
}

/// The known-wrong way was to take each other for one that has ended what was left.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn servers_that_start_together_end_what_was_left_before_there_were_several() {
    let (engine, home) = (Postgres::shared().unwrap(), tempfile::tempdir().unwrap());
    let settings = settings(&engine);
    let first = serve(&home, "z", &settings);
    let (_, phone) = first.world().login("7", 1).await.unwrap();
    first.kill();
    let client = client(&settings).await;
    // It was of a version that writes no row for itself.
    client.batch_execute("DELETE FROM node").await.unwrap();
    assert_eq!(count(&client, "record WHERE offline_at IS NULL").await, 1);
    let starting = |name: &'static str| {
        let (home, settings) = (&home, &settings);
        move || serve(home, name, settings)
    };
    let servers = std::thread::scope(|scope| {
        let starts = ["a", "b", "c"].map(|name| scope.spawn(starting(name)));
        starts.map(|start| start.join().unwrap())
    });
    assert_eq!(
        (count(&client, "live").await, count(&client, "record WHERE offline_at IS NULL").await),
        (0, 0)
    );
    for server in &servers {
        assert_eq!(server.world().platforms("7").await.unwrap(), Vec::<i64>::new());
    }
    drop(phone);
}

/// The known-wrong way was one task for all that is to be done about others: it waited for the notices to watchers.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_users_of_a_dead_server_wait_for_nothing_that_is_done_about_another() {
    let (engine, home) = (Postgres::shared().unwrap(), tempfile::tempdir().unwrap());
    let settings = settings(&engine);
    let (first, second) = (serve(&home, "a", &settings), serve(&home, "b", &settings));
    let third = serve(&home, "c", &settings);
    let (one, other, last) = (first.world(), second.world(), third.world());
    let (_, phone) = one.login("7", 1).await.unwrap();
    let (_, mut watcher) = other.login("8", 5).await.unwrap();
    watcher.ask(2005, "8", Some(&proto::subscription(&["7"], &[]))).await.unwrap();
    let (_, desktop) = last.login("9", 3).await.unwrap();
    let mut client = client(&settings).await;
    let holding = client.transaction().await.unwrap();
    let lock = "SELECT pg_advisory_xact_lock(hashtextextended('8', hashtextextended($1, 3)))";
    holding.execute(lock, &[&settings.schema]).await.unwrap();
    first.kill();
    assert!(until_offline(&other, "7").await < OFFLINE);
    // From here on somebody waits to tell the watcher.
    let waits = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted";
    while holding.query_one(waits, &[]).await.unwrap().get::<_, i64>(0) == 0 {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    third.kill();
    let after = until_offline(&other, "9").await;
    assert!(after < OFFLINE, "{after:?}");
    holding.rollback().await.unwrap();
    pushed(&mut watcher, &[]).await;
    drop((phone, desktop));
}

/// The known-wrong way was to look for others that know of this one alone.
#[tokio::test]
async fn a_process_that_knows_of_others_does_not_start_beside_one_that_does_not() {
    let engine = Postgres::shared().unwrap();
    let settings = settings(&engine);
    let alone = crate::engines::open(&settings).await.unwrap();
    let error = format!("{:#}", try_open(&settings, 5).await.err().unwrap());
    assert!(error.contains("another rollcall"), "{error}");
    drop(alone);
    let client = client(&settings).await;
    // Its row says that it serves until somebody looks whether it does.
    assert_eq!(count(&client, "node WHERE state = 0").await, 1);
    let several = open(&settings).await;
    assert_eq!(count(&client, "node WHERE state = 0").await, 1);
    several.commit(vec![insert(1)]).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn users_of_a_server_that_was_killed_are_offline_and_who_watches_them_elsewhere_is_told_once() {
    let (engine, home) = (Postgres::shared().unwrap(), tempfile::tempdir().unwrap());
    let settings = settings(&engine);
    let (first, second) = (serve(&home, "a", &settings), serve(&home, "b", &settings));
    let (one, other, client) = (first.world(), second.world(), client(&settings).await);
    let (token, phone) = one.login("7", 1).await.unwrap();
    let mut others = Vec::new();
    for user in 100..140 {
        others.push(one.login(&user.to_string(), 1).await.unwrap());
    }
    let (_, mut watcher) = other.login("8", 5).await.unwrap();
    let answer = watcher.ask(2005, "8", Some(&proto::subscription(&["7"], &[]))).await.unwrap();
    assert_eq!(other.platforms("7").await.unwrap(), [1], "{answer:?}");
    first.kill();
    let after = until_offline(&other, "7").await;
    assert!(after < OFFLINE, "{after:?}");
    println!("offline {after:?} after a kill");
    for user in 100..140 {
        assert_eq!(other.platforms(&user.to_string()).await.unwrap(), Vec::<i64>::new());
    }
    pushed(&mut watcher, &[]).await;
    // The one who watches is online there, and nobody else.
    let left = || async {
        Ok((count(&client, "live").await, count(&client, "record WHERE offline_at IS NULL").await))
    };
    other.eventually("all has ended", left, &(1, 1)).await.unwrap();
    let waiting = || async { Ok(count(&client, "wake").await) };
    other.eventually("nobody has to be looked after", waiting, &0).await.unwrap();
    // What comes next is the next change, so that the last was told once.
    let mut phone_again = other.open("7", 1, &token).await.unwrap();
    phone_again.alive().await.unwrap();
    pushed(&mut watcher, &[1]).await;
    watcher.alive().await.unwrap();
    assert_eq!(other.platforms("7").await.unwrap(), [1]);
    assert_eq!(
        listed(&home, "b"),
        [("a", "dead"), ("b", "serving")].map(|(name, state)| (name.to_owned(), state.to_owned()))
    );
    drop((phone, others));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_starts_again_ends_what_it_left_at_once_and_leaves_that_of_others() {
    let (engine, home) = (Postgres::shared().unwrap(), tempfile::tempdir().unwrap());
    let settings = settings(&engine);
    let (first, second) = (serve(&home, "a", &settings), serve(&home, "b", &settings));
    let (one, other, client) = (first.world(), second.world(), client(&settings).await);
    let (_, phone) = one.login("7", 1).await.unwrap();
    let (_, mut desktop) = other.login("7", 3).await.unwrap();
    assert_eq!(one.platforms("7").await.unwrap(), [1, 3]);
    first.kill();
    let first = serve(&home, "a", &settings);
    assert_eq!(first.world().platforms("7").await.unwrap(), [3], "when it serves");
    let open = || async { Ok(count(&client, "record WHERE offline_at IS NULL").await) };
    other.eventually("its record has ended", open, &1).await.unwrap();
    desktop.alive().await.unwrap();
    assert!(first.terminate().success());
    let states: Vec<_> = listed(&home, "b").into_iter().map(|(_, state)| state).collect();
    assert_eq!(states, ["dead", "serving", "left"]);
    assert_eq!(other.platforms("7").await.unwrap(), [3]);
    // The last one that leaves, and the first that comes, is alone: nothing is left open, whosever it was.
    second.kill();
    client.batch_execute("INSERT INTO watcher VALUES ('900', '901', 1)").await.unwrap();
    let second = serve(&home, "b", &settings);
    assert_eq!((count(&client, "live").await, open().await.unwrap()), (0, 0));
    assert_eq!(count(&client, "watcher").await, 0, "nobody sweeps such a row");
    drop((phone, second));
}

/// The known-wrong way was to leave beside a commit without an answer: what it added was of nobody, and stayed for ever.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_stops_has_not_left_before_its_commits_are_decided() {
    let (engine, home) = (Postgres::shared().unwrap(), tempfile::tempdir().unwrap());
    let settings = settings(&engine);
    let (first, second) = (serve(&home, "a", &settings), serve(&home, "b", &settings));
    let (mut client, other) = (client(&settings).await, second.world());
    let id: i64 = client.query_one("SELECT id FROM node WHERE name = 'a'", &[]).await.unwrap().get(0);
    // One of its own that has passed the fence, and whose session has lost its client.
    let undecided = client.transaction().await.unwrap();
    undecided.execute("SELECT fence($1)", &[&id]).await.unwrap();
    let add = "INSERT INTO live (connection, \"user\", node, kind, opened_at, under, body) \
               VALUES (repeat('1', 32), '7', $1, 0, 1, 0, '{}')";
    undecided.execute(add, &[&id]).await.unwrap();
    tokio::task::spawn_blocking(move || first.terminate()).await.unwrap();
    let state = "SELECT state FROM node WHERE name = 'a'";
    assert_eq!(undecided.query_one(state, &[]).await.unwrap().get::<_, i64>(0), 0);
    undecided.commit().await.unwrap();
    let left = || async { Ok((count(&client, "node WHERE swept = 1").await, count(&client, "live").await)) };
    other.eventually("it is swept", left, &(1, 0)).await.unwrap();
    assert_eq!(other.platforms("7").await.unwrap(), Vec::<i64>::new());
}

/// The known-wrong way was to end without a word: the servers took the command for one of them that had died.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_command_that_uses_the_store_beside_servers_leaves_it() {
    let (engine, home) = (Postgres::shared().unwrap(), tempfile::tempdir().unwrap());
    let settings = settings(&engine);
    let server = serve(&home, "a", &settings);
    let of = |name: &str| home.path().join(name).with_extension("toml");
    let [own, other] = ["a", "b"].map(|name| format!("data_dir = '{}'", home.path().join(name).display()));
    std::fs::write(of("b"), std::fs::read_to_string(of("a")).unwrap().replace(&own, &other)).unwrap();
    let mut make = std::process::Command::new(env!("CARGO_BIN_EXE_rollcall"));
    let made = output(make.arg("--config").arg(of("b")).args([
        "token",
        "user",
        "--user-id",
        "7",
        "--platform",
        "1",
    ]));
    let token = String::from_utf8(made.stdout).unwrap();
    server.world().open("7", 1, token.trim()).await.unwrap().alive().await.unwrap();
    let states: Vec<_> = listed(&home, "a").into_iter().map(|(_, state)| state).collect();
    assert_eq!(states, ["serving", "left"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_kick_at_one_server_is_answered_while_another_one_stops() {
    let (engine, home) = (Postgres::shared().unwrap(), tempfile::tempdir().unwrap());
    let settings = settings(&engine);
    let second = serve(&home, "b", &settings);
    let other = second.world();
    other.admin_token().await.unwrap();
    for round in 0..3_u32 {
        let first = serve(&home, "a", &settings);
        let (token, phone) = first.world().login("7", 1).await.unwrap();
        let stopping = tokio::task::spawn_blocking(move || first.terminate());
        tokio::time::sleep(Duration::from_millis(40) * round).await;
        let begun = Instant::now();
        other.force_logout("7", 1).await.unwrap();
        assert!(begun.elapsed() < LEASE, "{:?}", begun.elapsed());
        assert_eq!(other.platforms("7").await.unwrap(), Vec::<i64>::new());
        assert_eq!(other.verdict(&token).await.unwrap(), 1506);
        assert!(stopping.await.unwrap().success());
        drop(phone);
    }
}
