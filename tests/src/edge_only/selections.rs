//! Orders to selections whose users do not answer, and whose answers are lost.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use serde_json::{Value, json};

use super::{
    directory::get,
    probe::{ORDERS, break_it, open_and_ended},
    setup::Setup,
};
use crate::{
    check::{at, holds, same, text_at},
    console::api::LIST,
    http::Request,
    profile::Profile,
    world::World,
};

const FORCE_OFFS: &str = "/admin/v1/force-offs";
const SILENT: &str = "1000000000000971";
const OTHER: &str = "1000000000000972";

/// How long an isolate goes by what it knows of orders.
const CACHE_SPAN: Duration = Duration::from_secs(1);

/// A user's object has 5 s to answer, and so has the object of the orders that calls it.
pub(super) async fn an_order_is_answered_while_a_user_does_not_answer_and_once_when_its_own_answer_is_lost(
    setup: Setup,
) -> Result<String> {
    let runtime = setup.start(&Profile::Policy1.settings()).await?;
    let world = runtime.world();
    let (token, mut silent) = world.login(SILENT, 5).await?;
    let (_, mut other) = world.login(OTHER, 5).await?;
    for user in [SILENT, OTHER] {
        world.eventually("records", || open_and_ended(&world, user), &(1, 0)).await?;
    }
    break_it(&world, SILENT, "hang").await?;
    let (status, order) = give(&world, &json!({"select": {"userIds": [SILENT, OTHER]}})).await?;
    same(status, 202, "the status of an order to a user who does not answer")?;
    let progress = (at(&order, "/state")?, at(&order, "/reached")?, at(&order, "/unreached")?);
    same(progress, (&json!("ordered"), &json!(1), &json!([SILENT])), "how far it is")?;
    other.kicked().await?;
    break_it(&world, SILENT, "go_on").await?;
    let id = text_at(&order, "/id")?;
    let state = || async {
        let order = get(&world, &format!("{FORCE_OFFS}/{id}")).await?;
        Ok((at(&order, "/state")?.clone(), at(&order, "/reached")?.clone()))
    };
    world.eventually("the order", state, &(json!("cutOff"), json!(2))).await?;
    silent.kicked().await?;
    world.expect_verdict(&token, 1506, "the token of the user who did not answer").await?;

    let (_, mut back) = world.login(OTHER, 5).await?;
    world.eventually("records", || open_and_ended(&world, OTHER), &(1, 1)).await?;
    let asked = json!({"select": {"userIds": [OTHER]}});
    let mut run = asked.clone();
    run.as_object_mut().context("no object")?.insert("dryRun".to_owned(), json!(true));
    for (body, wanted) in [(run, None), (asked, Some(json!("cutOff")))] {
        // What is in force is known for a second, so the answer that is lost is the order's.
        get(&world, LIST).await?;
        break_it(&world, ORDERS, "lose_answer").await?;
        let (status, answer) = give(&world, &body).await?;
        same((status, answer.get("state").cloned()), (200, wanted), "an answer in two tries")?;
    }
    back.kicked().await?;
    let orders = get(&world, FORCE_OFFS).await?;
    same(at(&orders, "/list")?.as_array().map(Vec::len), Some(2), "orders")?;
    runtime.stop().await?;
    Ok("one of two users came later, and an order and a dry run were given twice each".to_owned())
}

/// For a second after an order that is a cutoff, other isolates go by what was in force before it.
pub(super) async fn an_order_is_cut_off_for_every_reader_only_when_none_shows_its_users(
    setup: Setup,
) -> Result<String> {
    let mut settings = Profile::Policy1.settings();
    settings.message_center.direct_users = 1;
    let runtime = setup.start(&settings).await?;
    let world = runtime.world();
    world.admin_token().await?;
    get(&world, FORCE_OFFS).await?;
    let (giver, begun) = (world.unrecorded(), Instant::now());
    let given =
        tokio::spawn(async move { give(&giver, &json!({"select": {"userIds": [SILENT, OTHER]}})).await });
    let newest = async || -> Result<Option<Value>> {
        let orders = get(&world, FORCE_OFFS).await?;
        Ok(orders.pointer("/list/0/state").cloned())
    };
    let mut seen = newest().await?;
    while seen.is_none() {
        seen = newest().await?;
    }
    let after = begun.elapsed();
    holds(after < CACHE_SPAN, || format!("the order was seen only after {after:?}"))?;
    same(seen, Some(json!("ordered")), "the state while its giver waits")?;
    let (status, order) = given.await??;
    same((status, at(&order, "/state")?), (202, &json!("cutOff")), "the answer of the giver")?;
    same(newest().await?, Some(json!("cutOff")), "the state from then on")?;
    runtime.stop().await?;
    Ok(format!("it was seen as ordered after {} ms", after.as_millis()))
}

/// The status of an order to a selection, and its document.
async fn give(world: &World, body: &Value) -> Result<(u16, Value)> {
    let admin = world.admin_token().await?;
    let order =
        Request::post(FORCE_OFFS).header("Authorization", &format!("Bearer {admin}")).body(body.to_string());
    let answer = world.send(&order).await?;
    Ok((answer.response.status, serde_json::from_str(answer.text()?).context("not JSON")?))
}
