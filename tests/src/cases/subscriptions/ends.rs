//! Subscriptions end with their connection, whatever ends it.

use anyhow::Result;

use super::watcher::Watcher;
use crate::{
    cases::{Case, cases},
    proto,
    world::World,
};

pub(super) fn cases() -> Vec<Case> {
    [
        cases![Base, "base":
            a_client_that_comes_back_follows_nobody_until_it_asks,
            a_kicked_follower_is_told_no_more_and_its_other_device_is,
            a_follower_that_takes_back_and_asks_again_at_once_is_told,
            a_follower_that_leaves_while_others_are_told_harms_nobody,
        ],
        cases![Policy1, "policy1": a_connection_that_replaces_another_follows_nobody_until_it_asks],
    ]
    .concat()
}

async fn a_client_that_comes_back_follows_nobody_until_it_asks(world: World) -> Result<()> {
    let user = world.user("a");
    let mut witness = Watcher::login(&world, "witness").await?;
    witness.follow(&user, &[]).await?;
    let watcher = world.user("watcher");
    let token = world.issue(&watcher, 5).await?;
    for round in 0..3 {
        let socket = world.open(&watcher, 5, &token).await?;
        let mut client = Watcher { user: watcher.clone(), socket };
        client.follow(&user, &[]).await?;
        match round {
            0 => client.socket.close().await?,
            1 => {
                client.socket.ask(2003, &watcher, Some(&proto::push_token(&watcher, 5))).await?;
                client.socket.ended_silently().await?;
            }
            _ => {
                client.socket.send_text("stray").await?;
                client.socket.closed(1002).await?;
            }
        }
        world.until_platforms(&watcher, &[]).await?;
        let mut back = Watcher { user: watcher.clone(), socket: world.open(&watcher, 5, &token).await? };
        let (_, socket) = world.login(&user, 5).await?;
        witness.pushed(&user, &[5]).await?;
        back.socket.alive().await?;
        back.follow(&user, &[5]).await?;
        socket.close().await?;
        witness.pushed(&user, &[]).await?;
        back.pushed(&user, &[]).await?;
        back.socket.close().await?;
        world.until_platforms(&watcher, &[]).await?;
    }
    Ok(())
}

async fn a_connection_that_replaces_another_follows_nobody_until_it_asks(world: World) -> Result<()> {
    let user = world.user("a");
    let mut witness = Watcher::login(&world, "witness").await?;
    witness.follow(&user, &[]).await?;
    let watcher = world.user("watcher");
    let (token, socket) = world.login(&watcher, 5).await?;
    let mut old = Watcher { user: watcher.clone(), socket };
    old.follow(&user, &[]).await?;
    let mut new = Watcher { user: watcher.clone(), socket: world.open(&watcher, 5, &token).await? };
    old.socket.closed(1000).await?;
    let (_, socket) = world.login(&user, 5).await?;
    witness.pushed(&user, &[5]).await?;
    new.socket.alive().await?;
    new.follow(&user, &[5]).await?;
    socket.close().await?;
    new.pushed(&user, &[]).await
}

async fn a_kicked_follower_is_told_no_more_and_its_other_device_is(world: World) -> Result<()> {
    let user = world.user("a");
    let mut kicked = Watcher::login(&world, "watcher").await?;
    let (_, socket) = world.login(&kicked.user, 2).await?;
    let mut other = Watcher { user: kicked.user.clone(), socket };
    kicked.follow(&user, &[]).await?;
    other.follow(&user, &[]).await?;
    world.force_logout(&kicked.user, 5).await?;
    let (_, _socket) = world.login(&user, 5).await?;
    other.pushed(&user, &[5]).await?;
    kicked.socket.kicked().await
}

async fn a_follower_that_takes_back_and_asks_again_at_once_is_told(world: World) -> Result<()> {
    let user = world.user("a");
    let mut watcher = Watcher::login(&world, "watcher").await?;
    watcher.follow(&user, &[]).await?;
    for platform in [5, 2, 1, 3, 8] {
        let (_, socket) = world.login(&user, platform).await?;
        let shown = [u64::try_from(platform)?];
        watcher.pushed(&user, &shown).await?;
        // What tells the user of the first is under way when the second arrives.
        watcher.leave(&user).await?;
        watcher.follow(&user, &shown).await?;
        socket.close().await?;
        watcher.pushed(&user, &[]).await?;
    }
    Ok(())
}

/// Some followers are kicked or close while the others are being told; each of the others is told all the same.
async fn a_follower_that_leaves_while_others_are_told_harms_nobody(world: World) -> Result<()> {
    let quiet = world.unrecorded();
    let user = world.user("a");
    let mut stay = Vec::new();
    let mut leave = Vec::new();
    for index in 0..24 {
        let mut watcher = Watcher::login(&quiet, &format!("w{index}")).await?;
        watcher.follow(&user, &[]).await?;
        if index % 2 == 0 { stay.push(watcher) } else { leave.push(watcher) }
    }
    let token = quiet.issue(&user, 5).await?;
    let come = quiet.open(&user, 5, &token);
    let go = async {
        for (index, watcher) in leave.into_iter().enumerate() {
            match index % 3 {
                0 => quiet.force_logout(&watcher.user, 5).await?,
                1 => watcher.socket.reset()?,
                _ => watcher.socket.close().await?,
            }
        }
        anyhow::Ok(())
    };
    let (socket, ()) = futures_util::future::try_join(come, go).await?;
    for watcher in &mut stay {
        watcher.pushed(&user, &[5]).await?;
    }
    socket.close().await?;
    for watcher in &mut stay {
        watcher.pushed(&user, &[]).await?;
        watcher.socket.alive().await?;
    }
    Ok(())
}
