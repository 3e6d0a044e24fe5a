//! Work of the objects that no request asks for, and what keeps their tables small.

use anyhow::Result;

use super::{
    probe::{self, open_and_ended},
    setup::Setup,
};
use crate::{check::same, profile::Profile};

/// One shard is the whole directory, and its alarm rings every second.
const SHARDS: &str = "ROLLCALL__PRESENCE__DIRECTORY_SHARDS";
const AUDIT: &str = "ROLLCALL__PRESENCE__AUDIT_SECONDS";
const AUDIT_SECONDS: u32 = 2;
const RETENTION: &str = "ROLLCALL__MESSAGE_CENTER__RETENTION_DAYS";

const MOST_RECORDS: &str = "ROLLCALL__PRESENCE__MAX_RECORDS_PER_USER";
const GRACE: &str = "ROLLCALL__PRESENCE__GRACE_SECONDS";

const GHOST: &str = "1000000000000071";
const THERE: &str = "1000000000000072";
const OFTEN: &str = "1000000000000073";
const CROWDED: &str = "1000000000000074";
const AWAY: &str = "1000000000000075";

pub(super) async fn the_audit_ends_what_a_crash_left_open(setup: Setup) -> Result<String> {
    let settings = Profile::Policy1.settings();
    let setup = setup.with(SHARDS, 1).with(AUDIT, AUDIT_SECONDS);
    let runtime = setup.start(&settings).await?;
    let world = runtime.world();
    let (_, mut left) = world.login(GHOST, 5).await?;
    world.eventually("records", || open_and_ended(&world, GHOST), &(1, 0)).await?;
    runtime.kill().await?;
    left.next().await;

    let runtime = setup.start(&settings).await?;
    let world = runtime.world();
    let (_, mut socket) = world.login(THERE, 5).await?;
    world.eventually("records", || open_and_ended(&world, THERE), &(1, 0)).await?;
    // No question is asked about the user: only its shard's records are looked at.
    world.eventually("records", || open_and_ended(&world, GHOST), &(0, 1)).await?;
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
    let day = 24 * 3600 * 1000;
    let age = format!("online_at = online_at - 2 * {day}, offline_at = offline_at - 2 * {day}");
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
    socket.close().await?;
    world.eventually("tokens", tokens, &Some("Ok(Some([]))".to_owned())).await?;
    runtime.stop().await?;
    Ok("the row of an expired token went with an alarm".to_owned())
}
