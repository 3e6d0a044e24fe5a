//! The number of shards changes while the directory is in use.

use std::{
    collections::BTreeSet,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use anyhow::{Context as _, Result, bail};
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use serde_json::{Value, json};

use super::{
    directory::get,
    probe::{self, break_it, open_and_ended},
    setup::Setup,
    variables::{GRACE, SHARDS},
};
use crate::{
    check::{same, text_at},
    console::api::LIST,
    http::Request,
    profile::Profile,
    size::size,
    world::World,
    ws::{Socket, escape},
};

const RESHARD: &str = "/admin/v1/directory:reshard";

/// Users whose records stay as they are; every other one is online.
const STILL: i64 = 1_000_000_000_001_000;
/// Users who come and go.
const BUSY: i64 = 1_000_000_000_002_000;
const BUSY_USERS: i64 = 3;
/// Logins at the same time.
const AT_ONCE: usize = 8;
/// How often a request is repeated that met a dying object.
const TRIES: usize = 20;
/// One of the shards that give buckets away.
const SHARD_1: &str = "directory/dir:v1:0:1";

pub(super) async fn every_list_is_exact_while_the_number_of_shards_changes(setup: Setup) -> Result<String> {
    let runtime = setup.with(SHARDS, 3).with(GRACE, 0).start(&Profile::Policy1.settings()).await?;
    let world = runtime.world();
    let logins = (0..size(16, 200)).map(|number| still(&world, number));
    let stills: Vec<(String, Option<Socket>)> =
        stream::iter(logins).buffer_unordered(AT_ONCE).try_collect().await?;
    let all: BTreeSet<String> = stills.iter().map(|(user, _)| user.clone()).collect();
    let online: BTreeSet<String> =
        stills.iter().filter(|(_, socket)| socket.is_some()).map(|(user, _)| user.clone()).collect();
    world.eventually("users", || shown(&world, ""), &users(&all)).await?;
    world.eventually("users online", || shown(&world, "&online=true"), &users(&online)).await?;

    let stop = Arc::new(AtomicBool::new(false));
    let busy: Vec<_> = (0..BUSY_USERS)
        .map(|number| tokio::spawn(come_and_go(world.clone(), (BUSY + number).to_string(), stop.clone())))
        .collect();

    let (mut shards, mut lists) = (3, 0);
    for target in size(&[8][..], &[8, 3, 16, 5]) {
        lists += change(&world, shards, *target, &all, &online)
            .await
            .with_context(|| format!("from {shards} to {target} shards"))?;
        shards = *target;
    }

    stop.store(true, Ordering::Relaxed);
    let mut total = all.len();
    for (number, task) in (0..).zip(busy) {
        let came = task.await??;
        let user = (BUSY + number).to_string();
        world.eventually("records of a busy user", || open_and_ended(&world, &user), &(0, came)).await?;
        let page = get(&world, &format!("{LIST}?userId={user}")).await?;
        same(text_at(&page, "/data/total")?, came.to_string(), "records of a busy user, in a list")?;
        total += came;
    }
    let page = get(&world, LIST).await?;
    same(text_at(&page, "/data/total")?, total.to_string(), "all records, by the kept counters")?;
    let mut rows = probe::owners(&world).await?;
    rows.retain(|user| all.contains(user));
    rows.sort();
    same(&rows, &users(&all), "rows in all shards")?;
    for (user, socket) in stills {
        let detail = get(&world, &format!("{LIST}/{user}")).await?;
        same(detail.pointer("/data/online"), Some(&json!(socket.is_some())), "online, in a detail")?;
        if let Some(mut socket) = socket {
            socket.alive().await?;
        }
    }
    runtime.stop().await?;
    Ok(format!("{lists} times two lists, {total} records"))
}

/// A user who connects once; every other one stays.
async fn still(world: &World, number: i64) -> Result<(String, Option<Socket>)> {
    let user = (STILL + number).to_string();
    let (_, socket) = world.login(&user, 5).await?;
    if number % 2 == 0 {
        return Ok((user, Some(socket)));
    }
    socket.close().await?;
    Ok((user, None))
}

/// Changes the number of shards, and returns how often lists were compared meanwhile. Two objects die on the way: first one of those
/// that give buckets away, then the one that keeps the layout.
async fn change(
    world: &World,
    from: u32,
    to: u32,
    all: &BTreeSet<String>,
    online: &BTreeSet<String>,
) -> Result<usize> {
    exact(world, all, online).await.context("before")?;
    let begun = reshard(world, to).await?;
    same(begun.pointer("/shards"), Some(&json!(from)), "the number of shards when it begins")?;
    same(begun.pointer("/done"), Some(&json!(false)), "whether the change has ended when it begins")?;
    same(ask(world, to + 1).await?.0, 400, "the status of another change meanwhile")?;
    let mut victims = vec![(probe::SHARD_0, 256), (SHARD_1, 0)];
    let mut lists = 0;
    loop {
        let progress = reshard(world, to).await?;
        if progress.pointer("/done") == Some(&json!(true)) {
            break;
        }
        let moved = progress.pointer("/moved").and_then(Value::as_i64).context("how many have moved")?;
        if let Some((victim, _)) = victims.pop_if(|(_, at)| moved >= *at) {
            break_it(world, victim, "abort").await?;
        }
        exact(world, all, online).await.with_context(|| format!("with {moved} buckets moved"))?;
        lists += 1;
    }
    same(victims.len(), 0, "objects that did not die")?;
    exact(world, all, online).await.context("after")?;
    Ok(lists)
}

/// Connects and disconnects until it is stopped. Returns how often.
async fn come_and_go(world: World, user: String, stop: Arc<AtomicBool>) -> Result<usize> {
    let mut came = 0;
    let token = world.issue(&user, 5).await?;
    while !stop.load(Ordering::Relaxed) {
        // The cutoff is asked of an object that may be dying; then nothing was opened.
        let Ok(mut socket) = world.open(&user, 5, &token).await else { continue };
        came += 1;
        socket.alive().await?;
        socket.close().await?;
        world.until_platforms(&user, &[]).await?;
    }
    Ok(came)
}

/// Compares a list of the still users, and one of those who are online, with what they are.
async fn exact(world: &World, all: &BTreeSet<String>, online: &BTreeSet<String>) -> Result<()> {
    for (rest, expected) in [("", all), ("&online=true", online)] {
        same(shown(world, rest).await?, users(expected), rest)?;
    }
    Ok(())
}

/// The users of the rows of a list, which are as many as its total says, in order.
async fn shown(world: &World, rest: &str) -> Result<Vec<String>> {
    let still = escape(&BUSY.to_string());
    let filter = format!("filters[0].key=userId&filters[0].op=LESS_THAN&filters[0].value={still}");
    let page = answered(world, &format!("{LIST}?pageSize=1000&{filter}{rest}")).await?;
    let rows = page.pointer("/data/list").and_then(Value::as_array).context("no list")?;
    let mut users: Vec<String> = rows.iter().map(|row| text_at(row, "/userId")).collect::<Result<_>>()?;
    same(text_at(&page, "/data/total")?, users.len().to_string(), "the total")?;
    users.sort();
    Ok(users)
}

fn users(of: &BTreeSet<String>) -> Vec<String> {
    of.iter().cloned().collect()
}

/// A list. One that meets a dying object is an error, and never another list.
async fn answered(world: &World, target: &str) -> Result<Value> {
    let token = world.admin_token().await?;
    let request = Request::new("GET", target).header("Authorization", &format!("Bearer {token}"));
    for _ in 0..TRIES {
        let answer = world.unrecorded().send(&request).await?;
        if answer.response.status != 500 {
            same(answer.response.status, 200, "the status of a list")?;
            return answer.json();
        }
    }
    bail!("a list of shards that are there again fails {TRIES} times")
}

pub(super) async fn reshard(world: &World, shards: u32) -> Result<Value> {
    for _ in 0..TRIES {
        let (status, body) = ask(world, shards).await?;
        if status != 500 {
            same(status, 200, "the status of a change of the number of shards")?;
            return Ok(body);
        }
    }
    bail!("a change of the number of shards fails {TRIES} times")
}

async fn ask(world: &World, shards: u32) -> Result<(u16, Value)> {
    let token = world.admin_token().await?;
    let request = Request::post(RESHARD)
        .header("Authorization", &format!("Bearer {token}"))
        .body(json!({ "shards": shards }).to_string());
    let answer = world.unrecorded().send(&request).await?;
    let status = answer.response.status;
    Ok((status, serde_json::from_str(answer.text()?).context("not JSON")?))
}
