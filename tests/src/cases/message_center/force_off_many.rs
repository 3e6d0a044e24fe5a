//! Orders to more users than are taken off one by one: in force when they are answered, and delivered after that.

use std::time::Instant;

use anyhow::Result;
use serde_json::{Value, json};

use crate::{
    cases::{Case, cases},
    check::same,
    console::api::Api,
    size::size,
    world::World,
};

pub(super) fn cases() -> Vec<Case> {
    cases![Console, "console":
        an_order_to_many_users_is_in_force_when_it_is_answered within 2400,
        a_user_who_comes_back_after_an_order_to_many_stays within 2400,
        orders_under_delivery_are_shown_to_administrators_of_the_tenant,
    ]
}

/// One more than `message_center.direct_users` of the profile, or as many as an order may name.
pub(super) fn many() -> usize {
    size(21, 10_000)
}

/// So many users that were never seen, and that no other case names.
pub(super) fn strangers(api: &Api, count: usize) -> Vec<i64> {
    let first = 9_000_000_000_000 + api.fixture().tenant(0) * 1_000_000;
    (first..).take(count).collect()
}

/// Waits until every order of the case's first tenant is delivered, as long as their deliveries go on.
pub(super) async fn until_delivered(api: &Api) -> Result<()> {
    let quiet = &api.unrecorded();
    let mut before = undelivered(quiet).await?;
    while !before.is_empty() {
        let has_moved = || async { Ok(undelivered(quiet).await? != before) };
        api.world().eventually("whether a delivery has gone on", has_moved, &true).await?;
        before = undelivered(quiet).await?;
    }
    Ok(())
}

async fn undelivered(api: &Api) -> Result<Vec<Value>> {
    Ok(orders(api).await?.pointer("/undelivered").and_then(Value::as_array).cloned().unwrap_or_default())
}

/// Whether the order to the case's first tenant is lifted, if there is one.
async fn is_lifted(api: &Api) -> Result<Option<Value>> {
    Ok(orders(&api.unrecorded()).await?.pointer("/cutoff/isLifted").cloned())
}

async fn orders(api: &Api) -> Result<Value> {
    let target = format!("/admin/v1/tenants/{}/order", api.fixture().tenant(1));
    let answer = api.world().send(&api.request("GET", &target, &api.bearer("admin-t1"))).await?;
    same(answer.response.status, 200, "the status of the orders")?;
    let shown = answer.json()?;
    same(shown.pointer("/tenantId"), Some(&json!(api.fixture().tenant(1).to_string())), "tenantId")?;
    Ok(shown)
}

async fn an_order_to_many_users_is_in_force_when_it_is_answered(world: World) -> Result<()> {
    let api = Api::with_fixture(&world).await?;
    let fixture = api.fixture();
    let [console, gateway, bystander] = [101, 103, 102].map(|user| fixture.user(user));
    let mut socket = api.connect("user-101", console, "d").await?;
    let mut bystander_socket = api.connect("user-102", bystander, "d").await?;
    let (token, mut login) = world.login(&gateway.to_string(), 5).await?;
    let shown =
        || async { Ok(api.unrecorded().online_devices(gateway).await?.contains(&"unknown".to_owned())) };
    world.eventually("the record of the login", shown, &true).await?;

    let mut ids = strangers(&api, many() - 2);
    ids.extend([console, gateway]);
    let begun = Instant::now();
    api.unrecorded().take_off("admin-t1", "USER", &ids).await?;
    let answered = begun.elapsed();
    // Nothing here waits for the delivery.
    api.all_gone("admin-t1", &[console, gateway]).await?;
    same(world.platforms(&gateway.to_string()).await?, Vec::<i64>::new(), "platforms in the status")?;
    world.expect_verdict(&token, 1506, "a token of the user").await?;
    api.shut_out(&api.handshake("user-101", "d"), "invalid_token").await?;
    api.detail("user-101", console).await?.unauthorized("invalid_token")?;

    api.forced_off(&mut socket, "USER", &[console]).await?;
    login.kicked().await?;
    bystander_socket.control_ping(b"still").await?;
    until_delivered(&api).await?;
    world.figure(format!(
        "{} users, answered after {answered:.1?}, delivered after {:.1?}",
        ids.len(),
        begun.elapsed()
    ));
    api.all_gone("admin-t1", &[console, gateway]).await?;
    world.expect_verdict(&token, 1506, "a token of the user, after the delivery").await?;
    api.shut_out(&api.handshake("user-101", "d"), "invalid_token").await?;
    same(api.unlock("users", console).await?, true, "whether there was a cutoff to lift")?;
    api.until_accepted("user-101").await
}

async fn a_user_who_comes_back_after_an_order_to_many_stays(world: World) -> Result<()> {
    let api = Api::without_fixture(&world)?;
    let user = api.fixture().user(103);
    let (old, mut before) = world.login(&user.to_string(), 5).await?;
    let mut ids = strangers(&api, many() - 1);
    ids.push(user);
    api.unrecorded().take_off("admin-t1", "USER", &ids).await?;
    let (new, mut after) = world.login(&user.to_string(), 5).await?;
    before.kicked().await?;
    until_delivered(&api).await?;
    after.alive().await?;
    same(world.platforms(&user.to_string()).await?, vec![5], "platforms in the status")?;
    world.expect_verdict(&old, 1506, "the token from before the order").await?;
    world.expect_verdict(&new, 0, "the token from after it").await
}

async fn orders_under_delivery_are_shown_to_administrators_of_the_tenant(world: World) -> Result<()> {
    let api = Api::without_fixture(&world)?;
    same(undelivered(&api).await?, Vec::<Value>::new(), "orders under delivery")?;
    same(is_lifted(&api).await?, None, "an order to the tenant")?;
    let target = |tenant: &str| format!("/admin/v1/tenants/{tenant}/order");
    let own = api.fixture().tenant(1).to_string();
    api.refused("user-101", &target(&own), 403, "forbidden").await?;
    api.refused("admin-t2", &target(&own), 403, "forbidden").await?;
    api.refused("admin-t1", &target("one"), 400, "param_binding_error").await?;

    let tenant = api.fixture().tenant(1);
    api.unrecorded().take_off("admin-t1", "TENANT", &[tenant]).await?;
    same(is_lifted(&api).await?, Some(json!(false)), "whether the order to the tenant is lifted")?;
    same(api.unlock("tenants", tenant).await?, true, "whether there was an order to lift")?;
    same(is_lifted(&api).await?, Some(json!(true)), "the same after an unlock")
}
