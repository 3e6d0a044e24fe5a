//! `get_admin_token`: every row of its table.

use anyhow::Result;
use serde_json::json;

use super::{Case, cases};
use crate::{
    check::{holds, integer_at, same, text_at},
    world::{ADMIN_TOKEN, STATUS, World},
};

pub(super) fn cases() -> Vec<Case> {
    cases![Base, "base":
        an_admin_token_is_issued_with_its_lifetime,
        a_wrong_secret_gets_no_admin_token,
        an_admin_token_needs_a_user,
        who_is_no_administrator_gets_no_admin_token,
        the_secret_is_judged_before_the_name,
        many_admin_tokens_work_at_once,
    ]
}

async fn an_admin_token_is_issued_with_its_lifetime(world: World) -> Result<()> {
    let body = json!({"secret": world.secret()?, "userID": world.admin()?});
    let data = world.post(ADMIN_TOKEN, None, &body).await?.data()?;
    let names: Vec<&String> = data.as_object().map(|o| o.keys().collect()).unwrap_or_default();
    same(names.len(), 2, &format!("the number of fields of {names:?}"))?;
    text_at(&data, "/token")?;
    same(integer_at(&data, "/expireTimeSeconds")?, world.settings().ttl_days * 86_400, "expireTimeSeconds")
}

async fn a_wrong_secret_gets_no_admin_token(world: World) -> Result<()> {
    let secret = world.secret()?.to_owned();
    let prefix: String = secret.chars().take(secret.chars().count() - 1).collect();
    let longer = format!("{secret}x");
    for wrong in ["", "not-the-secret", &prefix, &longer, &secret.to_uppercase()] {
        if wrong.len() > 7 {
            world.forbid(wrong);
        }
        let body = json!({"secret": wrong, "userID": world.admin()?});
        world.post(ADMIN_TOKEN, None, &body).await?.refused(1002, "secret invalid")?;
    }
    Ok(())
}

async fn an_admin_token_needs_a_user(world: World) -> Result<()> {
    let body = json!({"secret": world.secret()?, "userID": ""});
    world.post(ADMIN_TOKEN, None, &body).await?.refused(1001, "userID is empty")
}

/// The refusal names the asker and must not name the administrators.
async fn who_is_no_administrator_gets_no_admin_token(world: World) -> Result<()> {
    let admin = world.admin()?.to_owned();
    let other = format!("{admin} ");
    for user in ["bob", admin.to_lowercase().as_str(), &other] {
        let body = json!({"secret": world.secret()?, "userID": user});
        let envelope = world.post(ADMIN_TOKEN, None, &body).await?.envelope()?;
        let detail = envelope.refusal(1001)?;
        holds(detail.starts_with("userID is error."), || format!("the detail {detail:?}"))?;
        if !user.contains(&admin) {
            holds(!envelope.text().contains(&admin), || format!("names the administrators: {detail:?}"))?;
        }
    }
    Ok(())
}

async fn the_secret_is_judged_before_the_name(world: World) -> Result<()> {
    let body = json!({"secret": "not-the-secret", "userID": "bob"});
    world.post(ADMIN_TOKEN, None, &body).await?.refused(1002, "secret invalid")
}

async fn many_admin_tokens_work_at_once(world: World) -> Result<()> {
    let admin = world.admin()?.to_owned();
    let mut tokens = Vec::new();
    for _ in 0..8 {
        tokens.push(world.fresh_admin_token(&admin).await?);
    }
    for token in &tokens {
        let answer = world.post(STATUS, Some(token), &json!({"userIDs": []})).await?;
        same(answer.code()?, 0, "errCode of an older admin token")?;
    }
    tokens.sort();
    tokens.dedup();
    same(tokens.len(), 8, "the number of different tokens")
}
