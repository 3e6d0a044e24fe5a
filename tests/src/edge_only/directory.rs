//! Rows of the directory that are wrong, and an order that a crash interrupts.

use anyhow::{Context as _, Result};
use serde_json::{Value, json};

use super::{
    probe::{self, open_and_ended},
    setup::Setup,
};
use crate::{
    check::{same, text_at},
    console::api::{LIST, OFF},
    http::Request,
    profile::Profile,
    world::World,
};

/// One shard is the whole directory.
const SHARDS: &str = "ROLLCALL__PRESENCE__DIRECTORY_SHARDS";

const THERE: &str = "1000000000000081";
const IN_A_DETAIL: &str = "1000000000000082";
const IN_A_LIST: &str = "1000000000000083";

pub(super) async fn a_row_that_its_user_does_not_know_ends_when_somebody_looks(
    setup: Setup,
) -> Result<String> {
    let runtime = setup.with(SHARDS, 1).start(&Profile::Policy1.settings()).await?;
    let world = runtime.world();
    let (_, mut socket) = world.login(THERE, 5).await?;
    world.eventually("records", || open_and_ended(&world, THERE), &(1, 0)).await?;
    // Two users that never connected.
    for (apart, ghost) in [IN_A_DETAIL, IN_A_LIST].into_iter().enumerate() {
        let rest = "full_name, user_agent, device_id, remote_address, online_at, source, generation";
        let ghost = format!(
            "INSERT INTO record (id, tenant, user, {rest}) \
             SELECT id + {apart} + 1, tenant, {ghost}, {rest} FROM record WHERE user = {THERE}"
        );
        probe::change(&world, &ghost).await?;
        probe::change(&world, "UPDATE counter SET records = records + 1").await?;
    }

    let shown = get(&world, &format!("{LIST}/{IN_A_DETAIL}")).await?;
    same(shown.pointer("/data/online"), Some(&json!(false)), "online, in the detail")?;
    same(open_and_ended(&world, IN_A_DETAIL).await?, (0, 1), "records, open and ended, after the detail")?;
    same(open_and_ended(&world, IN_A_LIST).await?, (1, 0), "those of somebody whom nobody looked at")?;

    let page = get(&world, &format!("{LIST}?online=true")).await?;
    same(text_at(&page, "/data/total")?, "1".to_owned(), "records online, in a list")?;
    same(text_at(&page, "/data/list/0/userId")?, THERE.to_owned(), "who is online, in a list")?;
    same(open_and_ended(&world, IN_A_LIST).await?, (0, 1), "records, open and ended, after the list")?;
    let page = get(&world, LIST).await?;
    same(text_at(&page, "/data/total")?, "3".to_owned(), "records, in a list of all")?;
    socket.alive().await?;
    runtime.stop().await?;
    Ok("2 ghosts ended, one by a detail and one by a list".to_owned())
}

pub(super) async fn an_order_to_a_tenant_goes_on_after_a_crash(setup: Setup) -> Result<String> {
    const USERS: usize = 6;
    let settings = Profile::Policy1.settings();
    let runtime = setup.start(&settings).await?;
    let world = runtime.world();
    let users: Vec<String> = (0..USERS).map(|n| format!("10000000000009{n:02}")).collect();
    let (mut tokens, mut sockets) = (Vec::new(), Vec::new());
    for user in &users {
        let (token, socket) = world.login(user, 5).await?;
        world.eventually("records", || open_and_ended(&world, user), &(1, 0)).await?;
        tokens.push(token);
        sockets.push(socket);
    }
    let admin = world.admin_token().await?;
    let order = json!({"receiveObjectType": "TENANT", "receiveObjectIds": [0]}).to_string();
    let order = Request::post(OFF).header("Authorization", &format!("Bearer {admin}")).body(order);
    // It answers after a second. In the middle of that everything dies.
    let caller = world.clone();
    let ordered = tokio::spawn(async move { caller.send(&order).await });
    world.eventually("an order under way", || probe::is_under_way(&world), &true).await?;
    runtime.kill().await?;
    let unanswered = ordered.await?.is_err();
    drop(sockets);

    let runtime = setup.start(&settings).await?;
    let world = runtime.world();
    // No question is asked about the users: only their shards go on.
    for user in &users {
        world.eventually("records", || open_and_ended(&world, user), &(0, 1)).await?;
    }
    for token in &tokens {
        world.expect_verdict(token, 1506, "a token of the tenant").await?;
    }
    let page = get(&world, &format!("{LIST}?online=true")).await?;
    same(text_at(&page, "/data/total")?, "0".to_owned(), "records online, in a list")?;
    runtime.stop().await?;
    Ok(format!("{USERS} users in several shards, the order itself unanswered: {unanswered}"))
}

/// The answer of the message center to the administrator.
pub(super) async fn get(world: &World, target: &str) -> Result<Value> {
    let token = world.admin_token().await?;
    let request = Request::new("GET", target).header("Authorization", &format!("Bearer {token}"));
    let answer = world.unrecorded().send(&request).await?;
    same(answer.response.status, 200, "the status of a list or detail")?;
    serde_json::from_str(answer.text()?).context("not JSON")
}
