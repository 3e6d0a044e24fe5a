//! `parse_token` needs no token of its own and names the exact reason of a refusal.

use anyhow::Result;
use serde_json::json;

use super::{Case, cases};
use crate::{
    check::same,
    jwt,
    world::{PARSE_TOKEN, World},
};

pub(super) fn cases() -> Vec<Case> {
    cases![Base, "base":
        parse_token_gives_user_platform_and_end,
        an_empty_token_is_an_argument_error,
        parse_token_knows_a_kicked_token,
    ]
}

async fn parse_token_gives_user_platform_and_end(world: World) -> Result<()> {
    let user = world.user("a");
    for platform in [1, 5, 11] {
        let token = world.issue(&user, platform).await?;
        let exp = jwt::claims(&token)?.exp;
        let wanted = json!({"userID": user, "platformID": platform, "expireTimeSeconds": exp});
        same(world.post(PARSE_TOKEN, None, &json!({"token": token})).await?.data()?, wanted, "data")?;
    }
    let admin = world.admin()?.to_owned();
    let token = world.fresh_admin_token(&admin).await?;
    let exp = jwt::claims(&token)?.exp;
    let wanted = json!({"userID": admin, "platformID": 10, "expireTimeSeconds": exp});
    same(world.post(PARSE_TOKEN, None, &json!({"token": token})).await?.data()?, wanted, "data")
}

async fn an_empty_token_is_an_argument_error(world: World) -> Result<()> {
    world.post(PARSE_TOKEN, None, &json!({"token": ""})).await?.refused(1001, "token is empty")
}

async fn parse_token_knows_a_kicked_token(world: World) -> Result<()> {
    let user = world.user("a");
    let token = world.issue(&user, 5).await?;
    world.force_logout(&user, 5).await?;
    world.post(PARSE_TOKEN, None, &json!({"token": token})).await?.refused(1506, "")
}
