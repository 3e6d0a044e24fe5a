//! The same token connecting again on its platform is the same device coming back.

use anyhow::{Context as _, Result};

use super::{Case, cases};
use crate::{check::same, size::size, world::World};

pub(super) fn cases() -> Vec<Case> {
    [
        cases![Base, "base": under_policy_0_both_connections_of_a_token_stay],
        cases![Policy1, "policy1":
            a_reconnect_replaces_silently_under_policy_1,
            the_same_token_reconnecting_never_kicks_itself,
        ],
        cases![Policy4, "policy4": a_reconnect_replaces_silently_under_policy_4],
        cases![Policy5, "policy5":
            a_reconnect_replaces_silently_under_policy_5,
            a_pc_that_reconnects_is_replaced_silently,
        ],
    ]
    .concat()
}

async fn under_policy_0_both_connections_of_a_token_stay(world: World) -> Result<()> {
    let user = world.user("a");
    let (token, mut first) = world.login(&user, 5).await?;
    let mut second = world.open(&user, 5, &token).await?;
    same(world.platforms(&user).await?, vec![5, 5], "platforms online")?;
    first.alive().await?;
    second.alive().await?;
    second.close().await?;
    world.until_platforms(&user, &[5]).await?;
    first.alive().await
}

async fn a_reconnect_replaces_silently_under_policy_1(world: World) -> Result<()> {
    replaced(&world, 5).await
}

async fn a_reconnect_replaces_silently_under_policy_4(world: World) -> Result<()> {
    replaced(&world, 2).await
}

async fn a_reconnect_replaces_silently_under_policy_5(world: World) -> Result<()> {
    replaced(&world, 1).await
}

async fn a_pc_that_reconnects_is_replaced_silently(world: World) -> Result<()> {
    replaced(&world, 3).await
}

/// The old socket ends without a kick frame, the token lives, the new socket is the only one.
async fn replaced(world: &World, platform: i64) -> Result<()> {
    let user = world.user("a");
    let (token, mut old) = world.login(&user, platform).await?;
    let before = world.status(&user).await?;
    let mut new = world.open(&user, platform, &token).await?;
    let after = world.status(&user).await?;
    same(after.connections.len(), 1, "the number of connections after the reconnect")?;
    let id = |s: &crate::world::UserStatus| s.connections.first().map(|c| c.id.clone());
    same(id(&before) == id(&after), false, "the connection shown is still the old one")?;
    old.ended_silently().await.context("the old socket")?;
    world.expect_verdict(&token, 0, "the token").await?;
    new.alive().await.context("the new socket")?;
    // The late end of the old one is not the end of the new one.
    same(world.platforms(&user).await?, vec![platform], "platforms online")
}

/// Users come back over and over, each time with the old socket still open.
async fn the_same_token_reconnecting_never_kicks_itself(world: World) -> Result<()> {
    let quiet = world.unrecorded();
    let (users, rounds) = (size(5, 40), 4);
    for index in 0..users {
        let user = world.user(&format!("u{index}"));
        let (token, mut socket) = quiet.login(&user, 2).await?;
        for _ in 0..rounds {
            let next = quiet.open(&user, 2, &token).await?;
            let mut old = std::mem::replace(&mut socket, next);
            old.ended_silently().await?;
            quiet.expect_verdict(&token, 0, "the token").await?;
        }
        socket.alive().await?;
        same(quiet.platforms(&user).await?, vec![2], "platforms online")?;
    }
    Ok(())
}
