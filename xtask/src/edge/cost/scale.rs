//! What a number of users comes to, on paper: requests, sizes and times of the busiest objects.

use super::{
    Model,
    bill::{DAY, amount, kept, live},
    counters::Counters,
};

/// How much busier the busiest hour is than the day.
const PEAK: f64 = 4.0;
/// Requests a second that one object takes, as the platform documents it.
const MOST: f64 = 1_000.0;
/// GB that one object may hold.
const FULL: f64 = 10.0;
/// Users' objects that a delivery asks at the same time, and seconds that one takes to end its connections and publish it.
const AT_ONCE: f64 = 48.0;
const ENDED_WITHIN: f64 = 0.1;
/// Seconds between the answer to an order and its delivery, and to the second round.
const ROUNDS: f64 = 16.0;

/// The section about a model.
pub(super) fn section(model: &Model, counters: &Counters) -> String {
    let shards = model.shards.max(1.0);
    let a_second = model.users / DAY * PEAK;
    let publications =
        a_second * model.connects * (counters.connect.shard.requests + counters.end.shard.requests);
    let all_at_once = live(model) / 60.0;
    let checks = live(model) / (model.audit_seconds / 2.0);
    let size = kept(model) / shards * model.record_bytes / 1e9;
    let delivery = |connected: f64| connected / shards / AT_ONCE * ENDED_WITHIN + ROUNDS;
    let rows = [
        ("a user's object, requests a day", amount(a_day(model, counters)), String::new()),
        ("a user's object, bytes", amount(model.user_bytes), "10 GB".to_owned()),
        ("a shard, publications a second in the busiest hour", amount(publications / shards), most()),
        (
            "a shard, openings a second when all connections come back within a minute",
            amount(all_at_once / shards),
            most(),
        ),
        ("a shard, live records", amount(live(model) / shards), String::new()),
        ("a shard, live records that an audit compares in a second", amount(checks / shards), String::new()),
        ("a shard, records", amount(kept(model) / shards), String::new()),
        ("a shard, GB", amount(size), format!("{FULL}")),
        ("the object with the tenant's cutoff, requests a second", amount(model.isolates), most()),
        ("a list, requests to shards", amount(shards), String::new()),
        (
            "an order to all who are connected, seconds until the last socket is closed",
            amount(delivery(live(model))),
            String::new(),
        ),
        ("the same when every user of the day is connected", amount(delivery(model.users)), String::new()),
    ];
    let mut text = format!(
        "{} users a day, {} shards, {} connections at the same time.\n\n| object | comes to | limit |\n|---|---:|---:|\n",
        amount(model.users),
        amount(shards),
        amount(live(model))
    );
    for (what, comes_to, limit) in rows {
        text.push_str(&format!("| {what} | {comes_to} | {limit} |\n"));
    }
    text
}

fn most() -> String {
    amount(MOST)
}

/// Requests that one user's object gets a day.
fn a_day(model: &Model, counters: &Counters) -> f64 {
    let connects = counters.connect.user.requests + counters.end.user.requests;
    let statuses = model.status * model.status_users * DAY / model.users.max(1.0);
    model.connects * connects + model.tokens * counters.token.user.requests + statuses
}
