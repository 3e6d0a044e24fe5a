//! Paths, methods and media types that are not served, and how that is told.

use anyhow::Result;

use crate::{
    cases::{Case, cases},
    check::same,
    console::api::{Api, LIST, OFF, SEARCH},
    http::Request,
    world::World,
};

pub(super) fn cases() -> Vec<Case> {
    cases![Console, "console":
        other_paths_have_no_handler,
        other_methods_are_not_supported,
        an_order_has_to_be_json,
        a_body_above_a_mebibyte_is_refused,
        a_bad_token_is_refused_before_an_order_arrives,
        every_error_names_its_key_in_body_and_headers,
        a_request_id_is_echoed,
        a_request_without_an_id_gets_one,
        the_caller_is_not_echoed,
    ]
}

async fn other_paths_have_no_handler(world: World) -> Result<()> {
    let api = Api::with_fixture(&world).await?;
    for path in [
        format!("{LIST}/"),
        format!("{LIST}/101/"),
        format!("{SEARCH}/"),
        format!("{OFF}/"),
        format!("{LIST}/101/x"),
    ] {
        api.refused("admin-t1", &path, 404, "handler_not_found").await?;
    }
    api.refused("admin-t1", "/api/v1/message/center/nothing", 404, "handler_not_found").await
}

async fn other_methods_are_not_supported(world: World) -> Result<()> {
    let api = Api::with_fixture(&world).await?;
    let token = api.bearer("admin-t1");
    for (path, methods) in [
        (LIST.to_owned(), vec!["POST", "PUT", "PATCH", "DELETE"]),
        (SEARCH.to_owned(), vec!["POST", "DELETE"]),
        (format!("{LIST}/101"), vec!["POST", "PUT", "DELETE"]),
    ] {
        for method in methods {
            let request =
                api.request(method, &path, &token).header("Content-Type", "application/json").body("{}");
            api.ask(&request).await?.refused(405, "method_not_supported")?;
        }
    }
    for method in ["PUT", "DELETE", "PATCH"] {
        api.ask(&api.request(method, OFF, &token)).await?.refused(405, "method_not_supported")?;
    }
    Ok(())
}

async fn an_order_has_to_be_json(world: World) -> Result<()> {
    let api = Api::with_fixture(&world).await?;
    let token = api.bearer("admin-t1");
    let body = r#"{"broadcast":true,"receiveObjectType":"USER","receiveObjectIds":[998]}"#;
    for kind in
        ["text/plain", "application/x-www-form-urlencoded", "application/xml", "multipart/form-data", "json"]
    {
        let request = api.request("POST", OFF, &token).header("Content-Type", kind).body(body);
        api.ask(&request).await?.refused(415, "media_type_not_supported")?;
    }
    api.ask(&api.request("POST", OFF, &token).body(body)).await?.refused(415, "media_type_not_supported")?;
    for kind in ["application/json", "application/json; charset=utf-8", "APPLICATION/JSON"] {
        let request = api.request("POST", OFF, &token).header("Content-Type", kind).body(body);
        api.ask(&request).await?.empty()?;
    }
    Ok(())
}

/// The head promises a body that never comes.
async fn a_bad_token_is_refused_before_an_order_arrives(world: World) -> Result<()> {
    let api = Api::with_fixture(&world).await?;
    for token in ["revoked", "nobody-has"] {
        let request = api.request("POST", OFF, &api.bearer(token));
        let request = request.header("Content-Type", "application/json").header("content-length", "100");
        api.ask(&request).await?.unauthorized("invalid_token")?;
    }
    Ok(())
}

async fn a_body_above_a_mebibyte_is_refused(world: World) -> Result<()> {
    let api = Api::with_fixture(&world).await?;
    let order = r#"{"receiveObjectType":"USER","receiveObjectIds":[998]}"#;
    let token = api.bearer("admin-t1");
    for (size, fits) in [(1 << 20, true), ((1 << 20) + 1, false)] {
        let body = format!("{order}{}", " ".repeat(size - order.len()));
        let request = api.request("POST", OFF, &token).header("Content-Type", "application/json").body(body);
        let mut bytes = request.head(&world.address().to_string());
        bytes.extend_from_slice(&request.body);
        let reply = api.reply(world.answer_while_sending(&bytes).await?);
        if fits { reply.empty()? } else { reply.refused(413, "param_parsing_error")? }
    }
    Ok(())
}

/// One error of each status that a client can cause.
async fn every_error_names_its_key_in_body_and_headers(world: World) -> Result<()> {
    let api = Api::with_fixture(&world).await?;
    api.refused("admin-t1", &format!("{LIST}?pageNo=0"), 400, "param_validation_error").await?;
    api.get("nobody-knows", LIST).await?.refused(401, "invalid_token")?;
    api.refused("user-101", LIST, 403, "forbidden").await?;
    api.refused("admin-t1", &format!("{LIST}/999"), 404, "resource_not_found").await?;
    let token = api.bearer("admin-t1");
    api.ask(&api.request("PUT", LIST, &token)).await?.refused(405, "method_not_supported")?;
    api.ask(&api.request("POST", OFF, &token)).await?.refused(415, "media_type_not_supported")
}

async fn a_request_id_is_echoed(world: World) -> Result<()> {
    let api = Api::with_fixture(&world).await?;
    let token = api.bearer("admin-t1");
    for name in ["XC-Request-Id", "X-Request-Id", "xc-request-id"] {
        for (target, status) in [(LIST.to_owned(), 200), (format!("{LIST}?pageNo=0"), 400)] {
            let reply = api.ask(&api.request("GET", &target, &token).header(name, "a-request.42")).await?;
            same(reply.response.status, status, "the status")?;
            same(reply.response.header("xc-request-id").as_deref(), Some("a-request.42"), "XC-Request-Id")?;
        }
    }
    let reply = api.ask(&Request::new("GET", LIST).header("XC-Request-Id", "refused")).await?;
    reply.unauthorized("unauthorized")?;
    same(reply.response.header("xc-request-id").as_deref(), Some("refused"), "XC-Request-Id")
}

async fn a_request_without_an_id_gets_one(world: World) -> Result<()> {
    let api = Api::with_fixture(&world).await?;
    let one = api.get("admin-t1", LIST).await?.response.header("xc-request-id");
    let two = api.get("admin-t1", LIST).await?.response.header("xc-request-id");
    same(one.is_some() && one != two, true, "two requests have ids of their own")
}

async fn the_caller_is_not_echoed(world: World) -> Result<()> {
    let api = Api::with_fixture(&world).await?;
    let reply = api.get("admin-t1", LIST).await?;
    for name in ["client-id", "tenant-id", "user-id"] {
        for prefix in ["xc-auth-", "x-"] {
            same(reply.response.header(&format!("{prefix}{name}")), None, &format!("{prefix}{name}"))?;
        }
    }
    Ok(())
}
