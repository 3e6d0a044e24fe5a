//! What administrators see of a caller and of a user, and tokens that they take back.

use anyhow::{Context as _, Result};
use serde_json::{Value, json};

use crate::{
    cases::{Case, cases},
    check::{at, same, text_at},
    console::{api::Api, fixture::sha256, reply::Reply},
    http::Request,
    world::World,
};

pub(super) fn cases() -> Vec<Case> {
    cases![Console, "console":
        every_good_token_is_told_what_it_may_do,
        a_token_that_is_not_good_is_told_nothing,
        users_are_read_by_permission_and_everybody_reads_themselves,
        tokens_are_shown_by_platform_with_their_states,
        connections_of_a_user_are_shown_with_their_tokens_and_records,
        a_revoked_token_goes_with_its_connections_and_no_others,
        tokens_are_revoked_by_permission,
        a_list_of_tokens_has_a_form_and_a_limit,
    ]
}

const ME: &str = "/admin/v1/me";

async fn ok(api: &Api, request: &Request) -> Result<Value> {
    let reply = api.ask(request).await?;
    same(reply.response.status, 200, &format!("the status of {}", request.target))?;
    Ok(serde_json::from_slice(&reply.response.body)?)
}

async fn as_role(api: &Api, role: &str, method: &str, target: &str) -> Result<Reply> {
    api.ask(&api.request(method, target, &api.bearer(role))).await
}

async fn overview(api: &Api, user: &str) -> Result<Value> {
    let target = format!("/admin/v1/users/{user}");
    ok(api, &api.request("GET", &target, &api.world().admin_token().await?)).await
}

fn revoking(user: &str, hashes: &Value) -> Request {
    let body = json!({ "sha256": hashes }).to_string();
    Request::new("POST", &format!("/admin/v1/users/{user}/tokens:revoke")).body(body)
}

async fn revoke(api: &Api, user: &str, tokens: &[&String]) -> Result<Value> {
    let hashes: Vec<String> = tokens.iter().map(|token| sha256(token)).collect();
    let token = api.world().admin_token().await?;
    ok(api, &revoking(user, &json!(hashes)).header("Authorization", &format!("Bearer {token}"))).await
}

async fn every_good_token_is_told_what_it_may_do(world: World) -> Result<()> {
    let api = Api::without_fixture(&world)?;
    let rights =
        |read: bool, off: bool, administer: bool| json!({"read": read, "off": off, "administer": administer});
    for (role, user, name, tenant, above, may) in [
        ("admin-t1", "100", "Admin One", "1", false, rights(true, true, true)),
        ("user-101", "101", "Zhang San", "1", false, rights(false, false, false)),
        ("reader", "110", "110", "1", false, rights(true, false, false)),
        ("kicker", "111", "111", "1", false, rights(false, true, false)),
        ("reader-by-operation", "112", "112", "1", false, rights(true, false, false)),
        ("operator", "120", "120", "9", true, rights(true, true, true)),
        ("operator-user", "121", "121", "9", true, rights(false, false, false)),
    ] {
        let me = ok(&api, &api.request("GET", ME, &api.bearer(role))).await?;
        for (member, wanted) in [
            ("/userId", json!(user)),
            ("/name", json!(name)),
            ("/tenantId", json!(tenant)),
            ("/anyTenant", json!(above)),
            ("/rights", may),
            ("/timeZone", json!("Asia/Shanghai")),
        ] {
            same(at(&me, member)?, &wanted, &format!("{member} of {role}"))?;
        }
        same(me.get("token"), None, "the token of another issuer")?;
        api.recent(&text_at(&me, "/now")?, "now")?;
    }
    let named = api.request("GET", ME, &api.bearer("operator")).header("XC-Opt-Tenant-Id", "1");
    let me = ok(&api, &named).await?;
    same((at(&me, "/tenantId")?, at(&me, "/anyTenant")?), (&json!("1"), &json!(true)), "the named tenant")?;
    let foreign = api.request("GET", ME, &api.bearer("admin-t1")).header("XC-Opt-Tenant-Id", "2");
    api.ask(&foreign).await?.refused(403, "fatal_exit")?;
    // A token of ours is known by its hash, and goes by it.
    let token = world.fresh_admin_token(world.admin()?).await?;
    let me = ok(&api, &api.request("GET", ME, &token)).await?;
    same(text_at(&me, "/token/sha256")?, sha256(&token), "the hash")?;
    text_at(&me, "/token/expiresAt")?;
    same(at(&me, "/rights")?, &rights(true, true, true), "the rights of an OpenIM administrator")?;
    let user = text_at(&me, "/userId")?;
    let gone = ok(
        &api,
        &revoking(&user, &json!([sha256(&token)])).header("Authorization", &format!("Bearer {token}")),
    )
    .await?;
    same(at(&gone, "/revoked")?, &json!(1), "revoked")?;
    api.ask(&api.request("GET", ME, &token)).await?.unauthorized("invalid_token")
}

async fn a_token_that_is_not_good_is_told_nothing(world: World) -> Result<()> {
    let api = Api::without_fixture(&world)?;
    api.ask(&Request::new("GET", ME)).await?.unauthorized("unauthorized")?;
    for bad in [api.bearer("revoked"), api.bearer("nobody-has"), world.issue(&world.user("a"), 5).await?] {
        api.ask(&api.request("GET", ME, &bad)).await?.unauthorized("invalid_token")?;
    }
    Ok(())
}

async fn users_are_read_by_permission_and_everybody_reads_themselves(world: World) -> Result<()> {
    let api = Api::with_fixture(&world).await?;
    for (role, own, may) in [
        ("admin-t1", 100, true),
        ("reader", 110, true),
        ("reader-by-operation", 112, true),
        ("kicker", 111, false),
        ("stranger", 114, false),
        ("user-101", 101, false),
        ("operator-user", 121, false),
    ] {
        let read = as_role(&api, role, "GET", "/admin/v1/users/887").await?;
        let many = api.request("POST", "/admin/v1/users:batchGet", &api.bearer(role));
        let many = api.ask(&many.body(r#"{"userIds":["887"]}"#)).await?;
        for reply in [read, many] {
            match may {
                true => same(reply.response.status, 200, role)?,
                false => reply.refused(403, "forbidden").with_context(|| role.to_owned())?,
            }
        }
        let reply = as_role(&api, role, "GET", &format!("/admin/v1/users/{own}")).await?;
        same(reply.response.status, 200, &format!("what {role} sees of itself"))?;
        let long = format!("/admin/v1/users/{}", "x".repeat(257));
        match may {
            true => as_role(&api, role, "GET", &long).await?.refused(400, "param_binding_error")?,
            false => as_role(&api, role, "GET", &long).await?.refused(403, "forbidden")?,
        }
    }
    Ok(())
}

/// Of each token its hash, platform, state and number of connections.
fn tokens(body: &Value) -> Result<Vec<Value>> {
    let of = |token: &Value| {
        text_at(token, "/issuedAt")?;
        text_at(token, "/expiresAt")?;
        let member = |name: &str| at(token, name).cloned();
        Ok(json!([member("/sha256")?, member("/platformID")?, member("/state")?, member("/connections")?]))
    };
    at(body, "/tokens")?.as_array().context("tokens")?.iter().map(of).collect()
}

async fn tokens_are_shown_by_platform_with_their_states(world: World) -> Result<()> {
    let api = Api::without_fixture(&world)?;
    let user = world.user("a");
    let nobody = overview(&api, &user).await?;
    same((at(&nobody, "/tokens")?, at(&nobody, "/tokensTotal")?), (&json!([]), &json!(0)), "no tokens")?;
    let (first, _one) = world.login(&user, 5).await?;
    let phone = world.issue(&user, 1).await?;
    let (second, _two) = world.login(&user, 5).await?;
    let shown = |token: &str, platform: i64, state: &str, connections: i64| {
        json!([sha256(token), platform, state, connections])
    };
    let body = overview(&api, &user).await?;
    let wanted = vec![shown(&phone, 1, "good", 0), shown(&second, 5, "good", 1), shown(&first, 5, "good", 1)];
    same(tokens(&body)?, wanted, "tokens")?;
    world.force_logout(&user, 5).await?;
    let body = overview(&api, &user).await?;
    let wanted =
        vec![shown(&phone, 1, "good", 0), shown(&second, 5, "kicked", 0), shown(&first, 5, "kicked", 0)];
    same(tokens(&body)?, wanted, "tokens after a forced logout")?;
    same(at(&body, "/tokensTotal")?, &json!(3), "tokensTotal")
}

async fn connections_of_a_user_are_shown_with_their_tokens_and_records(world: World) -> Result<()> {
    let api = Api::without_fixture(&world)?;
    // Its sockets have records: its name is a number.
    let user = api.fixture().user(941).to_string();
    let (web, _first) = world.login(&user, 5).await?;
    let (phone, _second) = world.login(&user, 1).await?;
    let quiet = api.unrecorded();
    let records = async || {
        let body = overview(&quiet, &user).await?;
        Ok(at(&body, "/records")?.as_array().map_or(0, Vec::len))
    };
    world.eventually("records", records, &2).await?;
    let body = overview(&api, &user).await?;
    let live = at(&body, "/live")?.as_array().context("live")?;
    for (index, (token, platform)) in [(&web, 5), (&phone, 1)].into_iter().enumerate() {
        let one = live.get(index).context("a live connection is missing")?;
        same(at(one, "/protocol")?, &json!("openim"), "protocol")?;
        same(at(one, "/platformID")?, &json!(platform), "platformID")?;
        same(at(one, "/isBackground")?, &json!(false), "isBackground")?;
        same(text_at(one, "/tokenSha256")?, sha256(token), "tokenSha256")?;
        same(at(one, "/connID")?, at(&body, &format!("/connections/{index}/connID"))?, "connID")?;
        let record = text_at(one, "/recordId")?;
        let records = at(&body, "/records")?.as_array().context("records")?;
        let record =
            records.iter().find(|shown| shown.get("id") == Some(&json!(record))).context("its record")?;
        for member in ["/deviceId", "/remoteAddress", "/userAgent", "/onlineDate"] {
            same(at(one, member)?, at(record, member)?, member)?;
        }
    }
    same(live.len(), 2, "live connections")
}

async fn a_revoked_token_goes_with_its_connections_and_no_others(world: World) -> Result<()> {
    let api = Api::without_fixture(&world)?;
    let user = world.user("a");
    let (lost, mut gone) = world.login(&user, 5).await?;
    let (kept, mut stays) = world.login(&user, 5).await?;
    let foreign = world.issue(&world.user("b"), 5).await?;
    let answer = revoke(&api, &user, &[&lost, &foreign]).await?;
    same(answer, json!({"revoked": 1, "connections": 1, "unknown": [sha256(&foreign)]}), "the answer")?;
    same(world.platforms(&user).await?, vec![5], "platforms online")?;
    gone.kicked().await?;
    stays.alive().await?;
    for (token, code) in [(&lost, 1506), (&kept, 0), (&foreign, 0)] {
        world.expect_verdict(token, code, "a token").await?;
    }
    let again = revoke(&api, &user, &[&lost, &lost]).await?;
    same(again, json!({"revoked": 0, "connections": 0, "unknown": []}), "the answer to a repetition")?;
    // As of an unknown user.
    let body = revoking(&user, &json!([sha256(&kept)]));
    let body = body.header("Authorization", &format!("Bearer {}", api.bearer("admin-t1")));
    let foreign = json!({"revoked": 0, "connections": 0, "unknown": [sha256(&kept)]});
    same(ok(&api, &body).await?, foreign, "the answer to another tenant's administrator")?;
    stays.alive().await
}

async fn tokens_are_revoked_by_permission(world: World) -> Result<()> {
    let api = Api::without_fixture(&world)?;
    let nothing = json!([sha256("nothing")]);
    let ask = async |role: &str, user: &str| {
        let token = format!("Bearer {}", api.bearer(role));
        api.ask(&revoking(user, &nothing).header("Authorization", &token)).await
    };
    for role in ["admin-t1", "kicker", "kicker-by-operation"] {
        same(ask(role, "887").await?.response.status, 200, role)?;
    }
    for role in ["reader", "stranger", "user-101", "operator-user"] {
        ask(role, "887").await?.refused(403, "forbidden").with_context(|| role.to_owned())?;
    }
    // An OpenIM administrator stands above tenants.
    for role in ["kicker", "kicker-by-operation"] {
        ask(role, world.admin()?).await?.refused(403, "forbidden").with_context(|| role.to_owned())?;
    }
    let target = format!("/admin/v1/users/{}", world.admin()?);
    as_role(&api, "reader", "GET", &target).await?.refused(403, "forbidden")?;
    same(ask("user-101", "101").await?.response.status, 200, "a user's own tokens")?;
    api.ask(&revoking("887", &nothing)).await?.unauthorized("unauthorized")
}

async fn a_list_of_tokens_has_a_form_and_a_limit(world: World) -> Result<()> {
    let api = Api::without_fixture(&world)?;
    let token = format!("Bearer {}", world.admin_token().await?);
    let ask = async |body: &str| {
        api.ask(&revoking("887", &json!([])).header("Authorization", &token).body(body)).await
    };
    for bad in ["", "[]", "{}", r#"{"sha256":"x"}"#, r#"{"sha256":[1]}"#] {
        ask(bad).await?.refused(400, "param_parsing_error").with_context(|| bad.to_owned())?;
    }
    let hash = sha256("nothing");
    let many = |count: usize| json!({"sha256": vec![&hash; count]}).to_string();
    for bad in [
        many(0),
        many(101),
        r#"{"sha256":["x"]}"#.to_owned(),
        json!({"sha256": [hash.to_uppercase()]}).to_string(),
    ] {
        ask(&bad).await?.refused(400, "param_validation_error")?;
    }
    let reply = ask(&many(100)).await?;
    same(reply.response.status, 200, "the status of 100")?;
    let long = revoking(&"x".repeat(257), &json!([hash])).header("Authorization", &token);
    api.ask(&long).await?.refused(400, "param_binding_error")
}
