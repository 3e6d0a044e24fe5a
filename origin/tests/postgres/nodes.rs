//! Several servers of one store: their leases, their ends, and what they leave.

use std::time::{Duration, Instant};

use rollcall_conformance::{postgres::Postgres, proto, world::World};
use rollcall_core::{config, store::Statement};
use rollcall_origin::store::{Alive, Durability, NodeState, Patience, Store, StoreError};
use rustix::process::Signal;
use tokio_postgres::Client;

use crate::{
    engines::{client, settings},
    kit::{Server, output},
};

/// A lease as the servers have it by default, and what a busy machine may add to what follows its end.
const LEASE: Duration = Duration::from_secs(5);
/// Within this time nobody is shown whose server is dead.
const OFFLINE: Duration = Duration::from_secs(10);

/// One of several servers on this store.
pub(crate) fn serve(home: &tempfile::TempDir, name: &str, settings: &config::Store) -> Server {
    let url = settings.url.as_ref().unwrap().expose();
    let more = format!(
        "[store]\nurl = '{url}'\nschema = '{}'\nconnections = 4\n[cluster]\nname = '{name}'\n",
        settings.schema
    );
    Server::start_as(&home.path().join(name), &more, &[("ROLLCALL_UNFINISHED_NODES", "1")], "")
}

/// The same store without a server.
async fn open(settings: &config::Store) -> Store {
    try_open(settings).await.unwrap()
}

async fn try_open(settings: &config::Store) -> anyhow::Result<Store> {
    let cluster = config::Cluster { several: true, ..config::Cluster::default() };
    let nowhere = std::path::Path::new("nowhere");
    Store::open(settings, &cluster, nowhere, rollcall_origin::metrics::Metrics::new(false)).await
}

fn insert(number: i64) -> Statement {
    Statement::new(
        "INSERT INTO account (user, nickname, face_url) VALUES (?1, '', '')",
        [number.to_string().into()],
    )
}

async fn count(client: &Client, of: &str) -> i64 {
    client.query_one(&format!("SELECT count(*) FROM {of}"), &[]).await.unwrap().get(0)
}

fn alive(lease: u64) -> Alive {
    Alive { sockets: 3, lease: Some(Duration::from_secs(lease)) }
}

/// The time until nobody of the user is shown.
async fn until_offline(world: &World, user: &str) -> Duration {
    let begun = Instant::now();
    while !world.platforms(user).await.unwrap().is_empty() {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    begun.elapsed()
}

/// The states in the list of nodes, by name.
fn listed(home: &tempfile::TempDir, name: &str) -> Vec<(String, String)> {
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
    let nodes = one.beat(&alive(3)).await.unwrap();
    let seen = nodes.iter().find(|node| node.id == one.node()).unwrap();
    assert_eq!((seen.beat, seen.sockets, nodes.len()), (1, 3, 2));
    assert!(!other.declare_dead(one.node(), 0).await.unwrap(), "it has beaten since");
    first.commit(vec![insert(1)]).await.unwrap();
    let (begun, _) = one.begin("7", &[insert(2)], Patience::Short).await.unwrap();
    // One that commits: it has passed the fence.
    client.batch_execute(&format!("BEGIN; SELECT fence({})", one.node())).await.unwrap();
    let declared = tokio::spawn({
        let second = second.clone();
        let node = one.node();
        async move { second.postgres().unwrap().declare_dead(node, 1).await }
    });
    let watch = crate::engines::client(&settings).await;
    crate::commits::until_any(
        &watch,
        "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted",
    )
    .await;
    assert!(!declared.is_finished());
    client.batch_execute("INSERT INTO account VALUES ('3', '', ''); COMMIT").await.unwrap();
    assert!(declared.await.unwrap().unwrap());
    let refused = begun.commit(&[insert(4)], Durability::Now).await;
    assert!(matches!(refused, Err(StoreError::Closed)), "{refused:?}");
    assert!(matches!(first.commit(vec![insert(5)]).await, Err(StoreError::Closed)));
    assert!(matches!(one.begin("7", &[], Patience::Short).await, Err(StoreError::Closed)));
    assert!(matches!(one.beat(&alive(3)).await, Err(StoreError::Closed)));
    assert!(first.load(vec![Statement::new("SELECT 1", [])]).await.is_err());
    first.dead().await;
    assert_eq!(count(&client, "account").await, 2, "what came before it");
    assert!(!other.declare_dead(one.node(), 1).await.unwrap(), "once");
    let nodes = other.beat(&alive(3)).await.unwrap();
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
    let error = format!("{:#}", try_open(&settings).await.err().unwrap());
    assert!(error.contains("another rollcall"), "{error}");
    first.commit(vec![insert(1)]).await.unwrap();
}

#[tokio::test]
async fn a_process_that_the_engine_does_not_hear_serves_nothing_until_it_is_heard_again() {
    let engine = Postgres::start(&[], &[]).unwrap();
    let store = open(&settings(&engine)).await;
    let one = store.postgres().unwrap();
    assert!(one.may_serve().is_ok(), "before its first sign of life");
    one.beat(&alive(1)).await.unwrap();
    store.commit(vec![insert(1)]).await.unwrap();
    engine.crash().unwrap();
    assert!(one.beat(&alive(1)).await.is_err());
    let suspended = async {
        while one.may_serve().is_ok() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), suspended).await.unwrap();
    engine.resume().unwrap();
    let question = || vec![Statement::new("SELECT 1", [])];
    assert!(matches!(store.commit(vec![insert(2)]).await, Err(StoreError::Suspended)));
    assert!(matches!(store.load(question()).await, Err(StoreError::Suspended)));
    assert!(matches!(store.query(question()).await, Err(StoreError::Suspended)));
    assert!(matches!(one.begin("7", &[], Patience::Short).await, Err(StoreError::Suspended)));
    let heard = async {
        while one.beat(&alive(60)).await.is_err() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), heard).await.unwrap();
    store.commit(vec![insert(2)]).await.unwrap();
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
    let push = watcher.binary().await.unwrap();
    assert!(push.contains("2005"), "{push}");
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
    let push = watcher.binary().await.unwrap();
    assert!(push.contains("2005"), "{push}");
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
    // The last one that leaves, and the first that comes, is alone: nothing is left open.
    second.kill();
    let second = serve(&home, "b", &settings);
    assert_eq!((count(&client, "live").await, open().await.unwrap()), (0, 0));
    drop((phone, second));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_was_frozen_for_longer_than_its_lease_lets_nobody_in_and_ends() {
    let (engine, home) = (Postgres::shared().unwrap(), tempfile::tempdir().unwrap());
    let settings = settings(&engine);
    let (first, second) = (serve(&home, "a", &settings), serve(&home, "b", &settings));
    let (one, other, client) = (first.world(), second.world(), client(&settings).await);
    let (token, mut phone) = one.login("7", 1).await.unwrap();
    one.admin_token().await.unwrap();
    first.signal(Signal::STOP);
    // These come while it is frozen, and it reads them when it is awake.
    let late: Vec<_> = (0..8)
        .map(|user| {
            let (world, user) = (one.clone(), (200 + user).to_string());
            tokio::spawn(async move { world.login(&user, 1).await.is_ok() })
        })
        .collect();
    let after = until_offline(&other, "7").await;
    assert!(after < OFFLINE, "{after:?}");
    println!("offline {after:?} after a stop");
    // Its user comes back elsewhere, and is kicked there.
    let mut again = other.open("7", 1, &token).await.unwrap();
    other.force_logout("7", 1).await.unwrap();
    again.kicked().await.unwrap();
    let rows = || async { Ok(count(&client, "live").await) };
    other.eventually("all has ended", rows, &0).await.unwrap();
    first.signal(Signal::CONT);
    phone.closed(1012).await.unwrap();
    for login in late {
        assert!(!login.await.unwrap(), "somebody was let in");
    }
    assert_eq!(first.ended().await.code(), Some(75));
    assert_eq!(rows().await.unwrap(), 0);
    assert_eq!(count(&client, "record WHERE offline_at IS NULL").await, 0);
    assert_eq!(other.verdict(&token).await.unwrap(), 1506);
    assert_eq!(other.platforms("7").await.unwrap(), Vec::<i64>::new());
}

/// The known-wrong way was to judge a server by the time at which its row was written last.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_engine_that_is_away_kills_nobody() {
    let (engine, home) = (Postgres::start(&[], &[]).unwrap(), tempfile::tempdir().unwrap());
    let settings = settings(&engine);
    let (first, second) = (serve(&home, "a", &settings), serve(&home, "b", &settings));
    let (one, other) = (first.world(), second.world());
    let (_, mut phone) = one.login("7", 1).await.unwrap();
    let (_, mut desktop) = other.login("8", 3).await.unwrap();
    engine.crash().unwrap();
    first.until_logged("it serves nothing").await;
    second.until_logged("it serves nothing").await;
    assert!(one.platforms("7").await.is_err(), "never that nobody is there");
    tokio::time::sleep(2 * LEASE).await;
    engine.resume().unwrap();
    first.until_logged("the store hears this server again").await;
    second.until_logged("the store hears this server again").await;
    for world in [&one, &other] {
        assert_eq!(world.platforms("7").await.unwrap(), [1]);
        assert_eq!(world.platforms("8").await.unwrap(), [3]);
    }
    phone.alive().await.unwrap();
    desktop.alive().await.unwrap();
    // Long enough to declare somebody dead who was silent.
    tokio::time::sleep(LEASE + LEASE / 2).await;
    assert!(listed(&home, "a").iter().all(|(_, state)| state == "serving"));
}
