//! A rotated secret, a second administrator, two connections a user, a token life of a week.

use anyhow::{Context as _, Result};
use serde_json::json;

use super::{Case, cases};
use crate::{
    check::{integer_at, same, text_at},
    jwt,
    world::{ADMIN_TOKEN, STATUS, World},
    ws::Handshake,
};

pub(super) fn cases() -> Vec<Case> {
    cases![Narrow, "narrow":
        previous_secrets_verify_and_others_do_not,
        previous_secrets_do_not_sign,
        a_previous_secret_gets_no_admin_token,
        the_life_of_a_token_is_as_configured,
        every_configured_administrator_may_order sharing "the second administrator",
        force_logout_of_the_admin_platform_kills_admin_tokens sharing "the second administrator",
        force_logout_of_an_administrator_closes_its_connection sharing "the second administrator",
        a_reconnect_is_admitted_at_the_limit,
        a_login_that_kicks_is_admitted_at_the_limit,
        a_third_platform_is_refused_at_the_limit,
    ]
}

fn second_admin(world: &World) -> Result<&str> {
    world.settings().admins.get(1).map(String::as_str).context("no second administrator")
}

/// A verified text that was never issued is unknown; an unverified one is invalid.
async fn previous_secrets_verify_and_others_do_not(world: World) -> Result<()> {
    let claims = world.claims(&world.user("a"), 5).to_text();
    for secret in world.settings().secrets() {
        world.expect_verdict(&jwt::mint(&claims, secret)?, 1507, "a token of a configured secret").await?;
    }
    world.expect_verdict(&jwt::mint(&claims, "another-secret")?, 1505, "a token of another secret").await
}

async fn previous_secrets_do_not_sign(world: World) -> Result<()> {
    let token = world.issue(&world.user("a"), 5).await?;
    same(jwt::verifies(&token, world.secret()?)?, true, "signed with the secret")?;
    for previous in &world.settings().previous_secrets {
        same(jwt::verifies(&token, previous)?, false, "signed with a previous secret")?;
    }
    Ok(())
}

async fn a_previous_secret_gets_no_admin_token(world: World) -> Result<()> {
    for previous in &world.settings().previous_secrets {
        let body = json!({"secret": previous, "userID": world.admin()?});
        world.post(ADMIN_TOKEN, None, &body).await?.refused(1002, "secret invalid")?;
    }
    Ok(())
}

async fn the_life_of_a_token_is_as_configured(world: World) -> Result<()> {
    let lifetime = world.settings().ttl_days * 86_400;
    let body = json!({"secret": world.secret()?, "userID": world.admin()?});
    let data = world.post(ADMIN_TOKEN, None, &body).await?.data()?;
    same(integer_at(&data, "/expireTimeSeconds")?, lifetime, "expireTimeSeconds")?;
    text_at(&data, "/token")?;
    let claims = jwt::claims(&world.issue(&world.user("a"), 5).await?)?;
    same(claims.exp - claims.iat, lifetime + 5, "exp - iat")
}

async fn every_configured_administrator_may_order(world: World) -> Result<()> {
    for admin in &world.settings().admins {
        let token = world.fresh_admin_token(admin).await?;
        let answer = world.post(STATUS, Some(&token), &json!({"userIDs": []})).await?;
        same(answer.code()?, 0, admin)?;
    }
    Ok(())
}

async fn force_logout_of_the_admin_platform_kills_admin_tokens(world: World) -> Result<()> {
    let admin = second_admin(&world)?.to_owned();
    let tokens = [world.fresh_admin_token(&admin).await?, world.fresh_admin_token(&admin).await?];
    for token in &tokens {
        // Used, so that a cache of verified tokens would hold them.
        let answer = world.post(STATUS, Some(token), &json!({"userIDs": []})).await?;
        same(answer.code()?, 0, "errCode before")?;
    }
    world.force_logout(&admin, 10).await?;
    for token in &tokens {
        world.post(STATUS, Some(token), &json!({"userIDs": []})).await?.refused(1506, "")?;
        world.expect_verdict(token, 1506, "an admin token").await?;
    }
    let fresh = world.fresh_admin_token(&admin).await?;
    world.expect_verdict(&fresh, 0, "an admin token issued afterwards").await?;
    let first = world.admin_token().await?;
    world.expect_verdict(&first, 0, "the token of another administrator").await
}

async fn force_logout_of_an_administrator_closes_its_connection(world: World) -> Result<()> {
    let admin = second_admin(&world)?.to_owned();
    let token = world.fresh_admin_token(&admin).await?;
    let mut socket = world.open(&admin, 10, &token).await?;
    same(world.platforms(&admin).await?, vec![10], "platforms online")?;
    world.force_logout(&admin, 10).await?;
    same(world.platforms(&admin).await?, Vec::<i64>::new(), "platforms online")?;
    socket.kicked().await
}

async fn a_reconnect_is_admitted_at_the_limit(world: World) -> Result<()> {
    let user = world.user("a");
    let (token, mut old) = world.login(&user, 5).await?;
    let (_, mut other) = world.login(&user, 2).await?;
    let mut new = world.open(&user, 5, &token).await?;
    old.ended_silently().await?;
    new.alive().await?;
    other.alive().await?;
    same(world.platforms(&user).await?, vec![2, 5], "platforms online")
}

async fn a_login_that_kicks_is_admitted_at_the_limit(world: World) -> Result<()> {
    let user = world.user("a");
    let (_, mut old) = world.login(&user, 5).await?;
    let (_, mut other) = world.login(&user, 2).await?;
    let (_, mut new) = world.login(&user, 5).await?;
    old.kicked().await?;
    new.alive().await?;
    other.alive().await
}

/// A login that is refused kicks no connection.
async fn a_third_platform_is_refused_at_the_limit(world: World) -> Result<()> {
    let user = world.user("a");
    let (_, mut one) = world.login(&user, 5).await?;
    let (_, mut two) = world.login(&user, 2).await?;
    let third = world.issue(&user, 3).await?;
    world.refused_both_ways(&Handshake::new(&user, 3, &third), 1601, "").await?;
    world.send(&Handshake::new(&user, 3, &third).plain()).await?.refused(1601, "")?;
    one.alive().await?;
    two.alive().await?;
    world.expect_verdict(&third, 0, "the token that was refused for lack of room").await?;
    one.close().await?;
    world.until_platforms(&user, &[2]).await?;
    world.open(&user, 3, &third).await?.alive().await
}
