//! Orders to selections: dry runs, receipts, users and connections.

use anyhow::{Context as _, Result};
use serde_json::{Value, json};

use super::force_off_many::{many, strangers};
use crate::{
    cases::{Case, cases},
    check::{at, holds, same, text_at},
    console::{api::Api, reply::Reply},
    world::World,
};

pub(super) const ORDERS: &str = "/admin/v1/force-offs";

/// In a profile of few fixtures: the configuration of the edge is one variable, which has no room for many more.
pub(super) fn cases() -> Vec<Case> {
    cases![Resolver, "resolver":
        a_receipt_carries_out_its_dry_run_once,
        an_order_to_connections_takes_these_and_their_tokens,
        an_order_to_a_large_selection_is_cut_off_when_it_is_answered within 900,
        an_order_that_selects_nothing_or_badly_takes_nobody,
        an_order_spares_its_giver_and_reaches_no_other_tenant,
    ]
}

pub(super) async fn ask(api: &Api, bearer: &str, body: &Value) -> Result<Reply> {
    let request = api.request("POST", ORDERS, bearer).header("Content-Type", "application/json");
    api.ask(&request.body(body.to_string())).await
}

/// The document of an answer of this status.
pub(super) async fn given(api: &Api, body: &Value, status: u16) -> Result<Value> {
    let reply = ask(api, &api.bearer("admin-t1"), body).await?;
    same(reply.response.status, status, &format!("the status of {body}"))?;
    Ok(serde_json::from_slice(&reply.response.body)?)
}

async fn order(api: &Api, id: &str) -> Result<Value> {
    let reply = api.get("admin-t1", &format!("{ORDERS}/{id}")).await?;
    same(reply.response.status, 200, "the status of an order")?;
    Ok(serde_json::from_slice(&reply.response.body)?)
}

/// `document` with some members changed.
pub(super) fn with(document: &Value, members: &Value) -> Value {
    let mut all = document.as_object().cloned().unwrap_or_default();
    all.extend(members.as_object().cloned().unwrap_or_default());
    Value::Object(all)
}

fn counts(document: &Value) -> Result<(&Value, &Value)> {
    Ok((at(document, "/users")?, at(document, "/connections")?))
}

/// Waits until the list shows a user on so many connections.
pub(super) async fn until_listed(api: &Api, user: i64, count: usize) -> Result<()> {
    let quiet = api.unrecorded();
    let shown = || async { Ok(quiet.online_devices(user).await?.len()) };
    api.world().eventually("connections in the list", shown, &count).await
}

async fn a_receipt_carries_out_its_dry_run_once(world: World) -> Result<()> {
    let api = Api::without_fixture(&world)?;
    let (user, bystander) = (api.fixture().user(103), api.fixture().user(104));
    let (token, mut socket) = world.login(&user.to_string(), 5).await?;
    let (_, mut other) = world.login(&bystander.to_string(), 5).await?;
    until_listed(&api, user, 1).await?;
    until_listed(&api, bystander, 1).await?;
    let asked = json!({
        "select": { "userIds": [user.to_string()], "online": true, "filters": [
            { "key": "fullName", "op": "NOT_MATCH", "value": "nobody is called so" },
        ] },
        "reason": "left the company",
    });
    let run = given(&api, &with(&asked, &json!({ "dryRun": true })), 200).await?;
    same(counts(&run)?, (&json!(1), &json!(1)), "users and connections")?;
    same(at(&run, "/firstUsers")?, &json!([user.to_string()]), "the first users")?;
    same(at(&run, "/first/0/userId")?, &json!(user.to_string()), "the user of the first connection")?;
    world.expect_verdict(&token, 0, "the token after a dry run").await?;
    socket.alive().await?;

    let receipt = text_at(&run, "/receipt")?;
    let carried = with(&asked, &json!({ "receipt": receipt }));
    let changed = with(&carried, &json!({ "reason": "another" }));
    ask(&api, &api.bearer("admin-t1"), &changed).await?.refused(409, "conflict")?;
    let above = with(&carried, &json!({ "tenantId": api.fixture().tenant(1).to_string() }));
    ask(&api, &world.admin_token().await?, &above).await?.refused(409, "conflict")?;
    let unknown = with(&asked, &json!({ "receipt": "0".repeat(32) }));
    ask(&api, &api.bearer("admin-t1"), &unknown).await?.refused(409, "conflict")?;
    socket.alive().await?;

    // What came since is the user's, too.
    let (since, mut second) = world.login(&user.to_string(), 1).await?;
    let done = given(&api, &carried, 200).await?;
    same(counts(&done)?, (&json!(1), &json!(1)), "users and connections of the order")?;
    let progress = (at(&done, "/state")?, at(&done, "/reached")?, at(&done, "/unreached")?);
    same(progress, (&json!("cutOff"), &json!(1), &json!([])), "how far it is")?;
    same(world.platforms(&user.to_string()).await?, Vec::<i64>::new(), "platforms in the status")?;
    for token in [&token, &since] {
        world.expect_verdict(token, 1506, "a token of the user").await?;
    }
    socket.kicked().await?;
    second.kicked().await?;
    other.alive().await?;

    // A retry orders nothing twice.
    let (_, mut again) = world.login(&user.to_string(), 5).await?;
    same(given(&api, &carried, 200).await?, done.clone(), "the same order")?;
    again.alive().await?;
    let id = text_at(&done, "/id")?;
    same(order(&api, &id).await?, done, "the order by its id")?;
    api.refused("user-101", &format!("{ORDERS}/{id}"), 403, "forbidden").await?;
    api.refused("admin-t2", &format!("{ORDERS}/{id}"), 404, "resource_not_found").await?;
    api.refused("admin-t1", &format!("{ORDERS}/{receipt}"), 404, "resource_not_found").await?;
    api.refused("admin-t1", &format!("{ORDERS}/x"), 404, "resource_not_found").await?;

    let second = given(&api, &json!({ "select": { "userIds": [bystander] } }), 200).await?;
    let listed = async |query: &str| -> Result<Value> {
        let reply = api.get("admin-t1", &format!("{ORDERS}?{query}")).await?;
        same(reply.response.status, 200, "the status of a list of orders")?;
        Ok(serde_json::from_slice(&reply.response.body)?)
    };
    let all = listed("").await?;
    let ids: Vec<_> =
        at(&all, "/list")?.as_array().context("no list")?.iter().map(|one| one.get("id")).collect();
    same(ids, vec![second.get("id"), Some(&json!(id))], "the orders, newest first")?;
    same((at(&all, "/list/0/reached")?, all.get("next")), (&json!(1), None), "how far the newest is")?;
    let first = listed("limit=1").await?;
    let reply =
        api.get("admin-t1", &format!("{ORDERS}?limit=1&before={}", text_at(&first, "/next")?)).await?;
    let rest: Value = serde_json::from_slice(&reply.response.body)?;
    same((at(&rest, "/list/0/id")?, rest.get("next")), (&json!(id), None), "the second page")?;
    for (query, key) in [
        ("limit=0", "param_validation_error"),
        ("limit=101", "param_validation_error"),
        ("limit=x", "param_binding_error"),
        ("before=1", "param_binding_error"),
        ("tenantId=x", "param_binding_error"),
    ] {
        api.refused("admin-t1", &format!("{ORDERS}?{query}"), 400, key).await?;
    }
    api.refused("user-101", ORDERS, 403, "forbidden").await?;
    api.ask(&api.request("DELETE", ORDERS, &api.bearer("admin-t1")))
        .await?
        .refused(405, "method_not_supported")?;

    let mut entries = audit(&api).await?;
    entries.remove(0);
    let kinds: Vec<_> = entries.iter().filter_map(|entry| entry.get("operation")).collect();
    same(kinds, vec![&json!("forceOff"), &json!("forceOffDryRun")], "what the audit has")?;
    for entry in &entries {
        let selection = at(entry, "/selection")?;
        same(at(selection, "/reason")?, &json!("left the company"), "reason")?;
        same(at(selection, "/ids")?, &json!([user.to_string()]), "ids")?;
        let select = json!(["fullName NOT_MATCH nobody is called so", "online EQUAL true"]);
        same(at(selection, "/select")?, &select, "select")?;
        same(at(entry, "/users")?, &json!(1), "users")?;
    }
    same(entries.first().and_then(|entry| entry.get("id")), Some(&json!(id)), "the entry's id is the order's")
}

pub(super) async fn audit(api: &Api) -> Result<Vec<Value>> {
    let reply = api.get("admin-t1", "/admin/v1/audit").await?;
    let page: Value = serde_json::from_slice(&reply.response.body)?;
    at(&page, "/list")?.as_array().cloned().context("no list")
}

async fn an_order_to_connections_takes_these_and_their_tokens(world: World) -> Result<()> {
    let api = Api::without_fixture(&world)?;
    let user = api.fixture().user(103);
    let name = user.to_string();
    let (web, mut on_web) = world.login(&name, 5).await?;
    let (phone, mut on_phone) = world.login(&name, 1).await?;
    until_listed(&api, user, 2).await?;
    let asked = json!({ "select": { "userId": user, "platforms": [5] }, "scope": "connection" });
    let run = given(&api, &with(&asked, &json!({ "dryRun": true })), 200).await?;
    same(counts(&run)?, (&json!(1), &json!(1)), "users and connections")?;
    let done = given(&api, &with(&asked, &json!({ "receipt": text_at(&run, "/receipt")? })), 200).await?;
    same(at(&done, "/state")?, &json!("cutOff"), "state")?;
    on_web.kicked().await?;
    world.expect_verdict(&web, 1506, "the token of the connection").await?;
    world.expect_verdict(&phone, 0, "the other token").await?;
    on_phone.alive().await?;

    // By the id of the connection; who came back since the dry run is another connection.
    let shown = api.get("admin-t1", &format!("/admin/v1/users/{user}")).await?;
    let shown: Value = serde_json::from_slice(&shown.response.body)?;
    let connection = text_at(&shown, "/connections/0/connID")?;
    let asked = json!({ "select": { "connIds": [connection] }, "scope": "connection" });
    let run = given(&api, &with(&asked, &json!({ "dryRun": true })), 200).await?;
    same(counts(&run)?, (&json!(1), &json!(1)), "users and connections of an id")?;
    drop(on_phone);
    world.until_platforms(&name, &[]).await?;
    let mut back = world.open(&name, 1, &phone).await?;
    let carried = with(&asked, &json!({ "receipt": text_at(&run, "/receipt")? }));
    let done = given(&api, &carried, 200).await?;
    same((at(&done, "/state")?, at(&done, "/reached")?), (&json!("cutOff"), &json!(1)), "how far it is")?;
    back.alive().await?;
    world.expect_verdict(&phone, 0, "the token of who came back").await?;
    let done = given(&api, &asked, 200).await?;
    same(counts(&done)?, (&json!(0), &json!(0)), "users and connections without a receipt")?;

    // A console's socket, and a device.
    let mut console = api.connect("user-102", api.fixture().user(102), "of selections").await?;
    let asked = json!({ "select": { "deviceIds": ["of selections"] }, "scope": "connection" });
    let done = given(&api, &asked, 200).await?;
    same(counts(&done)?, (&json!(1), &json!(1)), "users and connections of a device")?;
    api.forced_off(&mut console, "USER", &[api.fixture().user(102)]).await
}

async fn an_order_to_a_large_selection_is_cut_off_when_it_is_answered(world: World) -> Result<()> {
    let api = Api::without_fixture(&world)?;
    let user = api.fixture().user(103);
    let (token, mut socket) = world.login(&user.to_string(), 5).await?;
    let count = many().min(10_000);
    let mut ids = strangers(&api, count - 1);
    ids.push(user);
    let quiet = api.unrecorded();
    let asked = json!({ "select": { "userIds": ids } });
    let run = given(&quiet, &with(&asked, &json!({ "dryRun": true })), 200).await?;
    same(at(&run, "/users")?, &json!(count), "users, those without a record among them")?;
    let carried = with(&asked, &json!({ "receipt": text_at(&run, "/receipt")? }));
    // How far the delivery is by then, no two runs have alike.
    let reply = ask(&quiet, &quiet.bearer("admin-t1"), &carried).await?;
    holds([200, 202].contains(&reply.response.status), || format!("{}", reply.response.status))?;
    let done: Value = serde_json::from_slice(&reply.response.body)?;
    same(at(&done, "/state")?, &json!("cutOff"), "state")?;
    same(world.platforms(&user.to_string()).await?, Vec::<i64>::new(), "platforms in the status")?;
    world.expect_verdict(&token, 1506, "a token of the user").await?;
    let (since, mut later) = world.login(&user.to_string(), 5).await?;
    socket.kicked().await?;
    let id = text_at(&done, "/id")?;
    let reached = || async { Ok(at(&order(&quiet, &id).await?, "/reached")?.as_u64()) };
    world.eventually("the order has come to all", reached, &u64::try_from(count).ok()).await?;
    let over = order(&api, &id).await?;
    same((at(&over, "/state")?, at(&over, "/unreached")?), (&json!("cutOff"), &json!([])), "the end")?;
    world.expect_verdict(&since, 0, "the token from after the order").await?;
    later.alive().await?;
    same(given(&quiet, &carried, 200).await?, over, "the same order")?;
    // Connections have no cutoff, so that there are few users.
    let asked = with(&asked, &json!({ "scope": "connection" }));
    let none = given(&quiet, &asked, 200).await?;
    same(at(&none, "/users")?, &json!(1), "users with connections")
}

async fn an_order_that_selects_nothing_or_badly_takes_nobody(world: World) -> Result<()> {
    let api = Api::without_fixture(&world)?;
    let user = api.fixture().user(103);
    let (_, mut socket) = world.login(&user.to_string(), 5).await?;
    until_listed(&api, user, 1).await?;
    let admin = api.bearer("admin-t1");
    for (select, key) in [
        (json!({}), "param_validation_error"),
        (json!({ "userIds": [] }), "param_validation_error"),
        (json!({ "online": true, "userIds": [] }), "param_validation_error"),
        (json!({ "online": true, "filters": [] }), "param_validation_error"),
        (json!({ "online": true, "fullName": "" }), "param_validation_error"),
        (
            json!({ "online": true, "filters": [{ "key": "fullName", "op": "MATCH" }] }),
            "param_validation_error",
        ),
        (json!({ "filters": [{ "key": "name", "op": "EQUAL", "value": "x" }] }), "unsupported_filter_field"),
        (json!({ "filters": [{ "key": "userId", "op": "MATCH", "value": 1 }] }), "unsupported_match_filter"),
        // An empty pick of a console is nobody, and never everybody.
        (json!({ "online": true, "userIds": null }), "param_validation_error"),
        (json!({ "online": true, "platforms": null }), "param_validation_error"),
        (json!({ "online": true, "filters": null }), "param_validation_error"),
        (json!({ "filters": [{ "key": "fullName", "op": "MATCH", "value": "" }] }), "param_validation_error"),
        (
            json!({ "filters": [{ "key": "fullName", "op": "MATCH_END", "value": "\"" }] }),
            "param_validation_error",
        ),
        (
            json!({ "filters": [{ "key": "userId", "op": "NOT_IN", "value": [""] }] }),
            "param_validation_error",
        ),
        (
            json!({ "filters": [{ "key": "userId", "op": "NOT_IN", "value": "[]" }] }),
            "param_validation_error",
        ),
        (
            json!({ "filters": [{ "key": "userId", "op": "NOT_IN", "value": ["7", " "] }] }),
            "param_validation_error",
        ),
        (json!({ "online": true, "platforms": [12] }), "param_validation_error"),
        (json!({ "online": true, "connIds": ["x"] }), "param_parsing_error"),
        (json!({ "online": true, "fullname": "x" }), "param_parsing_error"),
        (json!([true]), "param_parsing_error"),
    ] {
        let told = || format!("{select}");
        ask(&api, &admin, &json!({ "select": select })).await?.refused(400, key).with_context(told)?;
    }
    let all = json!({ "online": true });
    for body in [
        json!({}),
        json!({ "select": null }),
        json!({ "select": all, "scope": null }),
        json!({ "select": all, "dryRun": null }),
        json!({ "select": all, "receipt": null }),
        json!({ "select": all, "dryRun": true, "receipt": "0".repeat(32) }),
    ] {
        ask(&api, &admin, &body).await?.refused(400, "param_validation_error")?;
    }
    // What is not known would be a weaker order.
    for body in
        [json!({ "select": all, "denyFor": 60 }), json!({ "select": all, "scope": "tenant" }), all.clone()]
    {
        ask(&api, &admin, &body).await?.refused(400, "param_parsing_error")?;
    }
    let body = json!({ "select": all });
    ask(&api, &api.bearer("user-101"), &body).await?.refused(403, "forbidden")?;
    ask(&api, &api.bearer("user-101"), &json!({})).await?.refused(403, "forbidden")?;
    // Not of itself either: its dry runs would take the tenant's places, and its orders would push others' out of sight.
    let own = json!({ "select": { "userIds": [api.fixture().user(101)] } });
    for more in [json!({}), json!({ "dryRun": true }), json!({ "tenantId": api.fixture().tenant(2) })] {
        ask(&api, &api.bearer("user-101"), &with(&own, &more)).await?.refused(403, "forbidden")?;
    }
    let other = json!({ "select": all, "tenantId": api.fixture().tenant(2) });
    ask(&api, &admin, &other).await?.refused(403, "forbidden")?;
    socket.alive().await?;
    same(audit(&api).await?, Vec::<Value>::new(), "entries of orders that were refused")?;

    let run = json!({ "select": { "userIds": [user] }, "dryRun": true });
    let quiet = api.unrecorded();
    for _ in 0..16 {
        given(&quiet, &run, 200).await?;
    }
    ask(&api, &admin, &run).await?.refused(503, "server_busy")?;
    socket.alive().await
}

async fn an_order_spares_its_giver_and_reaches_no_other_tenant(world: World) -> Result<()> {
    let api = Api::without_fixture(&world)?;
    let [giver, user, foreign] = [100, 102, 201].map(|user| api.fixture().user(user));
    let mut own = api.connect("admin-t1", giver, "of the giver").await?;
    let mut taken = api.connect("user-102", user, "of a user").await?;
    let (token, mut other) = world.login(&foreign.to_string(), 5).await?;
    let asked = json!({ "select": { "online": true } });
    let done = given(&api, &asked, 200).await?;
    same(counts(&done)?, (&json!(1), &json!(1)), "users and connections")?;
    api.forced_off(&mut taken, "USER", &[user]).await?;
    own.control_ping(b"still").await?;
    // A user whose connections have ended is selected as well, unless online ones alone are asked for.
    for (select, users) in [(json!({ "userId": user }), 1), (json!({ "userId": user, "online": true }), 0)] {
        let run = given(&api, &json!({ "select": select, "dryRun": true }), 200).await?;
        same(counts(&run)?, (&json!(users), &json!(0)), "users and connections that have ended")?;
    }
    // Named, they ignore it: they are of another tenant.
    let named = json!({ "select": { "userIds": [foreign] } });
    same(counts(&given(&api, &named, 200).await?)?, (&json!(1), &json!(0)), "users and connections")?;
    other.alive().await?;
    world.expect_verdict(&token, 0, "the token of a user of another tenant").await?;
    // By name the giver takes itself.
    let named = json!({ "select": { "userIds": [giver] } });
    given(&api, &named, 200).await?;
    api.forced_off(&mut own, "USER", &[giver]).await
}
