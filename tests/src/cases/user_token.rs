//! `get_user_token`: every row of its table.

use anyhow::{Context as _, Result};
use serde_json::json;

use super::{Case, cases};
use crate::{
    check::{integer_at, same, text_at},
    world::{USER_TOKEN, World},
};

pub(super) fn cases() -> Vec<Case> {
    cases![Base, "base":
        a_user_token_is_issued_on_every_platform_of_users,
        a_user_may_not_issue_tokens,
        the_admin_platform_gets_no_user_token,
        an_administrator_gets_no_user_token,
        a_user_token_needs_a_user,
        a_user_token_needs_a_known_platform,
        a_platform_that_is_no_integer_is_refused,
    ]
}

async fn a_user_token_is_issued_on_every_platform_of_users(world: World) -> Result<()> {
    let user = world.user("a");
    for platform in [1, 2, 3, 4, 5, 6, 7, 8, 9, 11] {
        let body = json!({"userID": user, "platformID": platform});
        let data = world.as_admin(USER_TOKEN, &body).await?.data().with_context(|| platform.to_string())?;
        let lifetime = world.settings().ttl_days * 86_400;
        same(integer_at(&data, "/expireTimeSeconds")?, lifetime, "expireTimeSeconds")?;
        same(data.as_object().map(serde_json::Map::len), Some(2), "the number of fields")?;
        let token = text_at(&data, "/token")?;
        world.expect_verdict(&token, 0, &format!("the token of platform {platform}")).await?;
    }
    Ok(())
}

async fn a_user_may_not_issue_tokens(world: World) -> Result<()> {
    let user = world.user("a");
    let token = world.issue(&user, 5).await?;
    for wanted in [user.as_str(), "somebody-else"] {
        let body = json!({"userID": wanted, "platformID": 5});
        let answer = world.post(USER_TOKEN, Some(&token), &body).await?;
        answer.refused(1002, &format!("user {user} is not admin userID"))?;
    }
    Ok(())
}

async fn the_admin_platform_gets_no_user_token(world: World) -> Result<()> {
    let body = json!({"userID": world.user("a"), "platformID": 10});
    let detail = "platformID invalid. platformID must not be adminPlatformID";
    world.as_admin(USER_TOKEN, &body).await?.refused(1002, detail)
}

async fn an_administrator_gets_no_user_token(world: World) -> Result<()> {
    let body = json!({"userID": world.admin()?, "platformID": 5});
    world.as_admin(USER_TOKEN, &body).await?.refused(1002, "don't get Admin token")
}

async fn a_user_token_needs_a_user(world: World) -> Result<()> {
    let body = json!({"userID": "", "platformID": 5});
    world.as_admin(USER_TOKEN, &body).await?.refused(1001, "userID is empty")
}

async fn a_user_token_needs_a_known_platform(world: World) -> Result<()> {
    for platform in [0, 12, -1, 99, i64::from(i32::MAX)] {
        let body = json!({"userID": world.user("a"), "platformID": platform});
        let answer = world.as_admin(USER_TOKEN, &body).await?;
        answer.refused(1001, "platformID is invalid").with_context(|| platform.to_string())?;
    }
    Ok(())
}

async fn a_platform_that_is_no_integer_is_refused(world: World) -> Result<()> {
    let token = world.admin_token().await?;
    for platform in [r#""5""#, "5.5", "null", "[5]", "1e300", "99999999999999999999"] {
        let body = format!(r#"{{"userID":"{}","platformID":{platform}}}"#, world.user("a"));
        let answer = world.post_text(USER_TOKEN, Some(&token), &body).await?;
        answer.envelope()?.refusal(1001).with_context(|| platform.to_owned())?;
    }
    Ok(())
}
