//! Tenants are walls for what takes back, moves or tells of orders too, by the same callers.

use anyhow::{Context as _, Result};
use serde_json::json;

use super::walls::{Caller, Who, bare};
use crate::{
    cases::{Case, cases},
    check::{at, same},
    console::{
        api::{Api, LIST, OFF},
        fixture::{DEPARTMENT, GROUP, sha256},
    },
    http::Request,
    world::World,
};

pub(super) fn cases() -> Vec<Case> {
    cases![Walls, "walls":
        a_caller_revokes_tokens_of_its_tenants_and_no_others,
        a_caller_sees_the_orders_of_its_tenants_and_no_others,
        a_caller_gives_and_sees_orders_to_selections_of_its_tenants_and_no_others,
        a_caller_changes_the_shards_of_its_tenants_and_no_others,
        a_caller_who_names_a_tenant_moves_no_population,
        a_caller_takes_off_everybody_of_its_tenants_and_no_others,
        a_caller_takes_off_circles_of_its_tenants_and_no_others,
    ]
}

fn post(target: &str, body: &serde_json::Value) -> Request {
    Request::new("POST", target).header("Content-Type", "application/json").body(body.to_string())
}

async fn a_caller_revokes_tokens_of_its_tenants_and_no_others(world: World) -> Result<()> {
    let api = Api::without_fixture(&world)?;
    let user = api.fixture().user(201);
    let token = world.issue(&user.to_string(), 5).await?;
    let hash = sha256(&token);
    let revoke = post(&format!("/admin/v1/users/{user}/tokens:revoke"), &json!({"sha256": [hash]}));
    let (reaching, others): (Vec<Caller>, Vec<Caller>) =
        Caller::all().partition(|caller| caller.barred().is_none() && caller.may_name(2));
    for caller in others {
        let told = || format!("{caller:?}");
        let reply = caller.ask(&api, &revoke).await?;
        match caller.barred() {
            Some(key) => reply.refused(403, key).with_context(told)?,
            // As of an unknown user.
            None => {
                let nothing = json!({"revoked": 0, "connections": 0, "unknown": [hash]});
                same(bare(&reply).with_context(told)?, nothing, &told())?;
            }
        }
    }
    world.expect_verdict(&token, 0, "the token after the others").await?;
    let mut revoked = 1;
    for caller in reaching {
        let done = json!({"revoked": revoked, "connections": 0, "unknown": []});
        same(bare(&caller.ask(&api, &revoke).await?)?, done, &format!("{caller:?}"))?;
        revoked = 0;
    }
    world.expect_verdict(&token, 1506, "the token").await
}

async fn a_caller_sees_the_orders_of_its_tenants_and_no_others(world: World) -> Result<()> {
    let api = Api::without_fixture(&world)?;
    let theirs = api.fixture().tenant(2);
    let orders = Request::new("GET", &format!("/admin/v1/tenants/{theirs}/order"));
    for caller in Caller::all() {
        let told = || format!("{caller:?}");
        let reply = caller.ask(&api, &orders).await?;
        match caller.barred().or((!caller.may_name(2)).then_some("forbidden")) {
            Some(key) => reply.refused(403, key).with_context(told)?,
            None => {
                let none = json!({"tenantId": theirs.to_string(), "undelivered": []});
                same(bare(&reply).with_context(told)?, none, &told())?;
            }
        }
    }
    Ok(())
}

async fn a_caller_gives_and_sees_orders_to_selections_of_its_tenants_and_no_others(
    world: World,
) -> Result<()> {
    let api = Api::with_fixture(&world).await?;
    let (theirs, user) = (api.fixture().tenant(2), api.fixture().user(201));
    let select = json!({ "userId": user, "online": true });
    let look = json!({ "tenantId": theirs.to_string(), "select": select, "dryRun": true });
    let look = post("/admin/v1/force-offs", &look);
    let list = Request::new("GET", &format!("/admin/v1/force-offs?tenantId={theirs}"));
    for caller in Caller::all() {
        let told = || format!("{caller:?}");
        let (looked, listed) = (caller.ask(&api, &look).await?, caller.ask(&api, &list).await?);
        match caller.barred().or((!caller.may_name(2)).then_some("forbidden")) {
            Some(key) => {
                looked.refused(403, key).with_context(told)?;
                listed.refused(403, key).with_context(told)?;
            }
            None => {
                let looked = bare(&looked).with_context(told)?;
                same(at(&looked, "/connections")?, &json!(1), &told())?;
                same(bare(&listed).with_context(told)?, json!({ "list": [] }), &told())?;
            }
        }
    }
    Ok(())
}

/// What those get whom the route serves, the runtimes differ in: the origin has no shards.
async fn a_caller_changes_the_shards_of_its_tenants_and_no_others(world: World) -> Result<()> {
    let api = Api::without_fixture(&world)?;
    let body = json!({"shards": 2, "tenantId": api.fixture().tenant(2).to_string()});
    for caller in Caller::all() {
        if let Some(key) = caller.barred().or((!caller.may_name(2)).then_some("forbidden")) {
            let reply = caller.ask(&api, &post("/admin/v1/directory:reshard", &body)).await?;
            reply.refused(403, key).with_context(|| format!("{caller:?}"))?;
        }
    }
    Ok(())
}

/// A population is of all tenants: a header that names one takes the right to move it.
async fn a_caller_who_names_a_tenant_moves_no_population(world: World) -> Result<()> {
    let api = Api::without_fixture(&world)?;
    let (user, tenant) = (api.fixture().user(997).to_string(), api.fixture().tenant(2).to_string());
    let export = post("/admin/v1/population:export", &json!({"userIds": [user]}));
    let line = json!({"type": "user", "userId": user, "tenantId": tenant});
    let import = Request::new("POST", "/admin/v1/population:import")
        .header("Content-Type", "application/x-ndjson")
        .body(line.to_string());
    let stranger = Caller { who: Who::OpenImAdmin, named: None };
    let home = async || {
        let shown = stranger.ask(&api, &Request::new("GET", &format!("/admin/v1/users/{user}"))).await?;
        Ok::<_, anyhow::Error>(at(&bare(&shown)?, "/tenantId")?.clone())
    };
    let (reaching, others): (Vec<Caller>, Vec<Caller>) = Caller::all()
        .partition(|caller| caller.barred().is_none() && caller.is_above_tenants() && caller.named.is_none());
    for caller in others {
        let key = caller.barred().unwrap_or("forbidden");
        for request in [&export, &import] {
            let reply = caller.ask(&api, request).await?;
            reply.refused(403, key).with_context(|| format!("{caller:?}, {}", request.target))?;
        }
    }
    same(home().await?, json!("0"), "the tenant that no refused import has written")?;
    for caller in reaching {
        let told = || format!("{caller:?}");
        same(caller.ask(&api, &export).await?.response.status, 200, &told())?;
        let report = bare(&caller.ask(&api, &import).await?).with_context(told)?;
        same(at(&report, "/users")?, &json!(1), &told())?;
    }
    same(home().await?, json!(tenant), "the tenant that was imported")
}

async fn a_caller_takes_off_everybody_of_its_tenants_and_no_others(world: World) -> Result<()> {
    let api = Api::with_fixture(&world).await?;
    let order = post(OFF, &json!({"receiveObjectType": "ALL", "broadcast": true}));
    // An order to everybody takes the tokens of the tenant's administrators too.
    let (quiet, watcher) = (api.unrecorded(), Caller { who: Who::OpenImAdmin, named: Some(2) });
    let list = Request::new("GET", &format!("{LIST}?online=true"));
    let online = async || Ok::<_, anyhow::Error>(watcher.ask(&quiet, &list).await?.page()?.total);
    // The barred ones first: an order to tenant 1 takes the tokens of its users. Tenant 0 has what other cases brought there.
    let mut callers: Vec<Caller> = Caller::all()
        .filter(|caller| caller.barred().is_some() || caller.named == Some(2) || caller.who == Who::SysAdmin)
        .collect();
    callers.sort_by_key(|caller| (caller.barred().is_none(), caller.is_in(2)));
    let mut left = 1;
    for caller in callers {
        let told = || format!("{caller:?}");
        let reply = caller.ask(&api, &order).await?;
        match caller.barred() {
            Some(key) => reply.refused(403, key).with_context(told)?,
            None => reply.empty().with_context(told)?,
        }
        if caller.barred().is_none() && caller.is_in(2) {
            left = 0;
        }
        same(online().await?, left, &format!("{caller:?}: records online in tenant 2"))?;
    }
    same(left, 0, "whether anybody reached tenant 2")
}

async fn a_caller_takes_off_circles_of_its_tenants_and_no_others(world: World) -> Result<()> {
    let api = Api::without_fixture(&world)?;
    let [department, group] = [DEPARTMENT, GROUP].map(|circle| api.fixture().circle(circle));
    let mut member = api.connect("user-101", api.fixture().user(101), "d").await?;
    let order = |kind: &str, id: i64| {
        post(OFF, &json!({"receiveObjectType": kind, "receiveObjectIds": [id], "broadcast": true}))
    };
    let (reaching, others): (Vec<Caller>, Vec<Caller>) =
        Caller::all().partition(|caller| caller.barred().is_none() && caller.is_in(1));
    for caller in others {
        for order in [order("DEPT", department), order("GROUP", group)] {
            let told = || format!("{caller:?}");
            let reply = caller.ask(&api, &order).await?;
            match caller.barred() {
                Some(key) => reply.refused(403, key).with_context(told)?,
                None => reply.empty().with_context(told)?,
            }
        }
    }
    member.control_ping(b"still").await?;
    let first = reaching.first().context("nobody reaches tenant 1")?;
    first.ask(&api, &order("DEPT", department)).await?.empty()?;
    api.forced_off(&mut member, "DEPT", &[department]).await
}
