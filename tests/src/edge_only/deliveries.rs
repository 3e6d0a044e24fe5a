//! Deliveries of orders to many users: how many objects they ask at a time, and how far they say that they are. A status of many and
//! an audit ask as many.

use anyhow::{Context as _, Result};
use futures_util::future::try_join;
use serde_json::{Value, json};

use super::{
    directory::{get, order},
    probe::{self, SHARD_0, break_it, open_and_ended},
    setup::Setup,
    variables::SHARDS,
};
use crate::{
    check::{holds, same},
    profile::Profile,
    world::{STATUS, World},
    ws::Socket,
};

/// Objects that a delivery asks at the same time.
const AT_ONCE: u64 = 48;
/// Users that one step of the delivery to a set visits.
const PART: u64 = 480;
/// More than are asked at the same time.
const REST: u64 = 60;

/// What the names of the set's users begin with, what those of its first part do, and of its second.
const SET: &str = "100000000003";
const FIRST: u64 = 1_000_000_000_030_000;
const SECOND: u64 = 1_000_000_000_031_000;
const SECOND_PART: &str = "1000000000031";

const THERE: &str = "1000000000000072";
/// The users of the directory, and what their names begin with.
const LISTED: u64 = 1_000_000_000_040_000;
const DIRECTORY: &str = "100000000004";
/// The same of the users of a status, and of those that the audit asks.
const FIRST_ASKED: u64 = 1_000_000_000_050_000;
const ASKED: &str = "100000000005";
const AUDITED: u64 = 1_000_000_000_060_000;
const TO_AUDIT: &str = "100000000006";
/// Whose login reaches the shard meanwhile.
const BESIDE: &str = "1000000000000077";

pub(super) async fn deliveries_ask_48_users_at_a_time_and_show_their_progress(
    setup: Setup,
) -> Result<String> {
    let mut settings = Profile::Policy1.settings();
    settings.message_center.direct_users = 1;
    let runtime = setup.with(SHARDS, 1).start(&settings).await?;
    let world = runtime.world();
    to_a_set(&world).await?;
    of_many(&world).await?;
    let (_, mut socket) = world.login(THERE, 5).await?;
    world.eventually("records", || open_and_ended(&world, THERE), &(1, 0)).await?;
    by_the_audit(&world).await?;
    to_the_tenant(&world, &mut socket).await?;
    runtime.stop().await?;
    Ok(format!(
        "{} users of a set, {REST} of a status, {REST} of an audit, {} of a shard, {AT_ONCE} at a time",
        PART + REST,
        REST + 1
    ))
}

/// A status of users who never connected.
async fn of_many(world: &World) -> Result<()> {
    probe::watch(world, ASKED).await?;
    probe::hold(world, Some(ASKED)).await?;
    let users: Vec<String> = (0..REST).map(|n| (FIRST_ASKED + n).to_string()).collect();
    let question = json!({"userIDs": users});
    let release = async {
        let under_way = || async { Ok(probe::calls(world).await?.0) };
        world.eventually("calls under way", under_way, &AT_ONCE).await?;
        probe::hold(world, None).await
    };
    let (answer, ()) = try_join(world.as_admin(STATUS, &question), release).await?;
    let shown = answer.json()?.pointer("/data").and_then(Value::as_array).map(Vec::len);
    same(shown, Some(users.len()), "users of the status")?;
    most(world).await
}

/// Rows of users who do not know them.
async fn by_the_audit(world: &World) -> Result<()> {
    list(world, AUDITED).await?;
    probe::watch(world, TO_AUDIT).await?;
    probe::hold(world, Some(TO_AUDIT)).await?;
    // What is overdue and has no alarm is begun by the next request.
    break_it(world, SHARD_0, "lose_alarm").await?;
    probe::change(world, "UPDATE progress SET audited = 0, audit_at = 0").await?;
    let (_, socket) = world.login(BESIDE, 5).await?;
    let under_way = || async { Ok(probe::calls(world).await?.0) };
    world.eventually("calls under way", under_way, &AT_ONCE).await?;
    probe::hold(world, None).await?;
    let last = (AUDITED + REST).to_string();
    world.eventually("records of the last user", || open_and_ended(world, &last), &(0, 1)).await?;
    socket.close().await?;
    world.eventually("records beside", || open_and_ended(world, BESIDE), &(0, 1)).await?;
    most(world).await
}

/// Lets the shard list [`REST`] users after this number, whose records are like that of [`THERE`].
async fn list(world: &World, users: u64) -> Result<()> {
    let rest =
        "full_name, user_agent, device_id, remote_address, online_at, source, generation, bucket, under";
    let listed = format!(
        "INSERT INTO record (id, tenant, user, {rest}) \
         WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {REST}) \
         SELECT id + i + {users} % 1000000, tenant, {users} + i, {rest} FROM record, n WHERE user = {THERE}"
    );
    probe::change(world, &listed).await?;
    probe::change(world, &format!("UPDATE counter SET records = records + {REST}")).await
}

/// None of its users was ever seen.
async fn to_a_set(world: &World) -> Result<()> {
    probe::watch(world, SET).await?;
    probe::hold(world, Some(SECOND_PART)).await?;
    let users: Vec<u64> = (FIRST..FIRST + PART).chain(SECOND..SECOND + REST).collect();
    let users = json!({"receiveObjectType": "USER", "receiveObjectIds": users});
    same(order(world, &users).await?, 200, "the status of an order")?;
    let at = || async { Ok((progress(world, "USERS").await?, probe::calls(world).await?.0)) };
    let halfway = (Some((Some(PART + REST), PART)), AT_ONCE);
    world.eventually("progress, and calls under way", at, &halfway).await?;
    probe::hold(world, None).await?;
    world.eventually("progress", || progress(world, "USERS"), &None).await?;
    most(world).await
}

/// All of its users but one never connected: only the shard says that they did.
async fn to_the_tenant(world: &World, socket: &mut Socket) -> Result<()> {
    list(world, LISTED).await?;
    probe::watch(world, DIRECTORY).await?;
    probe::hold(world, Some(DIRECTORY)).await?;
    let tenant = json!({"receiveObjectType": "TENANT", "receiveObjectIds": [0]});
    same(order(world, &tenant).await?, 200, "the status of an order")?;
    let under_way = || async { Ok(probe::calls(world).await?.0) };
    world.eventually("calls under way", under_way, &AT_ONCE).await?;
    let shown = progress(world, "TENANT").await?;
    holds(matches!(shown, Some((None, 0..=1))), || format!("{shown:?} while the users are asked"))?;
    probe::hold(world, None).await?;
    world.eventually("progress", || progress(world, "TENANT"), &Some((None, REST + 1))).await?;
    socket.kicked().await?;
    most(world).await
}

async fn most(world: &World) -> Result<()> {
    let (_, most) = probe::calls(world).await?;
    holds(most == AT_ONCE, || format!("{most} users were asked at the same time"))
}

/// How many users the order of this scope under delivery names, and how many it has reached; `None` where none is.
async fn progress(world: &World, scope: &str) -> Result<Option<(Option<u64>, u64)>> {
    let shown = get(world, "/admin/v1/tenants/0/order").await?;
    let orders = shown.pointer("/undelivered").and_then(Value::as_array).context("no orders")?;
    let order = orders.iter().find(|order| order.pointer("/scope") == Some(&json!(scope)));
    let number = |order: &Value, name: &str| order.get(name).and_then(Value::as_u64);
    order
        .map(|order| Ok((number(order, "users"), number(order, "reached").context("no progress")?)))
        .transpose()
}
