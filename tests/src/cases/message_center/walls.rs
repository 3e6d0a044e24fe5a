//! Tenants are walls: every route by every kind of caller, whatever tenant the request names.

use anyhow::{Context as _, Result};
use serde_json::{Value, json};

use crate::{
    cases::{Case, cases},
    check::{at, same},
    console::{
        api::{Api, IMPORT, LIST, OFF, SEARCH},
        fixture::{Fixture, Row},
        reply::Reply,
    },
    http::Request,
    world::World,
};

pub(super) fn cases() -> Vec<Case> {
    cases![Walls, "walls":
        a_caller_reads_within_its_tenants_and_no_others,
        a_caller_sees_several_users_within_its_tenants_and_no_others,
        a_list_of_users_has_a_form_and_a_limit,
        a_caller_imports_into_its_tenants_and_no_others,
        an_import_takes_over_no_record_of_another_tenant,
        a_caller_unlocks_its_tenants_and_no_others,
        a_caller_unlocks_users_of_its_tenants_and_no_others,
        a_caller_takes_off_users_of_its_tenants_and_no_others,
        a_userid_in_a_path_is_any_text,
    ]
}

const USERS: &str = "/admin/v1/users:batchGet";

/// Who calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Who {
    /// A system administrator of tenant 1.
    SysAdmin,
    /// A user of tenant 1.
    User,
    /// A system administrator of tenant 9 with the operator's client.
    Operator,
    /// The operator's client without rights.
    OperatorUser,
    /// An administrator of OpenIM's endpoints, of tenant 0.
    OpenImAdmin,
}

const CALLERS: [Who; 5] = [Who::SysAdmin, Who::User, Who::Operator, Who::OperatorUser, Who::OpenImAdmin];

/// A caller, and the tenant in its header.
#[derive(Clone, Copy, Debug)]
pub(super) struct Caller {
    pub(super) who: Who,
    pub(super) named: Option<i64>,
}

impl Caller {
    /// Each caller, with and without each tenant in its header.
    pub(super) fn all() -> impl Iterator<Item = Self> {
        let named = [None, Some(1), Some(2)];
        CALLERS.into_iter().flat_map(move |who| named.map(|named| Self { who, named }))
    }

    fn is_admin(self) -> bool {
        matches!(self.who, Who::SysAdmin | Who::Operator | Who::OpenImAdmin)
    }

    pub(super) fn is_above_tenants(self) -> bool {
        !matches!(self.who, Who::SysAdmin | Who::User)
    }

    /// Whether the header alone is refused.
    fn is_foreign(self) -> bool {
        !self.is_above_tenants() && self.named == Some(2)
    }

    /// Whether lists and force-offs of this caller reach a tenant of the fixture.
    pub(super) fn is_in(self, tenant: i64) -> bool {
        match (self.named, self.who) {
            (Some(named), _) => named == tenant,
            (None, Who::SysAdmin | Who::User) => tenant == 1,
            (None, _) => false,
        }
    }

    /// Whether a path or body of this caller may name a tenant.
    pub(super) fn may_name(self, tenant: i64) -> bool {
        self.is_in(tenant) || (self.named.is_none() && self.is_above_tenants())
    }

    /// The request as this caller sends it.
    async fn signed(self, api: &Api, request: &Request) -> Result<Request> {
        let operator = |role: &str| {
            let text = Fixture::SHARED.token(role);
            api.world().forbid(&text);
            text
        };
        let token = match self.who {
            Who::SysAdmin => api.bearer("admin-t1"),
            Who::User => api.bearer("user-101"),
            Who::Operator => operator("operator"),
            Who::OperatorUser => operator("operator-user"),
            Who::OpenImAdmin => api.world().admin_token().await?,
        };
        let signed = request.clone().header("Authorization", &format!("Bearer {token}"));
        Ok(match self.named {
            Some(tenant) => signed.header("XC-Opt-Tenant-Id", &api.fixture().tenant(tenant).to_string()),
            None => signed,
        })
    }

    pub(super) async fn ask(self, api: &Api, request: &Request) -> Result<Reply> {
        api.ask(&self.signed(api, request).await?).await
    }

    /// The error that this caller gets before a route looks at what it names.
    pub(super) fn barred(self) -> Option<&'static str> {
        match self {
            caller if caller.is_foreign() => Some("fatal_exit"),
            caller if caller.is_admin() => None,
            _ => Some("forbidden"),
        }
    }
}

/// The body of an answer without envelope.
pub(super) fn bare(reply: &Reply) -> Result<Value> {
    same(reply.response.status, 200, "the status")?;
    Ok(serde_json::from_slice(&reply.response.body)?)
}

fn shown(api: &Api, user: i64, tenant: i64, devices: &[&str]) -> Value {
    json!([api.fixture().user(user).to_string(), tenant.to_string(), !devices.is_empty(), [], [], devices])
}

/// The answer about a user: all of it, but of records the devices only.
fn overview(reply: &Reply) -> Result<Value> {
    let body = bare(reply)?;
    let records = at(&body, "/records")?.as_array().context("records")?;
    let devices = records.iter().map(|record| at(record, "/deviceId")).collect::<Result<Vec<_>>>()?;
    let members = ["/userId", "/tenantId", "/online", "/connections", "/consoles"];
    let mut all = members.into_iter().map(|name| at(&body, name).cloned()).collect::<Result<Vec<_>>>()?;
    all.push(json!(devices));
    Ok(Value::Array(all))
}

async fn a_caller_reads_within_its_tenants_and_no_others(world: World) -> Result<()> {
    let api = Api::with_fixture(&world).await?;
    let fixture = api.fixture();
    for caller in Caller::all() {
        let told = || format!("{caller:?}");
        let get = async |target: String| caller.ask(&api, &Request::new("GET", &target)).await;
        for path in [LIST, SEARCH] {
            let reply = get(path.to_owned()).await?;
            match caller.barred() {
                Some(key) => reply.refused(403, key).with_context(told)?,
                None => {
                    let wanted = if caller.is_in(1) { 5 } else { usize::from(caller.is_in(2)) };
                    // Tenant 0 has what other cases brought there.
                    if caller.who != Who::OpenImAdmin || caller.named.is_some() {
                        same(reply.page().with_context(told)?.total, wanted, &told())?;
                    }
                }
            }
        }
        for (user, tenant, device) in [(103, 1, "dev-c1"), (201, 2, "dev-e1")] {
            let number = fixture.user(user);
            let detail = get(format!("{LIST}/{number}")).await?;
            let whole = get(format!("/admin/v1/users/{number}")).await?;
            if let Some(key) = caller.barred() {
                detail.refused(403, key).with_context(told)?;
                whole.refused(403, key).with_context(told)?;
                continue;
            }
            if caller.is_in(tenant) {
                same(detail.record().with_context(told)?.user_id, number.to_string(), &told())?;
            } else {
                detail.refused(404, "resource_not_found").with_context(told)?;
            }
            let whole = overview(&whole).with_context(told)?;
            if caller.may_name(tenant) {
                same(&whole, &shown(&api, user, fixture.tenant(tenant), &[device]), &told())?;
            } else {
                // As of an unknown user.
                let nobody = overview(&get(format!("/admin/v1/users/{}", fixture.user(999))).await?)?;
                same(&whole, &shown(&api, user, fixture.tenant(caller.named.unwrap_or(1)), &[]), &told())?;
                same(&nobody, &shown(&api, 999, fixture.tenant(caller.named.unwrap_or(1)), &[]), &told())?;
            }
        }
    }
    Ok(())
}

fn users(ids: &Value) -> Request {
    let body = json!({"userIds": ids}).to_string();
    Request::new("POST", USERS).header("Content-Type", "application/json").body(body)
}

/// The answer about several users: each one's id, tenant and the tenants of its records that are online.
fn overviews(reply: &Reply) -> Result<Vec<Value>> {
    let body = bare(reply)?;
    let shown = |user: &Value| {
        same(user.get("records"), None, "the records of one of many")?;
        same(at(user, "/connections")?, &json!([]), "connections")?;
        let tenants = at(user, "/recordTenants")?;
        same(at(user, "/online")?, &json!(*tenants != json!([])), "whether it is online")?;
        Ok(json!([at(user, "/userId")?, at(user, "/tenantId")?, tenants]))
    };
    at(&body, "/users")?.as_array().context("users")?.iter().map(shown).collect()
}

/// User 103 of tenant 1 has a record in tenant 2 too, which another system brought.
async fn a_caller_sees_several_users_within_its_tenants_and_no_others(world: World) -> Result<()> {
    let api = Api::with_fixture(&world).await?;
    let fixture = api.fixture();
    let there = Row { user: fixture.user(103), offline_at: None, ..row(&api, 1, 2, "there")? };
    let stranger = Caller { who: Who::OpenImAdmin, named: None };
    bare(&stranger.ask(&api, &import(&[there])).await?)?;
    let asked = [(103, vec![1, 2]), (201, vec![2]), (999, vec![])];
    let ids: Vec<String> = asked.iter().map(|(user, _)| fixture.user(*user).to_string()).collect();
    for caller in Caller::all() {
        let told = || format!("{caller:?}");
        let reply = caller.ask(&api, &users(&json!(ids))).await?;
        if let Some(key) = caller.barred() {
            reply.refused(403, key).with_context(told)?;
            continue;
        }
        let wanted = asked.iter().zip(&ids).map(|((user, tenants), id)| {
            let home = match user {
                _ if caller.named.is_some() || !caller.is_above_tenants() => {
                    fixture.tenant(caller.named.unwrap_or(1))
                }
                103 => fixture.tenant(1),
                201 => fixture.tenant(2),
                _ => 0,
            };
            let seen = tenants.iter().filter(|tenant| caller.may_name(**tenant));
            let seen: Vec<String> = seen.map(|tenant| fixture.tenant(*tenant).to_string()).collect();
            json!([id, home.to_string(), seen])
        });
        same(overviews(&reply).with_context(told)?, wanted.collect::<Vec<_>>(), &told())?;
        let single = Request::new("GET", &format!("/admin/v1/users/{}", fixture.user(103)));
        let one = bare(&caller.ask(&api, &single).await?)?;
        let seen = overviews(&reply)?.swap_remove(0);
        same(at(&one, "/recordTenants")?, at(&seen, "/2")?, &format!("{caller:?}: the same of one user"))?;
    }
    Ok(())
}

async fn a_list_of_users_has_a_form_and_a_limit(world: World) -> Result<()> {
    let api = Api::without_fixture(&world)?;
    let admin = Caller { who: Who::OpenImAdmin, named: None };
    let ask = async |body: &str| admin.ask(&api, &Request::new("POST", USERS).body(body)).await;
    for bad in ["", "[]", "{}", r#"{"userIds":"101"}"#, r#"{"userIds":[101]}"#] {
        ask(bad).await?.refused(400, "param_parsing_error").with_context(|| bad.to_owned())?;
    }
    let many = |count: usize| json!({"userIds": vec!["nobody"; count]}).to_string();
    let long = json!({"userIds": ["x".repeat(257)]}).to_string();
    for bad in [many(101).as_str(), r#"{"userIds":["101",""]}"#, &long] {
        ask(bad).await?.refused(400, "param_validation_error").with_context(|| bad.to_owned())?;
    }
    same(overviews(&ask(&many(100)).await?)?.len(), 100, "users")?;
    same(bare(&ask(r#"{"userIds":[]}"#).await?)?, json!({"users": []}), "an empty list")?;
    // Sockets of a user whose id is no number are seen in the list as by itself.
    let user = world.user("a");
    let (_, _socket) = world.login(&user, 5).await?;
    let body = bare(&ask(&json!({"userIds": [user]}).to_string()).await?)?;
    same(at(&body, "/users/0/connections/0/platformID")?, &json!(5), "platformID")
}

fn row(api: &Api, id: i64, tenant: i64, name: &str) -> Result<Row> {
    let template = api.fixture().rows()?.into_iter().next().context("no record")?;
    let fixture = api.fixture();
    Ok(Row {
        id: fixture.record(id),
        tenant: fixture.tenant(tenant),
        user: fixture.user(900 + tenant),
        name: name.to_owned(),
        ..template
    })
}

fn import(lines: &[Row]) -> Request {
    let lines: Vec<String> = lines.iter().map(|row| row.line().to_string()).collect();
    Request::new("POST", IMPORT).header("Content-Type", "application/x-ndjson").body(lines.join("\n"))
}

async fn a_caller_imports_into_its_tenants_and_no_others(world: World) -> Result<()> {
    let api = Api::without_fixture(&world)?;
    for (round, caller) in (0..).zip(Caller::all()) {
        let told = || format!("{caller:?}");
        let lines = [row(&api, 2 * round, 1, "one")?, row(&api, 2 * round + 1, 2, "two")?];
        let reply = caller.ask(&api, &import(&lines)).await?;
        let taken: Vec<bool> = match caller.barred() {
            Some(key) => {
                reply.refused(403, key).with_context(told)?;
                vec![false, false]
            }
            None => vec![caller.may_name(1), caller.may_name(2)],
        };
        if caller.barred().is_none() {
            let body = bare(&reply).with_context(told)?;
            let rejected = at(&body, "/rejected")?.as_array().context("rejected")?;
            let rejected = rejected.iter().map(|one| at(one, "/line")).collect::<Result<Vec<_>>>()?;
            let wanted: Vec<usize> =
                (1..).zip(&taken).filter(|(_, taken)| !**taken).map(|(line, _)| line).collect();
            same(json!(rejected), json!(wanted), &told())?;
            same(at(&body, "/imported")?, &json!(2 - wanted.len()), &told())?;
        }
        for ((line, role), taken) in lines.iter().zip(["admin-t1", "admin-t2"]).zip(taken) {
            let ids = api.unrecorded().list(role, "pageSize=100").await?.ids();
            same(
                ids.contains(&line.id.to_string()),
                taken,
                &format!("{caller:?}: whether {role} sees the record"),
            )?;
        }
    }
    Ok(())
}

async fn an_import_takes_over_no_record_of_another_tenant(world: World) -> Result<()> {
    let api = Api::with_fixture(&world).await?;
    let theirs = api.list("admin-t2", "").await?;
    let taken = theirs.records.first().context("no record of tenant 2")?.id.parse()?;
    let forged = Row { id: taken, ..row(&api, 1, 1, "Somebody Else")? };
    let honest = row(&api, 2, 1, "ours")?;
    // Whether the id is free in tenant 1 differs: at the edge each tenant has a directory of its own.
    let quiet = api.unrecorded();
    for caller in Caller::all().filter(|caller| caller.barred().is_none()) {
        let body = bare(&caller.ask(&quiet, &import(&[forged.clone(), honest.clone()])).await?)?;
        let count = |name: &str| body.get(name).and_then(Value::as_u64).unwrap_or_default();
        same(
            count("imported") + count("updated") + count("rejectedTotal"),
            2,
            &format!("{caller:?}: lines that are accounted for"),
        )?;
    }
    // Nor by a line of a file that names the same id for its own tenant first.
    let own = theirs.records.first().map(|record| record.user_id.parse()).transpose()?.unwrap_or_default();
    let kept = Row { id: taken, tenant: api.fixture().tenant(2), user: own, ..row(&api, 1, 2, "kept")? };
    let stranger = Caller { who: Who::OpenImAdmin, named: None };
    stranger.ask(&quiet, &import(&[kept.clone(), forged])).await?;
    same(api.list("admin-t2", "").await?.records, vec![kept.record(api.zone())], "the records of tenant 2")
}

fn unlock(what: &str, id: i64) -> Request {
    Request::new("POST", &format!("/admin/v1/{what}/{id}/unlock"))
}

async fn a_caller_unlocks_its_tenants_and_no_others(world: World) -> Result<()> {
    let api = Api::with_fixture(&world).await?;
    let theirs = api.fixture().tenant(2);
    api.take_off("admin-t2", "TENANT", &[theirs]).await?;
    for caller in Caller::all() {
        if let Some(key) = caller.barred().or((!caller.may_name(2)).then_some("forbidden")) {
            let reply = caller.ask(&api, &unlock("tenants", theirs)).await?;
            reply.refused(403, key).with_context(|| format!("{caller:?}"))?;
        }
    }
    api.detail("user-201", api.fixture().user(201)).await?.unauthorized("invalid_token")?;
    let mut locked = true;
    for caller in Caller::all().filter(|caller| caller.barred().is_none() && caller.may_name(2)) {
        let answer = bare(&caller.ask(&api, &unlock("tenants", theirs)).await?)?;
        same(answer, json!({"unlocked": locked}), &format!("{caller:?}"))?;
        locked = false;
    }
    api.until_accepted("user-201").await
}

async fn a_caller_unlocks_users_of_its_tenants_and_no_others(world: World) -> Result<()> {
    let api = Api::with_fixture(&world).await?;
    let (theirs, nobody) = (api.fixture().user(201), api.fixture().user(998));
    api.take_off("admin-t2", "USER", &[theirs]).await?;
    for caller in Caller::all() {
        let told = || format!("{caller:?}");
        if let Some(key) = caller.barred() {
            caller.ask(&api, &unlock("users", theirs)).await?.refused(403, key).with_context(told)?;
        } else if !caller.may_name(2) {
            for user in [theirs, nobody] {
                let answer = bare(&caller.ask(&api, &unlock("users", user)).await?).with_context(told)?;
                same(answer, json!({"unlocked": false}), &told())?;
            }
        }
    }
    api.detail("user-201", theirs).await?.unauthorized("invalid_token")?;
    let mut locked = true;
    for caller in Caller::all().filter(|caller| caller.barred().is_none() && caller.may_name(2)) {
        let answer = bare(&caller.ask(&api, &unlock("users", theirs)).await?)?;
        same(answer, json!({"unlocked": locked}), &format!("{caller:?}"))?;
        locked = false;
    }
    api.until_accepted("user-201").await
}

/// Ids of other tenants are ignored without a word, as the documents have it.
async fn a_caller_takes_off_users_of_its_tenants_and_no_others(world: World) -> Result<()> {
    let api = Api::with_fixture(&world).await?;
    let (user, tenant) = (api.fixture().user(201), api.fixture().tenant(2));
    let off = |kind: &str, id: i64| {
        let body = json!({"receiveObjectType": kind, "receiveObjectIds": [id]}).to_string();
        Request::new("POST", OFF).header("Content-Type", "application/json").body(body)
    };
    let online =
        async || Ok::<_, anyhow::Error>(api.unrecorded().list("admin-t2", "online=true").await?.total);
    let (reaching, others): (Vec<Caller>, Vec<Caller>) =
        Caller::all().partition(|caller| caller.barred().is_none() && caller.is_in(2));
    for caller in others {
        for order in [off("USER", user), off("TENANT", tenant)] {
            let reply = caller.ask(&api, &order).await?;
            let told = || format!("{caller:?}");
            match caller.barred() {
                Some(key) => reply.refused(403, key).with_context(told)?,
                None => reply.empty().with_context(told)?,
            }
            same(online().await?, 1, &format!("{caller:?}: records online in tenant 2"))?;
        }
    }
    for caller in reaching {
        caller.ask(&api, &off("USER", user)).await?.empty()?;
        same(online().await?, 0, &format!("{caller:?}: records online in tenant 2"))?;
    }
    Ok(())
}

async fn a_userid_in_a_path_is_any_text(world: World) -> Result<()> {
    let api = Api::without_fixture(&world)?;
    let admin = Caller { who: Who::OpenImAdmin, named: None };
    let user = format!("{}/ü ?", world.user("a"));
    let path: String = user.bytes().map(|byte| format!("%{byte:02X}")).collect();
    let (_, _socket) = world.login(&user, 5).await?;
    let body = bare(&admin.ask(&api, &Request::new("GET", &format!("/admin/v1/users/{path}"))).await?)?;
    same(at(&body, "/userId")?, &json!(user), "userId")?;
    same(at(&body, "/connections/0/platformID")?, &json!(5), "platformID")?;
    let answer =
        bare(&admin.ask(&api, &Request::new("POST", &format!("/admin/v1/users/{path}/unlock"))).await?)?;
    same(answer, json!({"unlocked": false}), "the answer")?;
    for bad in ["x".repeat(257), "%FF".to_owned()] {
        let target = format!("/admin/v1/users/{bad}");
        admin.ask(&api, &Request::new("GET", &target)).await?.refused(400, "param_binding_error")?;
        let target = format!("{target}/unlock");
        admin.ask(&api, &Request::new("POST", &target)).await?.refused(400, "param_binding_error")?;
    }
    Ok(())
}
