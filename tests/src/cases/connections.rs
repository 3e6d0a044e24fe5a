//! Ends of connections. The end of one never ends another.

use anyhow::Result;

use super::{Case, cases};
use crate::{check::same, size::size, world::World};

pub(super) fn cases() -> Vec<Case> {
    cases![Base, "base":
        a_closed_connection_is_offline_at_once,
        a_reset_connection_is_offline_at_once,
        a_dropped_connection_is_offline_at_once,
        one_sessions_end_is_not_the_users_end,
        a_user_comes_back_with_the_same_token,
        statuses_never_drift_over_many_rounds,
    ]
}

async fn a_closed_connection_is_offline_at_once(world: World) -> Result<()> {
    let user = world.user("a");
    let (token, socket) = world.login(&user, 5).await?;
    same(world.platforms(&user).await?, vec![5], "platforms online")?;
    socket.close().await?;
    world.until_platforms(&user, &[]).await?;
    same(world.details(&[&user]).await?.len(), 0, "elements of the token detail")?;
    world.expect_verdict(&token, 0, "the token").await
}

async fn a_reset_connection_is_offline_at_once(world: World) -> Result<()> {
    let user = world.user("a");
    let (token, socket) = world.login(&user, 5).await?;
    socket.reset()?;
    world.until_platforms(&user, &[]).await?;
    world.expect_verdict(&token, 0, "the token").await
}

async fn a_dropped_connection_is_offline_at_once(world: World) -> Result<()> {
    let user = world.user("a");
    let (token, socket) = world.login(&user, 5).await?;
    drop(socket);
    world.until_platforms(&user, &[]).await?;
    world.expect_verdict(&token, 0, "the token").await
}

/// Guards against the known-wrong design in which one session's end marks the user offline.
async fn one_sessions_end_is_not_the_users_end(world: World) -> Result<()> {
    let user = world.user("a");
    let (stays_token, mut stays) = world.login(&user, 2).await?;
    let (_, closes) = world.login(&user, 5).await?;
    let (_, resets) = world.login(&user, 2).await?;
    same(world.platforms(&user).await?, vec![2, 5, 2], "platforms online")?;
    closes.close().await?;
    world.until_platforms(&user, &[2, 2]).await?;
    resets.reset()?;
    world.until_platforms(&user, &[2]).await?;
    let status = world.status(&user).await?;
    let tokens: Vec<&String> = status.connections.iter().map(|c| &c.token).collect();
    same(tokens, vec![&stays_token], "the token of the connection that stays")?;
    let details = world.details(&[&user]).await?;
    same(
        details.iter().flat_map(|d| &d.platforms).map(|p| (p.platform, p.total)).collect::<Vec<_>>(),
        vec![(2, 1)],
        "the token detail",
    )?;
    stays.alive().await
}

async fn a_user_comes_back_with_the_same_token(world: World) -> Result<()> {
    let user = world.user("a");
    let token = world.issue(&user, 5).await?;
    for _ in 0..3 {
        let mut socket = world.open(&user, 5, &token).await?;
        socket.alive().await?;
        socket.close().await?;
        world.until_platforms(&user, &[]).await?;
    }
    Ok(())
}

async fn statuses_never_drift_over_many_rounds(world: World) -> Result<()> {
    let user = world.user("a");
    let quiet = world.unrecorded();
    let token = quiet.issue(&user, 5).await?;
    let mut kept = quiet.open(&user, 5, &token).await?;
    let rounds = size(20, 90);
    for round in 0..rounds {
        let socket = quiet.open(&user, 5, &token).await?;
        if round % 2 == 0 { socket.close().await? } else { socket.reset()? }
    }
    world.until_platforms(&user, &[5]).await?;
    kept.alive().await?;
    same(world.platforms(&user).await?, vec![5], "platforms online")
}
