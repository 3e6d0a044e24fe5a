//! Another number of shards than the directory was laid out with.

use anyhow::Result;
use serde_json::json;

use super::{
    directory::get,
    probe::{self, open_and_ended},
    setup::Setup,
    variables::SHARDS,
};
use crate::{
    check::{same, text_at},
    console::api::LIST,
    profile::Profile,
};

/// Its bucket is 2 of 4 and 6 of 8.
const USER: &str = "1000000000000061";

pub(super) async fn a_directory_keeps_its_number_of_shards_whatever_is_configured(
    setup: Setup,
) -> Result<String> {
    let settings = Profile::Policy1.settings();
    let laid_out = setup.with(SHARDS, 4);
    let runtime = laid_out.start(&settings).await?;
    let world = runtime.world();
    let (_, _socket) = world.login(USER, 5).await?;
    world.eventually("records", || open_and_ended(&world, USER), &(1, 0)).await?;
    runtime.stop().await?;

    let runtime = laid_out.clone().with(SHARDS, 8).start(&settings).await?;
    let world = runtime.world();
    // The end of the record reaches the shard that has it.
    world.force_logout(USER, 5).await?;
    same(open_and_ended(&world, USER).await?, (0, 1), "records, open and ended")?;
    let detail = get(&world, &format!("{LIST}/{USER}")).await?;
    same(detail.pointer("/data/online"), Some(&json!(false)), "online, in the detail")?;
    // As an earlier program left it: without a version, buckets and counters.
    for shard in 0..4 {
        let before = "UPDATE layout SET version = 1, target = NULL, counted = 0";
        for change in [before, "UPDATE record SET bucket = NULL", "DELETE FROM counter"] {
            probe::change_shard(&world, shard, change).await?;
        }
    }
    runtime.stop().await?;

    let runtime = laid_out.clone().with(SHARDS, 8).start(&settings).await?;
    let world = runtime.world();
    let page = get(&world, LIST).await?;
    same(text_at(&page, "/data/total")?, "1".to_owned(), "records, in a list of all")?;
    runtime.stop().await?;
    Ok("the stored number counts, also where an earlier program stored it".to_owned())
}
