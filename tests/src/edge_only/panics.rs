//! Code of ours that breaks: lints forbid it, and a library may do it all the same.

use anyhow::Result;

use super::{probe, setup::Setup};
use crate::{
    check::{holds, same},
    profile::Profile,
};

const KICKED: i64 = 1506;

/// The module's memory is thrown away with everything that is in it; what stands in stores and sockets is untouched.
pub(super) async fn a_panic_costs_its_own_request_and_nothing_else(setup: Setup) -> Result<String> {
    let runtime = setup.start(&Profile::Policy1.settings()).await?;
    let world = runtime.world();
    let (token, mut own) = world.login("breaks", 5).await?;
    let (_, mut other) = world.login("stays", 2).await?;
    let kicked = world.issue("kicked", 5).await?;
    world.force_logout("kicked", 5).await?;

    // Instances are counted in the module's memory, so the count begins anew with it.
    let before = probe::look(&world, "stays").await?.instance;
    probe::panic(&world, "breaks").await?;
    // A look that runs in the memory while it is thrown away is lost with it.
    let is_new = || async { Ok(probe::look(&world, "stays").await.is_ok_and(|seen| seen.instance < before)) };
    world.eventually("a new memory", is_new, &true).await?;

    for (user, platform) in [("breaks", 5), ("stays", 2)] {
        same(world.platforms(user).await?, vec![platform], "platforms online after the panic")?;
    }
    own.alive().await?;
    other.alive().await?;
    world.expect_verdict(&token, 0, "the token of the user whose object broke").await?;
    world.expect_verdict(&kicked, KICKED, "a token that was kicked before the panic").await?;
    world.force_logout("breaks", 5).await?;
    same(world.platforms("breaks").await?, Vec::<i64>::new(), "platforms online after a kick")?;
    world.expect_verdict(&token, KICKED, "a token that was kicked after the panic").await?;
    runtime.stop().await?;
    let log = setup.log()?;
    holds(log.contains("worker/src/probe.rs:") && log.contains("a test panics"), || {
        "the log lacks the panic's place and words".to_owned()
    })?;
    Ok("sockets of two objects outlived it, tokens kept their states, a kick was carried out".to_owned())
}
