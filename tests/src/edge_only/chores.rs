//! Work of the objects that no request asks for, and what keeps their tables small.

use anyhow::Result;
use serde_json::json;

use super::{
    bindings::{self, counted},
    directory::get,
    faults::FAULTS,
    probe::{self, SHARD_0, break_it, open_and_ended},
    setup::Setup,
    variables::{AUDIT, GRACE, MOST_RECORDS, RETENTION, SHARDS},
};
use crate::{
    check::{same, text_at},
    console::api::{IMPORT, LIST},
    http::Request,
    profile::Profile,
    world::World,
    ws::Handshake,
};

/// Then the alarm of a shard rings every second.
const AUDIT_SECONDS: u32 = 2;

const CRASHED: &str = "1000000000000071";
const THERE: &str = "1000000000000072";
const OFTEN: &str = "1000000000000073";
const CROWDED: &str = "1000000000000074";
const AWAY: &str = "1000000000000075";
const LOST: &str = "1000000000000076";
const MANY: i64 = 2_000_000_000_000_000;
/// Milliseconds of a day.
const DAY: i64 = 24 * 3600 * 1000;
/// More than one sweep deletes.
const BACKLOG: u32 = 10_500;

pub(super) async fn the_audit_ends_what_a_crash_left_open(setup: Setup) -> Result<String> {
    let settings = Profile::Policy1.settings();
    let setup = setup.with(SHARDS, 1).with(AUDIT, AUDIT_SECONDS);
    let runtime = setup.start(&settings).await?;
    let world = runtime.world();
    let (_, mut left) = world.login(CRASHED, 5).await?;
    world.eventually("records", || open_and_ended(&world, CRASHED), &(1, 0)).await?;
    runtime.kill().await?;
    left.next().await;

    let runtime = setup.start(&settings).await?;
    let world = runtime.world();
    let (_, mut socket) = world.login(THERE, 5).await?;
    world.eventually("records", || open_and_ended(&world, THERE), &(1, 0)).await?;
    // No question is asked about the user: only its shard's records are looked at.
    world.eventually("records", || open_and_ended(&world, CRASHED), &(0, 1)).await?;
    same(open_and_ended(&world, THERE).await?, (1, 0), "records, open and ended, of who is still there")?;
    socket.alive().await?;
    runtime.stop().await?;
    Ok("a record without a connection ended without anybody asking for its user".to_owned())
}

pub(super) async fn records_that_ended_long_ago_are_deleted(setup: Setup) -> Result<String> {
    let setup = setup.with(SHARDS, 1).with(AUDIT, AUDIT_SECONDS).with(RETENTION, 1);
    let runtime = setup.start(&Profile::Policy1.settings()).await?;
    let world = runtime.world();
    let (token, socket) = world.login(OFTEN, 5).await?;
    world.eventually("records", || open_and_ended(&world, OFTEN), &(1, 0)).await?;
    socket.close().await?;
    world.eventually("records", || open_and_ended(&world, OFTEN), &(0, 1)).await?;
    let socket = world.open(OFTEN, 5, &token).await?;
    world.eventually("records", || open_and_ended(&world, OFTEN), &(1, 1)).await?;
    // All of that was two days ago; one ends only now, and one opens.
    let age = format!("online_at = online_at - 2 * {DAY}, offline_at = offline_at - 2 * {DAY}");
    probe::change(&world, &format!("UPDATE record SET {age}")).await?;
    socket.close().await?;
    world.eventually("records", || open_and_ended(&world, OFTEN), &(0, 2)).await?;
    let mut socket = world.open(OFTEN, 5, &token).await?;
    world.eventually("records", || open_and_ended(&world, OFTEN), &(1, 2)).await?;

    probe::change(&world, "UPDATE progress SET sweep_at = 0").await?;
    world.eventually("records", || open_and_ended(&world, OFTEN), &(1, 1)).await?;
    socket.alive().await?;
    runtime.stop().await?;
    Ok("of 3 records the one that ended before the retention is gone".to_owned())
}

pub(super) async fn the_oldest_records_make_room_for_the_next_one(setup: Setup) -> Result<String> {
    // No sweep comes within the hour.
    let setup = setup.with(SHARDS, 1).with(MOST_RECORDS, 2).with(GRACE, 0);
    let runtime = setup.start(&Profile::Policy1.settings()).await?;
    let world = runtime.world();
    let (token, mut socket) = world.login(CROWDED, 5).await?;
    for round in 1..=4 {
        world.eventually("records", || open_and_ended(&world, CROWDED), &(1, 2.min(round - 1))).await?;
        socket.close().await?;
        // The end of a connection drives out nothing.
        world.eventually("records", || open_and_ended(&world, CROWDED), &(0, 3.min(round))).await?;
        socket = world.open(CROWDED, 5, &token).await?;
    }
    world.eventually("records", || open_and_ended(&world, CROWDED), &(1, 2)).await?;
    socket.alive().await?;
    runtime.stop().await?;
    Ok("of 5 records the 2 that ended last are left beside the live one".to_owned())
}

pub(super) async fn expired_tokens_of_a_user_who_does_not_return_are_deleted_by_alarm(
    setup: Setup,
) -> Result<String> {
    let runtime = setup.with(GRACE, 1).start(&Profile::Policy1.settings()).await?;
    let world = runtime.world();
    let (_, socket) = world.login(AWAY, 5).await?;
    let tokens = || async {
        let tables = probe::tables(&world, AWAY).await?;
        Ok::<_, anyhow::Error>(
            tables.lines().find_map(|line| line.strip_prefix("token: ")).map(str::to_owned),
        )
    };
    same(tokens().await?.is_some_and(|rows| rows.contains("Text(")), true, "whether the token has a row")?;
    // As if its time had run out. The object is asked for nothing after the end of the connection.
    probe::change_user(&world, AWAY, "UPDATE token SET expires_at = 1000").await?;
    probe::change_user(&world, AWAY, "UPDATE user SET first_expiry = 1000").await?;
    socket.close().await?;
    world.eventually("tokens", tokens, &Some("Ok(Some([]))".to_owned())).await?;
    runtime.stop().await?;
    Ok("the row of an expired token went with an alarm".to_owned())
}

pub(super) async fn an_alarm_that_was_lost_is_set_again(setup: Setup) -> Result<String> {
    let setup = setup.with(SHARDS, 1).with(RETENTION, 1).with(GRACE, 3600);
    let setup = setup.with_manifest(&bindings::manifest())?;
    let runtime = setup.start(&Profile::Policy1.settings()).await?;
    let world = runtime.world();
    // A user's object: the end of its connection is held back, and another token of it is kicked.
    let (_, socket) = world.login(LOST, 5).await?;
    let kicked = world.issue(LOST, 1).await?;
    world.force_logout(LOST, 1).await?;
    world.eventually("records", || open_and_ended(&world, LOST), &(1, 0)).await?;
    socket.close().await?;
    world.until_platforms(LOST, &[]).await?;
    break_it(&world, LOST, "lose_alarm").await?;
    probe::change_user(&world, LOST, "UPDATE record SET held_until = 1").await?;
    world.refused_both_ways(&Handshake::new(LOST, 1, &kicked), 1506, "").await?;
    world.eventually("records", || open_and_ended(&world, LOST), &(0, 1)).await?;

    // The shard.
    let age =
        format!("UPDATE record SET online_at = online_at - 2 * {DAY}, offline_at = offline_at - 2 * {DAY}");
    probe::change(&world, &age).await?;
    break_it(&world, SHARD_0, "lose_alarm").await?;
    probe::change(&world, "UPDATE progress SET sweep_at = 0, audit_at = 0").await?;
    let (_, mut socket) = world.login(THERE, 5).await?;
    world.eventually("records", || open_and_ended(&world, LOST), &(0, 0)).await?;
    same(open_and_ended(&world, THERE).await?, (1, 0), "records, open and ended, of who is there")?;
    socket.alive().await?;
    runtime.stop().await?;
    let log = setup.log()?;
    same(log.matches("an alarm was lost and is set again").count(), 2, "lost alarms in the log")?;
    same(counted(&log, FAULTS, "lost"), 2, "lost alarms that are counted")?;
    Ok("a user's object and a shard did what was overdue".to_owned())
}

pub(super) async fn a_backlog_of_old_records_is_deleted_at_once(setup: Setup) -> Result<String> {
    let setup = setup.with(SHARDS, 1).with(AUDIT, AUDIT_SECONDS).with(RETENTION, 1);
    let runtime = setup.start(&Profile::Policy1.settings()).await?;
    let world = runtime.world();
    let (_, mut socket) = world.login(THERE, 5).await?;
    world.eventually("records", || open_and_ended(&world, THERE), &(1, 0)).await?;
    let rest = "full_name, user_agent, device_id, remote_address, source, generation, bucket";
    let old = format!(
        "INSERT INTO record (id, tenant, user, online_at, offline_at, {rest}) \
         WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {BACKLOG}) \
         SELECT id + i, tenant, {MANY} + i, online_at - 3 * {DAY}, online_at - 2 * {DAY}, {rest} FROM record, n"
    );
    probe::change(&world, &old).await?;
    probe::change(&world, &format!("UPDATE counter SET records = records + {BACKLOG}")).await?;
    let last = (MANY + i64::from(BACKLOG)).to_string();
    same(open_and_ended(&world, &last).await?, (0, 1), "records, open and ended, before the sweep")?;
    // What is due is in no answer, and its deletion changes no total.
    let total = || async { text_at(&get(&world, LIST).await?, "/data/total") };
    same(total().await?, "1".to_owned(), "records in a list before the sweep")?;
    probe::change(&world, "UPDATE progress SET sweep_at = 0").await?;
    world.eventually("records", || open_and_ended(&world, &last), &(0, 0)).await?;
    same(total().await?, "1".to_owned(), "records in a list after the sweep")?;
    socket.alive().await?;
    runtime.stop().await?;
    Ok(format!("{BACKLOG} records, more than one sweep deletes"))
}

pub(super) async fn a_walk_over_crowded_users_goes_on_where_it_was(setup: Setup) -> Result<String> {
    /// One more than a step of the walk reads, and some.
    const USERS: i64 = 10_500;
    const OF_THE_LAST: i64 = 5;
    let setup = setup.with(SHARDS, 1).with(AUDIT, AUDIT_SECONDS).with(MOST_RECORDS, 2);
    let runtime = setup.start(&Profile::Policy1.settings()).await?;
    let world = runtime.world();
    let (_, mut socket) = world.login(THERE, 5).await?;
    world.eventually("records", || open_and_ended(&world, THERE), &(1, 0)).await?;
    let rest = "full_name, user_agent, device_id, remote_address, source, generation, bucket";
    let records = USERS + OF_THE_LAST - 1;
    let many = format!(
        "INSERT INTO record (id, tenant, user, online_at, offline_at, {rest}) \
         WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {records}) \
         SELECT id + i, tenant, {MANY} + min(i, {USERS}), online_at, online_at + i, {rest} FROM record, n"
    );
    probe::change(&world, &many).await?;
    probe::change(&world, &format!("UPDATE counter SET records = records + {records}")).await?;
    let last = (MANY + USERS).to_string();
    same(open_and_ended(&world, &last).await?, (0, 5), "records, open and ended, before the walk")?;
    // The last sweep of a day begins one.
    probe::change(&world, "UPDATE progress SET sweep_at = 0, crowded_tenant = -1, crowded_user = 0").await?;
    world.eventually("records", || open_and_ended(&world, &last), &(0, 2)).await?;
    same(text_at(&get(&world, LIST).await?, "/data/total")?, (USERS + 2).to_string(), "records in a list")?;
    let statements = probe::statements(&world, SHARD_0).await?;
    let steps = statements.lines().find(|line| line.contains("WITH step AS MATERIALIZED"));
    same(steps.and_then(|line| line.split(' ').next()), Some("2"), "steps of the walk")?;
    socket.alive().await?;
    runtime.stop().await?;
    Ok(format!("the last of {USERS} users, in the second step"))
}

pub(super) async fn a_shard_that_is_nearly_full_takes_connections_and_no_imports(
    setup: Setup,
) -> Result<String> {
    let setup = setup.with(SHARDS, 1).with(AUDIT, AUDIT_SECONDS).with_manifest(&bindings::manifest())?;
    let runtime = setup.start(&Profile::Policy1.settings()).await?;
    let world = runtime.world();
    same(health(&world).await?, (200, "ok".to_owned()), "the health")?;
    break_it(&world, SHARD_0, "full").await?;
    same(import(&world).await?, 500, "the status of an import into a shard that is nearly full")?;
    let (_, mut socket) = world.login(THERE, 5).await?;
    world.eventually("records", || open_and_ended(&world, THERE), &(1, 0)).await?;
    same(health(&world).await?, (503, "degraded".to_owned()), "the health with such a shard")?;
    let sized = |state: &'static str| {
        let setup = &setup;
        move || async move { anyhow::Ok(counted(&setup.log()?, "rollcall_shard_bytes", state)) }
    };
    same(sized("nearly_full")().await?, 0, "data points before the sweep")?;
    probe::change(&world, "UPDATE progress SET sweep_at = 0").await?;
    world.eventually("data points of a shard that is nearly full", sized("nearly_full"), &1).await?;
    break_it(&world, SHARD_0, "roomy").await?;
    same(import(&world).await?, 200, "the status of an import once there is room")?;
    world.eventually("records", || open_and_ended(&world, OFTEN), &(0, 1)).await?;
    socket.alive().await?;
    runtime.stop().await?;
    Ok("an import was refused, a connection was not, and the health said so".to_owned())
}

async fn health(world: &World) -> Result<(u16, String)> {
    let answer = world.unrecorded().send(&Request::new("GET", "/health")).await?;
    Ok((answer.response.status, text_at(&answer.json()?, "/status")?))
}

/// The status of an import of one record.
async fn import(world: &World) -> Result<u16> {
    let line = json!({
        "id": 7, "tenantId": 0, "userId": OFTEN, "onlineDate": "2099-01-01T00:00:00Z",
        "offlineDate": "2099-01-01T00:00:01Z",
    });
    let token = world.admin_token().await?;
    let request = Request::new("POST", IMPORT)
        .header("Authorization", &format!("Bearer {token}"))
        .header("Content-Type", "application/x-ndjson")
        .body(line.to_string());
    Ok(world.unrecorded().send(&request).await?.response.status)
}
