//! What a server has for sockets of another one.

use std::time::{Duration, Instant};

use rollcall_conformance::{postgres::Postgres, proto, size::size};
use rustix::process::Signal;

use crate::{
    engines::{client, settings},
    nodes::{pushed, serve},
};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_kick_at_one_server_closes_the_socket_at_another_before_its_answer() {
    let (engine, home) = (Postgres::shared().unwrap(), tempfile::tempdir().unwrap());
    let settings = settings(&engine);
    let (first, second) = (serve(&home, "a", &settings), serve(&home, "b", &settings));
    let (one, other, client) = (first.world(), second.world(), client(&settings).await);
    let mut took = Vec::new();
    other.admin_token().await.unwrap();
    for round in 0..size(100, 1_000) {
        let (token, mut phone) = one.login("7", 1).await.unwrap();
        let (_, mut desktop) = other.login("7", 3).await.unwrap();
        let begun = Instant::now();
        other.force_logout("7", 1).await.unwrap();
        took.push(begun.elapsed());
        let waiting: i64 = client.query_one("SELECT count(*) FROM parcel", &[]).await.unwrap().get(0);
        assert_eq!(waiting, 0, "round {round}");
        phone.kicked().await.unwrap();
        for world in [&one, &other] {
            assert_eq!(world.platforms("7").await.unwrap(), [3]);
            assert_eq!(world.verdict(&token).await.unwrap(), 1506);
            assert!(world.open("7", 1, &token).await.is_err());
        }
        desktop.alive().await.unwrap();
        one.force_logout("7", 3).await.unwrap();
        desktop.kicked().await.unwrap();
    }
    took.sort_unstable();
    println!(
        "a kick across servers: median {:?}, 99% {:?}",
        took[took.len() / 2],
        took[took.len() * 99 / 100]
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_login_at_one_server_ends_what_it_excludes_at_another() {
    let (engine, home) = (Postgres::shared().unwrap(), tempfile::tempdir().unwrap());
    let settings = settings(&engine);
    let (first, second) = (serve(&home, "a", &settings), serve(&home, "b", &settings));
    let (one, other) = (first.world(), second.world());
    let (token, mut phone) = one.login("7", 1).await.unwrap();
    // The same token replaces its connection.
    let mut again = other.open("7", 1, &token).await.unwrap();
    phone.closed(1000).await.unwrap();
    again.alive().await.unwrap();
    // Another token of the platform ends it.
    let (_, mut new) = one.login("7", 1).await.unwrap();
    again.kicked().await.unwrap();
    new.alive().await.unwrap();
    assert_eq!(other.status("7").await.unwrap().connections.len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_watcher_at_one_server_hears_of_a_user_at_another() {
    let (engine, home) = (Postgres::shared().unwrap(), tempfile::tempdir().unwrap());
    let settings = settings(&engine);
    let (first, second) = (serve(&home, "a", &settings), serve(&home, "b", &settings));
    let (one, other) = (first.world(), second.world());
    let (_, mut watcher) = one.login("8", 5).await.unwrap();
    watcher.ask(2005, "8", Some(&proto::subscription(&["7"], &[]))).await.unwrap();
    for _ in 0..5 {
        let (_, phone) = other.login("7", 1).await.unwrap();
        pushed(&mut watcher, &[1]).await;
        phone.close().await.unwrap();
        pushed(&mut watcher, &[]).await;
    }
    watcher.alive().await.unwrap();
}

/// The known-wrong ways were to answer at once, while the socket was open, and never.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_kick_of_a_socket_whose_server_is_frozen_is_answered_when_that_one_is_dead() {
    let (engine, home) = (Postgres::shared().unwrap(), tempfile::tempdir().unwrap());
    let settings = settings(&engine);
    let (first, second) = (serve(&home, "a", &settings), serve(&home, "b", &settings));
    let (one, other) = (first.world(), second.world());
    let (token, mut phone) = one.login("7", 1).await.unwrap();
    other.admin_token().await.unwrap();
    first.signal(Signal::STOP);
    let begun = Instant::now();
    other.force_logout("7", 1).await.unwrap();
    let took = begun.elapsed();
    println!("answered after {took:?}");
    assert!(took > Duration::from_secs(3) && took < Duration::from_secs(10), "{took:?}");
    assert_eq!(other.platforms("7").await.unwrap(), Vec::<i64>::new());
    assert_eq!(other.verdict(&token).await.unwrap(), 1506);
    first.signal(Signal::CONT);
    phone.closed(1012).await.unwrap();
    assert_eq!(first.ended().await.code(), Some(75));
}

/// The known-wrong way was to close the socket without its frame, since its row was gone.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_frozen_server_finds_when_it_is_awake_in_time_reaches_its_sockets() {
    let (engine, home) = (Postgres::shared().unwrap(), tempfile::tempdir().unwrap());
    let settings = settings(&engine);
    let (first, second) = (serve(&home, "a", &settings), serve(&home, "b", &settings));
    let (one, other) = (first.world(), second.world());
    let (_, mut phone) = one.login("7", 1).await.unwrap();
    let (_, mut desktop) = one.login("7", 3).await.unwrap();
    other.admin_token().await.unwrap();
    first.signal(Signal::STOP);
    let kick = tokio::spawn(async move { other.force_logout("7", 1).await });
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert!(!kick.is_finished());
    // What the user does meanwhile is there when it awakes, together with the kick.
    desktop.send_binary("not what a client says").await.unwrap();
    first.signal(Signal::CONT);
    kick.await.unwrap().unwrap();
    phone.kicked().await.unwrap();
    // It is answered as a client that says such a thing.
    desktop.closed(1002).await.unwrap();
}

/// The known-wrong way was to leave the row where it was: every later kick of the user waited for it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_parcel_without_an_address_that_reads_holds_up_nobody() {
    let (engine, home) = (Postgres::shared().unwrap(), tempfile::tempdir().unwrap());
    let settings = settings(&engine);
    let (first, second) = (serve(&home, "a", &settings), serve(&home, "b", &settings));
    let (one, other, client) = (first.world(), second.world(), client(&settings).await);
    let (_, mut phone) = one.login("7", 1).await.unwrap();
    let add = "INSERT INTO parcel (node, sender, \"user\", connection, closes, body) \
               SELECT id, id, '7', 'of another form', 1, '{}' FROM node WHERE name = 'a'";
    client.batch_execute(add).await.unwrap();
    other.force_logout("7", 1).await.unwrap();
    phone.kicked().await.unwrap();
    let left: i64 = client.query_one("SELECT count(*) FROM parcel", &[]).await.unwrap().get(0);
    assert_eq!(left, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_socket_for_which_too_much_waits_at_another_server_is_closed() {
    let (engine, home) = (Postgres::shared().unwrap(), tempfile::tempdir().unwrap());
    let settings = settings(&engine);
    let (first, second) = (serve(&home, "a", &settings), serve(&home, "b", &settings));
    let (one, other, client) = (first.world(), second.world(), client(&settings).await);
    let (_, watcher) = one.login("8", 5).await.unwrap();
    let mut watcher = watcher;
    watcher.ask(2005, "8", Some(&proto::subscription(&["7"], &[]))).await.unwrap();
    // As many as may wait, of a server that does not look: the row's node is another one.
    let fill = "INSERT INTO parcel (node, sender, \"user\", connection, closes, body) \
                SELECT 1, 1, \"user\", connection, 0, '{}' FROM live, generate_series(1, 1000) WHERE \"user\" = '8'";
    client.batch_execute(fill).await.unwrap();
    let (_, phone) = other.login("7", 1).await.unwrap();
    watcher.closed(1008).await.unwrap();
    // No commit has ended it: its own end does.
    let begun = Instant::now();
    other.until_platforms("8", &[]).await.unwrap();
    assert!(begun.elapsed() < Duration::from_secs(10), "{:?}", begun.elapsed());
    drop(phone);
}
