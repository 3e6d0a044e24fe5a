//! Objects that run another version of the code than what asks them, as they do while a deploy is under way.

use anyhow::Result;
use serde_json::json;

use super::{
    probe::{SHARD_0, change_user, forget, open_and_ended},
    setup::Setup,
    variables::SHARDS,
};
use crate::{
    check::{holds, same},
    console::api::LIST,
    http::Request,
    profile::Profile,
    world::{FORCE_LOGOUT, World},
};

const THERE: &str = "1000000000000021";
const LATER: &str = "1000000000000022";
const NEWER: u32 = 1_000;
const SAID: &str = "an object runs code of another version";

/// A shard refuses what newer code wrote in the same way as a question that it does not know, before it does anything.
pub(super) async fn a_shard_of_other_code_is_waited_for(setup: Setup) -> Result<String> {
    let setup = setup.with(SHARDS, 1);
    let runtime = setup.start(&Profile::Policy1.settings()).await?;
    let world = runtime.world();
    let (_, mut there) = world.login(THERE, 5).await?;
    world.eventually("records", || open_and_ended(&world, THERE), &(1, 0)).await?;
    same(status(&world, LIST).await?, 200, "the status of a list")?;
    bring(&world, &format!("version + {NEWER}")).await?;

    for target in [LIST.to_owned(), format!("{LIST}/{THERE}")] {
        same(status(&world, &target).await?, 503, &target)?;
    }
    // Users need no directory.
    let (token, mut later) = world.login(LATER, 5).await?;
    same(world.platforms(LATER).await?, vec![5], "platforms online")?;
    let order = json!({"userID": LATER, "platformID": 5});
    world.as_admin(FORCE_LOGOUT, &order).await?.envelope_with(500)?.refusal(500)?;
    later.kicked().await?;
    world.expect_verdict(&token, 1506, "the token, although the directory was not told").await?;
    there.alive().await?;
    same(open_and_ended(&world, LATER).await?, (0, 0), "records of a user whom the shard has not heard of")?;

    bring(&world, &format!("version - {NEWER}")).await?;
    world.eventually("records", || open_and_ended(&world, LATER), &(0, 1)).await?;
    same(open_and_ended(&world, THERE).await?, (1, 0), "records of a user who was there all the time")?;
    same(status(&world, LIST).await?, 200, "the status of a list, afterwards")?;
    runtime.stop().await?;
    holds(setup.log()?.contains(SAID), || "no line of the log says so".to_owned())?;
    Ok("lists were refused, a connection and a forced logout came later".to_owned())
}

/// Gives the shard's tables another version, and takes from its instance what it knows of them.
async fn bring(world: &World, version: &str) -> Result<()> {
    change_user(world, SHARD_0, &format!("UPDATE schema SET version = {version}")).await?;
    forget(world, SHARD_0).await
}

async fn status(world: &World, target: &str) -> Result<u16> {
    let token = world.admin_token().await?;
    let request = Request::new("GET", target).header("Authorization", &format!("Bearer {token}"));
    Ok(world.unrecorded().send(&request).await?.response.status)
}
