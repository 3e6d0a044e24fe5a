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

mod commands;
#[path = "../kit/mod.rs"]
mod kit;

use commands::{CONSOLES, FIRST, IOS, WEB, configuration, console, live, order, records, take_all_off};
use kit::{Server, skew::Skew};
use rollcall_conformance::postgres::Postgres;

const HOUR: i64 = 3_600;
const DAY: i64 = 24 * HOUR;

async fn every_command_under(seconds: i64, store: &str) {
    let home = tempfile::tempdir().unwrap();
    let data = home.path().join("data");
    let skew = Skew::build(home.path());
    let configuration = format!("{}{store}", configuration());
    let server = Server::start_as(&data, &configuration, &skew.variables(), "");
    order(&server, FIRST).await;
    let before = live(&server, "7").await;
    let world = server.world();
    let taken = world.issue("8", WEB).await.unwrap();
    let socket = world.open("8", WEB, &taken).await.unwrap();
    skew.set(seconds);
    live(&server, "7").await;
    order(&server, FIRST + 100).await;
    skew.set(0);
    order(&server, FIRST + 200).await;
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
    let server = Server::start_as(&data, &configuration, &skew.variables(), "");
    let world = server.world();
    for token in [&before, &taken] {
        world.expect_verdict(token, 1506, "the same after a restart").await.unwrap();
    }
    world.expect_verdict(&last, 0, "the last token after a restart").await.unwrap();
    world.open("7", WEB, &last).await.unwrap();
}

#[tokio::test]
async fn every_command_holds_when_the_clock_is_an_hour_back_for_a_while() {
    every_command_under(-HOUR, "").await;
}

#[tokio::test]
async fn every_command_holds_when_the_clock_is_45_s_back_for_a_while() {
    every_command_under(-45, "").await;
}

#[tokio::test]
async fn every_command_holds_when_the_clock_is_an_hour_ahead_for_a_while() {
    every_command_under(HOUR, "").await;
}

#[tokio::test]
async fn every_command_holds_when_the_clock_is_91_days_ahead_for_a_while() {
    every_command_under(91 * DAY, "").await;
}

/// Where the engine's clock dates records, and this machine's the times inside tokens.
async fn every_command_on_postgres_under(seconds: i64) {
    let engine = Postgres::shared().unwrap();
    let store = format!("[store]\nurl = '{}'\nschema = 'clocks_{}'\n", engine.url(), seconds.unsigned_abs());
    every_command_under(seconds, &store).await;
}

#[tokio::test]
async fn every_command_holds_on_postgres_when_the_clock_of_this_machine_is_45_s_back_for_a_while() {
    every_command_on_postgres_under(-45).await;
}

#[tokio::test]
async fn every_command_holds_on_postgres_when_the_clock_of_this_machine_is_an_hour_ahead_for_a_while() {
    every_command_on_postgres_under(HOUR).await;
}

/// The known-wrong way was to sleep until the end that the clock showed when the console opened.
#[tokio::test]
async fn a_console_that_opened_while_the_clock_was_back_ends_with_its_token() {
    let home = tempfile::tempdir().unwrap();
    let skew = Skew::build(home.path());
    // A token of 90 days that ends in a minute.
    skew.set(60 - 90 * DAY);
    let administrators = "admin_user_ids = ['700']\n";
    let server = Server::start_as(&home.path().join("data"), administrators, &skew.variables(), "");
    let world = server.world();
    let token = world.fresh_admin_token("700").await.unwrap();
    skew.set(-HOUR);
    let mut console = console(&world, &token).await;
    skew.set(0);
    // Both clocks go on for a little more than the minute, in which the client is not silent.
    for passed in [20, 40] {
        skew.pass(passed);
        console.send_text(r#"{"type":"ping"}"#).await.unwrap();
        assert!(console.text().await.unwrap().contains("pong"));
    }
    skew.pass(61);
    // A request wakes the server, which sleeps by the true clock.
    world.expect_verdict(&token, 1501, "the token").await.unwrap();
    assert_eq!(console.closed(4001).await.unwrap(), "token_expired");
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
