//! What operations cost, counted by the runtime's own cursors: rows read and written, and requests to objects.
//!
//! `tests/edge_counters.toml` holds the counts, which `cargo xtask edge cost` computes a bill from. An operation may not cost more
//! than is recorded, and what is recorded may not exceed the [`BOUNDS`]. `edge-only --record` writes the file.

use std::{collections::BTreeMap, fs, path::PathBuf};

use anyhow::{Context as _, Result, ensure};
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::{
    directory::get,
    probe::{self, SHARD_0, Seen, open_and_ended},
    setup::Setup,
    variables::{GRACE, SHARDS},
};
use crate::{
    check::{holds, same},
    console::api::{IMPORT, LIST},
    http::Request,
    profile::Profile,
    world::World,
    ws::Socket,
};

const GRACE_SECONDS: u32 = 1;

/// The first user of the directory, whose record makes the shard's tables.
const FIRST: &str = "1000000000000091";
const USER: &str = "1000000000000092";
/// Tokens that were kicked and have not expired: those of a user who logs in daily.
const KICKED_TOKENS: u32 = 60;
/// Imported records of other users, for a list.
const RECORDS: u32 = 120;
const FIRST_WRITE: &str = "first_write";
const TOKEN: &str = "token";
const CONNECT: &str = "connect";
const END: &str = "end";
const FORCED_LOGOUT: &str = "forced_logout";
/// An order that ends nothing, with the alarm that would tell its entry.
const ORDER_ALONE: &str = "order_alone";
const STATUS: &str = "status";
const CHECK: &str = "check";
const LIST_PAGE: &str = "list_page";

/// Of operations together, at most so many rows read and so many written, in the user's object and the shard.
const BOUNDS: &[(&[&str], Option<u64>, u64)] = &[
    (&[CONNECT, END], Some(60), 13),
    (&[FIRST_WRITE], None, 14),
    (&[TOKEN], Some(15), 3),
    // One valid token.
    (&[FORCED_LOGOUT], Some(30), 8),
    (&[STATUS], Some(12), 0),
    (&[CHECK], None, 0),
    // The page of ten, and the counter of each bucket that has records: one or two more than RECORDS.
    (&[LIST_PAGE], Some(180), 0),
];

/// The counts of an operation, by kind of object.
type Counters = BTreeMap<String, Operation>;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Operation {
    /// In the user's object.
    user: Count,
    /// In the shard of its records. Questions about the cutoff do not count: an isolate asks once a second, for all users.
    shard: Count,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Count {
    /// Calls and alarms.
    requests: u64,
    /// Rows read.
    read: u64,
    /// Rows written; a set alarm is one.
    written: u64,
}

impl Count {
    const fn between(before: &Seen, after: &Seen) -> Self {
        Self {
            requests: after.requests - before.requests - (after.asks - before.asks),
            read: after.read - before.read,
            written: after.written - before.written,
        }
    }

    const fn exceeds(&self, recorded: &Self) -> bool {
        self.requests > recorded.requests || self.read > recorded.read || self.written > recorded.written
    }
}

struct Meter<'a> {
    world: &'a World,
    counted: Counters,
}

impl Meter<'_> {
    /// Counts what an operation costs a user's object that comes back from hibernation.
    async fn count<T>(&mut self, name: &str, operation: impl Future<Output = Result<T>>) -> Result<T> {
        probe::forget(self.world, USER).await?;
        let before = self.seen().await?;
        let done = operation.await?;
        let after = self.seen().await?;
        let counts = Operation {
            user: Count::between(&before.0, &after.0),
            shard: Count::between(&before.1, &after.1),
        };
        self.counted.insert(name.to_owned(), counts);
        Ok(done)
    }

    async fn seen(&self) -> Result<(Seen, Seen)> {
        Ok((probe::look(self.world, USER).await?, probe::look(self.world, SHARD_0).await?))
    }
}

pub(super) async fn operations_cost_what_is_recorded(setup: Setup) -> Result<String> {
    let setup = setup.with(SHARDS, 1).with(GRACE, GRACE_SECONDS);
    let runtime = setup.start(&Profile::Policy1.settings()).await?;
    let world = runtime.world();
    let (_, mut first) = world.login(FIRST, 5).await?;
    world.eventually("records", || open_and_ended(&world, FIRST), &(1, 0)).await?;
    world.status(FIRST).await?;
    // From then on the isolate knows the directory's layout.
    get(&world, LIST).await?;

    let mut meter = Meter { world: &world, counted: Counters::new() };
    meter.count(FIRST_WRITE, world.issue(USER, 5)).await?;
    let kicked = format!(
        "INSERT INTO token (user, hash, platform, ord, issued_at, expires_at, state) \
         WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {KICKED_TOKENS}) \
         SELECT '{USER}', printf('%064x', i), 5, -i, 0, 4102444800000 + i, 1 FROM n"
    );
    probe::change_user(&world, USER, &kicked).await?;
    let token = meter.count(TOKEN, world.issue(USER, 5)).await?;
    // What earlier connections have left.
    let floor = "INSERT INTO record (id, tenant, user, full_name, user_agent, device_id, remote_address, online_at, source, \
                 generation) VALUES (-1, 0, 0, '', '', '', '', 1000, 0, 0)";
    probe::change_user(&world, USER, floor).await?;
    let socket = meter.count(CONNECT, connect(&world, &token)).await?;
    meter.count(END, end(&world, socket)).await?;
    let mut socket = world.open(USER, 5, &token).await?;
    world.eventually("records", || open_and_ended(&world, USER), &(1, 1)).await?;
    same(meter.count(STATUS, world.platforms(USER)).await?, vec![5], "platforms online")?;
    meter.count(CHECK, get(&world, &format!("{LIST}/{USER}"))).await?;
    meter.count(FORCED_LOGOUT, world.force_logout(USER, 5)).await?;
    socket.kicked().await?;
    same(open_and_ended(&world, USER).await?, (0, 2), "records, open and ended, after the order")?;
    meter.count(ORDER_ALONE, order_alone(&world)).await?;
    // The total is kept, so twice the records of the same users make a page no dearer.
    let page = format!("{LIST}?pageSize=10");
    import(&world, 0).await?;
    meter.count(LIST_PAGE, get(&world, &page)).await?;
    let few = meter.counted.get(LIST_PAGE).copied().unwrap_or_default();
    import(&world, RECORDS).await?;
    meter.count(LIST_PAGE, get(&world, &page)).await?;
    let many = meter.counted.get(LIST_PAGE).copied().unwrap_or_default();
    holds(!many.shard.exceeds(&few.shard), || {
        format!("a page costs {few:?}, with twice the records {many:?}")
    })?;
    first.alive().await?;
    let counted = meter.counted;
    let statements = [probe::statements(&world, USER).await?, probe::statements(&world, SHARD_0).await?];
    runtime.stop().await?;
    if setup.records() {
        write(&counted)?;
    }
    let recorded = read()?;
    for (name, counts) in &counted {
        let allowed = recorded.get(name).with_context(|| format!("{name} is not recorded"))?;
        let exceeds = counts.user.exceeds(&allowed.user) || counts.shard.exceeds(&allowed.shard);
        ensure!(!exceeds, "{name} costs {counts:?}, recorded is {allowed:?}\n{}", statements.join("\n"));
    }
    same(recorded.len(), counted.len(), "operations that are recorded")?;
    for (names, read, written) in BOUNDS {
        let mut costs = (0, 0);
        for name in *names {
            let Operation { user, shard } = recorded.get(*name).copied().unwrap_or_default();
            costs = (costs.0 + user.read + shard.read, costs.1 + user.written + shard.written);
        }
        holds(read.is_none_or(|read| costs.0 <= read) && costs.1 <= *written, || {
            format!(
                "{names:?} read {} rows and write {}, the bounds are {read:?} and {written}",
                costs.0, costs.1
            )
        })?;
    }
    Ok(said(&counted))
}

/// A connection that the directory knows.
async fn connect(world: &World, token: &str) -> Result<Socket> {
    let socket = world.open(USER, 5, token).await?;
    world.eventually("records", || open_and_ended(world, USER), &(1, 0)).await?;
    Ok(socket)
}

/// The end of a connection and its release after the grace period. The object hibernates in between.
async fn end(world: &World, socket: Socket) -> Result<()> {
    let held = probe::look(world, USER).await?.written;
    socket.close().await?;
    let is_held = || async { Ok(probe::look(world, USER).await?.written > held) };
    world.eventually("whether the end is stored", is_held, &true).await?;
    probe::forget(world, USER).await?;
    world.eventually("records", || open_and_ended(world, USER), &(0, 1)).await?;
    let left = || async { Ok(probe::own_records(world, USER).await?.len()) };
    world.eventually("records of the user's own", left, &0).await
}

async fn order_alone(world: &World) -> Result<()> {
    let before = probe::look(world, USER).await?.wakes;
    world.force_logout(USER, 5).await?;
    let is_woken = || async { Ok(probe::look(world, USER).await?.wakes > before) };
    world.eventually("whether the alarm has come", is_woken, &true).await
}

/// Imports a record of each of some users, whose ids begin behind `after`.
async fn import(world: &World, after: u32) -> Result<()> {
    let line = |id| {
        json!({
            "id": after + id, "tenantId": 0, "userId": 2_000_000_000_000_000_u64 + u64::from(id),
            "onlineDate": "2099-01-01T00:00:00Z", "offlineDate": "2099-01-01T00:00:01Z",
        })
        .to_string()
    };
    let lines: Vec<String> = (1..=RECORDS).map(line).collect();
    let token = world.admin_token().await?;
    let request = Request::new("POST", IMPORT)
        .header("Authorization", &format!("Bearer {token}"))
        .header("Content-Type", "application/x-ndjson")
        .body(lines.join("\n"));
    same(world.unrecorded().send(&request).await?.response.status, 200, "the status of the import")
}

fn file() -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/edge_counters.toml"))
}

fn read() -> Result<Counters> {
    let file = file();
    let text = fs::read_to_string(&file).with_context(|| file.display().to_string())?;
    Ok(toml::from_str(&text)?)
}

fn write(counted: &Counters) -> Result<()> {
    let text = toml::to_string(counted)?;
    let head = "# What operations cost at the edge, by the runtime's own counters. Written by `edge-only --record`.\n\n";
    Ok(fs::write(file(), format!("{head}{text}"))?)
}

/// Rows read and written by each operation, in the user's object and in the shard.
fn said(counted: &Counters) -> String {
    let one = |(name, operation): (&String, &Operation)| {
        let Operation { user, shard } = operation;
        format!("{name} reads {}+{}, writes {}+{}", user.read, shard.read, user.written, shard.written)
    };
    counted.iter().map(one).collect::<Vec<_>>().join("; ")
}
