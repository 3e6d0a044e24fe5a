//! The version of an object's tables.

use anyhow::Result;
use serde_json::json;

use super::{
    probe::{change_user, failing_write, tables},
    setup::Setup,
};
use crate::{
    check::{holds, same},
    profile::Profile,
    world::FORCE_LOGOUT,
};

const KICKED: i64 = 1506;
const EXPLAINED: &str = "the store is of version 1000, this program knows up to";

pub(super) async fn an_object_has_a_version_and_one_of_a_newer_program_is_refused(
    setup: Setup,
) -> Result<String> {
    let settings = Profile::Policy1.settings();
    let runtime = setup.start(&settings).await?;
    let world = runtime.world();
    let kicked = world.issue("unversioned", 5).await?;
    world.force_logout("unversioned", 5).await?;
    let newer = world.issue("newer", 5).await?;
    let versioned = |text: &str| text.lines().any(|line| line.starts_with("schema: Ok(Some([[Int(1), Int("));
    for user in ["unversioned", "newer"] {
        let found = tables(&world, user).await?;
        holds(versioned(&found), || format!("the object of {user} has no version: {found}"))?;
    }
    same(world.platforms("unknown").await?, Vec::<i64>::new(), "platforms of a user that is not known")?;
    same(tables(&world, "unknown").await?, String::new(), "tables after a question")?;
    same(failing_write(&world, "unknown").await?, "true Ok(None)\n".to_owned(), "a first write that fails")?;
    same(tables(&world, "unknown").await?, String::new(), "tables after a first write that failed")?;
    change_user(&world, "unversioned", "DROP TABLE schema").await?;
    change_user(&world, "newer", "UPDATE schema SET version = 1000").await?;
    runtime.stop().await?;

    // New instances look at the version anew.
    let runtime = setup.start(&settings).await?;
    let world = runtime.world();
    world.expect_verdict(&kicked, KICKED, "the token of an object that had no version").await?;
    let found = tables(&world, "unversioned").await?;
    holds(versioned(&found), || format!("the object was not brought forward: {found}"))?;
    let order = json!({"userID": "newer", "platformID": 5});
    world.as_admin(FORCE_LOGOUT, &order).await?.envelope_with(500)?.refusal(500)?;
    change_user(&world, "newer", "UPDATE schema SET version = 3").await?;
    runtime.stop().await?;
    holds(setup.log()?.contains(EXPLAINED), || "no line of the log has the versions".to_owned())?;

    let runtime = setup.start(&settings).await?;
    runtime.world().expect_verdict(&newer, 0, "the token of the object that was refused").await?;
    runtime.stop().await?;
    Ok("a version was missing, then too new, and no token was lost".to_owned())
}
