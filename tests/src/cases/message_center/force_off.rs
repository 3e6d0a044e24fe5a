//! Users taken offline: records, sockets, tokens, in both families.

use anyhow::Result;
use serde_json::json;

use crate::{
    cases::{Case, cases},
    check::same,
    console::api::{Api, LIST},
    world::World,
    ws::Handshake,
};

pub(super) fn cases() -> Vec<Case> {
    cases![Console, "console":
        every_socket_of_the_user_is_closed_and_no_other,
        right_after_the_answer_nobody_sees_the_user_online,
        the_token_is_refused_until_the_user_is_unlocked,
        an_openim_socket_of_the_same_user_is_kicked_too,
        an_openim_token_issued_afterwards_works,
        an_openim_token_stays_dead_when_the_user_is_unlocked,
        records_of_imported_users_end,
        a_user_who_is_offline_loses_the_token_all_the_same,
        the_order_may_be_repeated,
        a_user_may_take_himself_off,
        ids_of_another_tenant_are_ignored,
        several_users_are_taken_off_at_once,
        without_ids_nobody_is_taken_off,
        a_reconnect_during_the_order_does_not_survive,
    ]
}

async fn every_socket_of_the_user_is_closed_and_no_other(world: World) -> Result<()> {
    let api = Api::without_fixture(&world)?;
    let (user, other) = (api.fixture().user(101), api.fixture().user(102));
    let mut one = api.connect("user-101", user, "one").await?;
    let mut two = api.connect("user-101", user, "two").await?;
    let mut bystander = api.connect("user-102", other, "bystander").await?;
    api.take_off("admin-t1", "USER", &[user]).await?;
    api.forced_off(&mut one, "USER", &[user]).await?;
    api.forced_off(&mut two, "USER", &[user]).await?;
    bystander.control_ping(b"still").await?;
    same(api.online_devices(other).await?, vec!["bystander".to_owned()], "devices of the bystander")
}

async fn right_after_the_answer_nobody_sees_the_user_online(world: World) -> Result<()> {
    let api = Api::with_fixture(&world).await?;
    let user = api.fixture().user(101);
    let mut sockets = Vec::new();
    for device in ["one", "two", "three"] {
        sockets.push(api.connect("user-101", user, device).await?);
    }
    let (_, _openim) = world.login(&user.to_string(), 5).await?;
    api.take_off("admin-t1", "USER", &[user]).await?;
    api.all_gone("admin-t1", &[user]).await?;
    same(world.platforms(&user.to_string()).await?, Vec::<i64>::new(), "platforms in the status")?;
    let details = world.details(&[&user.to_string()]).await?;
    same(details.len(), 0, "elements of the token detail")?;
    let page = api.list("admin-t1", &format!("userId={user}&pageSize=100")).await?;
    same((page.total, page.records.iter().any(|record| record.online)), (6, false), "records, and any online")
}

async fn the_token_is_refused_until_the_user_is_unlocked(world: World) -> Result<()> {
    let api = Api::without_fixture(&world)?;
    let user = api.fixture().user(101);
    let mut socket = api.connect("user-101", user, "d").await?;
    api.take_off("admin-t1", "USER", &[user]).await?;
    for _ in 0..3 {
        api.shut_out(&api.handshake("user-101", "d"), "invalid_token").await?;
        api.detail("user-101", user).await?.unauthorized("invalid_token")?;
    }
    api.forced_off(&mut socket, "USER", &[user]).await?;
    let ended = api.records(user).await?;
    same(api.unlock("users", user).await?, true, "whether there was a cutoff")?;
    same(api.unlock("users", user).await?, false, "whether there was a second one")?;
    let mut again = api.connect("user-101", user, "d").await?;
    again.control_ping(b"in").await?;
    let records = api.records(user).await?;
    same(records.get(1..).unwrap_or_default(), ended.as_slice(), "what was ended")?;
    api.detail("user-101", user).await?.record().map(drop)
}

/// There is another way back for those: a new one.
async fn an_openim_token_stays_dead_when_the_user_is_unlocked(world: World) -> Result<()> {
    let api = Api::without_fixture(&world)?;
    let user = api.fixture().user(101);
    let (token, mut socket) = world.login(&user.to_string(), 5).await?;
    api.take_off("admin-t1", "USER", &[user]).await?;
    socket.kicked().await?;
    api.unlock("users", user).await?;
    world.expect_verdict(&token, 1506, "the token that was taken back").await?;
    world.login(&user.to_string(), 5).await.map(drop)
}

async fn an_openim_socket_of_the_same_user_is_kicked_too(world: World) -> Result<()> {
    let api = Api::without_fixture(&world)?;
    let user = api.fixture().user(101);
    let (token, mut openim) = world.login(&user.to_string(), 5).await?;
    let (idle, other) = (world.issue(&user.to_string(), 2).await?, api.fixture().user(102).to_string());
    let (other_token, mut bystander) = world.login(&other, 5).await?;
    let mut ours = api.connect("user-101", user, "d").await?;
    api.take_off("admin-t1", "USER", &[user]).await?;
    for (token, what) in [(&token, "the token of the socket"), (&idle, "a token without a socket")] {
        world.expect_verdict(token, 1506, what).await?;
    }
    world.refused_both_ways(&Handshake::new(&user.to_string(), 5, &token), 1506, "").await?;
    openim.kicked().await?;
    api.forced_off(&mut ours, "USER", &[user]).await?;
    bystander.alive().await?;
    world.expect_verdict(&other_token, 0, "the token of another user").await
}

async fn an_openim_token_issued_afterwards_works(world: World) -> Result<()> {
    let api = Api::without_fixture(&world)?;
    let user = api.fixture().user(101);
    let (_, mut openim) = world.login(&user.to_string(), 5).await?;
    api.take_off("admin-t1", "USER", &[user]).await?;
    openim.kicked().await?;
    let (token, mut again) = world.login(&user.to_string(), 5).await?;
    again.alive().await?;
    world.expect_verdict(&token, 0, "a token issued afterwards").await?;
    api.until_online(user, &["unknown"]).await?;
    // And the static token stays refused.
    api.shut_out(&api.handshake("user-101", "d"), "invalid_token").await
}

async fn records_of_imported_users_end(world: World) -> Result<()> {
    let api = Api::with_fixture(&world).await?;
    let fixture = api.fixture();
    api.take_off("admin-t1", "USER", &[fixture.user(103)]).await?;
    api.all_gone("admin-t1", &[fixture.user(103)]).await?;
    let online = api.list("admin-t1", "online=true").await?.ids();
    let wanted = [9002, 9001].map(|id| fixture.record(id).to_string()).to_vec();
    same(online, wanted, "who is still online")
}

async fn a_user_who_is_offline_loses_the_token_all_the_same(world: World) -> Result<()> {
    let api = Api::without_fixture(&world)?;
    let user = api.fixture().user(101);
    api.detail("user-101", user).await?.refused(404, "resource_not_found")?;
    api.take_off("admin-t1", "USER", &[user]).await?;
    api.detail("user-101", user).await?.unauthorized("invalid_token")?;
    api.shut_out(&api.handshake("user-101", "d"), "invalid_token").await
}

async fn the_order_may_be_repeated(world: World) -> Result<()> {
    let api = Api::with_fixture(&world).await?;
    let user = api.fixture().user(101);
    let mut socket = api.connect("user-101", user, "d").await?;
    api.take_off("admin-t1", "USER", &[user]).await?;
    api.forced_off(&mut socket, "USER", &[user]).await?;
    let first = api.records(user).await?;
    for _ in 0..3 {
        api.take_off("admin-t1", "USER", &[user]).await?;
    }
    same(api.records(user).await?, first, "the records after more of the same")
}

async fn a_user_may_take_himself_off(world: World) -> Result<()> {
    let api = Api::with_fixture(&world).await?;
    let user = api.fixture().user(101);
    let mut socket = api.connect("user-101", user, "d").await?;
    api.take_off("user-101", "USER", &[user]).await?;
    api.forced_off(&mut socket, "USER", &[user]).await?;
    api.detail("user-101", user).await?.unauthorized("invalid_token")?;
    api.all_gone("admin-t1", &[user]).await
}

async fn ids_of_another_tenant_are_ignored(world: World) -> Result<()> {
    let api = Api::with_fixture(&world).await?;
    let (own, foreign) = (api.fixture().user(101), api.fixture().user(201));
    let mut socket = api.connect("user-101", own, "d").await?;
    api.take_off("admin-t2", "USER", &[own]).await?;
    api.take_off("admin-t2", "USER", &[api.fixture().user(103)]).await?;
    socket.control_ping(b"still").await?;
    let mut devices = api.online_devices(own).await?;
    devices.sort();
    same(devices, ["d", "dev-a1", "dev-a2"].map(str::to_owned).to_vec(), "devices online")?;
    api.detail("user-101", own).await?.record()?;
    // Those of the own tenant beside them are not.
    api.take_off("admin-t2", "USER", &[own, foreign, 998]).await?;
    socket.control_ping(b"still").await?;
    api.all_gone("admin-t2", &[foreign]).await?;
    same(api.online_devices(api.fixture().user(103)).await?.len(), 1, "devices of user 103")
}

async fn several_users_are_taken_off_at_once(world: World) -> Result<()> {
    let api = Api::with_fixture(&world).await?;
    let users = [101, 102, 103].map(|user| api.fixture().user(user));
    let mut sockets = Vec::new();
    for (role, user) in ["user-101", "user-102", "user-103"].into_iter().zip(users) {
        sockets.push(api.connect(role, user, role).await?);
    }
    let ids = json!([users[0].to_string(), users[1], null, users[2], users[2]]);
    let body = json!({"receiveObjectType": "user", "receiveObjectIds": ids}).to_string();
    api.off_text(&api.bearer("admin-t1"), &body).await?.empty()?;
    api.all_gone("admin-t1", &users).await?;
    for (socket, user) in sockets.iter_mut().zip(users) {
        // A socket is not told which other users the order names.
        api.forced_off(socket, "USER", &[user]).await?;
    }
    same(api.list("admin-t1", "online=true").await?.total, 0, "records online")
}

/// An empty selector does not mean all users.
async fn without_ids_nobody_is_taken_off(world: World) -> Result<()> {
    let api = Api::with_fixture(&world).await?;
    let user = api.fixture().user(101);
    let mut socket = api.connect("user-101", user, "d").await?;
    let token = api.bearer("admin-t1");
    for kind in ["USER", "TENANT", "DEPT", "GROUP"] {
        let refused = json!({"receiveObjectType": kind, "receiveObjectIds": []}).to_string();
        api.off_text(&token, &refused).await?.refused(400, "protocol_error")?;
        let taken =
            json!({"receiveObjectType": kind, "receiveObjectIds": [], "broadcast": false}).to_string();
        api.off_text(&token, &taken).await?.empty()?;
    }
    socket.control_ping(b"still").await?;
    same(api.list("admin-t1", "online=true").await?.total, 4, "records online")?;
    let me = api.get("user-101", &format!("{LIST}/{user}")).await?;
    me.record().map(drop)
}

/// Some of these handshakes are before the order, some in the middle of it; none is in afterwards.
async fn a_reconnect_during_the_order_does_not_survive(world: World) -> Result<()> {
    let api = Api::without_fixture(&world)?.unrecorded();
    let user = api.fixture().user(101);
    let connecting = {
        let api = api.clone();
        tokio::spawn(async move {
            let mut open = Vec::new();
            for number in 0..40 {
                let handshake = api.handshake("user-101", &format!("d{number}"));
                if let crate::ws::Opening::Upgraded(socket) = api.world().try_upgrade(&handshake).await? {
                    open.push(*socket);
                }
            }
            Ok::<_, anyhow::Error>(open)
        })
    };
    let some_are_in = || async { Ok(api.online_devices(user).await?.len() >= 3) };
    api.world().eventually("some are in", some_are_in, &true).await?;
    api.take_off("admin-t1", "USER", &[user]).await?;
    same(api.online_devices(user).await?.len(), 0, "devices right after the answer")?;
    let mut open = connecting.await??;
    same(api.online_devices(user).await?.len(), 0, "devices in the end")?;
    for socket in &mut open {
        api.forced_off(socket, "USER", &[user]).await?;
    }
    Ok(())
}
