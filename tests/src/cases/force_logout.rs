//! `force_logout`: every row of its table, and what it reaches.

use anyhow::{Context as _, Result};
use serde_json::json;

use super::{Case, cases};
use crate::{
    check::same,
    world::{FORCE_LOGOUT, World},
};

pub(super) fn cases() -> Vec<Case> {
    cases![Base, "base":
        force_logout_needs_a_user,
        force_logout_needs_a_known_platform,
        bad_arguments_are_told_before_the_permission,
        a_user_may_not_force_anybody_out,
        an_unknown_user_is_forced_out_with_success,
        force_logout_may_be_repeated,
        force_logout_kills_tokens_without_a_connection,
        force_logout_reaches_only_its_platform,
        force_logout_reaches_only_its_user,
        force_logout_reaches_every_connection_of_the_platform,
        harmony_may_be_forced_out,
    ]
}

async fn force_logout_needs_a_user(world: World) -> Result<()> {
    let answer = world.as_admin(FORCE_LOGOUT, &json!({"userID": "", "platformID": 5})).await?;
    answer.refused(1001, "userID is empty")
}

async fn force_logout_needs_a_known_platform(world: World) -> Result<()> {
    let user = world.user("a");
    let (token, mut socket) = world.login(&user, 5).await?;
    for platform in [0, -1, 12, 99] {
        let answer = world.as_admin(FORCE_LOGOUT, &json!({"userID": user, "platformID": platform})).await?;
        answer.refused(1001, "platformID is invalidate").with_context(|| platform.to_string())?;
    }
    world.expect_verdict(&token, 0, "the token").await?;
    socket.alive().await
}

async fn bad_arguments_are_told_before_the_permission(world: World) -> Result<()> {
    let token = world.issue(&world.user("a"), 5).await?;
    let answer = world.post(FORCE_LOGOUT, Some(&token), &json!({"userID": "x", "platformID": 0})).await?;
    answer.refused(1001, "platformID is invalidate")?;
    let answer = world.post(FORCE_LOGOUT, Some(&token), &json!({"userID": "", "platformID": 5})).await?;
    answer.refused(1001, "userID is empty")
}

async fn a_user_may_not_force_anybody_out(world: World) -> Result<()> {
    let user = world.user("a");
    let token = world.issue(&user, 5).await?;
    let body = json!({"userID": world.user("b"), "platformID": 5});
    let answer = world.post(FORCE_LOGOUT, Some(&token), &body).await?;
    answer.refused(1002, &format!("user {user} is not admin userID"))
}

async fn an_unknown_user_is_forced_out_with_success(world: World) -> Result<()> {
    let user = world.user("nobody");
    for platform in 1..=11 {
        if platform != 10 {
            world.force_logout(&user, platform).await?;
        }
    }
    Ok(())
}

async fn force_logout_may_be_repeated(world: World) -> Result<()> {
    let user = world.user("a");
    let (token, mut socket) = world.login(&user, 5).await?;
    for _ in 0..3 {
        world.force_logout(&user, 5).await?;
        world.expect_verdict(&token, 1506, "the token").await?;
    }
    socket.kicked().await
}

async fn force_logout_kills_tokens_without_a_connection(world: World) -> Result<()> {
    let user = world.user("a");
    let tokens = [world.issue(&user, 5).await?, world.issue(&user, 5).await?];
    world.force_logout(&user, 5).await?;
    for token in &tokens {
        world.expect_verdict(token, 1506, "a token of the platform").await?;
    }
    let fresh = world.issue(&user, 5).await?;
    world.expect_verdict(&fresh, 0, "a token issued afterwards").await
}

async fn force_logout_reaches_only_its_platform(world: World) -> Result<()> {
    let user = world.user("a");
    let mut kept = Vec::new();
    for platform in [1, 3, 5, 11] {
        kept.push(world.login(&user, platform).await?);
    }
    let (_, mut hit) = world.login(&user, 2).await?;
    world.force_logout(&user, 2).await?;
    hit.kicked().await?;
    same(world.platforms(&user).await?, vec![1, 3, 5, 11], "platforms online")?;
    for (token, socket) in &mut kept {
        world.expect_verdict(token, 0, "the token of another platform").await?;
        socket.alive().await?;
    }
    Ok(())
}

async fn force_logout_reaches_only_its_user(world: World) -> Result<()> {
    let (hit, kept) = (world.user("hit"), world.user("hit2"));
    let (_, mut socket) = world.login(&hit, 5).await?;
    let (token, mut other) = world.login(&kept, 5).await?;
    world.force_logout(&hit, 5).await?;
    socket.kicked().await?;
    world.expect_verdict(&token, 0, "the other user's token").await?;
    other.alive().await
}

async fn force_logout_reaches_every_connection_of_the_platform(world: World) -> Result<()> {
    let user = world.user("a");
    let mut sockets = vec![world.login(&user, 5).await?, world.login(&user, 5).await?];
    // Two connections may share a token under this policy; both go.
    let shared = sockets.first().map(|(token, _)| token.clone()).unwrap_or_default();
    sockets.push((shared.clone(), world.open(&user, 5, &shared).await?));
    world.force_logout(&user, 5).await?;
    same(world.platforms(&user).await?, Vec::<i64>::new(), "platforms online")?;
    for (token, socket) in &mut sockets {
        world.expect_verdict(token, 1506, "a token of the platform").await?;
        socket.kicked().await?;
    }
    Ok(())
}

async fn harmony_may_be_forced_out(world: World) -> Result<()> {
    let user = world.user("a");
    let (token, mut socket) = world.login(&user, 11).await?;
    world.force_logout(&user, 11).await?;
    socket.kicked().await?;
    world.expect_verdict(&token, 1506, "the token").await
}
