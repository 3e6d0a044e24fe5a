//! Permissions of each route; a refused order changes nothing.

use anyhow::{Context as _, Result};
use serde_json::json;

use super::{Case, cases};
use crate::{
    answer::Answer,
    check::same,
    jwt,
    world::{DETAIL, FORCE_LOGOUT, STATUS, USER_TOKEN, World},
};

pub(super) fn cases() -> Vec<Case> {
    [
        cases![Base, "base":
            only_administrators_may_ask_who_is_online,
            a_refused_force_logout_kicks_nobody,
            a_kicked_user_learns_that_and_nothing_else,
        ],
        cases![Policy1, "policy1": a_refused_issue_kills_no_token],
    ]
    .concat()
}

/// Tokens that must not be enough, with the code that each gets.
async fn insufficient(world: &World) -> Result<Vec<(&'static str, Option<String>, i64)>> {
    let user = world.user("caller");
    let kicked = world.issue(&user, 2).await?;
    world.force_logout(&user, 2).await?;
    let claims = world.claims(world.admin()?, 10).to_text();
    Ok(vec![
        ("no token", None, 1001),
        ("no JWT", Some("abc".to_owned()), 1503),
        ("a wrong secret", Some(jwt::mint(&claims, "a-secret-of-somebody-else")?), 1505),
        ("an administrator's token that was never issued", Some(jwt::mint(&claims, world.secret()?)?), 1507),
        ("a kicked token", Some(kicked), 1506),
        ("a user's token", Some(world.issue(&user, 5).await?), 1002),
    ])
}

async fn only_administrators_may_ask_who_is_online(world: World) -> Result<()> {
    let user = world.user("caller");
    let (own, _socket) = world.login(&user, 3).await?;
    for path in [STATUS, DETAIL] {
        let body = json!({"userIDs": [user]});
        world.post(path, Some(&own), &body).await?.refused(1002, "only app manager")?;
        for (what, token, code) in insufficient(&world).await? {
            let answer = world.post(path, token.as_deref(), &body).await?;
            expect(&answer, code).with_context(|| format!("{path} with {what}"))?;
        }
    }
    Ok(())
}

async fn a_refused_force_logout_kicks_nobody(world: World) -> Result<()> {
    let victim = world.user("victim");
    let (victims_token, mut socket) = world.login(&victim, 5).await?;
    for (what, token, code) in insufficient(&world).await? {
        let body = json!({"userID": victim, "platformID": 5});
        let answer = world.post(FORCE_LOGOUT, token.as_deref(), &body).await?;
        expect(&answer, code).with_context(|| format!("force_logout with {what}"))?;
    }
    // Not even of one's own platform.
    let body = json!({"userID": victim, "platformID": 5});
    let answer = world.post(FORCE_LOGOUT, Some(&victims_token), &body).await?;
    answer.refused(1002, &format!("user {victim} is not admin userID"))?;
    world.expect_verdict(&victims_token, 0, "the victim's token").await?;
    same(world.platforms(&victim).await?, vec![5], "the victim's platforms")?;
    socket.alive().await
}

/// Under policy 1 an issue would kill the older token of that platform.
async fn a_refused_issue_kills_no_token(world: World) -> Result<()> {
    let victim = world.user("victim");
    let (victims_token, mut socket) = world.login(&victim, 5).await?;
    for (what, token, code) in insufficient(&world).await? {
        let body = json!({"userID": victim, "platformID": 5});
        let answer = world.post(USER_TOKEN, token.as_deref(), &body).await?;
        expect(&answer, code).with_context(|| format!("get_user_token with {what}"))?;
    }
    world.expect_verdict(&victims_token, 0, "the victim's token").await?;
    socket.alive().await
}

async fn a_kicked_user_learns_that_and_nothing_else(world: World) -> Result<()> {
    let user = world.user("a");
    let token = world.issue(&user, 5).await?;
    world.force_logout(&user, 5).await?;
    for path in [STATUS, DETAIL, USER_TOKEN, FORCE_LOGOUT] {
        let body = json!({"userIDs": [user], "userID": user, "platformID": 5});
        world.post(path, Some(&token), &body).await?.refused(1506, "").with_context(|| path.to_owned())?;
    }
    Ok(())
}

fn expect(answer: &Answer, code: i64) -> Result<()> {
    answer.envelope()?.refusal(code).map(drop)
}
