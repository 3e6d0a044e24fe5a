//! Orders to a whole tenant.

use anyhow::Result;
use serde_json::json;

use crate::{
    cases::{Case, cases},
    check::same,
    console::{
        api::{Api, LIST, OFF},
        fixture::Fixture,
    },
    world::World,
    ws::Socket,
};

pub(super) fn cases() -> Vec<Case> {
    cases![Console, "console":
        a_tenant_loses_everybody_but_the_caller,
        an_order_to_all_means_the_own_tenant,
        an_order_to_all_needs_no_ids,
        tenants_of_others_are_ignored,
        the_tenant_is_let_in_again_when_it_is_unlocked,
        one_user_is_let_in_again_when_he_is_unlocked,
        openim_users_of_the_tenant_are_kicked,
        openim_administrators_are_exempt alone "it takes the default tenant offline",
        a_tenant_order_may_be_repeated,
        who_had_left_before_keeps_that_end,
        the_operator_takes_off_in_the_tenant_that_it_names,
    ]
}

/// Two users and the caller, each with a socket.
struct Tenant {
    api: Api,
    users: [i64; 2],
    sockets: Vec<Socket>,
    caller: Socket,
}

impl Tenant {
    async fn gather(world: &World) -> Result<Self> {
        let api = Api::with_fixture(world).await?;
        let users = [101, 102].map(|user| api.fixture().user(user));
        let mut sockets = Vec::new();
        for (role, user) in ["user-101", "user-102"].into_iter().zip(users) {
            sockets.push(api.connect(role, user, role).await?);
        }
        let caller = api.connect("admin-t1", api.fixture().user(100), "console").await?;
        Ok(Self { api, users, sockets, caller })
    }

    /// Every socket but the caller's got the order, every other user is offline, and no other token is accepted.
    async fn dispersed(&mut self, kind: &str, ids: &[i64]) -> Result<Api> {
        let online = self.api.list("admin-t1", "online=true").await?.records;
        let left: Vec<String> = online.into_iter().map(|record| record.user_id).collect();
        same(left, vec![self.api.fixture().user(100).to_string()], "who is online")?;
        self.api.all_gone("admin-t1", &self.users).await?;
        self.api.all_gone("admin-t1", &[self.api.fixture().user(103)]).await?;
        for (role, user) in ["user-101", "user-102"].into_iter().zip(self.users) {
            self.api.shut_out(&self.api.handshake(role, "d"), "invalid_token").await?;
            self.api.detail(role, user).await?.unauthorized("invalid_token")?;
        }
        // Also the tokens of users that were offline.
        self.api.shut_out(&self.api.handshake("user-104", "d"), "invalid_token").await?;
        for socket in &mut self.sockets {
            self.api.forced_off(socket, kind, ids).await?;
        }
        self.caller.control_ping(b"still").await?;
        Ok(self.api.clone())
    }

    /// The order had no effect on this tenant.
    async fn together(&mut self) -> Result<()> {
        same(self.api.list("admin-t1", "online=true").await?.total, 6, "records online")?;
        for socket in self.sockets.iter_mut().chain([&mut self.caller]) {
            socket.control_ping(b"still").await?;
        }
        self.api.detail("user-101", self.users[0]).await?.record().map(drop)
    }
}

async fn foreigners(api: &Api) -> Result<usize> {
    Ok(api.list("admin-t2", "online=true").await?.total)
}

async fn a_tenant_loses_everybody_but_the_caller(world: World) -> Result<()> {
    let mut tenant = Tenant::gather(&world).await?;
    let ids = [tenant.api.fixture().tenant(1)];
    tenant.api.take_off("admin-t1", "TENANT", &ids).await?;
    let api = tenant.dispersed("TENANT", &ids).await?;
    same(foreigners(&api).await?, 1, "records online in tenant 2")
}

async fn an_order_to_all_means_the_own_tenant(world: World) -> Result<()> {
    let tenant = Tenant::gather(&world).await?;
    // Ids are ignored, those of another tenant as well.
    let ids = [tenant.api.fixture().tenant(2)];
    tenant.api.take_off("admin-t1", "ALL", &ids).await?;
    let Tenant { api, users, mut sockets, mut caller } = tenant;
    api.all_gone("admin-t1", &users).await?;
    for socket in &mut sockets {
        socket.text().await?;
        same(socket.closed(4001).await?.as_str(), "forced_offline", "the reason of the Close frame")?;
    }
    caller.control_ping(b"still").await?;
    same(foreigners(&api).await?, 1, "records online in tenant 2")?;
    api.detail("user-201", api.fixture().user(201)).await?.record().map(drop)
}

async fn an_order_to_all_needs_no_ids(world: World) -> Result<()> {
    let tenant = Tenant::gather(&world).await?;
    let body = json!({"broadcast": true, "receiveObjectType": "ALL"}).to_string();
    tenant.api.off_text(&tenant.api.bearer("admin-t1"), &body).await?.empty()?;
    tenant.api.all_gone("admin-t1", &tenant.users).await?;
    same(foreigners(&tenant.api).await?, 1, "records online in tenant 2")
}

async fn tenants_of_others_are_ignored(world: World) -> Result<()> {
    let mut tenant = Tenant::gather(&world).await?;
    let fixture = tenant.api.fixture();
    tenant.api.take_off("admin-t2", "TENANT", &[fixture.tenant(1)]).await?;
    tenant.together().await?;
    tenant
        .api
        .take_off("admin-t2", "TENANT", &[fixture.tenant(1), fixture.tenant(2), fixture.tenant(3)])
        .await?;
    tenant.together().await?;
    same(foreigners(&tenant.api).await?, 0, "records online in tenant 2")
}

async fn the_tenant_is_let_in_again_when_it_is_unlocked(world: World) -> Result<()> {
    let mut tenant = Tenant::gather(&world).await?;
    let (ids, [one, two]) = ([tenant.api.fixture().tenant(1)], tenant.users);
    tenant.api.take_off("admin-t1", "TENANT", &ids).await?;
    let api = tenant.dispersed("TENANT", &ids).await?;
    same(api.unlock("tenants", ids[0]).await?, true, "whether there was a cutoff")?;
    same(api.unlock("tenants", ids[0]).await?, false, "whether there was a second one")?;
    let mut sockets = Vec::new();
    for (role, user) in [("user-101", one), ("user-102", two)] {
        api.until_accepted(role).await?;
        sockets.push(api.connect(role, user, "again").await?);
    }
    Ok(())
}

async fn one_user_is_let_in_again_when_he_is_unlocked(world: World) -> Result<()> {
    let mut tenant = Tenant::gather(&world).await?;
    let (ids, [one, _]) = ([tenant.api.fixture().tenant(1)], tenant.users);
    tenant.api.take_off("admin-t1", "TENANT", &ids).await?;
    let api = tenant.dispersed("TENANT", &ids).await?;
    api.unlock("users", one).await?;
    api.until_accepted("user-101").await?;
    let mut socket = api.connect("user-101", one, "again").await?;
    socket.control_ping(b"in").await?;
    api.shut_out(&api.handshake("user-102", "d"), "invalid_token").await
}

async fn openim_users_of_the_tenant_are_kicked(world: World) -> Result<()> {
    let api = Api::without_fixture(&world)?;
    let (inside, outside) = (api.fixture().user(103).to_string(), api.fixture().user(201).to_string());
    let (token, mut socket) = world.login(&inside, 5).await?;
    let (foreign, mut bystander) = world.login(&outside, 5).await?;
    api.until_online(api.fixture().user(103), &["unknown"]).await?;
    api.take_off("admin-t1", "TENANT", &[api.fixture().tenant(1)]).await?;
    same(world.platforms(&inside).await?, Vec::<i64>::new(), "platforms in the status")?;
    world.expect_verdict(&token, 1506, "a token of the tenant").await?;
    api.all_gone("admin-t1", &[api.fixture().user(103)]).await?;
    socket.kicked().await?;
    bystander.alive().await?;
    world.expect_verdict(&foreign, 0, "a token of another tenant").await?;
    // What is issued after the order is not covered by it.
    let (_, mut again) = world.login(&inside, 5).await?;
    again.alive().await
}

async fn openim_administrators_are_exempt(world: World) -> Result<()> {
    let api = Api::without_fixture(&world)?;
    let admin = world.fresh_admin_token(world.admin()?).await?;
    let user = world.user("a");
    let (token, mut socket) = world.login(&user, 5).await?;
    let mut own = world.open(world.admin()?, 10, &admin).await?;
    let order = json!({"receiveObjectType": "TENANT", "receiveObjectIds": [0]}).to_string();
    api.off_text(&admin, &order).await?.empty()?;
    same(world.platforms(&user).await?, Vec::<i64>::new(), "platforms of a user of tenant 0")?;
    world.expect_verdict(&token, 1506, "the user's token").await?;
    socket.kicked().await?;
    own.alive().await?;
    world.expect_verdict(&admin, 0, "the administrator's token").await?;
    same(api.unlock("tenants", 0).await?, true, "whether there was a cutoff")
}

async fn a_tenant_order_may_be_repeated(world: World) -> Result<()> {
    let mut tenant = Tenant::gather(&world).await?;
    let ids = [tenant.api.fixture().tenant(1)];
    tenant.api.take_off("admin-t1", "TENANT", &ids).await?;
    let api = tenant.dispersed("TENANT", &ids).await?;
    let first = api.list("admin-t1", "online=false&pageSize=100").await?;
    api.take_off("admin-t1", "TENANT", &ids).await?;
    api.take_off("admin-t1", "ALL", &[]).await?;
    same(api.list("admin-t1", "online=false&pageSize=100").await?, first, "the ended records")
}

async fn who_had_left_before_keeps_that_end(world: World) -> Result<()> {
    let api = Api::with_fixture(&world).await?;
    let before = api.list("admin-t1", "online=false").await?;
    same(before.total, 2, "ended records")?;
    api.take_off("admin-t1", "TENANT", &[api.fixture().tenant(1)]).await?;
    for record in before.records {
        let after = api.get("admin-t1", &format!("{LIST}?userId={}", record.user_id)).await?.page()?;
        same(after.records, vec![record], "the record")?;
    }
    Ok(())
}

async fn the_operator_takes_off_in_the_tenant_that_it_names(world: World) -> Result<()> {
    let api = Api::with_fixture(&world).await?;
    let (user, named) = (api.fixture().user(201), api.fixture().tenant(2));
    let operator = Fixture::SHARED.token("operator");
    world.forbid(&operator);
    let mut socket = world.upgraded(&api.handshake("user-201", "d")).await?;
    let online = || async { Ok(api.unrecorded().list("admin-t2", "online=true").await?.total) };
    world.eventually("records online in tenant 2", online, &2).await?;
    let body = json!({"receiveObjectType": "USER", "receiveObjectIds": [user]}).to_string();
    let order = api.request("POST", OFF, &operator).header("Content-Type", "application/json").body(body);
    // In its own tenant there is no such user.
    api.ask(&order).await?.empty()?;
    same(online().await?, 2, "records online in tenant 2")?;
    api.ask(&order.header("XC-Opt-Tenant-Id", &named.to_string())).await?.empty()?;
    api.all_gone("admin-t2", &[user]).await?;
    api.forced_off(&mut socket, "USER", &[user]).await
}
