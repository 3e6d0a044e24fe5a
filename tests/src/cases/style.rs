//! The other form of `errDlt`: the detail alone.

use anyhow::Result;
use serde_json::json;

use super::{Case, cases};
use crate::{
    http::Request,
    world::{ADMIN_TOKEN, STATUS, USER_TOKEN, World},
    ws::Handshake,
};

pub(super) fn cases() -> Vec<Case> {
    cases![V38, "v38":
        details_stand_alone,
        an_error_without_detail_has_an_empty_one,
        handshakes_have_the_same_form,
    ]
}

async fn details_stand_alone(world: World) -> Result<()> {
    let request = Request::post(STATUS).body("{}");
    world.send(&request).await?.refused(1001, "header must have operationID")?;
    world.post_text(STATUS, None, "{}").await?.refused(1001, "header must have token")?;
    world.as_admin(STATUS, &json!({})).await?.refused(1001, "UserIDs is empty")?;
    let user = world.user("a");
    let token = world.issue(&user, 5).await?;
    let body = json!({"userIDs": [user], "userID": user, "platformID": 5});
    world.post(STATUS, Some(&token), &body).await?.refused(1002, "only app manager")?;
    let detail = format!("user {user} is not admin userID");
    world.post(USER_TOKEN, Some(&token), &body).await?.refused(1002, &detail)?;
    let body = json!({"secret": "not-the-secret", "userID": world.admin()?});
    world.post(ADMIN_TOKEN, None, &body).await?.refused(1002, "secret invalid")
}

async fn an_error_without_detail_has_an_empty_one(world: World) -> Result<()> {
    world.post_text(STATUS, Some("abc"), "{}").await?.refused(1503, "")?;
    let token = world.forged(&world.user("a"), 5)?;
    world.post_text(STATUS, Some(&token), "{}").await?.refused(1507, "")
}

async fn handshakes_have_the_same_form(world: World) -> Result<()> {
    let user = world.user("a");
    let token = world.issue(&user, 5).await?;
    let whole = Handshake::new(&user, 5, &token);
    world.refused_both_ways(&whole.clone().without("platformID"), 1602, "platformID is not int").await?;
    let detail = "token platform 5 != platformID 2";
    world.refused_both_ways(&whole.clone().set("platformID", "2"), 1502, detail).await?;
    world.refused_both_ways(&whole.set("token", "abc"), 1503, "").await
}
