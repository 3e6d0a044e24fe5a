//! Rows of the directory that are wrong, and an order that a crash interrupts.

use anyhow::{Context as _, Result};
use futures_util::future::try_join_all;
use serde_json::{Value, json};

use super::{
    probe::{self, ORDERS, break_it, open_and_ended},
    setup::Setup,
    variables::SHARDS,
};
use crate::{
    check::{same, text_at},
    console::api::{LIST, OFF},
    http::Request,
    profile::Profile,
    world::World,
};

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
    for (apart, unknown) in [IN_A_DETAIL, IN_A_LIST].into_iter().enumerate() {
        let rest = "full_name, user_agent, device_id, remote_address, online_at, source, generation";
        let row = format!(
            "INSERT INTO record (id, tenant, user, {rest}) \
             SELECT id + {apart} + 1, tenant, {unknown}, {rest} FROM record WHERE user = {THERE}"
        );
        probe::change(&world, &row).await?;
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
    Ok("2 rows ended, one by a detail and one by a list".to_owned())
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

pub(super) async fn an_order_that_earlier_code_kept_in_a_shard_is_taken_over(setup: Setup) -> Result<String> {
    const USER: &str = "1000000000000950";
    let runtime = setup.start(&Profile::Policy1.settings()).await?;
    let world = runtime.world();
    let (old, _socket) = world.login(USER, 5).await?;
    world.expect_verdict(&old, 0, "a token without an order").await?;
    // Every other shard asks shard 0 for the layout, which is then stored there.
    world.eventually("records", || open_and_ended(&world, USER), &(1, 0)).await?;
    let order = "INSERT INTO tenant_mark (tenant, at, sequence, exempt, lifted) VALUES (0, 1000, 7, '[]', 0)";
    probe::change(&world, order).await?;
    break_it(&world, ORDERS, "abort").await?;
    world.eventually("the verdict", || async { world.verdict(&old).await }, &1506).await?;
    let new = world.issue(USER, 5).await?;
    world.expect_verdict(&new, 0, "a token from after it").await?;
    same(take_off(&world, [1, 2]).await?, 200, "the status of a further order")?;
    runtime.stop().await?;
    Ok("the order is in force".to_owned())
}

pub(super) async fn orders_to_many_users_are_bounded_and_go_on_after_a_crash(setup: Setup) -> Result<String> {
    const MOST: u64 = 16;
    const NAMED: u64 = 1_000_000_000_010_000;
    const UNNAMED: u64 = NAMED + 100;
    let mut settings = Profile::Policy1.settings();
    settings.message_center.direct_users = 1;
    let runtime = setup.start(&settings).await?;
    let world = runtime.world();
    let [named, unnamed] = [NAMED, UNNAMED].map(|user| user.to_string());
    let (token, socket) = world.login(&named, 5).await?;
    let (unnamed_token, mut unnamed_socket) = world.login(&unnamed, 5).await?;
    world.eventually("records", || open_and_ended(&world, &named), &(1, 0)).await?;
    world.eventually("records", || open_and_ended(&world, &unnamed), &(1, 0)).await?;

    // A user counts as reached when the directory has heard of it. So none of these is delivered.
    break_it(&world, ORDERS, "directory_off").await?;
    let statuses = try_join_all((1..=MOST).map(|n| take_off(&world, [NAMED, NAMED + n]))).await?;
    same(statuses, vec![200; 16], "the statuses of the orders")?;
    same(take_off(&world, [UNNAMED, NAMED + 50]).await?, 503, "the status of one more")?;
    world.expect_verdict(&unnamed_token, 0, "a token of a user that only the refused order names").await?;
    world.expect_verdict(&token, 1506, "a token from before the orders").await?;
    unnamed_socket.alive().await?;
    // An object that is thrown away in the middle of its work goes on with it.
    break_it(&world, ORDERS, "abort").await?;
    let users = || async {
        // A request that meets the object's end fails.
        let shown = get(&world, "/admin/v1/tenants/0/order").await.ok();
        let orders = shown.as_ref().and_then(|shown| shown.pointer("/undelivered"))?.as_array()?;
        Some(orders.iter().map(|order| order.pointer("/users").cloned()).collect::<Vec<_>>())
    };
    let users = || async { Ok(users().await) };
    world.eventually("users of the orders", users, &Some(vec![Some(json!(2)); 16])).await?;
    runtime.kill().await?;
    drop((socket, unnamed_socket));

    let runtime = setup.start(&settings).await?;
    let world = runtime.world();
    world.expect_verdict(&token, 1506, "a token from before the orders, after the crash").await?;
    let (new, mut back) = world.login(&named, 5).await?;
    let left = || async {
        let shown = get(&world, "/admin/v1/tenants/0/order").await?;
        Ok(shown.pointer("/undelivered").and_then(Value::as_array).map(Vec::len))
    };
    world.eventually("orders under delivery", left, &Some(0)).await?;
    world.expect_verdict(&token, 1506, "a token from before the orders, after their delivery").await?;
    world.expect_verdict(&new, 0, "a token from after them").await?;
    back.alive().await?;
    same(open_and_ended(&world, &named).await?, (1, 1), "records of a user who came back")?;
    same(
        take_off(&world, [UNNAMED, NAMED + 50]).await?,
        200,
        "the status of the refused order, given again",
    )?;
    world.expect_verdict(&unnamed_token, 1506, "a token that it took").await?;
    runtime.stop().await?;
    Ok(format!("{MOST} orders under delivery, and one too many"))
}

/// The status of an order of the administrator to these users.
async fn take_off(world: &World, users: [u64; 2]) -> Result<u16> {
    order(world, &json!({"receiveObjectType": "USER", "receiveObjectIds": users})).await
}

/// The status of an order of the administrator.
pub(super) async fn order(world: &World, order: &Value) -> Result<u16> {
    let admin = world.admin_token().await?;
    let order =
        Request::post(OFF).header("Authorization", &format!("Bearer {admin}")).body(order.to_string());
    Ok(world.send(&order).await?.response.status)
}

/// The answer of the message center to the administrator.
pub(super) async fn get(world: &World, target: &str) -> Result<Value> {
    let token = world.admin_token().await?;
    let request = Request::new("GET", target).header("Authorization", &format!("Bearer {token}"));
    let answer = world.unrecorded().send(&request).await?;
    same(answer.response.status, 200, "the status of a list or detail")?;
    serde_json::from_str(answer.text()?).context("not JSON")
}
