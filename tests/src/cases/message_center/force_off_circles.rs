//! Departments and groups, whose members are known by the claims of their tokens.

use anyhow::Result;

use crate::{
    cases::{Case, cases},
    check::same,
    console::{
        api::Api,
        fixture::{DEPARTMENT, GROUP, OTHER_DEPARTMENT},
    },
    world::World,
    ws::Socket,
};

pub(super) fn cases() -> Vec<Case> {
    cases![Console, "console":
        a_department_loses_its_members_and_no_others,
        a_group_loses_its_members_and_no_others,
        several_departments_are_taken_at_once,
        circles_of_another_tenant_are_ignored,
        an_unknown_circle_is_nobody,
        a_plain_member_may_not_take_the_department_off,
    ]
}

/// The four users of the fixture, each with a socket.
async fn everybody(api: &Api) -> Result<Vec<(i64, Socket)>> {
    let mut all = Vec::new();
    for user in [101, 102, 103, 104] {
        let number = api.fixture().user(user);
        all.push((user, api.connect(&format!("user-{user}"), number, "d").await?));
    }
    Ok(all)
}

/// Those of `gone` have heard the order and are nowhere online; the others are as before.
async fn judge(api: &Api, mut all: Vec<(i64, Socket)>, kind: &str, ids: &[i64], gone: &[i64]) -> Result<()> {
    for (user, socket) in &mut all {
        let (number, role) = (api.fixture().user(*user), format!("user-{user}"));
        if gone.contains(user) {
            api.all_gone("admin-t1", &[number]).await?;
            api.forced_off(socket, kind, ids).await?;
            api.shut_out(&api.handshake(&role, "d"), "invalid_token").await?;
        } else {
            socket.control_ping(b"still").await?;
            same(api.online_devices(number).await?.len(), 1, &format!("devices of user {user}"))?;
            api.detail(&role, number).await?.record()?;
        }
    }
    Ok(())
}

async fn a_department_loses_its_members_and_no_others(world: World) -> Result<()> {
    let api = Api::without_fixture(&world)?;
    let all = everybody(&api).await?;
    let ids = [api.fixture().circle(DEPARTMENT)];
    api.take_off("admin-t1", "DEPT", &ids).await?;
    judge(&api, all, "DEPT", &ids, &[101, 103]).await
}

async fn a_group_loses_its_members_and_no_others(world: World) -> Result<()> {
    let api = Api::without_fixture(&world)?;
    let all = everybody(&api).await?;
    let ids = [api.fixture().circle(GROUP)];
    api.take_off("admin-t1", "GROUP", &ids).await?;
    judge(&api, all, "GROUP", &ids, &[101, 104]).await
}

async fn several_departments_are_taken_at_once(world: World) -> Result<()> {
    let api = Api::without_fixture(&world)?;
    let all = everybody(&api).await?;
    let ids = [DEPARTMENT, OTHER_DEPARTMENT].map(|circle| api.fixture().circle(circle));
    api.take_off("admin-t1", "DEPT", &ids).await?;
    judge(&api, all, "DEPT", &ids, &[101, 102, 103]).await
}

async fn circles_of_another_tenant_are_ignored(world: World) -> Result<()> {
    let api = Api::without_fixture(&world)?;
    let all = everybody(&api).await?;
    api.take_off("admin-t2", "DEPT", &[api.fixture().circle(DEPARTMENT)]).await?;
    api.take_off("admin-t2", "GROUP", &[api.fixture().circle(GROUP)]).await?;
    judge(&api, all, "DEPT", &[], &[]).await
}

async fn an_unknown_circle_is_nobody(world: World) -> Result<()> {
    let api = Api::without_fixture(&world)?;
    let all = everybody(&api).await?;
    // A department's number is no group's, and a user's is no department's.
    api.take_off("admin-t1", "GROUP", &[api.fixture().circle(DEPARTMENT)]).await?;
    api.take_off("admin-t1", "DEPT", &[api.fixture().circle(GROUP), api.fixture().user(101)]).await?;
    judge(&api, all, "DEPT", &[], &[]).await
}

/// The order has no effect.
async fn a_plain_member_may_not_take_the_department_off(world: World) -> Result<()> {
    let api = Api::without_fixture(&world)?;
    let all = everybody(&api).await?;
    let ids = [api.fixture().circle(DEPARTMENT)];
    api.off("user-101", "DEPT", &ids).await?.refused(403, "forbidden")?;
    judge(&api, all, "DEPT", &ids, &[]).await
}
