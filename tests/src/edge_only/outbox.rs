//! A directory that cannot be told.

use std::time::{Duration, Instant};

use anyhow::{Result, anyhow};
use serde_json::json;

use super::{
    probe::{self, Directory, Record, open_and_ended},
    setup::Setup,
    variables::SHARDS,
};
use crate::{
    check::{holds, same},
    profile::Profile,
    world::FORCE_LOGOUT,
};

/// Users whose name is a number have records.
const FIRST: &str = "1000000000000011";
const SECOND: &str = "1000000000000012";
const THIRD: &str = "1000000000000013";
const FOURTH: &str = "1000000000000014";
/// The user whose record has an id first.
const HOLDER: &str = "1000000000000015";
/// The time that a force-off waits for the directory.
const PATIENCE: Duration = Duration::from_secs(2);

pub(super) async fn an_outbox_whose_directory_call_fails_is_delivered_later(setup: Setup) -> Result<String> {
    let runtime = setup.start(&Profile::Policy1.settings()).await?;
    let world = runtime.world();
    let token = world.issue(FIRST, 5).await?;
    probe::let_directory(&world, FIRST, Directory::Off).await?;
    let mut socket = world.open(FIRST, 5, &token).await?;
    same(world.platforms(FIRST).await?, vec![5], "platforms online while the directory is away")?;
    holds(probe::records(&world, FIRST).await?.is_empty(), || "a record arrived nevertheless".to_owned())?;

    probe::let_directory(&world, FIRST, Directory::On).await?;
    world.eventually("records", || open_and_ended(&world, FIRST), &(1, 0)).await?;
    socket.alive().await?;

    // The same for an end that comes by itself.
    probe::let_directory(&world, FIRST, Directory::Off).await?;
    socket.close().await?;
    world.until_platforms(FIRST, &[]).await?;
    same(
        open_and_ended(&world, FIRST).await?,
        (1, 0),
        "records, open and ended, while the directory is away",
    )?;
    probe::let_directory(&world, FIRST, Directory::On).await?;
    world.eventually("records", || open_and_ended(&world, FIRST), &(0, 1)).await?;
    runtime.stop().await?;
    Ok("an open and an end, each while the directory was away, arrived".to_owned())
}

pub(super) async fn a_force_off_that_the_directory_cannot_hear_of_stands_and_can_be_repeated(
    setup: Setup,
) -> Result<String> {
    let runtime = setup.start(&Profile::Policy1.settings()).await?;
    let world = runtime.world();
    let (token, mut socket) = world.login(SECOND, 5).await?;
    world.eventually("records", || open_and_ended(&world, SECOND), &(1, 0)).await?;
    probe::let_directory(&world, SECOND, Directory::Off).await?;
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

    probe::let_directory(&world, SECOND, Directory::On).await?;
    world.force_logout(SECOND, 5).await?;
    // Not eventually: the answer says that the directory knows.
    same(open_and_ended(&world, SECOND).await?, (0, 1), "records, open and ended, right after the answer")?;
    runtime.stop().await?;
    Ok("2 orders answered 500 and stand, the third succeeded".to_owned())
}

pub(super) async fn a_force_off_does_not_wait_long_for_a_directory_that_hangs(
    setup: Setup,
) -> Result<String> {
    let runtime = setup.start(&Profile::Policy1.settings()).await?;
    let world = runtime.world();
    let (token, mut socket) = world.login(THIRD, 5).await?;
    world.eventually("records", || open_and_ended(&world, THIRD), &(1, 0)).await?;
    world.admin_token().await?;
    // The control: an order that does not wait for the directory, on this machine at this moment.
    let begun = Instant::now();
    world.force_logout(&world.user("control"), 5).await?;
    let control = begun.elapsed();
    probe::let_directory(&world, THIRD, Directory::Hangs).await?;
    let order = json!({"userID": THIRD, "platformID": 5});
    let begun = Instant::now();
    let answer = world.as_admin(FORCE_LOGOUT, &order).await?;
    let took = begun.elapsed();
    answer.envelope_with(500)?.refusal(500)?;
    holds(took >= PATIENCE && took < PATIENCE * 2 + control * 10, || {
        format!("it answered after {took:?}, an ordinary order after {control:?}")
    })?;
    same(world.status(THIRD).await?.status, 0, "status after the answer")?;
    world.expect_verdict(&token, 1506, "the token after the answer").await?;
    socket.kicked().await?;
    same(open_and_ended(&world, THIRD).await?, (1, 0), "records while the directory hangs")?;

    probe::let_directory(&world, THIRD, Directory::On).await?;
    world.force_logout(THIRD, 5).await?;
    same(open_and_ended(&world, THIRD).await?, (0, 1), "records, open and ended, right after the answer")?;
    runtime.stop().await?;
    Ok(format!("500 after {:.1} s although the kick stands, its repetition succeeded", took.as_secs_f32()))
}

pub(super) async fn a_record_whose_id_is_taken_gets_another(setup: Setup) -> Result<String> {
    let runtime = setup.with(SHARDS, 1).start(&Profile::Policy1.settings()).await?;
    let world = runtime.world();
    let (_, _holder) = world.login(HOLDER, 5).await?;
    world.eventually("records", || open_and_ended(&world, HOLDER), &(1, 0)).await?;
    probe::let_directory(&world, FOURTH, Directory::Off).await?;
    let (_, socket) = world.login(FOURTH, 5).await?;
    let drawn = only(probe::own_records(&world, FOURTH).await?)?.id;
    // Another user's record has the id that was drawn.
    probe::change(&world, &format!("UPDATE record SET id = {drawn}")).await?;

    probe::let_directory(&world, FOURTH, Directory::On).await?;
    world.eventually("records", || open_and_ended(&world, FOURTH), &(1, 0)).await?;
    let kept = only(probe::records(&world, FOURTH).await?)?.id;
    holds(kept != drawn, || format!("two records have the id {drawn}"))?;
    same(only(probe::records(&world, HOLDER).await?)?.id, drawn, "the id of the record that had it first")?;
    same(
        only(probe::own_records(&world, FOURTH).await?)?.id,
        kept.clone(),
        "the id in the user's own object",
    )?;
    // The connection knows its record by the new id.
    socket.close().await?;
    world.eventually("records", || open_and_ended(&world, FOURTH), &(0, 1)).await?;
    same(only(probe::records(&world, FOURTH).await?)?.id, kept, "the id of the ended record")?;
    runtime.stop().await?;
    Ok("another id was drawn, and the end found its record".to_owned())
}

fn only(records: Vec<Record>) -> Result<Record> {
    let [record] =
        <[Record; 1]>::try_from(records).map_err(|records| anyhow!("not one record: {records:?}"))?;
    Ok(record)
}
