//! A clock that steps: what came first is decided by what the store knows, and nothing is lost to a wrong time.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    unreachable_pub,
    missing_docs,
    dead_code,
    reason = "a test"
)]

mod kit;

use std::collections::BTreeMap;

use kit::{Server, skew::Skew};
use rollcall_conformance::{http::Request, world::World};
use serde_json::{Value, json};

const WEB: i64 = 5;
const IOS: i64 = 1;
const HOUR: i64 = 3_600;
const DAY: i64 = 24 * HOUR;

/// A console of tenant 0 that may do everything there.
const CONSOLES: &str = "[[auth.tokens]]\nsha256 = '5e884898da28047151d0e56f8dc6292773603d0d6aabbdd62a11ef721d1542d8'\n\
                        user_id = 900\ntenant_id = 0\nsys_admin = true\npermissions = ['OnlineUser', 'SignOut']\n";
const CONSOLE: &str = "Bearer password";

async fn ask(world: &World, method: &str, target: &str, bearer: &str, body: Option<&Value>) -> Value {
    let mut request = Request::new(method, target).header("Authorization", bearer);
    if let Some(body) = body {
        request = request.header("Content-Type", "application/json").body(body.to_string());
    }
    let answer = world.send(&request).await.unwrap();
    assert_eq!(answer.response.status, 200, "{target}: {}", String::from_utf8_lossy(&answer.response.body));
    serde_json::from_slice(&answer.response.body).unwrap_or_default()
}

async fn take_all_off(world: &World) {
    let order = json!({"receiveObjectType": "ALL", "broadcast": true});
    ask(world, "POST", "/api/v1/message/center/online/off", CONSOLE, Some(&order)).await;
}

/// The records of a user by id: online date and offline date.
async fn records(world: &World, user: i64) -> BTreeMap<i64, (String, Option<String>)> {
    let target = format!("/api/v1/message/center/online?pageSize=100&userId={user}");
    let answer = ask(world, "GET", &target, CONSOLE, None).await;
    let date = |record: &Value, name: &str| record[name].as_str().map(str::to_owned);
    let of = |record: &Value| {
        let id = record["id"].as_str().unwrap().parse().unwrap();
        (id, (date(record, "onlineDate").unwrap(), date(record, "offlineDate")))
    };
    answer["data"]["list"].as_array().unwrap().iter().map(of).collect()
}

/// Everything that can be done to a user, from a login to its end. The token that is good afterwards.
async fn live(server: &Server, user: &str) -> String {
    // A world of its own, whose administrator's token is of this clock.
    let world = server.world();
    let first = world.issue(user, WEB).await.unwrap();
    world.expect_verdict(&first, 0, "a new token").await.unwrap();
    let socket = world.open(user, WEB, &first).await.unwrap();
    assert_eq!(world.platforms(user).await.unwrap(), [WEB]);
    world.force_logout(user, WEB).await.unwrap();
    world.expect_verdict(&first, 1506, "a kicked token").await.unwrap();
    assert!(world.platforms(user).await.unwrap().is_empty());
    drop(socket);

    let second = world.issue(user, WEB).await.unwrap();
    let _second_socket = world.open(user, WEB, &second).await.unwrap();
    let third = world.issue(user, IOS).await.unwrap();
    take_all_off(&world).await;
    for (token, what) in [(&second, "connected"), (&third, "not connected")] {
        world.expect_verdict(token, 1506, what).await.unwrap();
    }
    assert!(world.platforms(user).await.unwrap().is_empty());
    let later = world.issue(user, WEB).await.unwrap();
    world.expect_verdict(&later, 0, "a token issued after the order").await.unwrap();
    let socket = world.open(user, WEB, &later).await.unwrap();
    assert_eq!(world.platforms(user).await.unwrap(), [WEB]);
    let online = |records: &BTreeMap<_, (String, Option<String>)>| {
        records.values().filter(|(_, offline)| offline.is_none()).count()
    };
    let number = user.parse().unwrap();
    world
        .eventually("the online records", || async { Ok(online(&records(&world, number).await)) }, &1)
        .await
        .unwrap();
    socket.close().await.unwrap();
    world
        .eventually("the online records", || async { Ok(online(&records(&world, number).await)) }, &0)
        .await
        .unwrap();
    // The same order again takes back nothing that an earlier one took.
    take_all_off(&world).await;
    for token in [&first, &second, &third, &later] {
        world.expect_verdict(token, 1506, "taken").await.unwrap();
    }
    let last = world.issue(user, WEB).await.unwrap();
    world.expect_verdict(&last, 0, "the last token").await.unwrap();
    last
}

async fn every_command_under(seconds: i64) {
    let home = tempfile::tempdir().unwrap();
    let data = home.path().join("data");
    let skew = Skew::build(home.path());
    let server = Server::start_as(&data, CONSOLES, &skew.variables(), "");
    let before = live(&server, "7").await;
    let world = server.world();
    let taken = world.issue("8", WEB).await.unwrap();
    let socket = world.open("8", WEB, &taken).await.unwrap();
    skew.set(seconds);
    live(&server, "7").await;
    skew.set(0);
    let last = live(&server, "7").await;
    let world = server.world();
    for token in [&before, &taken] {
        world.expect_verdict(token, 1506, "a token from before orders of all clocks").await.unwrap();
    }
    drop(socket);
    for user in [7, 8] {
        let mut latest = String::new();
        for (id, (online, offline)) in records(&world, user).await {
            assert!(latest <= online, "{id} of {user}: {online} after {latest}");
            assert!(
                offline.as_ref().is_none_or(|offline| *offline >= online),
                "{id}: {online} to {offline:?}"
            );
            latest = online;
        }
    }
    drop(server);
    let server = Server::start_as(&data, CONSOLES, &skew.variables(), "");
    let world = server.world();
    for token in [&before, &taken] {
        world.expect_verdict(token, 1506, "the same after a restart").await.unwrap();
    }
    world.expect_verdict(&last, 0, "the last token after a restart").await.unwrap();
    world.open("7", WEB, &last).await.unwrap();
}

#[tokio::test]
async fn every_command_holds_when_the_clock_is_an_hour_back_for_a_while() {
    every_command_under(-HOUR).await;
}

#[tokio::test]
async fn every_command_holds_when_the_clock_is_45_s_back_for_a_while() {
    every_command_under(-45).await;
}

#[tokio::test]
async fn every_command_holds_when_the_clock_is_an_hour_ahead_for_a_while() {
    every_command_under(HOUR).await;
}

#[tokio::test]
async fn every_command_holds_when_the_clock_is_91_days_ahead_for_a_while() {
    every_command_under(91 * DAY).await;
}

#[tokio::test]
async fn a_clock_that_was_ahead_for_a_moment_deletes_no_token() {
    let home = tempfile::tempdir().unwrap();
    let skew = Skew::build(home.path());
    let server = Server::start_as(&home.path().join("data"), "", &skew.variables(), "");
    let world = server.world();
    let token = world.issue("7", WEB).await.unwrap();
    skew.set(91 * DAY);
    server.world().issue("7", IOS).await.unwrap();
    skew.set(0);
    world.expect_verdict(&token, 0, "the token").await.unwrap();
}

#[tokio::test]
async fn a_start_far_behind_what_is_stored_warns_and_names_both_times() {
    let home = tempfile::tempdir().unwrap();
    let data = home.path().join("data");
    let skew = Skew::build(home.path());
    skew.set(365 * DAY);
    let server = Server::start_as(&data, CONSOLES, &skew.variables(), "");
    take_all_off(&server.world()).await;
    assert!(!server.log().contains("far behind"));
    drop(server);
    skew.set(0);
    let server = Server::start_as(&data, CONSOLES, &skew.variables(), "");
    let log = server.log();
    let warning = log.lines().find(|line| line.contains("far behind what is stored")).expect(&log);
    assert!(warning.contains("clock=") && warning.contains("stored="), "{warning}");
    let token = server.world().issue("7", WEB).await.unwrap();
    server.world().expect_verdict(&token, 0, "a token issued after the order").await.unwrap();
}
