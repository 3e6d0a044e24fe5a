//! Deny windows of orders to selections: until they end, their users get no token and may not connect.

use anyhow::{Context as _, Result, bail};
use serde_json::{Value, json};

use super::{
    force_off_many::{many, strangers},
    selections::{ORDERS, ask, audit, given, until_listed, with},
};
use crate::{
    cases::{Case, cases},
    check::{at, holds, same, text_at},
    console::{api::Api, date::Zone, fixture::Fixture},
    http::Request,
    world::{USER_TOKEN, World, unix_time},
    ws::{Handshake, Opening},
};

const HOUR: i64 = 3_600;

/// In the profile of the other orders to selections.
pub(super) fn cases() -> Vec<Case> {
    cases![Resolver, "resolver":
        a_denied_user_is_refused_everywhere_until_it_is_unlocked,
        an_order_to_connections_that_denies_leaves_the_other_sockets,
        an_order_to_many_denies_them_when_it_is_answered within 900,
        who_may_deny_and_for_how_long,
    ]
}

/// No token is issued to the user, and no back end takes that for a bad token of its own.
async fn gets_no_token(world: &World, user: i64) -> Result<()> {
    let body = json!({ "userID": user.to_string(), "platformID": 5 });
    let envelope = world.as_admin(USER_TOKEN, &body).await?.envelope()?;
    is_denied(envelope.refusal(1002)?, &format!("user {user} is "))
}

fn is_denied(told: &str, before: &str) -> Result<()> {
    let date = told.strip_prefix(before).and_then(|rest| rest.strip_prefix("denied until "));
    let date = date.and_then(|rest| rest.strip_suffix(" UTC"));
    holds(date.is_some_and(|date| date.len() == 19), || format!("the text {told:?}"))
}

/// A handshake that a window refuses, whether its token is good or not, and so is a plain GET of it.
async fn may_not_open(world: &World, user: i64, token: &str, is_kicked: bool) -> Result<()> {
    let handshake = Handshake::new(&user.to_string(), 5, token);
    let (_, refused) = world.refusal(&handshake.clone().silent()).await?;
    let asked = world.send(&handshake.plain()).await?.envelope()?;
    for envelope in [refused, asked] {
        let detail = envelope.refusal(1506)?;
        if !is_kicked {
            is_denied(detail, "")?;
        }
    }
    Ok(())
}

/// A socket of the message center that is refused with 403.
async fn may_not_connect(api: &Api, role: &str) -> Result<()> {
    match api.world().try_upgrade(&api.handshake(role, "d")).await? {
        Opening::Refused(response) => api.reply(response).refused(403, "forbidden"),
        Opening::Upgraded(_) => bail!("the connection was upgraded"),
    }
}

/// What administrators are shown of the user's window; null without one.
async fn window(api: &Api, user: i64) -> Result<Value> {
    let reply = api.get("admin-t1", &format!("/admin/v1/users/{user}")).await?;
    same(reply.response.status, 200, "the status of a user")?;
    let shown: Value = serde_json::from_slice(&reply.response.body)?;
    Ok(shown.get("deny").cloned().unwrap_or(Value::Null))
}

/// Whether a date lies so many seconds ahead.
fn is_ahead(api: &Api, date: &str, seconds: i64) -> Result<()> {
    let zone = Zone::named(&api.world().settings().message_center.time_zone).context("no zone")?;
    let near = (-10..=10).map(|off| zone.print(unix_time() + seconds + off)).any(|one| one == date);
    holds(near, || format!("{date} is not {seconds} s ahead"))
}

async fn a_denied_user_is_refused_everywhere_until_it_is_unlocked(world: World) -> Result<()> {
    let api = Api::without_fixture(&world)?;
    let (user, bystander) = (api.fixture().user(101), api.fixture().user(104));
    let (token, mut socket) = world.login(&user.to_string(), 5).await?;
    until_listed(&api, user, 1).await?;
    let mut console = api.connect("user-101", user, "d").await?;
    let asked = json!({
        "select": { "userIds": [user] }, "denySeconds": HOUR, "reason": "left the company",
    });
    let run = given(&api, &with(&asked, &json!({ "dryRun": true })), 200).await?;
    socket.alive().await?;
    same(window(&api, user).await?, Value::Null, "the window after a dry run")?;
    let carried = with(&asked, &json!({ "receipt": text_at(&run, "/receipt")? }));
    let longer = with(&carried, &json!({ "denySeconds": HOUR + 1 }));
    ask(&api, &api.bearer("admin-t1"), &longer).await?.refused(409, "conflict")?;
    let done = given(&api, &carried, 200).await?;
    is_ahead(&api, &text_at(&done, "/denyUntil")?, HOUR)?;
    socket.kicked().await?;
    api.forced_off(&mut console, "USER", &[user]).await?;

    gets_no_token(&world, user).await?;
    may_not_open(&world, user, &token, true).await?;
    for target in ["/api/v1/message/center/online/1", "/admin/v1/me"] {
        api.refused("user-101", target, 403, "forbidden").await?;
    }
    may_not_connect(&api, "user-101").await?;
    let shown = window(&api, user).await?;
    same(at(&shown, "/until")?, at(&done, "/denyUntil")?, "until when")?;
    same(at(&shown, "/since")?, at(&done, "/at")?, "since when")?;
    same(at(&shown, "/by")?, &json!(api.fixture().user(100).to_string()), "by whom")?;
    same(at(&shown, "/reason")?, &json!("left the company"), "why")?;
    same(at(&shown, "/orderId")?, at(&done, "/id")?, "by which order")?;
    let entries = audit(&api).await?;
    let of_order = entries.first().context("no entry")?;
    same(at(of_order, "/selection/denySeconds")?, &json!(HOUR), "what the audit says of it")?;

    // It moves with the user.
    let export = Request::post("/admin/v1/population:export")
        .header("Authorization", &format!("Bearer {}", world.admin_token().await?))
        .body(json!({ "userIds": [user.to_string()] }).to_string());
    let exported = world.unrecorded().send(&export).await?;
    let text = String::from_utf8(exported.response.body)?;
    let line = text.lines().find(|line| line.contains(r#""type":"user""#)).context("no line of the user")?;
    let line: Value = serde_json::from_str(line)?;
    same(at(&line, "/denied/0/orderId")?, at(&done, "/id")?, "the window in an export")?;

    // A shorter one, and a plain order, leave it; others are as before.
    let shorter = json!({ "select": { "userIds": [user] }, "denySeconds": 60 });
    given(&api, &shorter, 200).await?;
    api.take_off("admin-t1", "USER", &[user]).await?;
    same(window(&api, user).await?, shown, "the window after a shorter one")?;
    let (_, mut other) = world.login(&bystander.to_string(), 5).await?;
    other.alive().await?;

    same(api.unlock("users", user).await?, true, "whether there was a window to lift")?;
    same(window(&api, user).await?, Value::Null, "the window after the unlock")?;
    let (_, mut back) = world.login(&user.to_string(), 5).await?;
    back.alive().await?;
    same(api.get("user-101", "/admin/v1/me").await?.response.status, 200, "the status of its own token")?;
    same(api.unlock("users", user).await?, false, "whether there was another")
}

async fn an_order_to_connections_that_denies_leaves_the_other_sockets(world: World) -> Result<()> {
    let api = Api::without_fixture(&world)?;
    let user = api.fixture().user(103);
    let name = user.to_string();
    let (_, mut on_web) = world.login(&name, 5).await?;
    let (phone, mut on_phone) = world.login(&name, 1).await?;
    until_listed(&api, user, 2).await?;
    let asked = json!({
        "select": { "userId": user, "platforms": [5] }, "scope": "connection", "denySeconds": 31_536_000,
    });
    given(&api, &asked, 200).await?;
    on_web.kicked().await?;
    on_phone.alive().await?;
    same(world.platforms(&name).await?, vec![1], "platforms in the status")?;
    world.expect_verdict(&phone, 0, "the token of the other connection").await?;
    let again = Handshake::new(&name, 1, &phone);
    let (_, refused) = world.refusal(&again.clone().set("isMsgResp", "true")).await?;
    is_denied(refused.refusal(1506)?, "")?;
    is_denied(world.send(&again.plain()).await?.envelope()?.refusal(1506)?, "")?;
    gets_no_token(&world, user).await?;
    on_phone.alive().await?;
    same(api.unlock("users", user).await?, true, "whether there was a window to lift")?;
    world.open(&name, 1, &phone).await?.alive().await
}

/// It is a scoped cutoff, which every check consults from its answer on; how far its delivery is by then, no two runs have alike.
async fn an_order_to_many_denies_them_when_it_is_answered(world: World) -> Result<()> {
    let api = Api::without_fixture(&world)?;
    let [user, lifted] = [101, 103].map(|user| api.fixture().user(user));
    let (token, mut socket) = world.login(&user.to_string(), 5).await?;
    let count = many().min(10_000);
    let mut ids = strangers(&api, count - 2);
    let stranger = *ids.first().context("no stranger")?;
    ids.extend([user, lifted]);
    let quiet = api.unrecorded();
    let asked = json!({ "select": { "userIds": ids }, "denySeconds": HOUR });
    let run = given(&quiet, &with(&asked, &json!({ "dryRun": true })), 200).await?;
    let carried = with(&asked, &json!({ "receipt": text_at(&run, "/receipt")? }));
    let reply = ask(&quiet, &quiet.bearer("admin-t1"), &carried).await?;
    holds([200, 202].contains(&reply.response.status), || format!("{}", reply.response.status))?;
    let done: Value = serde_json::from_slice(&reply.response.body)?;
    is_ahead(&api, &text_at(&done, "/denyUntil")?, HOUR)?;
    for denied in [user, lifted] {
        gets_no_token(&world, denied).await?;
    }
    may_not_open(&world, user, &token, true).await?;
    api.refused("user-101", "/admin/v1/me", 403, "forbidden").await?;
    let shown = window(&quiet, user).await?;
    same(at(&shown, "/orderId")?, at(&done, "/id")?, "the order of the window")?;
    same(api.unlock("users", lifted).await?, true, "whether there was a window to lift")?;
    world.login(&lifted.to_string(), 5).await?.1.alive().await?;
    socket.kicked().await?;

    let id = text_at(&done, "/id")?;
    let reached = || async {
        let shown = quiet.get("admin-t1", &format!("{ORDERS}/{id}")).await?;
        let shown: Value = serde_json::from_slice(&shown.response.body)?;
        Ok(at(&shown, "/reached")?.as_u64())
    };
    world.eventually("the order has come to all", reached, &u64::try_from(count).ok()).await?;
    same(window(&quiet, user).await?, shown, "the window once it is delivered")?;
    gets_no_token(&world, user).await?;
    // Somebody who was never seen, whose tenant is not known, is denied where it turns out to be at home.
    same(window(&quiet, stranger).await?, Value::Null, "the window of a stranger in another tenant")?;
    same(window(&quiet, lifted).await?, Value::Null, "the window that was lifted before the delivery")?;
    world.login(&lifted.to_string(), 5).await?.1.alive().await
}

async fn who_may_deny_and_for_how_long(world: World) -> Result<()> {
    let api = Api::without_fixture(&world)?;
    let user = api.fixture().user(103);
    let (_, mut socket) = world.login(&user.to_string(), 5).await?;
    until_listed(&api, user, 1).await?;
    let kicker = Fixture::SHARED.token("kicker");
    world.forbid(&kicker);
    let select = json!({ "userIds": [Fixture::SHARED.user(199)] });
    for more in [json!({}), json!({ "dryRun": true })] {
        let body = with(&json!({ "select": select, "denySeconds": 1 }), &more);
        ask(&api, &kicker, &body).await?.refused(403, "forbidden")?;
    }
    let admin = api.bearer("admin-t1");
    for seconds in [json!(0), json!(-1), json!(31_536_001), json!("0"), json!(i64::MAX), Value::Null] {
        let body = json!({ "select": { "userIds": [user] }, "denySeconds": seconds });
        ask(&api, &admin, &body).await?.refused(400, "param_validation_error")?;
    }
    for seconds in [json!("an hour"), json!([1]), json!(true), json!(1.5)] {
        let body = json!({ "select": { "userIds": [user] }, "denySeconds": seconds });
        ask(&api, &admin, &body).await?.refused(400, "param_parsing_error")?;
    }
    socket.alive().await?;
    // The giver is spared, unless it is named.
    let all = json!({ "select": { "online": true }, "denySeconds": 60 });
    same(at(&given(&api, &all, 200).await?, "/users")?, &json!(1), "users")?;
    socket.kicked().await?;
    same(api.get("admin-t1", "/admin/v1/me").await?.response.status, 200, "the status of the giver")?;
    let giver = api.fixture().user(100);
    let own = json!({ "select": { "userIds": [giver] }, "denySeconds": 60 });
    same(ask(&api, &admin, &own).await?.response.status, 200, "the status of an order to its giver")?;
    api.refused("admin-t1", "/admin/v1/me", 403, "forbidden").await?;
    same(api.unlock("users", giver).await?, true, "whether the giver was denied")?;
    same(api.get("admin-t1", "/admin/v1/me").await?.response.status, 200, "the status of the giver")
}
