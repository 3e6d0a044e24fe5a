//! The audit of orders.

use anyhow::{Context as _, Result};
use serde_json::{Value, json};

use crate::{
    cases::{Case, cases},
    check::{at, holds, same, text_at},
    console::{api::Api, fixture::sha256},
    http::Request,
    world::{FORCE_LOGOUT, World},
};

const AUDIT: &str = "/admin/v1/audit";

/// In a profile of few fixtures: the configuration of the edge is one variable, which has no room for another one of the console's.
pub(super) fn cases() -> Vec<Case> {
    cases![Resolver, "resolver":
        every_order_leaves_one_entry,
    ]
}

/// Cases whose orders concern nobody who is known.
pub(super) fn reading() -> Vec<Case> {
    cases![Console, "console":
        an_audit_is_read_by_administrators_of_its_tenant,
        an_audit_is_filtered_and_read_page_by_page,
    ]
}

/// The cases of OpenIM's orders.
pub(in crate::cases) fn base() -> Vec<Case> {
    cases![Base, "base":
        a_forced_logout_leaves_an_entry_and_no_token,
        a_forced_logout_of_nobody_leaves_an_entry_too,
    ]
}

async fn ok(api: &Api, request: &Request) -> Result<Value> {
    let reply = api.ask(request).await?;
    same(reply.response.status, 200, &format!("the status of {}", request.target))?;
    Ok(serde_json::from_slice(&reply.response.body)?)
}

/// A page of the audit as somebody sees it.
async fn page(api: &Api, role: &str, query: &str) -> Result<Value> {
    ok(api, &api.request("GET", &format!("{AUDIT}?{query}"), &api.bearer(role))).await
}

fn entries(page: &Value) -> Result<&Vec<Value>> {
    at(page, "/list")?.as_array().context("the entries are no list")
}

/// What entries say under this name, each of them.
fn each(page: &Value, pointer: &str) -> Result<Vec<Value>> {
    Ok(entries(page)?.iter().map(|entry| entry.pointer(pointer).cloned().unwrap_or_default()).collect())
}

async fn post(api: &Api, role: &str, path: &str, body: &str) -> Result<Value> {
    ok(api, &api.request("POST", path, &api.bearer(role)).body(body)).await
}

async fn every_order_leaves_one_entry(world: World) -> Result<()> {
    let api = Api::without_fixture(&world)?;
    let own = api.fixture();
    let (tenant, admin) = (own.tenant(1), own.user(100));
    let users = [own.user(101), own.user(102)];
    api.take_off("admin-t1", "USER", &users).await?;
    // More than are taken off one by one.
    let many: Vec<i64> = (900..921).map(|user| own.user(user)).collect();
    api.take_off("admin-t1", "USER", &many).await?;
    api.take_off("admin-t1", "TENANT", &[tenant]).await?;
    api.take_off("admin-t1", "TENANT", &[own.tenant(2)]).await?;
    let user = users[0];
    let hash = "0".repeat(64);
    post(&api, "admin-t1", &format!("/admin/v1/users/{user}/unlock"), "").await?;
    post(&api, "admin-t1", &format!("/admin/v1/tenants/{tenant}/unlock"), "").await?;
    let body = json!({ "sha256": [hash] }).to_string();
    post(&api, "admin-t1", &format!("/admin/v1/users/{user}/tokens:revoke"), &body).await?;
    post(&api, "admin-t1", "/admin/v1/records:import", "no record").await?;

    let page = page(&api, "admin-t1", "").await?;
    let kinds = [
        "recordsImport",
        "tokensRevoke",
        "tenantUnlock",
        "userUnlock",
        "tenantOff",
        "tenantOff",
        "off",
        "off",
    ];
    same(each(&page, "/operation")?, kinds.map(Value::from).to_vec(), "the kinds, newest first")?;
    same(page.get("next"), None, "whether there are more")?;
    let progress = ["done", "done", "done", "done", "done", "inForce", "inForce", "done"];
    same(each(&page, "/progress")?, progress.map(Value::from).to_vec(), "how far they are")?;
    let given = [Value::Null, json!(1), Value::Null, json!(1), json!(0), Value::Null, json!(21), json!(2)];
    same(each(&page, "/users")?, given.to_vec(), "the users that they were given to")?;
    let ended =
        [Value::Null, json!(0), Value::Null, json!(0), Value::Null, Value::Null, Value::Null, json!(0)];
    same(each(&page, "/connections")?, ended.to_vec(), "the connections that ended with them")?;
    let mut ids = each(&page, "/id")?;
    ids.dedup();
    same(ids.len(), kinds.len(), "different ids")?;
    for entry in entries(&page)? {
        same(at(entry, "/by/userId")?, &json!(admin.to_string()), "by")?;
        let token = sha256(&api.bearer("admin-t1"));
        same(text_at(entry, "/by/tokenSha256")?, token, "the hash of the caller's token")?;
        api.recent(&text_at(entry, "/at")?, "at")?;
    }
    let selections = each(&page, "/selection")?;
    let of_user = json!({ "userId": user.to_string() });
    let shown: Vec<String> = many.iter().take(20).map(i64::to_string).collect();
    let wanted = [
        json!({}),
        json!({ "userId": user.to_string(), "sha256": [hash], "sha256Total": 1 }),
        json!({}),
        of_user,
        json!({ "receivers": "TENANT", "ids": [own.tenant(2).to_string()], "idsTotal": 1 }),
        json!({ "receivers": "TENANT", "ids": [tenant.to_string()], "idsTotal": 1 }),
        json!({ "receivers": "USER", "ids": shown, "idsTotal": 21 }),
        json!({ "receivers": "USER", "ids": users.map(|user| user.to_string()), "idsTotal": 2 }),
    ];
    same(selections, wanted.to_vec(), "what they name")?;
    let records = at(&page, "/list/0/records")?;
    same(records, &json!({ "taken": 0, "rejected": 1 }), "what became of the lines")
}

/// The number of a user whom no other case names, nor an earlier run.
fn nobody(world: &World, role: &str) -> Result<i64> {
    let hash = sha256(&world.user(role));
    let digits = hash.get(..12).context("no hash")?;
    Ok(i64::from_str_radix(digits, 16)?)
}

async fn an_audit_is_read_by_administrators_of_its_tenant(world: World) -> Result<()> {
    let api = Api::without_fixture(&world)?;
    let user = nobody(&world, "a")?;
    let query = format!("userId={user}");
    let target = format!("{AUDIT}?{query}");
    api.take_off("admin-t1", "USER", &[user]).await?;
    same(entries(&page(&api, "admin-t1", &query).await?)?.len(), 1, "entries of the own tenant")?;
    same(entries(&page(&api, "admin-t2", &query).await?)?.len(), 0, "entries of another tenant")?;
    let other = api.request("GET", &target, &api.bearer("admin-t2")).header("XC-Opt-Tenant-Id", "1");
    api.ask(&other).await?.refused(403, "fatal_exit")?;
    let above = api.request("GET", &target, &world.admin_token().await?).header("XC-Opt-Tenant-Id", "1");
    same(entries(&ok(&api, &above).await?)?.len(), 1, "entries for who stands above tenants")?;
    api.get("user-102", &target).await?.refused(403, "forbidden")?;
    api.ask(&Request::new("GET", AUDIT)).await?.unauthorized("unauthorized")?;
    // Everybody may revoke tokens of their own. What revokes none is no order.
    let own = format!("userId={}", api.fixture().user(102));
    let before = entries(&page(&api, "admin-t1", &own).await?)?.len();
    let body = json!({ "sha256": ["0".repeat(64)] }).to_string();
    let revoke = format!("/admin/v1/users/{}/tokens:revoke", api.fixture().user(102));
    post(&api, "user-102", &revoke, &body).await?;
    same(
        entries(&page(&api, "admin-t1", &own).await?)?.len(),
        before,
        "entries of a user that revoked nothing",
    )?;
    // What is refused is no order.
    let body = json!({ "receiveObjectType": "USER", "receiveObjectIds": [user] }).to_string();
    api.off_text(&api.bearer("user-102"), &body).await?.refused(403, "forbidden")?;
    let after = entries(&page(&api, "admin-t1", &query).await?)?.len();
    same(after, 1, "entries after an order that was refused")
}

async fn an_audit_is_filtered_and_read_page_by_page(world: World) -> Result<()> {
    let api = Api::without_fixture(&world)?;
    let (one, other) = (nobody(&world, "a")?, nobody(&world, "b")?);
    for _ in 0..3 {
        api.take_off("admin-t1", "USER", &[one, other]).await?;
        post(&api, "admin-t1", &format!("/admin/v1/users/{one}/unlock"), "").await?;
    }
    let all = each(&page(&api, "admin-t1", &format!("userId={one}")).await?, "/id")?;
    same(all.len(), 6, "entries")?;
    let (mut walked, mut before) = (Vec::new(), String::new());
    loop {
        let part = page(&api, "admin-t1", &format!("userId={one}&limit=4&before={before}")).await?;
        walked.extend(each(&part, "/id")?);
        match part.get("next") {
            Some(next) => before = next.as_str().context("next is no text")?.to_owned(),
            None => break,
        }
    }
    same(walked, all.clone(), "the ids of a walk over all pages")?;
    for (user, query, count) in [
        (one, "operation=off", 3),
        (one, "operation=userUnlock", 3),
        (one, "operation=reshard", 0),
        (one, "by=100", 6),
        (one, "by=101", 0),
        (one, "by=100&operation=off", 3),
        (other, "", 3),
        (one, "to=2020-01-01", 0),
        (one, "from=2100-01-01", 0),
        (one, "from=2020-01-01&to=2100-01-01&by=&before=", 6),
    ] {
        let found = page(&api, "admin-t1", &format!("userId={user}&{query}")).await?;
        same(entries(&found)?.len(), count, &format!("entries of {query}"))?;
        same(each(&found, "/users")?, vec![json!(1); count], "the users that are counted")?;
    }
    for (query, key) in [
        ("limit=0", "param_validation_error"),
        ("limit=1001", "param_validation_error"),
        ("limit=x", "param_validation_error"),
        ("operation=kick", "param_validation_error"),
        ("from=yesterday", "param_validation_error"),
        ("before=1", "param_validation_error"),
    ] {
        api.refused("admin-t1", &format!("{AUDIT}?{query}"), 400, key).await?;
    }
    api.ask(&api.request("POST", AUDIT, &api.bearer("admin-t1"))).await?.refused(405, "method_not_supported")
}

/// The entries of orders to a user without a tenant of its own.
async fn of_user(world: &World, user: &str) -> Result<Value> {
    let token = world.admin_token().await?;
    let request = Request::new("GET", &format!("{AUDIT}?userId={user}"));
    let answer = world.send(&request.header("Authorization", &format!("Bearer {token}"))).await?;
    same(answer.response.status, 200, "the status of the audit")?;
    answer.json()
}

async fn a_forced_logout_leaves_an_entry_and_no_token(world: World) -> Result<()> {
    // Users with and without a number, which alone have records.
    for user in [world.user("a"), nobody(&world, "b")?.to_string()] {
        let (token, mut socket) = world.login(&user, 5).await?;
        world.force_logout(&user, 5).await?;
        socket.kicked().await?;
        let page = of_user(&world, &user).await?;
        same(each(&page, "/operation")?, vec![json!("forceLogout")], "one entry")?;
        let entry = at(&page, "/list/0")?;
        let counts = (at(entry, "/users")?, at(entry, "/connections")?, at(entry, "/progress")?);
        same(counts, (&json!(1), &json!(1), &json!("done")), "what it took")?;
        same(at(entry, "/by/userId")?, &json!(world.admin()?), "by")?;
        let caller = sha256(&world.admin_token().await?);
        same(text_at(entry, "/by/tokenSha256")?, caller, "the hash of the caller's token")?;
        let selection = json!({ "userId": user, "platformID": 5 });
        same(at(entry, "/selection")?, &selection, "what it names")?;
        // By its token, which is gone by now: an order all the same.
        let body = json!({ "userID": user, "platformID": 5, "token": token });
        world.as_admin(FORCE_LOGOUT, &body).await?.empty()?;
        let page = of_user(&world, &user).await?;
        same(each(&page, "/connections")?, vec![json!(0), json!(1)], "the connections that ended with them")?;
        let hash = at(&page, "/list/0/selection/sha256/0")?;
        same(hash, &json!(sha256(&token)), "the hash of the token")?;
        holds(!page.to_string().contains(&token), || "a token's text".to_owned())?;
    }
    Ok(())
}

async fn a_forced_logout_of_nobody_leaves_an_entry_too(world: World) -> Result<()> {
    let user = world.user("nobody");
    world.force_logout(&user, 2).await?;
    let body = json!({ "userID": user, "platformID": 2, "connID": "none has this name" });
    world.as_admin(FORCE_LOGOUT, &body).await?.empty()?;
    let page = of_user(&world, &user).await?;
    same(each(&page, "/operation")?, vec![json!("forceLogout"); 2], "an entry of each order")?;
    same(each(&page, "/connections")?, vec![json!(0); 2], "the connections that ended with them")?;
    holds(!page.to_string().contains("none has"), || "a stranger's text is kept".to_owned())
}
