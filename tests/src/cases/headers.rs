//! The two headers, and the order in which a request is judged.

use anyhow::{Context as _, Result};
use serde_json::json;

use super::{Case, cases};
use crate::{
    check::same,
    http::Request,
    world::{ADMIN_TOKEN, DETAIL, FORCE_LOGOUT, PARSE_TOKEN, PLAIN_STATUS, STATUS, USER_TOKEN, World, post},
};

/// Routes that want a token.
const GUARDED: [&str; 5] = [STATUS, DETAIL, PLAIN_STATUS, USER_TOKEN, FORCE_LOGOUT];
const OPEN: [&str; 2] = [ADMIN_TOKEN, PARSE_TOKEN];

pub(super) fn cases() -> Vec<Case> {
    cases![Base, "base":
        every_route_needs_an_operation_id,
        an_empty_header_is_a_missing_one,
        every_guarded_route_needs_a_token,
        the_operation_id_is_judged_before_the_token,
        the_token_is_judged_before_the_body,
        the_body_is_judged_before_the_permission,
        header_names_ignore_case,
        a_repeated_operation_id_is_accepted,
        a_repeated_token_is_no_token,
        open_routes_ignore_a_token_header,
        the_content_type_is_ignored,
    ]
}

async fn every_route_needs_an_operation_id(world: World) -> Result<()> {
    let token = world.admin_token().await?;
    for path in GUARDED.iter().chain(&OPEN) {
        let request = Request::post(path).header("token", &token).body("{}");
        let answer = world.send(&request).await?;
        answer.refused(1001, "header must have operationID").with_context(|| (*path).to_owned())?;
    }
    Ok(())
}

async fn an_empty_header_is_a_missing_one(world: World) -> Result<()> {
    let token = world.admin_token().await?;
    for empty in ["", "  "] {
        let request = Request::post(STATUS).header("operationID", empty).header("token", &token).body("{}");
        world.send(&request).await?.refused(1001, "header must have operationID")?;
        let request = Request::post(STATUS).header("operationID", "op").header("token", empty).body("{}");
        world.send(&request).await?.refused(1001, "header must have token")?;
    }
    Ok(())
}

async fn every_guarded_route_needs_a_token(world: World) -> Result<()> {
    for path in GUARDED {
        let answer = world.post_text(path, None, "{}").await?;
        answer.refused(1001, "header must have token").with_context(|| path.to_owned())?;
    }
    Ok(())
}

async fn the_operation_id_is_judged_before_the_token(world: World) -> Result<()> {
    for token in [None, Some("abc")] {
        let mut request = Request::post(STATUS).body("{}");
        if let Some(token) = token {
            request = request.header("token", token);
        }
        world.send(&request).await?.refused(1001, "header must have operationID")?;
    }
    Ok(())
}

async fn the_token_is_judged_before_the_body(world: World) -> Result<()> {
    for path in GUARDED {
        for body in ["", "{", "[]", "{}"] {
            let answer = world.post_text(path, Some("abc"), body).await?;
            answer.refused(1503, "").with_context(|| path.to_owned())?;
        }
    }
    Ok(())
}

async fn the_body_is_judged_before_the_permission(world: World) -> Result<()> {
    let token = world.issue(&world.user("a"), 5).await?;
    for path in [STATUS, DETAIL, USER_TOKEN, FORCE_LOGOUT] {
        let garbage = world.post_text(path, Some(&token), "{").await?;
        garbage.envelope()?.refusal(1001).with_context(|| path.to_owned())?;
    }
    for path in [STATUS, DETAIL] {
        let missing = world.post_text(path, Some(&token), "{}").await?;
        missing.refused(1001, "UserIDs is empty").with_context(|| path.to_owned())?;
    }
    Ok(())
}

async fn header_names_ignore_case(world: World) -> Result<()> {
    let token = world.admin_token().await?;
    for (operation, name) in [("OPERATIONID", "TOKEN"), ("operationid", "Token"), ("OperationID", "tOKEN")] {
        let request = Request::post(STATUS).header(operation, "op").header(name, &token);
        same(world.send(&request.body(r#"{"userIDs":[]}"#)).await?.code()?, 0, "errCode")?;
    }
    Ok(())
}

async fn a_repeated_operation_id_is_accepted(world: World) -> Result<()> {
    let token = world.admin_token().await?;
    let request = post(STATUS, Some(&token), r#"{"userIDs":[]}"#).header("operationID", "another");
    same(world.send(&request).await?.code()?, 0, "errCode")
}

/// Repeated lines are joined with a comma, and the joined text has too many parts for a token.
async fn a_repeated_token_is_no_token(world: World) -> Result<()> {
    let token = world.admin_token().await?;
    let request = post(STATUS, Some(&token), r#"{"userIDs":[]}"#).header("token", &token);
    world.send(&request).await?.refused(1503, "")
}

async fn open_routes_ignore_a_token_header(world: World) -> Result<()> {
    let admin = world.admin()?.to_owned();
    let body = json!({"secret": world.secret()?, "userID": admin});
    let answer = world.post(ADMIN_TOKEN, Some("abc"), &body).await?;
    same(answer.code()?, 0, "errCode of get_admin_token")?;
    let token = world.admin_token().await?;
    let answer = world.post(PARSE_TOKEN, Some("abc"), &json!({"token": token})).await?;
    same(answer.code()?, 0, "errCode of parse_token")
}

async fn the_content_type_is_ignored(world: World) -> Result<()> {
    let token = world.admin_token().await?;
    for kind in [None, Some("text/plain"), Some("application/x-www-form-urlencoded"), Some("nonsense")] {
        let mut request = Request::new("POST", STATUS).header("operationID", "op").header("token", &token);
        if let Some(kind) = kind {
            request = request.header("content-type", kind);
        }
        let answer = world.send(&request.body(r#"{"userIDs":[]}"#)).await?;
        same(answer.code()?, 0, &format!("errCode with {kind:?}"))?;
    }
    Ok(())
}
