//! Small limits: two tokens a platform, three connections a user.

use std::time::Instant;

use anyhow::Result;
use serde_json::json;

use super::{Case, cases};
use crate::{
    answer::Answer,
    check::{holds, same},
    world::World,
    ws::{Handshake, Opening},
};

pub(super) fn cases() -> Vec<Case> {
    cases![Limits, "limits":
        the_oldest_tokens_go_by_issue_order,
        the_limit_of_tokens_counts_each_platform,
        a_kicked_token_does_not_count_as_one,
        administrators_have_no_limit_of_tokens,
        one_connection_too_many_is_refused,
        a_bad_token_is_told_before_the_limit,
        connections_are_counted_for_each_user,
        connects_of_one_user_have_a_pace,
    ]
}

/// Within one second the texts' times go down while the order goes up.
async fn the_oldest_tokens_go_by_issue_order(world: World) -> Result<()> {
    let user = world.user("a");
    let mut tokens = Vec::new();
    for _ in 0..5 {
        tokens.push(world.issue(&user, 5).await?);
        let newest = tokens.len().saturating_sub(2);
        for (index, token) in tokens.iter().enumerate() {
            let wanted = if index >= newest { 0 } else { 1506 };
            world.expect_verdict(token, wanted, &format!("token {} of {}", index + 1, tokens.len())).await?;
        }
    }
    Ok(())
}

async fn the_limit_of_tokens_counts_each_platform(world: World) -> Result<()> {
    let user = world.user("a");
    let mut tokens = Vec::new();
    for platform in [1, 2, 3, 5, 1, 2, 3, 5] {
        tokens.push(world.issue(&user, platform).await?);
    }
    for token in &tokens {
        world.expect_verdict(token, 0, "one of two tokens of its platform").await?;
    }
    Ok(())
}

async fn a_kicked_token_does_not_count_as_one(world: World) -> Result<()> {
    let user = world.user("a");
    let dead = [world.issue(&user, 5).await?, world.issue(&user, 5).await?];
    world.force_logout(&user, 5).await?;
    let first = world.issue(&user, 5).await?;
    let second = world.issue(&user, 5).await?;
    for token in [&first, &second] {
        world.expect_verdict(token, 0, "one of the two newest").await?;
    }
    for token in &dead {
        world.expect_verdict(token, 1506, "a token forced out").await?;
    }
    Ok(())
}

async fn administrators_have_no_limit_of_tokens(world: World) -> Result<()> {
    let admin = world.admin()?.to_owned();
    let mut tokens = Vec::new();
    for _ in 0..5 {
        tokens.push(world.fresh_admin_token(&admin).await?);
    }
    for token in &tokens {
        world.expect_verdict(token, 0, "an admin token").await?;
    }
    Ok(())
}

async fn one_connection_too_many_is_refused(world: World) -> Result<()> {
    let user = world.user("a");
    let mut open = Vec::new();
    for platform in [1, 2, 3] {
        open.push(world.login(&user, platform).await?);
    }
    let fourth = world.issue(&user, 5).await?;
    world.refused_both_ways(&Handshake::new(&user, 5, &fourth), 1601, "").await?;
    // A second connection of a token that is connected already counts under this policy.
    let again = open.first().map(|(token, _)| token.clone()).unwrap_or_default();
    world.refused_both_ways(&Handshake::new(&user, 1, &again), 1601, "").await?;
    same(world.platforms(&user).await?, vec![1, 2, 3], "platforms online")?;
    for (_, socket) in &mut open {
        socket.alive().await?;
    }
    let (_, socket) = open.swap_remove(0);
    socket.close().await?;
    world.until_platforms(&user, &[2, 3]).await?;
    world.open(&user, 5, &fourth).await?.alive().await
}

async fn a_bad_token_is_told_before_the_limit(world: World) -> Result<()> {
    let user = world.user("a");
    let dead = world.issue(&user, 5).await?;
    world.force_logout(&user, 5).await?;
    let mut open = Vec::new();
    for platform in [1, 2, 3] {
        open.push(world.login(&user, platform).await?);
    }
    world.refused_both_ways(&Handshake::new(&user, 5, &dead), 1506, "").await?;
    world.refused_both_ways(&Handshake::new(&user, 5, "abc"), 1503, "").await?;
    world.refused_both_ways(&Handshake::new(&user, 5, &world.forged(&user, 5)?), 1507, "").await
}

async fn connections_are_counted_for_each_user(world: World) -> Result<()> {
    let mut open = Vec::new();
    for role in ["a", "b", "c"] {
        let user = world.user(role);
        for platform in [1, 2, 3] {
            open.push(world.login(&user, platform).await?);
        }
    }
    for (_, socket) in &mut open {
        socket.alive().await?;
    }
    let answer = world.as_admin(crate::world::STATUS, &json!({"userIDs": [world.user("b")]})).await?;
    same(answer.code()?, 0, "errCode")
}

/// What came and went counts too: the known-wrong way let one client leave hundreds of records a second.
async fn connects_of_one_user_have_a_pace(world: World) -> Result<()> {
    const TRIES: u32 = 60;
    const AT_ONCE: f64 = 10.0;
    const EACH_SECOND: f64 = 2.0;
    let user = world.user("a");
    let dead = world.issue(&user, 2).await?;
    world.force_logout(&user, 2).await?;
    let token = world.issue(&user, 5).await?;
    let world = world.at_one_server();
    let quiet = world.unrecorded();
    let (begun, mut admitted) = (Instant::now(), 0_u32);
    for _ in 0..TRIES {
        match quiet.try_upgrade(&Handshake::new(&user, 5, &token).silent()).await? {
            Opening::Upgraded(socket) => {
                admitted += 1;
                socket.close().await?;
            }
            Opening::Refused(response) => {
                Answer::new(response, quiet.style()).envelope()?.refused(1601, "")?;
            }
        }
    }
    let most = AT_ONCE + EACH_SECOND * begun.elapsed().as_secs_f64();
    holds(f64::from(admitted) <= most, || format!("{admitted} connects in a time for {most:.1}"))?;
    // The token is judged before the pace.
    let (_, envelope) = quiet.refusal(&Handshake::new(&user, 2, &dead).silent()).await?;
    envelope.refused(1506, "")?;
    world.until_platforms(&user, &[]).await?;
    world.pace().await;
    world.open(&user, 5, &token).await?.alive().await
}
