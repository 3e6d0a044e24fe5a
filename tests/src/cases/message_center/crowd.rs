//! Orders and imports of many: each has a server to itself.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use futures_util::future::try_join_all;
use serde_json::{Value, json};

use crate::{
    cases::{Case, cases},
    check::{at, holds, same},
    http::{Connection, Request},
    size::size,
    subject::Kind,
    world::{STATUS, World, post},
    ws::{SIGN_OF_LIFE, Socket},
};

pub(super) fn cases() -> Vec<Case> {
    cases![
        Crowd, "crowd":
            an_order_to_everybody_reaches_a_crowd within 900 alone "it takes the default tenant offline",
            an_order_by_filter_takes_a_crowd within 900 alone "it takes most of the default tenant offline",
            many_lines_are_imported_and_counted within 600 alone "it measures an import",
    ]
}

const LIST: &str = "/api/v1/message/center/online";
const ORDERS: &str = "/admin/v1/force-offs";
const IMPORT: &str = "/admin/v1/records:import";
/// Connections over which the suite asks at a time.
const CLIENTS: usize = 16;
/// The first of the crowd's numbers.
const FIRST: usize = 50_000_000;

struct Member {
    user: String,
    token: String,
    socket: Option<Socket>,
}

/// Right after the answer no list, no detail and no status shows a user online, and no token is accepted. The last Close
/// frame comes later, and is timed.
async fn an_order_to_everybody_reaches_a_crowd(world: World) -> Result<()> {
    let quiet = world.unrecorded();
    let (users, connected) = match world.kind() {
        Kind::Origin => size((1_000, 600), (20_000, 12_000)),
        // The local runtime opens a file for each object.
        Kind::Edge | Kind::Running => size((500, 300), (2_000, 1_200)),
    };
    let mut crowd = assemble(&quiet, users, connected).await?;
    let admin = quiet.admin_token().await?;
    let shown = total(&quiet, &admin, "online=true").await?;
    same(shown, connected as u64, "records online before the order")?;

    let begun = Instant::now();
    let order = Request::post(&format!("{LIST}/off")).header("Authorization", &format!("Bearer {admin}"));
    let answer = quiet.send(&order.body(r#"{"receiveObjectType":"ALL"}"#)).await?;
    same(answer.response.status, 200, "the answer to the order")?;
    let answered = begun.elapsed();

    same(total(&quiet, &admin, "online=true").await?, 0, "records online after the order")?;
    nobody_is_online(&quiet, &admin, &crowd).await?;
    no_token_is_good(&quiet, &crowd).await?;
    for member in crowd.iter().step_by(crowd.len() / 20) {
        not_shown_online(&quiet, &admin, member).await?;
    }
    let judged = begun.elapsed();
    everybody_is_closed(&mut crowd).await?;
    world.figure(format!(
        "{users} users, {connected} connected: answered after {answered:.1?}, everything looked at after {judged:.1?}, \
         every socket kicked by {:.1?}",
        begun.elapsed()
    ));
    // A new login after the order is accepted.
    let (_, mut again) = quiet.login(&crowd.first().context("nobody")?.user, 5).await?;
    again.alive().await?;
    same(total(&quiet, &admin, "online=true").await?, 1, "records online after a new login")
}

/// A dry run counts what the order then takes, and right after the answer nobody shows it any more.
async fn an_order_by_filter_takes_a_crowd(world: World) -> Result<()> {
    let quiet = world.unrecorded();
    let (users, connected) = match world.kind() {
        Kind::Origin => size((1_000, 600), (20_000, 12_000)),
        Kind::Edge | Kind::Running => size((500, 300), (2_000, 1_200)),
    };
    let crowd = assemble(&quiet, users, connected).await?;
    let (mut taken, others): (Vec<_>, Vec<_>) = crowd.into_iter().partition(|member| member.socket.is_some());
    let admin = quiet.admin_token().await?;
    let listed = || async { total(&quiet, &admin, "online=true").await };
    quiet.eventually("records online", listed, &(connected as u64)).await?;
    let give = async |more: Value| -> Result<(Value, Duration)> {
        let filter = json!({"key": "fullName", "op": "MATCH", "value": FIRST.to_string().get(..4)});
        let mut body = json!({"select": {"filters": [filter], "online": true}});
        if let (Some(body), Some(more)) = (body.as_object_mut(), more.as_object()) {
            body.extend(more.clone());
        }
        let order = post(ORDERS, None, &body.to_string()).header("Authorization", &format!("Bearer {admin}"));
        let begun = Instant::now();
        let answer = quiet.send(&order).await?;
        let answered = begun.elapsed();
        ensure!(
            [200, 202].contains(&answer.response.status),
            "{}",
            String::from_utf8_lossy(&answer.response.body)
        );
        Ok((serde_json::from_slice(&answer.response.body)?, answered))
    };
    let (run, looked) = give(json!({"dryRun": true})).await?;
    for count in ["/users", "/connections"] {
        same(at(&run, count)?, &json!(connected), count)?;
    }
    same(listed().await?, connected as u64, "records online after the dry run")?;
    let begun = Instant::now();
    let (order, answered) = give(json!({"receipt": at(&run, "/receipt")?})).await?;
    // A server that is too busy to cut them off says that the order is put down, and cuts them off later.
    let path = format!("{ORDERS}/{}", at(&order, "/id")?.as_str().context("an id")?);
    quiet.eventually("the order is in force", || is_in_force(&quiet, &admin, &path), &true).await?;
    same(total(&quiet, &admin, "online=true").await?, 0, "records online after the order")?;
    nobody_is_online(&quiet, &admin, &taken).await?;
    no_token_is_good(&quiet, &taken).await?;
    let spared = others.first().context("everybody is connected")?;
    quiet.expect_verdict(&spared.token, 0, "the token of a user without a connection").await?;
    everybody_is_closed(&mut taken).await?;
    let (again, _) = give(json!({"receipt": at(&run, "/receipt")?})).await?;
    same(at(&again, "/id")?, at(&order, "/id")?, "the order of a repetition")?;
    world.figure(format!(
        "{users} users, {connected} connected: dry run {looked:.1?}, answered after {answered:.1?}, every socket kicked \
         by {:.1?}",
        begun.elapsed()
    ));
    Ok(())
}

/// Tokens for all, sockets for the first ones.
async fn assemble(world: &World, users: usize, connected: usize) -> Result<Vec<Member>> {
    let admin = world.admin_token().await?;
    let portions = (0..CLIENTS).map(|client| {
        let admin = admin.clone();
        async move {
            let mut members: Vec<Member> = Vec::new();
            let mut quiet_since = Instant::now();
            let mut connection = Connection::open(world.address()).await?;
            for index in (client..users).step_by(CLIENTS) {
                let user = (FIRST + index).to_string();
                let body = json!({"userID": user, "platformID": 5}).to_string();
                let answer = connection.send(&post("/auth/get_user_token", Some(&admin), &body)).await?;
                let answer: Value = serde_json::from_slice(&answer.body)?;
                let token = at(&answer, "/data/token")?.as_str().context("a token")?.to_owned();
                let socket = if index < connected { Some(world.open(&user, 5, &token).await?) } else { None };
                members.push(Member { user, token, socket });
                if quiet_since.elapsed() > SIGN_OF_LIFE {
                    for socket in members.iter_mut().filter_map(|member| member.socket.as_mut()) {
                        socket.alive().await?;
                    }
                    quiet_since = Instant::now();
                }
            }
            anyhow::Ok(members)
        }
    });
    Ok(try_join_all(portions).await?.into_iter().flatten().collect())
}

/// An order that was carried out already is in force, too.
async fn is_in_force(world: &World, bearer: &str, order: &str) -> Result<bool> {
    let request = Request::new("GET", order).header("Authorization", &format!("Bearer {bearer}"));
    let body: Value = serde_json::from_slice(&world.send(&request).await?.response.body)?;
    Ok(at(&body, "/state")? != "ordered")
}

async fn total(world: &World, bearer: &str, query: &str) -> Result<u64> {
    let request = Request::new("GET", &format!("{LIST}?pageSize=1&{query}"));
    let answer = world.send(&request.header("Authorization", &format!("Bearer {bearer}"))).await?;
    let body: Value = serde_json::from_slice(&answer.response.body)?;
    at(&body, "/data/total")?.as_str().context("a total")?.parse().context("a number")
}

async fn nobody_is_online(world: &World, admin: &str, crowd: &[Member]) -> Result<()> {
    let mut connection = Connection::open(world.address()).await?;
    for portion in crowd.chunks(1_000) {
        let users: Vec<&str> = portion.iter().map(|member| member.user.as_str()).collect();
        let asked = post(STATUS, Some(admin), &json!({"userIDs": users}).to_string());
        let answer: Value = serde_json::from_slice(&connection.send(&asked).await?.body)?;
        let all = at(&answer, "/data")?.as_array().context("a list")?;
        same(all.len(), users.len(), "answers")?;
        let online = all.iter().filter(|one| one.pointer("/status") != Some(&json!(0))).count();
        same(online, 0, "users that a status shows online")?;
    }
    Ok(())
}

async fn no_token_is_good(world: &World, crowd: &[Member]) -> Result<()> {
    let portions = crowd.chunks(crowd.len().div_ceil(CLIENTS)).map(|portion| async move {
        let mut connection = Connection::open(world.address()).await?;
        for member in portion {
            let asked = post("/auth/parse_token", None, &json!({"token": member.token}).to_string());
            let answer: Value = serde_json::from_slice(&connection.send(&asked).await?.body)?;
            same(at(&answer, "/errCode")?, &json!(1506), &member.user)?;
        }
        anyhow::Ok(())
    });
    try_join_all(portions).await.map(drop)
}

async fn not_shown_online(world: &World, admin: &str, member: &Member) -> Result<()> {
    let request = Request::new("GET", &format!("{LIST}/{}", member.user));
    let answer = world.send(&request.header("Authorization", &format!("Bearer {admin}"))).await?;
    if answer.response.status == 404 {
        // A user that never connected has no record.
        return holds(member.socket.is_none(), || format!("{} has no record", member.user));
    }
    let body: Value = serde_json::from_slice(&answer.response.body)?;
    same(at(&body, "/data/online")?, &json!(false), &member.user)
}

async fn everybody_is_closed(crowd: &mut [Member]) -> Result<()> {
    let closed = crowd.iter_mut().map(|Member { user, socket, .. }| async move {
        match socket {
            Some(socket) => socket.kicked().await.with_context(|| user.clone()),
            None => Ok(()),
        }
    });
    // All at once: the local edge keeps a connection for seconds after its Close.
    try_join_all(closed).await.map(drop)
}

/// A file is read as it comes, and every line of it counted.
async fn many_lines_are_imported_and_counted(world: World) -> Result<()> {
    let quiet = world.unrecorded();
    let lines = match world.kind() {
        Kind::Origin => size(20_000, 1_000_000),
        Kind::Edge | Kind::Running => size(5_000, 20_000),
    };
    let mut text = String::new();
    for number in 1..=lines {
        let line = json!({
            "id": number, "tenantId": 9, "userId": number % 50_000, "fullName": format!("Name {number}"),
            "onlineDate": "2025-07-16T09:00:00Z", "offlineDate": "2025-07-16T10:00:00Z",
        });
        text.push_str(&line.to_string());
        text.push('\n');
        if number % 1_000 == 0 {
            text.push_str("no record\n");
        }
    }
    let bad = lines / 1_000;
    let admin = quiet.admin_token().await?;
    let request = Request::new("POST", IMPORT)
        .header("Authorization", &format!("Bearer {admin}"))
        .header("Content-Type", "application/x-ndjson")
        .body(text);
    for (imported, updated) in [(lines, 0), (0, lines)] {
        let begun = Instant::now();
        let answer = Connection::open(world.address()).await?.send(&request).await?;
        ensure!(answer.status == 200, "{}", String::from_utf8_lossy(&answer.body));
        let report: Value = serde_json::from_slice(&answer.body)?;
        let counts =
            ["/imported", "/updated", "/rejectedTotal"].map(|at| report.pointer(at).and_then(Value::as_u64));
        same(counts, [Some(imported), Some(updated), Some(bad)], "imported, updated, rejected")?;
        same(at(&report, "/rejected/0/line")?, &json!(1_001), "the first line that was rejected")?;
        let told = at(&report, "/rejected")?.as_array().context("a list")?.len();
        same(told as u64, bad.min(1_000), "lines that were told")?;
        world.figure(format!(
            "{} lines in {:.1?}, {}/s",
            lines + bad,
            begun.elapsed(),
            rate(lines + bad, begun)
        ));
    }
    Ok(())
}

fn rate(lines: u64, begun: Instant) -> u128 {
    u128::from(lines) * 1_000 / begun.elapsed().max(Duration::from_millis(1)).as_millis()
}
