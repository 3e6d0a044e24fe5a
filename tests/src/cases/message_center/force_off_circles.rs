//! Departments and groups, whose members are known by the claims of their tokens.

use anyhow::Result;

use crate::{
    cases::{Case, cases},
    check::same,
    console::{
        fixture::{DEPARTMENT, GROUP, OTHER_DEPARTMENT},
        stage::Stage,
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
async fn everybody(stage: &Stage) -> Result<Vec<(i64, Socket)>> {
    let mut all = Vec::new();
    for user in [101, 102, 103, 104] {
        let number = stage.fixture().user(user);
        all.push((user, stage.connect(&format!("user-{user}"), number, "d").await?));
    }
    Ok(all)
}

/// Those of `gone` have heard the order and are nowhere online; the others are as before.
async fn judge(
    stage: &Stage,
    mut all: Vec<(i64, Socket)>,
    kind: &str,
    ids: &[i64],
    gone: &[i64],
) -> Result<()> {
    for (user, socket) in &mut all {
        let (number, role) = (stage.fixture().user(*user), format!("user-{user}"));
        if gone.contains(user) {
            stage.all_gone("admin-t1", &[number]).await?;
            stage.forced_off(socket, kind, ids).await?;
            stage.shut_out(&stage.handshake(&role, "d"), "invalid_token").await?;
        } else {
            socket.control_ping(b"still").await?;
            same(stage.online_devices(number).await?.len(), 1, &format!("devices of user {user}"))?;
            stage.detail(&role, number).await?.record()?;
        }
    }
    Ok(())
}

async fn a_department_loses_its_members_and_no_others(world: World) -> Result<()> {
    let stage = Stage::bare(&world)?;
    let all = everybody(&stage).await?;
    let ids = [stage.fixture().circle(DEPARTMENT)];
    stage.take_off("admin-t1", "DEPT", &ids).await?;
    judge(&stage, all, "DEPT", &ids, &[101, 103]).await
}

async fn a_group_loses_its_members_and_no_others(world: World) -> Result<()> {
    let stage = Stage::bare(&world)?;
    let all = everybody(&stage).await?;
    let ids = [stage.fixture().circle(GROUP)];
    stage.take_off("admin-t1", "GROUP", &ids).await?;
    judge(&stage, all, "GROUP", &ids, &[101, 104]).await
}

async fn several_departments_are_taken_at_once(world: World) -> Result<()> {
    let stage = Stage::bare(&world)?;
    let all = everybody(&stage).await?;
    let ids = [DEPARTMENT, OTHER_DEPARTMENT].map(|circle| stage.fixture().circle(circle));
    stage.take_off("admin-t1", "DEPT", &ids).await?;
    judge(&stage, all, "DEPT", &ids, &[101, 102, 103]).await
}

async fn circles_of_another_tenant_are_ignored(world: World) -> Result<()> {
    let stage = Stage::bare(&world)?;
    let all = everybody(&stage).await?;
    stage.take_off("admin-t2", "DEPT", &[stage.fixture().circle(DEPARTMENT)]).await?;
    stage.take_off("admin-t2", "GROUP", &[stage.fixture().circle(GROUP)]).await?;
    judge(&stage, all, "DEPT", &[], &[]).await
}

async fn an_unknown_circle_is_nobody(world: World) -> Result<()> {
    let stage = Stage::bare(&world)?;
    let all = everybody(&stage).await?;
    // A department's number is no group's, and a user's is no department's.
    stage.take_off("admin-t1", "GROUP", &[stage.fixture().circle(DEPARTMENT)]).await?;
    stage.take_off("admin-t1", "DEPT", &[stage.fixture().circle(GROUP), stage.fixture().user(101)]).await?;
    judge(&stage, all, "DEPT", &[], &[]).await
}

/// And nothing happens.
async fn a_plain_member_may_not_take_the_department_off(world: World) -> Result<()> {
    let stage = Stage::bare(&world)?;
    let all = everybody(&stage).await?;
    let ids = [stage.fixture().circle(DEPARTMENT)];
    stage.off("user-101", "DEPT", &ids).await?.refused(403, "forbidden")?;
    judge(&stage, all, "DEPT", &ids, &[]).await
}
