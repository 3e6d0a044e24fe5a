//! The open profile as the original has it, with strict types, 204 after an order and dates of Greenwich.

use anyhow::{Context as _, Result};
use serde_json::json;

use crate::{
    cases::{Case, cases},
    check::same,
    console::stage::{LIST, OFF, SEARCH, Stage},
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
    let stage = Stage::set(&world).await?;
    for role in ["admin-t1", "user-101", "user-104"] {
        for path in [LIST, SEARCH] {
            same(stage.page(role, path, "").await?.total, 5, &format!("records for {role}"))?;
        }
        let record = stage.detail(role, stage.fixture().user(102)).await?.record()?;
        same(record.id, stage.fixture().record(9003).to_string(), "the detail")?;
    }
    Ok(())
}

async fn every_token_may_take_off_and_is_told_without_a_body(world: World) -> Result<()> {
    let stage = Stage::set(&world).await?;
    let user = stage.fixture().user(101);
    let mut socket = stage.connect("user-101", user, "d").await?;
    stage.off("user-102", "USER", &[user]).await?.bodiless()?;
    stage.all_gone("user-102", &[user]).await?;
    stage.forced_off(&mut socket, "USER", &[user]).await
}

async fn tokens_are_still_needed(world: World) -> Result<()> {
    let stage = Stage::set(&world).await?;
    let order =
        json!({"receiveObjectType": "USER", "receiveObjectIds": [stage.fixture().user(103)]}).to_string();
    for request in [Request::new("GET", LIST), Request::new("GET", SEARCH), Request::post(OFF).body(order)] {
        stage.ask(&request).await?.unauthorized("unauthorized")?;
        let request = request.header("Authorization", "Bearer nobody-has-this");
        stage.ask(&request).await?.unauthorized("invalid_token")?;
    }
    same(stage.list("admin-t1", "online=true").await?.total, 3, "records online")
}

async fn tenants_are_still_apart(world: World) -> Result<()> {
    let stage = Stage::set(&world).await?;
    same(stage.list("user-201", "").await?.ids(), vec![stage.fixture().record(9006).to_string()], "records")?;
    stage.detail("user-201", stage.fixture().user(101)).await?.refused(404, "resource_not_found")?;
    stage.off("user-201", "USER", &[stage.fixture().user(101)]).await?.bodiless()?;
    stage.off("user-201", "TENANT", &[stage.fixture().tenant(1)]).await?.bodiless()?;
    same(stage.list("admin-t1", "online=true").await?.total, 3, "records online")?;
    let request = stage.request("GET", LIST, &stage.bearer("user-101"));
    let request = request.header("XC-Opt-Tenant-Id", &stage.fixture().tenant(2).to_string());
    stage.ask(&request).await?.refused(403, "fatal_exit")
}

async fn strict_types_are_user_and_tenant(world: World) -> Result<()> {
    let stage = Stage::set(&world).await?;
    for kind in ["DEPT", "GROUP", "ALL", "POLICY", "TO_POLICY", "dept", "all"] {
        let reply = stage.off("admin-t1", kind, &[stage.fixture().circle(11)]).await?;
        reply.refused(400, "param_validation_error").with_context(|| kind.to_owned())?;
    }
    stage.off("admin-t1", "ROBOT", &[7]).await?.refused(400, "param_parsing_error")?;
    same(stage.list("admin-t1", "online=true").await?.total, 3, "records online")?;
    let user = stage.fixture().user(101);
    stage.off("admin-t1", "user", &[user]).await?.bodiless()?;
    stage.all_gone("admin-t1", &[user]).await
}

async fn an_empty_order_answers_without_a_body(world: World) -> Result<()> {
    let stage = Stage::set(&world).await?;
    let body = json!({"receiveObjectType": "USER", "broadcast": false}).to_string();
    stage.off_text(&stage.bearer("user-101"), &body).await?.bodiless()?;
    let body = json!({"receiveObjectType": "USER"}).to_string();
    stage.off_text(&stage.bearer("user-101"), &body).await?.refused(400, "protocol_error")
}

async fn dates_are_those_of_greenwich(world: World) -> Result<()> {
    let stage = Stage::set(&world).await?;
    let record = stage.detail("admin-t1", stage.fixture().user(102)).await?.record()?;
    let dates = (record.online_date.as_str(), record.offline_date.as_deref());
    same(dates, ("2025-07-15 00:00:00", Some("2025-07-15 10:00:00")), "the dates of a record of Shanghai")?;
    for date in ["2025-07-15%2000:00:00", "2025-07-15T00:00:00", "2025-07-15T08:00:00%2B08:00"] {
        same(stage.list("admin-t1", &format!("onlineDate={date}")).await?.total, 1, date)?;
    }
    Ok(())
}

async fn a_tenant_order_spares_the_caller(world: World) -> Result<()> {
    let stage = Stage::set(&world).await?;
    let users = [101, 102].map(|user| stage.fixture().user(user));
    let mut caller = stage.connect("user-101", users[0], "caller").await?;
    let mut other = stage.connect("user-102", users[1], "other").await?;
    let ids = [stage.fixture().tenant(1)];
    stage.off("user-101", "TENANT", &ids).await?.bodiless()?;
    stage.all_gone("user-101", &[users[1], stage.fixture().user(103)]).await?;
    stage.forced_off(&mut other, "TENANT", &ids).await?;
    caller.control_ping(b"still").await?;
    stage.list("user-101", "online=true").await.map(drop)
}

/// The second order takes the place of the first, and must not let in again whom that one shut out.
async fn a_second_tenant_order_spares_its_own_caller_alone(world: World) -> Result<()> {
    let stage = Stage::set(&world).await?;
    let [first, second, third] = [101, 102, 103].map(|user| stage.fixture().user(user));
    let ids = [stage.fixture().tenant(1)];
    let mut spared = stage.connect("user-101", first, "first").await?;
    stage.off("user-101", "TENANT", &ids).await?.bodiless()?;
    stage.shut_out(&stage.handshake("user-102", "d"), "invalid_token").await?;
    stage.unlock("users", second).await?;
    stage.until_accepted("user-102").await?;
    spared.control_ping(b"still").await?;
    stage.off("user-102", "TENANT", &ids).await?.bodiless()?;
    stage.forced_off(&mut spared, "TENANT", &ids).await?;
    stage.all_gone("user-102", &[first]).await?;
    for (role, user) in [("user-101", first), ("user-103", third), ("admin-t1", stage.fixture().user(100))] {
        stage.shut_out(&stage.handshake(role, "d"), "invalid_token").await?;
        stage.detail(role, user).await?.unauthorized("invalid_token")?;
    }
    stage.list("user-102", "").await.map(drop)
}
