//! Pushes: one for each change of a user's set of platforms, and no other.

use std::sync::atomic::AtomicUsize;

use anyhow::Result;

use super::watcher::Watcher;
use crate::{
    cases::{Case, cases},
    check::holds,
    proto,
    world::World,
};

pub(super) fn cases() -> Vec<Case> {
    [
        cases![Base, "base":
            coming_and_going_is_pushed_to_who_follows,
            a_user_whom_nobody_has_seen_is_pushed_at_its_first_login,
            a_second_connection_on_the_same_platform_is_no_news,
            going_to_the_background_is_no_news,
            a_forced_logout_pushes_the_smaller_set,
            a_logout_pushes_the_smaller_set,
            every_connection_of_every_follower_is_told,
            a_user_follows_itself,
            a_user_who_comes_and_goes_quickly_is_shown_as_it_is_at_last,
        ],
        cases![Policy1, "policy1":
            a_reconnect_with_the_same_token_is_no_news,
            a_login_that_takes_anothers_place_is_no_news,
        ],
    ]
    .concat()
}

async fn coming_and_going_is_pushed_to_who_follows(world: World) -> Result<()> {
    let mut watcher = Watcher::login(&world, "watcher").await?;
    let user = world.user("a");
    watcher.follow(&user, &[]).await?;
    let (_, web) = world.login(&user, 5).await?;
    watcher.pushed(&user, &[5]).await?;
    let (_, android) = world.login(&user, 2).await?;
    watcher.pushed(&user, &[2, 5]).await?;
    web.close().await?;
    watcher.pushed(&user, &[2]).await?;
    android.reset()?;
    watcher.pushed(&user, &[]).await
}

async fn a_user_whom_nobody_has_seen_is_pushed_at_its_first_login(world: World) -> Result<()> {
    let mut watcher = Watcher::login(&world, "watcher").await?;
    let user = world.user(&format!("born-{}", world.next_number()));
    watcher.follow(&user, &[]).await?;
    let (_, _socket) = world.login(&user, 11).await?;
    watcher.pushed(&user, &[11]).await
}

async fn a_second_connection_on_the_same_platform_is_no_news(world: World) -> Result<()> {
    let mut watcher = Watcher::login(&world, "watcher").await?;
    let user = world.user("a");
    watcher.follow(&user, &[]).await?;
    let (token, first) = world.login(&user, 5).await?;
    watcher.pushed(&user, &[5]).await?;
    let second = world.open(&user, 5, &token).await?;
    let (_, third) = world.login(&user, 5).await?;
    first.close().await?;
    world.until_platforms(&user, &[5, 5]).await?;
    second.close().await?;
    world.until_platforms(&user, &[5]).await?;
    watcher.socket.alive().await?;
    third.close().await?;
    watcher.pushed(&user, &[]).await
}

async fn going_to_the_background_is_no_news(world: World) -> Result<()> {
    let mut watcher = Watcher::login(&world, "watcher").await?;
    let user = world.user("a");
    let (_, mut socket) = world.login(&user, 5).await?;
    watcher.follow(&user, &[5]).await?;
    for background in [true, false] {
        socket.ask(2004, &user, Some(&proto::background_status(&user, background))).await?;
    }
    watcher.socket.alive().await?;
    let (_, _other) = world.login(&user, 1).await?;
    watcher.pushed(&user, &[1, 5]).await
}

async fn a_forced_logout_pushes_the_smaller_set(world: World) -> Result<()> {
    let mut watcher = Watcher::login(&world, "watcher").await?;
    let user = world.user("a");
    let (_, mut web) = world.login(&user, 5).await?;
    let (_, mut android) = world.login(&user, 2).await?;
    watcher.follow(&user, &[2, 5]).await?;
    world.force_logout(&user, 5).await?;
    watcher.pushed(&user, &[2]).await?;
    web.kicked().await?;
    world.force_logout(&user, 2).await?;
    watcher.pushed(&user, &[]).await?;
    android.kicked().await?;
    world.force_logout(&user, 2).await?;
    watcher.socket.alive().await
}

async fn a_logout_pushes_the_smaller_set(world: World) -> Result<()> {
    let mut watcher = Watcher::login(&world, "watcher").await?;
    let user = world.user("a");
    let (_, mut web) = world.login(&user, 5).await?;
    let (_, _android) = world.login(&user, 2).await?;
    watcher.follow(&user, &[2, 5]).await?;
    web.ask(2003, &user, Some(&proto::push_token(&user, 5))).await?;
    watcher.pushed(&user, &[2]).await
}

async fn every_connection_of_every_follower_is_told(world: World) -> Result<()> {
    let user = world.user("a");
    let mut first = Watcher::login(&world, "first").await?;
    let (_, socket) = world.login(&first.user, 2).await?;
    let mut other_device = Watcher { user: first.user.clone(), socket };
    let (_, socket) = world.login(&first.user, 1).await?;
    let mut bystander = Watcher { user: first.user.clone(), socket };
    let mut second = Watcher::login(&world, "second").await?;
    for watcher in [&mut first, &mut other_device, &mut second] {
        watcher.follow(&user, &[]).await?;
    }
    let (_, socket) = world.login(&user, 5).await?;
    for watcher in [&mut first, &mut other_device, &mut second] {
        watcher.pushed(&user, &[5]).await?;
    }
    other_device.leave(&user).await?;
    socket.close().await?;
    for watcher in [&mut first, &mut second] {
        watcher.pushed(&user, &[]).await?;
    }
    // A connection that did not subscribe, or unsubscribed, gets no push.
    bystander.socket.alive().await?;
    other_device.socket.alive().await
}

async fn a_user_follows_itself(world: World) -> Result<()> {
    let mut own = Watcher::login(&world, "a").await?;
    let user = own.user.clone();
    own.follow(&user, &[5]).await?;
    let (_, second) = world.login(&user, 2).await?;
    own.pushed(&user, &[2, 5]).await?;
    second.close().await?;
    own.pushed(&user, &[5]).await
}

/// Sets that came and went may be left out; the last one is told, and none twice.
async fn a_user_who_comes_and_goes_quickly_is_shown_as_it_is_at_last(world: World) -> Result<()> {
    let quiet = world.unrecorded();
    let mut watchers = Vec::new();
    for role in ["first", "second", "third"] {
        watchers.push(Watcher::login(&quiet, role).await?);
    }
    let user = world.user("a");
    for watcher in &mut watchers {
        watcher.follow(&user, &[]).await?;
    }
    let logins = [(5, quiet.issue(&user, 5).await?), (2, quiet.issue(&user, 2).await?)];
    for (platform, token) in logins.iter().cycle().take(40) {
        quiet.open(&user, *platform, token).await?.close().await?;
    }
    let (_, _socket) = quiet.login(&user, 9).await?;
    for watcher in &mut watchers {
        let many = watcher.pushed_at_last(&user, &[9], &AtomicUsize::default()).await?;
        holds(many <= 81, || format!("{many} pushes"))?;
        watcher.socket.alive().await?;
    }
    Ok(())
}

async fn a_reconnect_with_the_same_token_is_no_news(world: World) -> Result<()> {
    let mut watcher = Watcher::login(&world, "watcher").await?;
    let user = world.user("a");
    watcher.follow(&user, &[]).await?;
    let (token, mut first) = world.login(&user, 5).await?;
    watcher.pushed(&user, &[5]).await?;
    let _second = world.open(&user, 5, &token).await?;
    first.closed(1000).await?;
    watcher.socket.alive().await?;
    let (_, _other) = world.login(&user, 1).await?;
    watcher.pushed(&user, &[1, 5]).await
}

async fn a_login_that_takes_anothers_place_is_no_news(world: World) -> Result<()> {
    let mut watcher = Watcher::login(&world, "watcher").await?;
    let user = world.user("a");
    watcher.follow(&user, &[]).await?;
    let (_, mut first) = world.login(&user, 5).await?;
    watcher.pushed(&user, &[5]).await?;
    let (_, _second) = world.login(&user, 5).await?;
    first.kicked().await?;
    watcher.socket.alive().await?;
    let (_, _other) = world.login(&user, 1).await?;
    watcher.pushed(&user, &[1, 5]).await
}
