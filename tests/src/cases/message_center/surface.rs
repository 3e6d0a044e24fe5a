//! Paths, methods and media types that are not served, and how that is told.

use anyhow::Result;

use crate::{
    cases::{Case, cases},
    check::same,
    console::stage::{LIST, OFF, SEARCH, Stage},
    http::Request,
    world::World,
};

pub(super) fn cases() -> Vec<Case> {
    cases![Console, "console":
        other_paths_have_no_handler,
        other_methods_are_not_supported,
        an_order_has_to_be_json,
        a_body_above_a_mebibyte_is_refused,
        every_error_names_its_key_in_body_and_headers,
        a_request_id_is_echoed,
        a_request_without_an_id_gets_one,
        the_caller_is_not_echoed,
    ]
}

async fn other_paths_have_no_handler(world: World) -> Result<()> {
    let stage = Stage::set(&world).await?;
    for path in [
        format!("{LIST}/"),
        format!("{LIST}/101/"),
        format!("{SEARCH}/"),
        format!("{OFF}/"),
        format!("{LIST}/101/x"),
    ] {
        stage.refused("admin-t1", &path, 404, "handler_not_found").await?;
    }
    stage.refused("admin-t1", "/api/v1/message/center/nothing", 404, "handler_not_found").await
}

async fn other_methods_are_not_supported(world: World) -> Result<()> {
    let stage = Stage::set(&world).await?;
    let token = stage.bearer("admin-t1");
    for (path, methods) in [
        (LIST.to_owned(), vec!["POST", "PUT", "PATCH", "DELETE"]),
        (SEARCH.to_owned(), vec!["POST", "DELETE"]),
        (format!("{LIST}/101"), vec!["POST", "PUT", "DELETE"]),
    ] {
        for method in methods {
            let request =
                stage.request(method, &path, &token).header("Content-Type", "application/json").body("{}");
            stage.ask(&request).await?.refused(405, "method_not_supported")?;
        }
    }
    for method in ["PUT", "DELETE", "PATCH"] {
        stage.ask(&stage.request(method, OFF, &token)).await?.refused(405, "method_not_supported")?;
    }
    Ok(())
}

async fn an_order_has_to_be_json(world: World) -> Result<()> {
    let stage = Stage::set(&world).await?;
    let token = stage.bearer("admin-t1");
    let body = r#"{"broadcast":true,"receiveObjectType":"USER","receiveObjectIds":[998]}"#;
    for kind in
        ["text/plain", "application/x-www-form-urlencoded", "application/xml", "multipart/form-data", "json"]
    {
        let request = stage.request("POST", OFF, &token).header("Content-Type", kind).body(body);
        stage.ask(&request).await?.refused(415, "media_type_not_supported")?;
    }
    stage
        .ask(&stage.request("POST", OFF, &token).body(body))
        .await?
        .refused(415, "media_type_not_supported")?;
    for kind in ["application/json", "application/json; charset=utf-8", "APPLICATION/JSON"] {
        let request = stage.request("POST", OFF, &token).header("Content-Type", kind).body(body);
        stage.ask(&request).await?.empty()?;
    }
    Ok(())
}

async fn a_body_above_a_mebibyte_is_refused(world: World) -> Result<()> {
    let stage = Stage::set(&world).await?;
    let order = r#"{"receiveObjectType":"USER","receiveObjectIds":[998]}"#;
    let token = stage.bearer("admin-t1");
    for (size, fits) in [(1 << 20, true), ((1 << 20) + 1, false)] {
        let body = format!("{order}{}", " ".repeat(size - order.len()));
        let request =
            stage.request("POST", OFF, &token).header("Content-Type", "application/json").body(body);
        let mut bytes = request.head(&world.address().to_string());
        bytes.extend_from_slice(&request.body);
        let reply = stage.reply(world.pour(&bytes).await?);
        if fits { reply.empty()? } else { reply.refused(413, "param_parsing_error")? }
    }
    Ok(())
}

/// One error of each status that a client can cause.
async fn every_error_names_its_key_in_body_and_headers(world: World) -> Result<()> {
    let stage = Stage::set(&world).await?;
    stage.refused("admin-t1", &format!("{LIST}?pageNo=0"), 400, "param_validation_error").await?;
    stage.get("nobody-knows", LIST).await?.refused(401, "invalid_token")?;
    stage.refused("user-101", LIST, 403, "forbidden").await?;
    stage.refused("admin-t1", &format!("{LIST}/999"), 404, "resource_not_found").await?;
    let token = stage.bearer("admin-t1");
    stage.ask(&stage.request("PUT", LIST, &token)).await?.refused(405, "method_not_supported")?;
    stage.ask(&stage.request("POST", OFF, &token)).await?.refused(415, "media_type_not_supported")
}

async fn a_request_id_is_echoed(world: World) -> Result<()> {
    let stage = Stage::set(&world).await?;
    let token = stage.bearer("admin-t1");
    for name in ["XC-Request-Id", "X-Request-Id", "xc-request-id"] {
        for (target, status) in [(LIST.to_owned(), 200), (format!("{LIST}?pageNo=0"), 400)] {
            let reply =
                stage.ask(&stage.request("GET", &target, &token).header(name, "a-request.42")).await?;
            same(reply.response.status, status, "the status")?;
            same(reply.response.header("xc-request-id").as_deref(), Some("a-request.42"), "XC-Request-Id")?;
        }
    }
    let reply = stage.ask(&Request::new("GET", LIST).header("XC-Request-Id", "refused")).await?;
    reply.unauthorized("unauthorized")?;
    same(reply.response.header("xc-request-id").as_deref(), Some("refused"), "XC-Request-Id")
}

async fn a_request_without_an_id_gets_one(world: World) -> Result<()> {
    let stage = Stage::set(&world).await?;
    let one = stage.get("admin-t1", LIST).await?.response.header("xc-request-id");
    let two = stage.get("admin-t1", LIST).await?.response.header("xc-request-id");
    same(one.is_some() && one != two, true, "two requests have ids of their own")
}

async fn the_caller_is_not_echoed(world: World) -> Result<()> {
    let stage = Stage::set(&world).await?;
    let reply = stage.get("admin-t1", LIST).await?;
    for name in ["client-id", "tenant-id", "user-id"] {
        for prefix in ["xc-auth-", "x-"] {
            same(reply.response.header(&format!("{prefix}{name}")), None, &format!("{prefix}{name}"))?;
        }
    }
    Ok(())
}
