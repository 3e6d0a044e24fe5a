//! Export and import of what moves to another server.
#![allow(clippy::indexing_slicing, reason = "a member that a JSON value does not have reads as null")]

use anyhow::{Context as _, Result};
use serde_json::{Value, json};

use super::{Case, cases};
use crate::{
    answer::Answer,
    check::{at, holds, same},
    console::fixture::{Fixture, sha256},
    http::Request,
    world::{World, unix_time},
    ws::Handshake,
};

const EXPORT: &str = "/admin/v1/population:export";
const IMPORT: &str = "/admin/v1/population:import";

pub(super) fn cases() -> Vec<Case> {
    let base = cases![Base, "base":
        tokens_move_as_hashes_with_their_states,
        what_is_kicked_elsewhere_is_kicked_here_and_its_socket_closes,
        bad_lines_of_a_population_are_named_and_good_ones_are_taken,
    ];
    let console = cases![Console, "console":
        a_population_is_for_callers_above_tenants,
    ];
    base.into_iter().chain(console).collect()
}

async fn send(world: &World, path: &str, token: &str, body: &str) -> Result<Answer> {
    let request = Request::post(path).header("Authorization", &format!("Bearer {token}"));
    world.send(&request.header("Content-Type", "application/x-ndjson").body(body)).await
}

/// What an import answers.
async fn import(world: &World, lines: &[Value]) -> Result<Value> {
    let text: Vec<String> = lines.iter().map(Value::to_string).collect();
    let answer = send(world, IMPORT, &world.admin_token().await?, &text.join("\n")).await?;
    same(answer.response.status, 200, "the status of the import")?;
    answer.json()
}

/// The lines about users.
async fn export(world: &World, users: &[&str]) -> Result<Vec<Value>> {
    let asked = json!({"userIds": users}).to_string();
    let answer = send(world, EXPORT, &world.admin_token().await?, &asked).await?;
    same(answer.response.status, 200, "the status of the export")?;
    let text = String::from_utf8(answer.response.body.clone()).context("no text")?;
    text.lines().map(|line| serde_json::from_str(line).context("no line")).collect()
}

fn token_line(user: &str, platform: i64, token: &str, kicked: bool) -> Value {
    let now = unix_time() * 1000;
    json!({
        "type": "token", "userId": user, "sha256": sha256(token), "platformID": platform, "order": 1,
        "issuedAt": now - 5_000, "expiresAt": now + 80_000_000, "kicked": kicked,
    })
}

async fn tokens_move_as_hashes_with_their_states(world: World) -> Result<()> {
    let (known, unknown) = (world.user("a"), world.user("b"));
    let valid = world.issue(&known, 5).await?;
    let kicked = world.issue(&known, 2).await?;
    world.force_logout(&known, 2).await?;
    let lines = export(&world, &[&known, &unknown]).await?;
    let kinds: Vec<_> = lines.iter().map(|line| line["type"].as_str().unwrap_or_default()).collect();
    same(kinds, vec!["user", "token", "token", "end"], "the lines")?;
    for (token, is_kicked) in [(&valid, false), (&kicked, true)] {
        let line = lines.iter().find(|line| line["sha256"] == sha256(token)).context("no line of a token")?;
        same(&line["kicked"], &json!(is_kicked), "the state")?;
    }
    holds(lines.iter().all(|line| !line.to_string().contains(&valid)), || "a token's text".to_owned())?;
    // Again, in the same place.
    let report = import(&world, &lines).await?;
    same((&report["users"], &report["tokens"]), (&json!(1), &json!(2)), "the counts")?;
    same(at(&report, "/rejected")?, &json!([]), "rejected")?;
    same(export(&world, &[&known]).await?, lines, "the lines after they were imported again")?;
    world.expect_verdict(&valid, 0, "the valid token").await?;
    world.expect_verdict(&kicked, 1506, "the kicked token").await
}

async fn what_is_kicked_elsewhere_is_kicked_here_and_its_socket_closes(world: World) -> Result<()> {
    let user = world.user("a");
    let token = world.forged(&user, 5)?;
    world.expect_verdict(&token, 1507, "a token that was issued elsewhere").await?;
    import(&world, &[token_line(&user, 5, &token, false)]).await?;
    world.expect_verdict(&token, 0, "the token that moved here").await?;
    let mut socket = world.open(&user, 5, &token).await?;
    import(&world, &[token_line(&user, 5, &token, true)]).await?;
    socket.kicked().await?;
    world.expect_verdict(&token, 1506, "the token that was kicked there").await?;
    import(&world, &[token_line(&user, 5, &token, false)]).await?;
    world.refused_both_ways(&Handshake::new(&user, 5, &token), 1506, "").await?;
    // Tokens of this server are newer than those that moved.
    let next = world.issue(&user, 5).await?;
    world.expect_verdict(&next, 0, "a new token").await
}

async fn bad_lines_of_a_population_are_named_and_good_ones_are_taken(world: World) -> Result<()> {
    let user = world.user("a");
    let token = world.forged(&user, 5)?;
    let good = token_line(&user, 5, &token, false);
    let with = |name: &str, value: Value| {
        let mut line = good.clone();
        line.as_object_mut().and_then(|members| members.insert(name.to_owned(), value));
        line
    };
    let report = import(
        &world,
        &[
            json!({"type": "population", "version": 1}),
            json!({"type": "population", "version": 2}),
            json!([]),
            with("sha256", json!("x")),
            with("platformID", json!(12)),
            with("order", json!(-1)),
            with("expiresAt", json!("soon")),
            with("userId", json!("")),
            json!({"type": "token"}),
            json!({"type": "record", "id": 0}),
            with("userId", json!("x".repeat(20_000))),
            good.clone(),
            json!({"type": "user", "userId": user, "account": {"nickname": "n".repeat(600), "faceURL": ""}}),
            json!({"type": "end"}),
        ],
    )
    .await?;
    let rejected = at(&report, "/rejected")?.as_array().context("no list")?;
    let lines: Vec<_> = rejected.iter().filter_map(|one| one["line"].as_u64()).collect();
    same(lines, vec![2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 13], "the rejected lines")?;
    same(&report["rejectedTotal"], &json!(11), "their number")?;
    same(&report["tokens"], &json!(1), "the taken lines")?;
    world.expect_verdict(&token, 0, "the good line's token").await
}

async fn a_population_is_for_callers_above_tenants(world: World) -> Result<()> {
    let user = world.user("a");
    let token = world.forged(&user, 5)?;
    let line = token_line(&user, 5, &token, false).to_string();
    for role in ["admin-t1", "user-101"] {
        let bearer = Fixture::SHARED.token(role);
        world.forbid(&bearer);
        for (path, body) in [(EXPORT, "{}"), (IMPORT, line.as_str())] {
            same(send(&world, path, &bearer, body).await?.response.status, 403, path)?;
        }
    }
    for (path, body) in [(EXPORT, "{}"), (IMPORT, line.as_str())] {
        same(send(&world, path, "nobody's", body).await?.response.status, 401, path)?;
    }
    let admin = world.admin_token().await?;
    for body in ["[]", r#"{"cursor":"x"}"#, r#"{"userIds":[""]}"#, r#"{"tenantIds":["x"]}"#] {
        same(send(&world, EXPORT, &admin, body).await?.response.status, 400, body)?;
    }
    world.expect_verdict(&token, 1507, "the token of a refused import").await
}
