//! The open profile as the original has it, with strict types, 204 after an order and dates of Greenwich.

use anyhow::{Context as _, Result};
use serde_json::json;

use crate::{
    cases::{Case, cases},
    check::same,
    console::api::{Api, LIST, OFF, SEARCH},
    http::Request,
    world::World,
};

pub(super) fn cases() -> Vec<Case> {
    cases![Open, "open":
        every_token_may_read,
        every_token_may_take_off_and_is_told_without_a_body,
        tokens_are_still_needed,
        tenants_are_still_apart,
        strict_types_are_user_and_tenant,
        an_empty_order_answers_without_a_body,
        dates_are_those_of_greenwich,
        a_tenant_order_spares_the_caller,
        a_second_tenant_order_spares_its_own_caller_alone,
    ]
}

async fn every_token_may_read(world: World) -> Result<()> {
    let api = Api::with_fixture(&world).await?;
    for role in ["admin-t1", "user-101", "user-104"] {
        for path in [LIST, SEARCH] {
            same(api.page(role, path, "").await?.total, 5, &format!("records for {role}"))?;
        }
        let record = api.detail(role, api.fixture().user(102)).await?.record()?;
        same(record.id, api.fixture().record(9003).to_string(), "the detail")?;
    }
    Ok(())
}

async fn every_token_may_take_off_and_is_told_without_a_body(world: World) -> Result<()> {
    let api = Api::with_fixture(&world).await?;
    let user = api.fixture().user(101);
    let mut socket = api.connect("user-101", user, "d").await?;
    api.off("user-102", "USER", &[user]).await?.bodiless()?;
    api.all_gone("user-102", &[user]).await?;
    api.forced_off(&mut socket, "USER", &[user]).await
}

async fn tokens_are_still_needed(world: World) -> Result<()> {
    let api = Api::with_fixture(&world).await?;
    let order =
        json!({"receiveObjectType": "USER", "receiveObjectIds": [api.fixture().user(103)]}).to_string();
    for request in [Request::new("GET", LIST), Request::new("GET", SEARCH), Request::post(OFF).body(order)] {
        api.ask(&request).await?.unauthorized("unauthorized")?;
        let request = request.header("Authorization", "Bearer nobody-has-this");
        api.ask(&request).await?.unauthorized("invalid_token")?;
    }
    same(api.list("admin-t1", "online=true").await?.total, 3, "records online")
}

async fn tenants_are_still_apart(world: World) -> Result<()> {
    let api = Api::with_fixture(&world).await?;
    same(api.list("user-201", "").await?.ids(), vec![api.fixture().record(9006).to_string()], "records")?;
    api.detail("user-201", api.fixture().user(101)).await?.refused(404, "resource_not_found")?;
    api.off("user-201", "USER", &[api.fixture().user(101)]).await?.bodiless()?;
    api.off("user-201", "TENANT", &[api.fixture().tenant(1)]).await?.bodiless()?;
    same(api.list("admin-t1", "online=true").await?.total, 3, "records online")?;
    let request = api.request("GET", LIST, &api.bearer("user-101"));
    let request = request.header("XC-Opt-Tenant-Id", &api.fixture().tenant(2).to_string());
    api.ask(&request).await?.refused(403, "fatal_exit")
}

async fn strict_types_are_user_and_tenant(world: World) -> Result<()> {
    let api = Api::with_fixture(&world).await?;
    for kind in ["DEPT", "GROUP", "ALL", "POLICY", "TO_POLICY", "dept", "all"] {
        let reply = api.off("admin-t1", kind, &[api.fixture().circle(11)]).await?;
        reply.refused(400, "param_validation_error").with_context(|| kind.to_owned())?;
    }
    api.off("admin-t1", "ROBOT", &[7]).await?.refused(400, "param_parsing_error")?;
    same(api.list("admin-t1", "online=true").await?.total, 3, "records online")?;
    let user = api.fixture().user(101);
    api.off("admin-t1", "user", &[user]).await?.bodiless()?;
    api.all_gone("admin-t1", &[user]).await
}

async fn an_empty_order_answers_without_a_body(world: World) -> Result<()> {
    let api = Api::with_fixture(&world).await?;
    let body = json!({"receiveObjectType": "USER", "broadcast": false}).to_string();
    api.off_text(&api.bearer("user-101"), &body).await?.bodiless()?;
    let body = json!({"receiveObjectType": "USER"}).to_string();
    api.off_text(&api.bearer("user-101"), &body).await?.refused(400, "protocol_error")
}

async fn dates_are_those_of_greenwich(world: World) -> Result<()> {
    let api = Api::with_fixture(&world).await?;
    let record = api.detail("admin-t1", api.fixture().user(102)).await?.record()?;
    let dates = (record.online_date.as_str(), record.offline_date.as_deref());
    same(dates, ("2025-07-15 00:00:00", Some("2025-07-15 10:00:00")), "the dates of a record of Shanghai")?;
    for date in ["2025-07-15%2000:00:00", "2025-07-15T00:00:00", "2025-07-15T08:00:00%2B08:00"] {
        same(api.list("admin-t1", &format!("onlineDate={date}")).await?.total, 1, date)?;
    }
    Ok(())
}

async fn a_tenant_order_spares_the_caller(world: World) -> Result<()> {
    let api = Api::with_fixture(&world).await?;
    let users = [101, 102].map(|user| api.fixture().user(user));
    let mut caller = api.connect("user-101", users[0], "caller").await?;
    let mut other = api.connect("user-102", users[1], "other").await?;
    let ids = [api.fixture().tenant(1)];
    api.off("user-101", "TENANT", &ids).await?.bodiless()?;
    api.all_gone("user-101", &[users[1], api.fixture().user(103)]).await?;
    api.forced_off(&mut other, "TENANT", &ids).await?;
    caller.control_ping(b"still").await?;
    api.list("user-101", "online=true").await.map(drop)
}

/// The second order replaces the first. Users that the first one shut out stay shut out.
async fn a_second_tenant_order_spares_its_own_caller_alone(world: World) -> Result<()> {
    let api = Api::with_fixture(&world).await?;
    let [first, second, third] = [101, 102, 103].map(|user| api.fixture().user(user));
    let ids = [api.fixture().tenant(1)];
    let mut exempt = api.connect("user-101", first, "first").await?;
    api.off("user-101", "TENANT", &ids).await?.bodiless()?;
    api.shut_out(&api.handshake("user-102", "d"), "invalid_token").await?;
    api.unlock("users", second).await?;
    api.until_accepted("user-102").await?;
    exempt.control_ping(b"still").await?;
    api.off("user-102", "TENANT", &ids).await?.bodiless()?;
    api.forced_off(&mut exempt, "TENANT", &ids).await?;
    api.all_gone("user-102", &[first]).await?;
    for (role, user) in [("user-101", first), ("user-103", third), ("admin-t1", api.fixture().user(100))] {
        api.shut_out(&api.handshake(role, "d"), "invalid_token").await?;
        api.detail(role, user).await?.unauthorized("invalid_token")?;
    }
    api.list("user-102", "").await.map(drop)
}
