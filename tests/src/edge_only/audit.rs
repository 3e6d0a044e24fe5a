//! Entries of the audit on their way to the directory, and where they stay.

use anyhow::{Context as _, Result};
use serde_json::{Value, json};

use super::{
    directory::get,
    probe::{self, Directory, ORDERS, open_and_ended},
    reshard::reshard,
    setup::Setup,
    variables::{GRACE, SHARDS},
};
use crate::{
    check::{at, holds, same},
    http::Request,
    profile::Profile,
    world::{FORCE_LOGOUT, World},
};

const AUDIT: &str = "/admin/v1/audit";
/// A user who has records.
const USER: &str = "1000000000000061";
/// One whose answers are lost.
const REPEATED: &str = "1000000000000062";
/// One whom nobody knows.
const STRANGER: &str = "1000000000000063";
/// The first of those whose entries lie in several shards.
const FIRST: i64 = 1_000_000_000_006_100;
const USERS: i64 = 12;

async fn entries(world: &World, query: &str) -> Result<Vec<Value>> {
    let page = get(world, &format!("{AUDIT}?{query}")).await?;
    Ok(at(&page, "/list")?.as_array().context("no list")?.clone())
}

/// How many connections each order to a user ended, the latest first.
async fn ended(world: &World, user: &str) -> Result<Vec<i64>> {
    let entries = entries(world, &format!("userId={user}")).await?;
    entries.iter().map(|entry| at(entry, "/connections")?.as_i64().context("no number")).collect()
}

/// An order is carried out although the directory cannot hear of it, and its entry outlives the object: with the record that the order
/// ended, and alone where it ended none.
pub(super) async fn an_entry_whose_directory_call_fails_survives_a_crash_and_is_delivered_later(
    setup: Setup,
) -> Result<String> {
    let settings = Profile::Policy1.settings();
    let runtime = setup.start(&settings).await?;
    let world = runtime.world();
    let nameless = world.user("a");
    let _socket = world.login(USER, 5).await?;
    world.eventually("records", || open_and_ended(&world, USER), &(1, 0)).await?;
    world.issue(&nameless, 5).await?;
    for user in [USER, &nameless] {
        probe::let_directory(&world, user, Directory::Off).await?;
        for _ in 0..2 {
            let order = json!({"userID": user, "platformID": 5});
            world.as_admin(FORCE_LOGOUT, &order).await?.envelope_with(500)?.refusal(500)?;
        }
        same(ended(&world, user).await?, Vec::<i64>::new(), "entries while the directory is away")?;
    }
    runtime.kill().await?;
    let runtime = setup.start(&settings).await?;
    let world = runtime.world();
    // Whoever is asked publishes what waits.
    for (user, wanted) in [(USER, vec![0, 1]), (&nameless, vec![0, 0])] {
        world.status(user).await?;
        world.eventually("connections of each order", || ended(&world, user), &wanted).await?;
        same(probe::own_records(&world, user).await?.len(), 0, "records of the user's own")?;
        world.force_logout(user, 5).await?;
        // Not eventually: the answer says that the directory knows.
        let all: Vec<i64> = [0].into_iter().chain(wanted).collect();
        same(ended(&world, user).await?, all, "connections of each order, and of one more")?;
    }
    runtime.stop().await?;
    Ok("4 entries were delivered after a crash, each once".to_owned())
}

/// An object dies between the commit and the publication of an order that ended no record, and nobody asks for its user afterwards.
pub(super) async fn an_entry_alone_is_delivered_by_its_alarm(setup: Setup) -> Result<String> {
    let settings = Profile::Policy1.settings();
    let runtime = setup.start(&settings).await?;
    let world = runtime.world();
    world.admin_token().await?;
    // Nothing but the entry is known of either.
    let users = [STRANGER.to_owned(), world.user("nameless")];
    probe::let_directory(&world, STRANGER, Directory::Hangs).await?;
    let orders = users.each_ref().map(|user| {
        let (world, user) = (world.unrecorded(), user.clone());
        tokio::spawn(async move { world.force_logout(&user, 5).await })
    });
    for user in &users {
        let is_kept = || async { Ok(probe::tables(&world, user).await?.contains("record: Ok(Some([[")) };
        world.eventually("whether the order is durable", is_kept, &true).await?;
    }
    runtime.kill().await?;
    for order in orders {
        holds(order.await?.is_err(), || "an order was answered".to_owned())?;
    }
    let runtime = setup.start(&settings).await?;
    let world = runtime.world();
    for user in &users {
        world.eventually("connections of the order", || ended(&world, user), &vec![0]).await?;
        let waiting = || async { Ok(probe::tables(&world, user).await?.contains("record: Ok(Some([[")) };
        world.eventually("whether it still waits", waiting, &false).await?;
        same(
            probe::tables(&world, user).await?.contains("user: Ok(Some([["),
            false,
            "whether it is known now",
        )?;
    }
    runtime.stop().await?;
    Ok("2 entries of users whom nobody knows came by alarm after a crash".to_owned())
}

/// The call of an order is repeated where its answer is lost. The first try was carried out, and its entry still waits.
pub(super) async fn an_order_that_is_repeated_for_a_lost_answer_has_one_entry(
    setup: Setup,
) -> Result<String> {
    let runtime = setup.start(&Profile::Policy1.settings()).await?;
    let world = runtime.world();
    let (_, mut socket) = world.login(REPEATED, 5).await?;
    world.eventually("records", || open_and_ended(&world, REPEATED), &(1, 0)).await?;
    // It ends a connection, and then nothing.
    for wanted in [vec![1], vec![0, 1]] {
        probe::let_directory(&world, REPEATED, Directory::Off).await?;
        probe::break_it(&world, REPEATED, "lose_answer").await?;
        world.force_logout(REPEATED, 5).await?;
        same(ended(&world, REPEATED).await?, wanted, "connections of each order")?;
    }
    socket.kicked().await?;
    same(probe::own_records(&world, REPEATED).await?.len(), 0, "records of the user's own")?;
    runtime.stop().await?;
    Ok("2 orders were given twice each and have an entry each".to_owned())
}

/// Entries of single users lie in their shards, and stay there whatever becomes of the number of shards.
pub(super) async fn entries_are_found_after_the_number_of_shards_has_changed(setup: Setup) -> Result<String> {
    let runtime = setup.with(SHARDS, 4).with(GRACE, 0).start(&Profile::Policy1.settings()).await?;
    let world = runtime.world();
    for user in 0..USERS {
        world.force_logout(&(FIRST + user).to_string(), 5).await?;
    }
    let before = entries(&world, "operation=forceLogout").await?;
    same(before.len(), usize::try_from(USERS)?, "entries")?;
    for target in [1, 2] {
        reshard(&world, target).await?;
        let done = || async {
            let answer = reshard(&world, target).await?;
            Ok(at(&answer, "/done")?.clone())
        };
        world.eventually("whether the change has ended", done, &json!(true)).await?;
        same(&entries(&world, "operation=forceLogout").await?, &before, "entries after the change")?;
    }
    let changes = entries(&world, "operation=reshard").await?;
    same(changes.len() >= 4, true, "entries of each order to change")?;
    runtime.stop().await?;
    Ok(format!("{USERS} entries stayed through 4, 1 and 2 shards"))
}

/// The date of the next sweep outlives the instance, and later orders do not move it.
pub(super) async fn what_is_over_in_the_object_of_orders_is_swept_once_a_day(setup: Setup) -> Result<String> {
    let runtime = setup.start(&Profile::Policy1.settings()).await?;
    let world = runtime.world();
    let unlock = || async {
        let token = world.admin_token().await?;
        let request =
            Request::post("/admin/v1/tenants/0/unlock").header("Authorization", &format!("Bearer {token}"));
        same(world.unrecorded().send(&request).await?.response.status, 200, "the status of an unlock")
    };
    let next = || async {
        let tables = probe::tables(&world, ORDERS).await?;
        anyhow::Ok(tables.lines().find(|line| line.starts_with("audit_sweep: ")).map(str::to_owned))
    };
    let begun: Option<String> = next().await?;
    same(begun, None, "the date of a sweep without entries")?;
    unlock().await?;
    let first = next().await?;
    holds(first.is_some(), || "no date of a sweep".to_owned())?;
    probe::forget(&world, ORDERS).await?;
    unlock().await?;
    same(next().await?, first, "the date after another order, in another instance")?;
    // One is old, and the sweep is due.
    let old = "UPDATE audit SET id = '00' || substr(id, 3) WHERE id = (SELECT min(id) FROM audit)";
    for statement in [old, "UPDATE audit_sweep SET next_at = 0"] {
        probe::change_user(&world, ORDERS, statement).await?;
    }
    unlock().await?;
    let left = || async { Ok(probe::tables(&world, ORDERS).await?.matches("tenantUnlock").count()) };
    world.eventually("entries that are kept", left, &2).await?;
    let swept = || async { Ok(next().await?.is_some_and(|next| !next.contains("Int(0)"))) };
    world.eventually("whether the next sweep has a date", swept, &true).await?;
    runtime.stop().await?;
    Ok("an old entry is gone, 2 stay".to_owned())
}
