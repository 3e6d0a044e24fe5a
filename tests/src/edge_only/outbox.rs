//! A directory that cannot be told.

use anyhow::Result;
use serde_json::json;

use super::{probe, stand::Stand};
use crate::{
    check::{holds, same},
    profile::Profile,
    world::{FORCE_LOGOUT, World},
};

/// Users whose name is a number have records.
const FIRST: &str = "1000000000000011";
const SECOND: &str = "1000000000000012";

pub(super) async fn an_outbox_whose_directory_call_fails_is_delivered_later(stand: Stand) -> Result<String> {
    let runtime = stand.start(&Profile::Policy1.settings()).await?;
    let world = runtime.world();
    let token = world.issue(FIRST, 5).await?;
    probe::reach_directory(&world, FIRST, false).await?;
    let mut socket = world.open(FIRST, 5, &token).await?;
    same(world.platforms(FIRST).await?, vec![5], "platforms online while the directory is away")?;
    holds(probe::records(&world, FIRST).await?.is_empty(), || "a record arrived nevertheless".to_owned())?;

    probe::reach_directory(&world, FIRST, true).await?;
    world.eventually("records", || open_and_ended(&world, FIRST), &(1, 0)).await?;
    socket.alive().await?;

    // The same for an end that comes by itself.
    probe::reach_directory(&world, FIRST, false).await?;
    socket.close().await?;
    world.until_platforms(FIRST, &[]).await?;
    same(
        open_and_ended(&world, FIRST).await?,
        (1, 0),
        "records, open and ended, while the directory is away",
    )?;
    probe::reach_directory(&world, FIRST, true).await?;
    world.eventually("records", || open_and_ended(&world, FIRST), &(0, 1)).await?;
    runtime.stop().await?;
    Ok("an open and an end, each while the directory was away, arrived".to_owned())
}

pub(super) async fn a_force_off_that_the_directory_cannot_hear_of_stands_and_can_be_repeated(
    stand: Stand,
) -> Result<String> {
    let runtime = stand.start(&Profile::Policy1.settings()).await?;
    let world = runtime.world();
    let (token, mut socket) = world.login(SECOND, 5).await?;
    world.eventually("records", || open_and_ended(&world, SECOND), &(1, 0)).await?;
    probe::reach_directory(&world, SECOND, false).await?;
    let order = json!({"userID": SECOND, "platformID": 5});
    for attempt in ["the order", "its repetition while the directory is still away"] {
        let answer = world.as_admin(FORCE_LOGOUT, &order).await?;
        let envelope = answer.envelope_with(500)?;
        envelope.refusal(500).map_err(|error| error.context(attempt))?;
        same(world.status(SECOND).await?.status, 0, "status after the answer")?;
        world.expect_verdict(&token, 1506, "the token after the answer").await?;
    }
    socket.kicked().await?;
    same(open_and_ended(&world, SECOND).await?, (1, 0), "records while the directory is away")?;

    probe::reach_directory(&world, SECOND, true).await?;
    world.force_logout(SECOND, 5).await?;
    // Not eventually: the answer says that the directory knows.
    same(open_and_ended(&world, SECOND).await?, (0, 1), "records, open and ended, right after the answer")?;
    runtime.stop().await?;
    Ok("2 orders answered 500 and stand, the third succeeded".to_owned())
}

async fn open_and_ended(world: &World, user: &str) -> Result<(usize, usize)> {
    let records = probe::records(world, user).await?;
    let ended = records.iter().filter(|record| record.ended).count();
    Ok((records.len() - ended, ended))
}
