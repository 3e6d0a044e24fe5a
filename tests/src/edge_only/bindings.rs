//! Bindings of the platform: rate limits, metrics, and the version in log lines. The local runtime has stand-ins for them.
#![allow(clippy::indexing_slicing, reason = "a member that a JSON value does not have reads as null")]

use anyhow::{Context as _, Result, bail};
use serde_json::{Value, json};

use super::{
    probe::{SHARD_0, break_it},
    setup::{Runtime, Setup},
    variables::SHARDS,
};
use crate::{
    check::{holds, same},
    console::api::{IMPORT, LIST},
    http::{Request, Response},
    profile::Profile,
    world::World,
    ws::{Opening, upgrade},
};

/// The bindings that are commented out in the manifest count so many requests; of these a test sends all in a second.
const LIMIT: usize = 60;
/// Where the platform says which address a request came from.
const PEER: &str = "cf-connecting-ip";

/// The project's own manifest, with the bindings in it that are commented out.
pub(super) fn manifest() -> String {
    let mut is_commented = false;
    let lines = include_str!("../../../wrangler.toml").lines().map(|line| {
        let rest = line.strip_prefix("# ");
        is_commented = rest.is_some_and(|rest| is_commented || rest.starts_with("[["));
        rest.filter(|_| is_commented).unwrap_or(line)
    });
    lines.collect::<Vec<_>>().join("\n")
}

/// Sends requests until one is refused. The stand-in counts within windows, of which a run meets two at most.
async fn until_refused(world: &World, request: impl Fn(usize) -> Request + Send) -> Result<Response> {
    for n in 0..=2 * LIMIT {
        let response = answer(world, &request(n)).await?;
        if response.status == 429 {
            holds(n >= LIMIT, || format!("refused after {n} requests"))?;
            same(response.header("retry-after").as_deref(), Some("60"), "the wait")?;
            return Ok(response);
        }
    }
    bail!("{} requests of one address were answered", 2 * LIMIT + 1)
}

async fn answer(world: &World, request: &Request) -> Result<Response> {
    if !request.has("upgrade") {
        return Ok(world.send(request).await?.response);
    }
    match world.try_upgrade_with(request).await? {
        Opening::Refused(response) => Ok(response),
        Opening::Upgraded(_) => bail!("an upgrade without a token was accepted"),
    }
}

fn guess(from: &str) -> Request {
    Request::post("/auth/get_admin_token").header("operationID", "guess").header(PEER, from).body("{}")
}

fn attempt(path: &str, from: &str) -> Request {
    upgrade(path, &[(PEER.to_owned(), from.to_owned())])
}

fn body(response: &Response) -> Result<Value> {
    Ok(serde_json::from_slice(&response.body)?)
}

async fn limits(world: &World) -> Result<()> {
    // Of IPv6 a /64 network is one address.
    let refused = until_refused(world, |n| guess(&format!("2001:db8::{n}"))).await?;
    same(&body(&refused)?["errCode"], &json!(429), "the envelope")?;
    let other = answer(world, &guess("2001:db8:0:1::1")).await?;
    same(&body(&other)?["errCode"], &json!(1001), "another network")?;

    let refused = until_refused(world, |_| attempt("/", "192.0.2.1")).await?;
    same(&body(&refused)?["errCode"], &json!(429), "the envelope")?;
    let refused = until_refused(world, |_| attempt("/ws/messageCenter", "192.0.2.2")).await?;
    same(&body(&refused)?["ext"]["eKey"], &json!("too_many_requests"), "the envelope")?;
    // A bearer token that is not good counts as a request for one.
    let guess =
        |_| Request::new("GET", LIST).header("Authorization", "Bearer guess").header(PEER, "192.0.2.4");
    let refused = until_refused(world, guess).await?;
    same(&body(&refused)?["ext"]["eKey"], &json!("too_many_requests"), "the envelope")?;
    let other = answer(world, &attempt("/", "192.0.2.3")).await?;
    holds(other.status != 429, || "another address is refused".to_owned())
}

/// A login that is replaced, one that is kicked, and one whose client leaves.
async fn traffic(world: &World) -> Result<()> {
    let user = world.user("a");
    let (_, mut first) = world.login(&user, 5).await?;
    let (_, mut second) = world.login(&user, 5).await?;
    first.kicked().await?;
    world.force_logout(&user, 5).await?;
    second.kicked().await?;
    let (_, third) = world.login(&user, 5).await?;
    third.close().await?;
    world.until_platforms(&user, &[]).await
}

/// Variables that change nothing: one with too few underscores, and one of a key that the origin alone reads.
const USELESS: &str =
    "\n[vars]\nROLLCALL_PRESENCE_GRACE_SECONDS = \"5\"\nROLLCALL__LIMITS__HANDSHAKES_PER_MINUTE = \"1\"\n";
/// What the log says of them.
const WARNED: [&str; 2] = [
    "the variable ROLLCALL_PRESENCE_GRACE_SECONDS is not read; ROLLCALL__PRESENCE__GRACE_SECONDS is",
    "limits.handshakes_per_minute is read on the origin alone",
];

/// The names of a request that makes its object write a line.
const OPERATION: &str = "operation-that-a-shard-refuses";
const REQUEST: &str = "request-that-a-shard-refuses";

/// An import into a shard that is full, which the shard logs.
async fn refusal(world: &World) -> Result<()> {
    break_it(world, SHARD_0, "full").await?;
    let line = json!({"id": 7, "tenantId": 0, "userId": 7, "onlineDate": "2099-01-01T00:00:00Z"});
    let request = Request::post(IMPORT)
        .header("Authorization", &format!("Bearer {}", world.admin_token().await?))
        .header("Content-Type", "application/x-ndjson")
        .header("operationID", OPERATION)
        .header("XC-Request-Id", REQUEST)
        .body(line.to_string());
    same(world.unrecorded().send(&request).await?.response.status, 500, "the status of the import")?;
    break_it(world, SHARD_0, "roomy").await
}

/// The JSON objects that begin with `start` in the lines of a log.
fn objects(log: &str, start: &str) -> Vec<Value> {
    let parsed = log.lines().filter_map(|line| serde_json::from_str(line.get(line.find(start)?..)?).ok());
    parsed.collect()
}

fn check_log(log: &str) -> Result<()> {
    let lines = objects(log, "{\"level\"");
    let answered = |route: &str| {
        let found = lines
            .iter()
            .find(|line| line["fields"]["message"] == "answered" && line["span"]["route"] == route);
        found.with_context(|| format!("no line about an answer of {route}"))
    };
    let line = answered("/auth/get_user_token")?;
    same(&line["fields"]["status"], &json!(200), "the status")?;
    holds(line["fields"]["ms"].is_u64(), || format!("no duration: {line}"))?;
    same(&line["fields"]["code"], &Value::Null, "the code of a success")?;
    holds(line["span"]["operation_id"].is_string(), || format!("no operation: {line}"))?;
    same(&line["span"]["version"], &json!("local"), "the version")?;
    same(&answered("/auth/get_admin_token")?["span"]["method"], &json!("POST"), "the method")?;
    let codes: Vec<_> = lines.iter().filter_map(|line| line["fields"]["code"].as_str()).collect();
    for code in ["1001", "429"] {
        holds(codes.contains(&code), || format!("no line with the code {code}"))?;
    }
    same(&answered(IMPORT)?["span"]["request_id"], &json!(REQUEST), "the request of the import")?;
    let of_objects = lines.iter().filter(|line| line["span"]["name"] == "object").collect::<Vec<_>>();
    for line in &of_objects {
        same(&line["span"]["version"], &json!("local"), "the version in an object")?;
    }
    let refused = of_objects
        .iter()
        .find(|line| line["fields"]["message"] == "a shard did not do what it was asked for");
    let refused = refused.context("no line of the shard that refused the import")?;
    same(&refused["span"]["operation_id"], &json!(OPERATION), "the operation in a line of an object")?;
    same(&refused["span"]["request_id"], &json!(REQUEST), "the request in a line of an object")
}

/// The data points in a log.
fn points(log: &str) -> Vec<Value> {
    objects(log, "{\"dataPoint\"")
}

/// The number of a metric's data points in a log whose first label has this value.
pub(super) fn counted(log: &str, metric: &str, label: &str) -> usize {
    let is_counted = |point: &&Value| {
        point["dataPoint"]["indexes"] == json!([metric]) && point["dataPoint"]["blobs"][0] == label
    };
    points(log).iter().filter(is_counted).count()
}

fn check_points(log: &str) -> Result<usize> {
    for (metric, label, wanted) in [
        ("rollcall_connects_total", "json", 3),
        ("rollcall_closes_total", "kicked", 2),
        ("rollcall_closes_total", "client_close", 1),
        ("rollcall_kicks_total", "login", 1),
        ("rollcall_kicks_total", "order", 1),
        ("rollcall_handshake_failures_total", "429", 2),
        ("rollcall_request_duration_seconds", "/auth/force_logout", 1),
    ] {
        same(counted(log, metric, label), wanted, &format!("{metric} {label}"))?;
    }
    Ok(points(log).len())
}

pub(super) async fn the_platforms_bindings_limit_log_and_count(setup: Setup) -> Result<String> {
    let setup = setup.with(SHARDS, 1).with_manifest(&(manifest() + USELESS))?;
    let runtime: Runtime = setup.start(&Profile::Policy1.settings()).await?;
    let world = runtime.world();
    traffic(&world).await?;
    refusal(&world).await?;
    limits(&world).await?;
    runtime.stop().await?;
    let log = setup.log()?;
    for warned in WARNED {
        holds(log.contains(warned), || format!("nothing is said of it: {warned}"))?;
    }
    check_log(&log)?;
    let points = check_points(&log)?;
    Ok(format!("4 limits, {points} data points"))
}
