//! Departments and groups whose members a resolver tells; the suite plays the resolver.

use std::time::Instant;

use anyhow::{Context as _, Result};
use serde_json::{Value, json};

use super::force_off_many::{strangers, until_delivered};
use crate::{
    cases::{Case, cases},
    check::same,
    console::{
        api::{Api, LIST},
        fixture::{DEPARTMENT, GROUP, OTHER_DEPARTMENT},
        issuer::Behavior,
    },
    size::size,
    world::World,
};

pub(super) fn cases() -> Vec<Case> {
    cases![Resolver, "resolver":
        the_resolver_is_asked_as_documented,
        its_answer_decides_and_no_claim_does,
        members_of_another_tenant_are_ignored,
        a_department_of_many_is_off_when_the_order_is_answered within 2400,
        an_answer_without_members_is_nobody,
        the_caller_among_the_members_is_exempt,
        a_resolver_that_fails_fails_the_order_and_hurts_nobody,
        an_order_that_is_refused_does_not_ask,
        other_orders_do_not_ask,
    ]
}

/// A number, or its text.
fn number(value: &Value) -> Option<i64> {
    value.as_i64().or_else(|| value.as_str()?.parse().ok())
}

async fn the_resolver_is_asked_as_documented(world: World) -> Result<()> {
    let api = Api::without_fixture(&world)?;
    let ids = [GROUP, DEPARTMENT].map(|circle| api.fixture().circle(circle));
    let mut wanted = ids.to_vec();
    wanted.sort_unstable();
    api.take_off("admin-t1", "GROUP", &ids).await?;
    let of = |id: i64| world.issuer().map(|issuer| issuer.asked(&format!("GROUP {id}")));
    let questions = [of(ids[0])?, of(ids[1])?].concat();
    same(questions.len(), 1, "questions")?;
    let question = questions.first().context("no question")?;
    same((question.method.as_str(), question.target.as_str()), ("POST", "/members"), "method and target")?;
    let kind = question.value("content-type").unwrap_or_default();
    same(kind.split(';').next(), Some("application/json"), "Content-Type")?;
    let body: Value = serde_json::from_slice(&question.body)?;
    same(body.pointer("/type"), Some(&json!("GROUP")), "type")?;
    same(body.pointer("/tenantId").and_then(number), Some(api.fixture().tenant(1)), "tenantId")?;
    let mut asked: Vec<i64> =
        body.pointer("/ids").and_then(Value::as_array).into_iter().flatten().filter_map(number).collect();
    asked.sort_unstable();
    same(asked, wanted, "ids")
}

async fn its_answer_decides_and_no_claim_does(world: World) -> Result<()> {
    let api = Api::with_fixture(&world).await?;
    let fixture = api.fixture();
    let id = fixture.circle(DEPARTMENT);
    // The claims say 101 and 103. One of these is online by an import alone, one not at all.
    let members = json!({"userIds": [fixture.user(102), fixture.user(101).to_string(), fixture.user(104)]});
    world.issuer()?.sets_members(&format!("DEPT {id}"), members);
    let mut member = api.connect("user-102", fixture.user(102), "d").await?;
    let mut other = api.connect("user-103", fixture.user(103), "d").await?;
    api.take_off("admin-t1", "DEPT", &[id]).await?;
    api.all_gone("admin-t1", &[fixture.user(101), fixture.user(102)]).await?;
    api.forced_off(&mut member, "DEPT", &[id]).await?;
    for role in ["user-101", "user-102", "user-104"] {
        api.shut_out(&api.handshake(role, "d"), "invalid_token").await?;
    }
    other.control_ping(b"still").await?;
    same(api.online_devices(fixture.user(103)).await?.len(), 2, "devices of the user whom only a claim names")
}

/// Its members are more than are taken off one by one; in the long run they are more than an order may name.
async fn a_department_of_many_is_off_when_the_order_is_answered(world: World) -> Result<()> {
    let api = Api::without_fixture(&world)?;
    let fixture = api.fixture();
    let (id, member) = (fixture.circle(DEPARTMENT), fixture.user(102));
    let mut members = strangers(&api, size(21, 20_000) - 2);
    // The caller is exempt.
    members.extend([member, fixture.user(100)]);
    // A body of more than 256 KiB.
    members.extend(strangers(&api, 1).repeat(size(20_000, 0)));
    world.issuer()?.sets_members(&format!("DEPT {id}"), json!({"userIds": members}));
    let mut socket = api.connect("user-102", member, "d").await?;
    let mut caller = api.connect("admin-t1", fixture.user(100), "console").await?;
    let begun = Instant::now();
    api.take_off("admin-t1", "DEPT", &[id]).await?;
    let answered = begun.elapsed();
    api.all_gone("admin-t1", &[member]).await?;
    api.shut_out(&api.handshake("user-102", "d"), "invalid_token").await?;
    api.forced_off(&mut socket, "DEPT", &[id]).await?;
    until_delivered(&api).await?;
    let delivered = begun.elapsed();
    world.figure(format!("answered after {answered:.1?}, delivered after {delivered:.1?}"));
    api.shut_out(&api.handshake("user-102", "d"), "invalid_token").await?;
    caller.control_ping(b"still").await
}

async fn members_of_another_tenant_are_ignored(world: World) -> Result<()> {
    let api = Api::with_fixture(&world).await?;
    let fixture = api.fixture();
    let id = fixture.circle(OTHER_DEPARTMENT);
    world
        .issuer()?
        .sets_members(&format!("DEPT {id}"), json!({"userIds": [fixture.user(201), fixture.user(103), 998]}));
    api.take_off("admin-t1", "DEPT", &[id]).await?;
    api.all_gone("admin-t1", &[fixture.user(103)]).await?;
    same(api.list("admin-t2", "online=true").await?.total, 1, "records online in tenant 2")?;
    api.detail("user-201", fixture.user(201)).await?.record().map(drop)
}

async fn an_answer_without_members_is_nobody(world: World) -> Result<()> {
    let api = Api::with_fixture(&world).await?;
    api.take_off("admin-t1", "DEPT", &[api.fixture().circle(DEPARTMENT)]).await?;
    same(api.list("admin-t1", "online=true").await?.total, 3, "records online")
}

async fn the_caller_among_the_members_is_exempt(world: World) -> Result<()> {
    let api = Api::with_fixture(&world).await?;
    let fixture = api.fixture();
    let id = fixture.circle(GROUP);
    world
        .issuer()?
        .sets_members(&format!("GROUP {id}"), json!({"userIds": [fixture.user(100), fixture.user(101)]}));
    let mut caller = api.connect("admin-t1", fixture.user(100), "console").await?;
    api.take_off("admin-t1", "GROUP", &[id]).await?;
    api.all_gone("admin-t1", &[fixture.user(101)]).await?;
    caller.control_ping(b"still").await?;
    same(api.online_devices(fixture.user(100)).await?, vec!["console".to_owned()], "devices of the caller")
}

/// Half an answer must not be half an order.
async fn a_resolver_that_fails_fails_the_order_and_hurts_nobody(world: World) -> Result<()> {
    let api = Api::with_fixture(&world).await?;
    let fixture = api.fixture();
    let id = fixture.circle(DEPARTMENT);
    let circle = format!("DEPT {id}");
    for behavior in [Behavior::Disconnecting, Behavior::Failing, Behavior::Unauthorized, Behavior::Malformed]
    {
        world.issuer()?.behaves(&circle, behavior);
        let reply = api.off("admin-t1", "DEPT", &[id]).await?;
        reply.refused(500, "unknown_error").with_context(|| format!("{behavior:?}"))?;
    }
    world.issuer()?.behaves(&circle, Behavior::Healthy);
    for answer in
        [json!({}), json!([]), json!({"userIds": "101"}), json!({"userIds": [fixture.user(101), "x"]})]
    {
        world.issuer()?.sets_members(&circle, answer.clone());
        let reply = api.off("admin-t1", "DEPT", &[id]).await?;
        reply.refused(500, "unknown_error").with_context(|| answer.to_string())?;
    }
    same(api.list("admin-t1", "online=true").await?.total, 3, "records online")?;
    api.get("user-101", &format!("{LIST}/{}", fixture.user(101))).await?.record().map(drop)
}

async fn an_order_that_is_refused_does_not_ask(world: World) -> Result<()> {
    let api = Api::without_fixture(&world)?;
    let id = api.fixture().circle(DEPARTMENT);
    api.off("user-101", "DEPT", &[id]).await?.refused(403, "forbidden")?;
    api.off("nobody-has", "DEPT", &[id]).await?.unauthorized("invalid_token")?;
    same(world.issuer()?.asked(&format!("DEPT {id}")).len(), 0, "questions")
}

async fn other_orders_do_not_ask(world: World) -> Result<()> {
    let api = Api::with_fixture(&world).await?;
    let user = api.fixture().user(101);
    api.take_off("admin-t1", "USER", &[user]).await?;
    api.take_off("admin-t1", "TENANT", &[api.fixture().tenant(1)]).await?;
    for question in [format!("USER {user}"), format!("TENANT {}", api.fixture().tenant(1))] {
        same(world.issuer()?.asked(&question).len(), 0, &question)?;
    }
    api.all_gone("admin-t1", &[user, api.fixture().user(103)]).await
}
