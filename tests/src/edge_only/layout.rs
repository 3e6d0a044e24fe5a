//! Another number of shards than the directory was laid out with.

use anyhow::Result;
use serde_json::json;

use super::{probe::open_and_ended, setup::Setup};
use crate::{
    check::{holds, same},
    profile::Profile,
    world::FORCE_LOGOUT,
};

const SHARDS: &str = "ROLLCALL__PRESENCE__DIRECTORY_SHARDS";
const USER: &str = "1000000000000061";
const EXPLAINED: &str = "presence.directory_shards is 8, but this directory was laid out with 4";

pub(super) async fn another_number_of_shards_is_refused_by_the_name_of_its_key(
    setup: Setup,
) -> Result<String> {
    let settings = Profile::Policy1.settings();
    let laid_out = setup.with(SHARDS, 4);
    let runtime = laid_out.start(&settings).await?;
    let world = runtime.world();
    let (token, _socket) = world.login(USER, 5).await?;
    world.eventually("records", || open_and_ended(&world, USER), &(1, 0)).await?;
    runtime.stop().await?;

    let changed = laid_out.clone().with(SHARDS, 8);
    let runtime = changed.start(&settings).await?;
    let world = runtime.world();
    let order = json!({"userID": USER, "platformID": 5});
    world.as_admin(FORCE_LOGOUT, &order).await?.envelope_with(500)?.refusal(500)?;
    world.expect_verdict(&token, 1506, "the token after an order that the directory refused").await?;
    same(open_and_ended(&world, USER).await?, (1, 0), "records that the directory did not take in")?;
    runtime.stop().await?;
    holds(changed.log()?.contains(EXPLAINED), || "no line of the log names the key".to_owned())?;

    let runtime = laid_out.start(&settings).await?;
    let world = runtime.world();
    world.force_logout(USER, 5).await?;
    same(open_and_ended(&world, USER).await?, (0, 1), "records, open and ended, with the number as before")?;
    runtime.stop().await?;
    Ok("refused with the key's name, and nothing was lost with the number as before".to_owned())
}
