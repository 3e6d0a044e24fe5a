//! Methods, unknown routes, CORS, health and the OpenAPI document.

use anyhow::{Context as _, Result};
use futures_util::future::try_join_all;
use serde_json::{Value, json};

use super::{Case, cases};
use crate::{
    answer::Answer,
    check::{at, holds, same, text_at},
    http::{Connection, Request},
    world::{ADMIN_TOKEN, DETAIL, FORCE_LOGOUT, PARSE_TOKEN, PLAIN_STATUS, STATUS, USER_TOKEN, World, post},
};

/// Every documented `POST`.
const ROUTES: [&str; 7] = [STATUS, DETAIL, PLAIN_STATUS, ADMIN_TOKEN, USER_TOKEN, PARSE_TOKEN, FORCE_LOGOUT];

pub(super) fn cases() -> Vec<Case> {
    cases![Base, "base":
        the_envelope_has_its_fields_in_order_and_no_white_space,
        other_methods_are_not_found,
        unknown_routes_are_not_found,
        other_families_have_their_own_404,
        pages_are_served_with_a_strict_policy,
        open_paths_are_matched_exactly,
        an_address_that_ends_with_a_slash_is_understood,
        options_is_answered_without_authentication,
        success_carries_the_cors_headers,
        errors_carry_the_cors_headers,
        health_needs_no_authentication,
        a_deep_health_check_writes_and_reads_and_may_be_asked_by_many_at_once,
        the_openapi_document_lists_every_route,
        several_requests_follow_each_other_on_one_connection,
    ]
}

async fn the_envelope_has_its_fields_in_order_and_no_white_space(world: World) -> Result<()> {
    let user = world.user("a");
    let body = json!({"userIDs": [user]});
    let success = world.as_admin(STATUS, &body).await?;
    let wanted = format!(
        r#"{{"errCode":0,"errMsg":"","errDlt":"","data":[{{"userID":"{user}","status":0,"detailPlatformStatus":[]}}]}}"#
    );
    same(success.text()?, wanted.as_str(), "a status answer")?;
    let nobody = world.as_admin(DETAIL, &body).await?;
    same(nobody.text()?, r#"{"errCode":0,"errMsg":"","errDlt":"","data":[]}"#, "a token detail answer")?;
    let failure = world.as_admin(STATUS, &json!({})).await?;
    let wanted = r#"{"errCode":1001,"errMsg":"ArgsError","errDlt":"UserIDs is empty: [1001]ArgsError"}"#;
    same(failure.text()?, wanted, "a failure")?;
    let plain = world.as_admin(FORCE_LOGOUT, &json!({"userID": user, "platformID": 2})).await?;
    same(plain.text()?, r#"{"errCode":0,"errMsg":"","errDlt":""}"#, "an answer without payload")
}

async fn other_methods_are_not_found(world: World) -> Result<()> {
    let token = world.admin_token().await?;
    for path in ROUTES {
        for method in ["GET", "PUT", "DELETE", "PATCH"] {
            let mut request = post(path, Some(&token), "");
            method.clone_into(&mut request.method);
            let answer = world.send(&request).await?;
            no_route(&answer).with_context(|| format!("{method} {path}"))?;
        }
    }
    for (method, path) in [("POST", "/health"), ("POST", "/openapi.json"), ("POST", "/msg_gateway")] {
        no_route(&world.send(&Request::new(method, path)).await?)
            .with_context(|| format!("{method} {path}"))?;
    }
    Ok(())
}

/// The envelope, which callers parse: stock clients log out on 15xx, and on nothing else.
fn no_route(answer: &Answer) -> Result<()> {
    answer.envelope_with(404)?.refused(1004, "no such route")
}

async fn unknown_routes_are_not_found(world: World) -> Result<()> {
    let token = world.admin_token().await?;
    for path in [
        "/user/get_users",
        "/auth",
        "/auth/",
        "/nothing",
        "/user/get_users_online_status/x",
        "/api/v1/message",
        "/administration",
        "/consoles",
        "/documents",
    ] {
        for token in [Some(token.as_str()), Some("abc"), None] {
            let answer = world.post_text(path, token, "{}").await?;
            no_route(&answer).with_context(|| path.to_owned())?;
        }
        no_route(&world.send(&Request::new("GET", path)).await?).with_context(|| format!("GET {path}"))?;
    }
    Ok(())
}

async fn other_families_have_their_own_404(world: World) -> Result<()> {
    for path in ["/api/v1/message/center/nothing", "/admin", "/admin/nothing", "/admin/v1/nothing"] {
        let answer = world.send(&Request::new("GET", path)).await?;
        same(answer.response.status, 404, &format!("the status of {path}"))?;
        same(text_at(&answer.json()?, "/ext/eKey")?, "handler_not_found", path)?;
    }
    for path in ["/console/nothing", "/docs/nothing"] {
        let answer = world.send(&Request::new("GET", path)).await?;
        same(answer.response.status, 404, &format!("the status of {path}"))?;
        let kind = answer.response.header("content-type").unwrap_or_default();
        holds(kind.starts_with("text/"), || format!("{path} is {kind}"))?;
    }
    Ok(())
}

/// What a page names is there, with the headers that keep it to itself.
async fn pages_are_served_with_a_strict_policy(world: World) -> Result<()> {
    for folder in ["/console", "/docs"] {
        let moved = world.send(&Request::new("GET", folder)).await?.response;
        same(moved.status, 308, &format!("the status of {folder}"))?;
        let index = format!("{folder}/");
        let place = moved.header("location").unwrap_or_default();
        same(place.as_str(), index.trim_start_matches('/'), "where it leads")?;
        same(moved.header("x-content-type-options").as_deref(), Some("nosniff"), folder)?;
        let page = world.send(&Request::new("GET", &index)).await?;
        // The viewer of the reference is too large for a transcript.
        let names = page.text()?.split('"').filter_map(|part| part.strip_prefix("./"));
        let names: Vec<&str> = names.filter(|name| !name.starts_with("swagger")).collect();
        holds(names.len() >= 3, || format!("{index} names {names:?}"))?;
        page_is_kept_to_itself(&world, &index).await?;
        for name in names {
            page_is_kept_to_itself(&world, &format!("{index}{name}")).await?;
        }
    }
    for path in ["/files.txt", "/console/../docs/index.html", "/console//", "/console/index.html/"] {
        let answer = world.send(&Request::new("GET", path)).await?.response;
        same(answer.status, 404, &format!("the status of {path}"))?;
    }
    let answer = world.send(&Request::new("GET", "/console/none.js")).await?.response;
    same(answer.status, 404, "the status of a page that is not there")?;
    same(answer.header("referrer-policy").as_deref(), Some("no-referrer"), "its policy")
}

async fn page_is_kept_to_itself(world: &World, path: &str) -> Result<()> {
    let answer = world.send(&Request::new("GET", path)).await?.response;
    same(answer.status, 200, &format!("the status of {path}"))?;
    let header = |name| answer.header(name).unwrap_or_default();
    let policy = header("content-security-policy");
    for part in ["default-src 'none'", "script-src 'self';", "style-src 'self';", "frame-ancestors 'none'"] {
        holds(policy.contains(part), || format!("the policy of {path}: {policy}"))?;
    }
    same(header("x-content-type-options").as_str(), "nosniff", path)?;
    same(header("referrer-policy").as_str(), "no-referrer", path)?;
    let is_named_by_hash = path.contains("/assets/");
    same(header("cache-control").contains("immutable"), is_named_by_hash, &format!("caching of {path}"))?;
    let again = Request::new("GET", path).header("if-none-match", &header("etag"));
    same(world.send(&again).await?.response.status, 304, &format!("{path} again"))
}

async fn open_paths_are_matched_exactly(world: World) -> Result<()> {
    for path in ["/auth/get_admin_token2", "/auth/parse_token/x", "/auth/parse_token/"] {
        no_route(&world.post_text(path, None, "{}").await?).with_context(|| path.to_owned())?;
    }
    Ok(())
}

/// What a client asks for that puts `/user/…` behind an address with a slash at its end.
async fn an_address_that_ends_with_a_slash_is_understood(world: World) -> Result<()> {
    let token = world.admin_token().await?;
    for path in ["//user/get_users_online_status", "///user/get_users_online_status"] {
        let answer = world.post_text(path, Some(&token), r#"{"userIDs":[]}"#).await?;
        same(answer.data()?, json!([]), path)?;
    }
    world.post_text("//auth/parse_token", None, r#"{"token":"abc"}"#).await?.refused(1503, "")?;
    // What a proxy keeps strangers from by its beginning has no second one.
    for path in ["//admin/v1/users/1/unlock", "//nothing"] {
        let answer = world.post_text(path, Some(&token), "").await?;
        same(answer.response.status, 404, path)?;
    }
    Ok(())
}

async fn options_is_answered_without_authentication(world: World) -> Result<()> {
    for path in ROUTES {
        let request = Request::new("OPTIONS", path)
            .header("origin", "https://console.example")
            .header("access-control-request-method", "POST")
            .header("access-control-request-headers", "operationid,token");
        let answer = world.send(&request).await?;
        same(answer.response.status, 200, "the status of a preflight")?;
        same(answer.json()?, json!("Options Request!"), "the body of a preflight")?;
        cors(&answer).with_context(|| format!("OPTIONS {path}"))?;
    }
    Ok(())
}

async fn success_carries_the_cors_headers(world: World) -> Result<()> {
    let token = world.admin_token().await?;
    for origin in [None, Some("https://console.example")] {
        let mut request = post(STATUS, Some(&token), r#"{"userIDs":[]}"#);
        if let Some(origin) = origin {
            request = request.header("origin", origin);
        }
        let answer = world.send(&request).await?;
        same(answer.code()?, 0, "errCode")?;
        cors(&answer)?;
    }
    Ok(())
}

async fn errors_carry_the_cors_headers(world: World) -> Result<()> {
    let token = world.admin_token().await?;
    for (request, status) in [
        (post(STATUS, None, "{}"), 200),
        (post(STATUS, Some("abc"), "{}"), 200),
        (post(STATUS, Some(&token), "not json"), 200),
        (post("/nothing", Some(&token), "{}"), 404),
        (post(STATUS, Some(&token), "").header("content-length", "9000000"), 413),
    ] {
        let answer = world.send(&request).await?;
        same(answer.response.status, status, "the status")?;
        cors(&answer).with_context(|| format!("{status} of {}", request.target))?;
    }
    Ok(())
}

async fn health_needs_no_authentication(world: World) -> Result<()> {
    let answer = world.send(&Request::new("GET", "/health")).await?;
    same(answer.response.status, 200, "the status")?;
    same(answer.json()?, json!({"status": "ok"}), "the body")
}

async fn a_deep_health_check_writes_and_reads_and_may_be_asked_by_many_at_once(world: World) -> Result<()> {
    for target in ["/health?deep=1", "/health?deep=0", "/health?deep=1&other"] {
        let answer = world.send(&Request::new("GET", target)).await?;
        same(answer.response.status, 200, target)?;
        same(answer.json()?, json!({"status": "ok"}), target)?;
    }
    let ask = async || world.send(&Request::new("GET", "/health?deep=1")).await;
    for answer in try_join_all((0..20).map(|_| ask())).await? {
        same(answer.response.status, 200, "one of many")?;
        same(answer.json()?, json!({"status": "ok"}), "one of many")?;
    }
    Ok(())
}

async fn the_openapi_document_lists_every_route(world: World) -> Result<()> {
    let answer = world.send(&Request::new("GET", "/openapi.json")).await?;
    same(answer.response.status, 200, "the status")?;
    let document = answer.json()?;
    let version = text_at(&document, "/openapi")?;
    holds(version.starts_with("3.1"), || format!("openapi {version}"))?;
    text_at(&document, "/info/title")?;
    let paths = at(&document, "/paths")?;
    let further = [
        "/user/user_register",
        "/user/account_check",
        "/user/update_user_info",
        "/user/update_user_info_ex",
        "/user/subscribe_users_status",
        "/user/get_subscribe_users_status",
    ];
    for path in ROUTES.into_iter().chain(further) {
        let operation = paths.get(path).and_then(|p| p.get("post"));
        let operation = operation.with_context(|| format!("no post {path}"))?;
        same(parameter(operation, "operationID"), true, &format!("{path} names the header operationID"))?;
        let open = matches!(path, ADMIN_TOKEN | PARSE_TOKEN);
        if !open {
            let named = parameter(operation, "token") || operation.get("security").is_some();
            same(named, true, &format!("{path} names the header token"))?;
        }
        holds(operation.get("requestBody").is_some(), || format!("{path} describes no body"))?;
        holds(operation.pointer("/responses/200").is_some(), || format!("{path} describes no answer"))?;
    }
    for path in ["/health", "/openapi.json"] {
        holds(paths.get(path).is_some_and(|p| p.get("get").is_some()), || format!("no get {path}"))?;
    }
    Ok(())
}

async fn several_requests_follow_each_other_on_one_connection(world: World) -> Result<()> {
    let token = world.admin_token().await?;
    let mut connection = Connection::open(world.address()).await?;
    for token in [token.as_str(), "abc", &token] {
        let request = post(STATUS, Some(token), r#"{"userIDs":[]}"#);
        let response = connection.send(&request).await?;
        let answer = world.noted(&request, response);
        same(answer.code()?, if token == "abc" { 1503 } else { 0 }, "errCode")?;
    }
    Ok(())
}

/// The five headers of every answer.
fn cors(answer: &Answer) -> Result<()> {
    for (name, value) in [
        ("access-control-allow-origin", "*"),
        ("access-control-allow-methods", "*"),
        ("access-control-allow-headers", "*"),
        ("access-control-max-age", "172800"),
        ("access-control-allow-credentials", "false"),
    ] {
        same(answer.response.header(name).as_deref(), Some(value), name)?;
    }
    Ok(())
}

fn parameter(operation: &Value, name: &str) -> bool {
    let parameters = operation.get("parameters").and_then(Value::as_array);
    parameters.is_some_and(|all| all.iter().any(|p| p.get("name").and_then(Value::as_str) == Some(name)))
}
