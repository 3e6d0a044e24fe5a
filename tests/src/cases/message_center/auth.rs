//! Authentication: which tokens are accepted, and the refusals of the others.

use anyhow::{Result, bail};
use serde_json::json;

use crate::{
    cases::{Case, cases},
    check::same,
    console::{
        api::{Api, IMPORT, LIST, OFF, SEARCH, SOCKET},
        fixture::{Fixture, Row, sha256},
    },
    http::Request,
    world::World,
    ws::{Handshake, Opening},
};

pub(super) fn cases() -> Vec<Case> {
    cases![Console, "console":
        every_route_refuses_without_a_token,
        every_route_refuses_a_token_that_is_not_accepted,
        the_word_bearer_has_no_case,
        other_schemes_are_no_token,
        a_token_in_the_query_is_none_for_rest,
        a_token_in_two_places_is_refused,
        the_socket_refuses_before_the_upgrade,
        an_openim_administrator_is_a_system_administrator_of_tenant_0 sharing "records of the default tenant",
        an_openim_user_is_nobody_here,
        administrative_routes_refuse_without_a_token,
        administrative_routes_take_a_system_administrator_and_no_other,
    ]
}

const ORDER: &str = r#"{"broadcast":true,"receiveObjectType":"USER","receiveObjectIds":[103]}"#;

/// One request of each route, without a token.
fn routes() -> Vec<Request> {
    vec![
        Request::new("GET", LIST),
        Request::new("GET", SEARCH),
        Request::new("GET", &format!("{LIST}/101")),
        Request::post(OFF).body(ORDER),
    ]
}

async fn every_route_refuses_without_a_token(world: World) -> Result<()> {
    let api = Api::with_fixture(&world).await?;
    for request in routes() {
        api.ask(&request).await?.unauthorized("unauthorized")?;
        api.ask(&request.header("Authorization", "")).await?.unauthorized("unauthorized")?;
    }
    still_there(&api).await
}

async fn every_route_refuses_a_token_that_is_not_accepted(world: World) -> Result<()> {
    let api = Api::with_fixture(&world).await?;
    let admin = api.bearer("admin-t1");
    let tokens = [
        api.bearer("revoked"),
        api.bearer("nobody-has"),
        format!("{admin}x"),
        admin.to_uppercase(),
        // What the configuration knows of a token is not the token.
        sha256(&admin),
        world.forged("imAdmin", 10)?,
        "x".repeat(4000),
        "\"tok-admin-t1\"".to_owned(),
    ];
    for token in &tokens {
        for request in routes() {
            let request = request.header("Authorization", &format!("Bearer {token}"));
            api.ask(&request).await?.unauthorized("invalid_token")?;
        }
    }
    still_there(&api).await
}

/// None of the refused orders took effect.
async fn still_there(api: &Api) -> Result<()> {
    let record = api.detail("admin-t1", 103).await?.record()?;
    same(record.online, true, "whether user 103 is still online")
}

async fn the_word_bearer_has_no_case(world: World) -> Result<()> {
    let api = Api::with_fixture(&world).await?;
    let token = api.bearer("admin-t1");
    for word in ["bearer", "BEARER"] {
        let request = Request::new("GET", LIST).header("Authorization", &format!("{word} {token}"));
        same(api.ask(&request).await?.page()?.total, 5, word)?;
    }
    Ok(())
}

async fn other_schemes_are_no_token(world: World) -> Result<()> {
    let api = Api::with_fixture(&world).await?;
    let token = api.bearer("admin-t1");
    for value in [format!("Basic {token}"), token.clone(), format!("Token {token}")] {
        let reply = api.ask(&Request::new("GET", LIST).header("Authorization", &value)).await?;
        same(reply.response.status, 401, "the status")?;
        same(reply.response.header("cache-control").as_deref(), Some("no-store"), "Cache-Control")?;
    }
    // And the header of the other interface is none of this one.
    api.ask(&Request::new("GET", LIST).header("token", &token)).await?.unauthorized("unauthorized")
}

async fn a_token_in_the_query_is_none_for_rest(world: World) -> Result<()> {
    let api = Api::with_fixture(&world).await?;
    let token = api.bearer("admin-t1");
    for target in [format!("{LIST}?access_token={token}"), format!("{LIST}/101?access_token={token}")] {
        api.ask(&Request::new("GET", &target)).await?.unauthorized("unauthorized")?;
    }
    Ok(())
}

async fn a_token_in_two_places_is_refused(world: World) -> Result<()> {
    let api = Api::with_fixture(&world).await?;
    let token = api.bearer("admin-t1");
    for path in [LIST.to_owned(), SEARCH.to_owned(), format!("{LIST}/101")] {
        let request = api.request("GET", &format!("{path}?access_token={token}"), &token);
        api.ask(&request).await?.refused(400, "protocol_error")?;
    }
    let handshake = api.handshake("user-101", "d").header("Authorization", &format!("Bearer {token}"));
    match world.try_upgrade(&handshake).await? {
        Opening::Refused(response) => api.reply(response).refused(400, "protocol_error"),
        Opening::Upgraded(_) => bail!("the connection was upgraded"),
    }
}

async fn the_socket_refuses_before_the_upgrade(world: World) -> Result<()> {
    let api = Api::with_fixture(&world).await?;
    api.shut_out(&Handshake::empty().path(SOCKET), "unauthorized").await?;
    api.shut_out(&Handshake::empty().path(SOCKET).set("token", &api.bearer("user-101")), "unauthorized")
        .await?;
    for role in ["revoked", "nobody-has"] {
        api.shut_out(&api.handshake(role, "d"), "invalid_token").await?;
        let bearer = format!("Bearer {}", api.bearer(role));
        let handshake = Handshake::empty().path(SOCKET).header("Authorization", &bearer);
        api.shut_out(&handshake, "invalid_token").await?;
    }
    let openim = world.issue(&world.user("a"), 5).await?;
    api.shut_out(&Handshake::empty().path(SOCKET).set("access_token", &openim), "invalid_token").await
}

/// A record of tenant 0.
fn of_tenant_0() -> Result<Row> {
    let rows = Fixture::SHARED.rows()?;
    let row = rows.into_iter().find(|row| row.id == 9004);
    let row = row.ok_or_else(|| anyhow::anyhow!("no record 9004"))?;
    Ok(Row { id: 950_001, tenant: 0, user: 950_001, ..row })
}

async fn an_openim_administrator_is_a_system_administrator_of_tenant_0(world: World) -> Result<()> {
    let api = Api::with_fixture(&world).await?;
    let row = of_tenant_0()?;
    api.import(std::slice::from_ref(&row)).await?;
    let token = world.admin_token().await?;
    let get = |target: String| {
        let request = api.request("GET", &target, &token);
        let api = &api;
        async move { api.ask(&request).await }
    };
    for path in [LIST, SEARCH] {
        let page = get(format!("{path}?userId={}", row.user)).await?.page()?;
        same(page.records, vec![row.record(api.zone())], "the records of tenant 0")?;
    }
    same(get(format!("{LIST}/{}", row.user)).await?.record()?.id, row.id.to_string(), "the detail")?;
    get(format!("{LIST}/101")).await?.refused(404, "resource_not_found")?;
    let order = json!({"receiveObjectType": "USER", "receiveObjectIds": [row.user]}).to_string();
    api.off_text(&token, &order).await?.empty()?;
    same(get(format!("{LIST}/{}", row.user)).await?.record()?.online, false, "online after the order")?;
    api.unlock("users", row.user).await.map(drop)
}

async fn an_openim_user_is_nobody_here(world: World) -> Result<()> {
    let api = Api::with_fixture(&world).await?;
    let token = world.issue(&world.user("a"), 5).await?;
    for request in routes() {
        let request = request.header("Authorization", &format!("Bearer {token}"));
        api.ask(&request).await?.unauthorized("invalid_token")?;
    }
    still_there(&api).await
}

fn administrative() -> Vec<Request> {
    let row = Fixture::SHARED.rows().unwrap_or_default().into_iter().find(|row| row.user == 103);
    let line = row.map(|row| Row { name: "Somebody Else".to_owned(), ..row }.line().to_string());
    vec![
        Request::new("POST", IMPORT)
            .header("Content-Type", "application/x-ndjson")
            .body(line.unwrap_or_default()),
        Request::new("POST", "/admin/v1/users/887/unlock"),
        Request::new("POST", "/admin/v1/tenants/998/unlock"),
        Request::post(RESHARD).body(r#"{"shards":8}"#),
    ]
}

async fn administrative_routes_refuse_without_a_token(world: World) -> Result<()> {
    let api = Api::with_fixture(&world).await?;
    let openim = world.issue(&world.user("a"), 5).await?;
    let bad = [api.bearer("revoked"), api.bearer("nobody-has"), openim, world.forged("imAdmin", 10)?];
    let reading = Request::new("GET", "/admin/v1/users/887");
    for request in administrative().into_iter().chain([reading]) {
        same(world.send(&request).await?.response.status, 401, "the status without a token")?;
        for token in &bad {
            let request = request.clone().header("Authorization", &format!("Bearer {token}"));
            same(
                world.send(&request).await?.response.status,
                401,
                "the status with a token that is not accepted",
            )?;
        }
    }
    unchanged(&api).await
}

async fn administrative_routes_take_a_system_administrator_and_no_other(world: World) -> Result<()> {
    let api = Api::with_fixture(&world).await?;
    for role in ["user-101", "reader", "kicker", "operator-user"] {
        for request in administrative() {
            let request = request.header("Authorization", &format!("Bearer {}", api.bearer(role)));
            let status = world.send(&request).await?.response.status;
            same(status, 403, &format!("the status of {} for {role}", request.target))?;
        }
    }
    unchanged(&api).await?;
    for unlock in ["/admin/v1/users/887/unlock", "/admin/v1/tenants/1/unlock"] {
        let request = api.request("POST", unlock, &api.bearer("admin-t1"));
        same(world.send(&request).await?.json()?, json!({"unlocked": false}), unlock)?;
    }
    // A number of shards that is none, whatever the runtime.
    for body in [r#"{"shards":0}"#, r#"{"shards":1025}"#, r#"{"shards":"many"}"#, "{}", "[]"] {
        let request = api.request("POST", RESHARD, &api.bearer("admin-t1")).body(body);
        same(world.send(&request).await?.response.status, 400, body)?;
    }
    Ok(())
}

const RESHARD: &str = "/admin/v1/directory:reshard";

async fn unchanged(api: &Api) -> Result<()> {
    let record = api.detail("admin-t1", 103).await?.record()?;
    same(record.full_name.as_str(), "Wang Wu", "the name that a refused import would have changed")
}
