//! Dates of a user whose object does not remember its connections any more.

use anyhow::{Context as _, Result};

use super::{
    probe::{self, open_and_ended},
    setup::Setup,
    variables::{GRACE, SHARDS},
};
use crate::{
    check::{holds, same},
    profile::Profile,
    world::World,
};

const USER: &str = "1000000000000077";
/// Milliseconds of a day.
const DAY: i64 = 24 * 3600 * 1000;

pub(super) async fn a_user_that_comes_back_opens_nothing_before_its_last_end(setup: Setup) -> Result<String> {
    let setup = setup.with(SHARDS, 1).with(GRACE, 0);
    let settings = Profile::Policy1.settings();
    let runtime = setup.start(&settings).await?;
    let world = runtime.world();
    let (token, socket) = world.login(USER, 5).await?;
    world.eventually("records", || open_and_ended(&world, USER), &(1, 0)).await?;
    socket.close().await?;
    world.eventually("records", || open_and_ended(&world, USER), &(0, 1)).await?;
    let own = || async { Ok(probe::own_records(&world, USER).await?.len()) };
    world.eventually("records of the user's own", own, &0).await?;
    // The clock was a day ahead when all of that happened.
    let ahead = format!("online_at = online_at + {DAY}, offline_at = offline_at + {DAY}");
    probe::change(&world, &format!("UPDATE record SET {ahead}")).await?;
    probe::change_user(&world, USER, &format!("UPDATE record SET {ahead}")).await?;
    probe::forget(&world, USER).await?;

    let socket = world.open(USER, 5, &token).await?;
    world.eventually("records", || open_and_ended(&world, USER), &(1, 1)).await?;
    follow_each_other(&world, 2).await?;
    socket.close().await?;
    world.eventually("records", || open_and_ended(&world, USER), &(0, 2)).await?;
    world.eventually("records of the user's own", own, &0).await?;
    runtime.kill().await?;

    let runtime = setup.start(&settings).await?;
    let world = runtime.world();
    let mut socket = world.open(USER, 5, &token).await?;
    world.eventually("records", || open_and_ended(&world, USER), &(1, 2)).await?;
    follow_each_other(&world, 3).await?;
    socket.alive().await?;
    runtime.stop().await?;
    Ok("after a hibernation and after a crash".to_owned())
}

/// Fails unless each of so many records begins behind the end of the one before, in the order of their ids.
async fn follow_each_other(world: &World, count: usize) -> Result<()> {
    let mut records = probe::records(world, USER).await?;
    same(records.len(), count, "records")?;
    records.sort_by_key(|record| record.id.parse::<u64>().ok());
    for (earlier, later) in records.iter().zip(records.iter().skip(1)) {
        let end = earlier.ended_at.context("an earlier record has no end")?;
        holds(later.began_at > end, || format!("{later:?} begins before the end of {earlier:?}"))?;
    }
    Ok(())
}
