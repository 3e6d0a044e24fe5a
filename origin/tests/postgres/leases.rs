//! For how long a server may serve that the engine does not hear, and who judges it.

use std::time::{Duration, Instant};

use rollcall_conformance::{postgres::Postgres, size::size};
use rollcall_core::store::Statement;
use rollcall_origin::store::{Patience, StoreError};
use rustix::process::Signal;

use crate::{
    commits::until_any,
    engines::{client, settings},
    nodes::{LEASE, OFFLINE, alive, count, insert, listed, serve, serve_with, try_open, until_offline},
    proxy::{Held, Proxy},
};

#[tokio::test]
async fn a_process_that_the_engine_does_not_hear_serves_nothing_until_it_is_heard_again() {
    let engine = Postgres::start(&[], &[]).unwrap();
    let store = try_open(&settings(&engine), 5).await.unwrap();
    let one = store.postgres().unwrap();
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

/// The known-wrong way was a lease without an end until its process was heard once: others declare it dead all the same.
#[tokio::test]
async fn a_process_that_was_never_heard_serves_no_longer_than_its_lease() {
    let engine = Postgres::shared().unwrap();
    let store = try_open(&settings(&engine), 3).await.unwrap();
    let one = store.postgres().unwrap();
    let suspended = async {
        while !matches!(one.may_serve(), Err(StoreError::Suspended)) {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), suspended).await.unwrap();
    assert!(matches!(store.load(vec![Statement::new("SELECT 1", [])]).await, Err(StoreError::Suspended)));
}

/// The known-wrong way was to serve at once. A server that reaches the former primary alone answers what that one has until its lease is
/// over.
#[tokio::test]
async fn a_process_whose_engine_was_promoted_serves_nothing_until_nobody_does_on_the_former_one() {
    let engine = Postgres::start(&[], &[]).unwrap();
    let settings = settings(&engine);
    let store = try_open(&settings, 3).await.unwrap();
    let one = store.postgres().unwrap();
    one.beat(&alive(600)).await.unwrap();
    store.commit(vec![insert(1)]).await.unwrap();
    engine.crash().unwrap();
    engine.resume_as_standby().unwrap();
    client(&settings).await.batch_execute("SELECT pg_promote()").await.unwrap();
    let question = || vec![Statement::new("SELECT 1", [])];
    let mut met = None;
    let answered = async {
        loop {
            match store.load(question()).await {
                Ok(_) => return,
                Err(StoreError::Suspended) => met = met.or(Some(Instant::now())),
                Err(_) => {}
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), answered).await.unwrap();
    // 0.7 of the lease.
    let met = met.unwrap().elapsed();
    assert!(met > Duration::from_millis(2_100), "{met:?}");
    store.commit(vec![insert(2)]).await.unwrap();
    let other = try_open(&settings, 3).await.unwrap();
    assert!(other.load(question()).await.is_ok(), "on the timeline that the others know");
}

/// The known-wrong way was a first sign of life behind everything that a start does.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_whose_start_takes_longer_than_its_lease_is_not_declared_dead() {
    let (engine, home) = (Postgres::shared().unwrap(), tempfile::tempdir().unwrap());
    let settings = settings(&engine);
    let short = "lease_seconds = 4\n";
    let first = serve_with(&home, "a", &settings, short);
    let mut client = client(&settings).await;
    // Who starts waits for those who start.
    let holding = client.transaction().await.unwrap();
    let lock = "SELECT pg_advisory_xact_lock(hashtextextended(' starts', hashtextextended($1, 3)))";
    holding.execute(lock, &[&settings.schema]).await.unwrap();
    let second = std::thread::scope(|scope| {
        let start = scope.spawn(|| serve_with(&home, "b", &settings, short));
        let held = async {
            let beats = "SELECT coalesce(max(beat), 0) FROM node WHERE name = 'b'";
            while holding.query_one(beats, &[]).await.unwrap().get::<_, i64>(0) < 7 {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
            assert!(!start.is_finished());
            holding.rollback().await.unwrap();
        };
        tokio::task::block_in_place(|| tokio::runtime::Handle::current().block_on(held));
        start.join().unwrap()
    });
    let states: Vec<_> = listed(&home, "a").into_iter().map(|(_, state)| state).collect();
    assert_eq!(states, ["serving", "serving"]);
    let (_, mut phone) = second.world().login("7", 1).await.unwrap();
    assert_eq!(first.world().platforms("7").await.unwrap(), [1]);
    phone.alive().await.unwrap();
}

/// The known-wrong way was to judge others by one's own lease. A change of the key on one server after the other killed whoever had the
/// longer one, and its kicks had no answer.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn servers_of_different_leases_are_judged_each_by_its_own() {
    let (engine, home) = (Postgres::shared().unwrap(), tempfile::tempdir().unwrap());
    let settings = settings(&engine);
    let short = serve_with(&home, "a", &settings, "lease_seconds = 4\n");
    let long = serve_with(&home, "b", &settings, "lease_seconds = 40\n");
    let (one, other) = (short.world(), long.world());
    let (_, phone) = one.login("7", 1).await.unwrap();
    let (_, mut desktop) = other.login("8", 3).await.unwrap();
    let (_, mut tablet) = other.login("8", 8).await.unwrap();
    one.admin_token().await.unwrap();
    long.signal(Signal::STOP);
    let kick = tokio::spawn({
        let one = one.clone();
        async move { one.force_logout("8", 3).await }
    });
    // Longer than the other one would wait for one of its own lease.
    tokio::time::sleep(3 * LEASE).await;
    assert!(!kick.is_finished());
    let states: Vec<_> = listed(&home, "a").into_iter().map(|(_, state)| state).collect();
    assert_eq!(states, ["serving", "serving"]);
    long.signal(Signal::CONT);
    kick.await.unwrap().unwrap();
    desktop.kicked().await.unwrap();
    tablet.alive().await.unwrap();
    assert_eq!(other.platforms("8").await.unwrap(), [8]);
    assert_eq!(other.platforms("7").await.unwrap(), [1]);
    short.kill();
    let after = until_offline(&other, "7").await;
    assert!(after < OFFLINE, "{after:?}");
    drop(phone);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_was_frozen_for_longer_than_its_lease_lets_nobody_in_and_ends() {
    let (engine, home) = (Postgres::shared().unwrap(), tempfile::tempdir().unwrap());
    let settings = settings(&engine);
    let (first, second) = (serve(&home, "a", &settings), serve(&home, "b", &settings));
    let (one, other, client) = (first.world(), second.world(), client(&settings).await);
    let (token, mut phone) = one.login("7", 1).await.unwrap();
    let mut tokens = Vec::new();
    for user in 200..208 {
        tokens.push((user.to_string(), other.issue(&user.to_string(), 1).await.unwrap()));
    }
    first.signal(Signal::STOP);
    // These come while it is frozen, and it reads them when it is awake.
    let late = tokens.clone().into_iter().map(|(user, token)| {
        let world = one.clone();
        tokio::spawn(async move { world.open(&user, 1, &token).await.is_ok() })
    });
    let late: Vec<_> = late.collect();
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
    // The tokens are good: it was the server that let nobody in.
    let (user, good) = &tokens[0];
    other.open(user, 1, good).await.unwrap().close().await.unwrap();
    other.eventually("it has ended", rows, &0).await.unwrap();
    assert_eq!(first.ended().await.code(), Some(75));
    assert_eq!(rows().await.unwrap(), 0);
    assert_eq!(count(&client, "record WHERE offline_at IS NULL").await, 0);
    assert_eq!(other.verdict(&token).await.unwrap(), 1506);
    assert_eq!(other.platforms("7").await.unwrap(), Vec::<i64>::new());
}

/// The known-wrong way was to look at the lease before a command alone: one that has waited for its commit let a client in that others
/// took for gone.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_login_whose_commit_is_answered_behind_the_lease_is_refused() {
    let (engine, home) = (Postgres::shared().unwrap(), tempfile::tempdir().unwrap());
    let settings = settings(&engine);
    let proxy = Proxy::to(engine.port()).await;
    let server = serve_with(&home, "a", &proxy.before(&settings, engine.port()), "lease_seconds = 3\n");
    let (world, client) = (server.world(), client(&settings).await);
    let token = world.issue("7", 1).await.unwrap();
    proxy.hold(Held::All);
    let begun = Instant::now();
    let login = tokio::spawn({
        let (world, token) = (world.clone(), token.clone());
        async move { world.open("7", 1, &token).await.map(drop) }
    });
    until_any(&client, "SELECT count(*) FROM live").await;
    // Signs of life have no answer either.
    while world.platforms("7").await.is_ok() {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert!(!login.is_finished());
    proxy.hold(Held::SignsOfLife);
    assert!(login.await.unwrap().is_err(), "the client was let in");
    let took = begun.elapsed();
    proxy.hold(Held::None);
    assert!(took < Duration::from_secs(5), "it was not the commit's time that was over: {took:?}");
    let rows = || async { Ok(count(&client, "live").await) };
    world.eventually("nothing of it stays", rows, &0).await.unwrap();
    assert_eq!(count(&client, "record WHERE offline_at IS NULL").await, 0);
    world.open("7", 1, &token).await.unwrap().alive().await.unwrap();
}

/// The known-wrong way was to try an outage by a crash alone, which ends every session at once. Here they hang.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_engine_that_is_frozen_kills_nobody() {
    let (engine, home) = (Postgres::start(&[], &[]).unwrap(), tempfile::tempdir().unwrap());
    let settings = settings(&engine);
    let short = "lease_seconds = 3\n";
    let (first, second) =
        (serve_with(&home, "a", &settings, short), serve_with(&home, "b", &settings, short));
    let (one, other) = (first.world(), second.world());
    let (token, mut phone) = one.login("7", 1).await.unwrap();
    let (_, mut desktop) = other.login("8", 3).await.unwrap();
    engine.freeze().unwrap();
    first.until_logged("it serves nothing").await;
    second.until_logged("it serves nothing").await;
    assert!(other.platforms("7").await.is_err() && other.verdict(&token).await.is_err());
    tokio::time::sleep(size(LEASE, 4 * LEASE)).await;
    phone.alive().await.unwrap();
    engine.thaw().unwrap();
    first.until_logged("the store hears this server again").await;
    second.until_logged("the store hears this server again").await;
    for world in [&one, &other] {
        assert_eq!(world.platforms("7").await.unwrap(), [1]);
        assert_eq!(world.platforms("8").await.unwrap(), [3]);
    }
    other.force_logout("7", 1).await.unwrap();
    phone.kicked().await.unwrap();
    desktop.alive().await.unwrap();
    // Long enough to declare somebody dead who was silent.
    tokio::time::sleep(LEASE).await;
    assert!(listed(&home, "a").iter().all(|(_, state)| state == "serving"));
}

/// The known-wrong way was to try one host after the other: a silent one used up the time of a sign of life, each time anew.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_host_that_is_silent_keeps_nobody_from_the_others() {
    let (engine, home) = (Postgres::shared().unwrap(), tempfile::tempdir().unwrap());
    let mut settings = settings(&engine);
    let client = client(&settings).await;
    // It takes connections, and says nothing.
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let first = silent.local_addr().unwrap();
    let url = settings.url.as_ref().unwrap().expose().replace("@127.0.0.1:", &format!("@{first},127.0.0.1:"));
    settings.url = Some(url.as_str().into());
    let server = serve(&home, "a", &settings);
    let world = server.world();
    let (_, mut phone) = world.login("7", 1).await.unwrap();
    // Every session is lost, that for signs of life too.
    assert!(crate::tables::end_sessions(&client, &settings.schema).await > 0);
    let beat: i64 = client.query_one("SELECT beat FROM node", &[]).await.unwrap().get(0);
    until_any(&client, &format!("SELECT count(*) FROM node WHERE beat > {}", beat + 2)).await;
    assert_eq!(world.platforms("7").await.unwrap(), [1]);
    phone.alive().await.unwrap();
    assert!(!server.log().contains("it serves nothing"), "{}", server.log());
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
    let (_, mut tablet) = one.login("9", 8).await.unwrap();
    tablet.ask(1003, "9", None).await.unwrap();
    engine.crash().unwrap();
    first.until_logged("it serves nothing").await;
    second.until_logged("it serves nothing").await;
    assert!(one.platforms("7").await.is_err(), "never that nobody is there");
    // Sockets are kept up, and nothing else is answered.
    phone.alive().await.unwrap();
    assert!(tablet.ask(1003, "9", None).await.is_err());
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
