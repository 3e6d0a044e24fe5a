//! The frame vectors of the JSON mode, byte for byte.

use anyhow::{Context as _, Result};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::{Value, json};

use super::{Case, cases};
use crate::{
    check::{same, text_at},
    jwt, proto, vectors,
    world::{Delivery, World},
    ws::{Handshake, Socket},
};

pub(super) fn cases() -> Vec<Case> {
    cases![Base, "base":
        w1_the_first_frame_tells_success,
        w2_a_text_ping_gets_a_pong,
        w4_the_background_flag_is_set sharing "user u1",
        w6_the_platforms_of_a_user_are_pushed sharing "user u1",
        w8_a_kick_is_a_frame_without_content,
        w9_an_unused_request_succeeds_empty sharing "user u1",
        vparameter_replaces_all_others sharing "user u1",
    ]
}

async fn w1_the_first_frame_tells_success(world: World) -> Result<()> {
    let user = world.user("a");
    let token = world.issue(&user, 5).await?;
    let mut socket = world.upgraded(&Handshake::new(&user, 5, &token)).await?;
    same(socket.text().await?.as_str(), vectors::load()?.frame("W1", 0)?, "the first frame")
}

async fn w2_a_text_ping_gets_a_pong(world: World) -> Result<()> {
    let vectors = vectors::load()?;
    let (_, mut socket) = world.login(&world.user("a"), 5).await?;
    socket.send_text(vectors.frame("W2", 0)?).await?;
    same(socket.text().await?.as_str(), vectors.frame("W2", 1)?, "the pong")
}

async fn w4_the_background_flag_is_set(world: World) -> Result<()> {
    let mut socket = literal_user(&world, 5).await?;
    same(background(&world, "u1").await?, vec![false], "the flag before")?;
    exchange(&mut socket, "W4").await?;
    same(background(&world, "u1").await?, vec![true], "the flag after")
}

async fn w6_the_platforms_of_a_user_are_pushed(world: World) -> Result<()> {
    const USER: &str = "u1";
    let quiet = world.unrecorded();
    for platform in [2, 5] {
        quiet.force_logout(USER, platform).await?;
    }
    let watcher = world.user("watcher");
    let (_, mut socket) = world.login(&watcher, 5).await?;
    let question = proto::subscription(&[USER], &[]);
    let before = socket.ask(2005, &watcher, Some(&question)).await?;
    same(platforms_in(&before)?, vec![(USER.to_owned(), vec![])], "the answer while nobody is there")?;
    let (_, _first) = world.login(USER, 2).await?;
    let push: Value = serde_json::from_str(&socket.binary().await?)?;
    same(platforms_in(&push)?, vec![(USER.to_owned(), vec![2])], "the first push")?;
    let (_, _second) = world.login(USER, 5).await?;
    let vectors = vectors::load()?;
    same(socket.binary().await?.as_str(), vectors.frame("W6", 0)?, "the second push")?;
    let after = socket.ask(2005, &watcher, Some(&question)).await?;
    let vector: Value = serde_json::from_str(vectors.frame("W6", 0)?)?;
    same(after.get("data"), vector.get("data"), "the payload of the answer")
}

async fn w8_a_kick_is_a_frame_without_content(world: World) -> Result<()> {
    let user = world.user("a");
    let (_, mut socket) = world.login(&user, 5).await?;
    world.force_logout(&user, 5).await?;
    same(socket.binary().await?.as_str(), vectors::load()?.frame("W8", 0)?, "the kick frame")
}

async fn w9_an_unused_request_succeeds_empty(world: World) -> Result<()> {
    let mut socket = literal_user(&world, 5).await?;
    exchange(&mut socket, "W9").await
}

async fn vparameter_replaces_all_others(world: World) -> Result<()> {
    let packed = vectors::load()?.packed;
    // The literal one: its token "T" is malformed, and since it asks for the result it gets a frame.
    let (delivery, envelope) = world.refusal(&Handshake::empty().set("v", &packed.v)).await?;
    same(delivery, Delivery::Frame, "the delivery")?;
    envelope.refused(1503, "")?;
    // The same fields with a token that is valid, among parameters that are not.
    world.unrecorded().force_logout("u1", 5).await?;
    let token = world.issue("u1", 5).await?;
    let mut fields = packed.fields.clone();
    fields.as_object_mut().context("fields")?.insert("token".into(), json!(token));
    let v = jwt::base64url(fields.to_string());
    world.forbid(&v);
    let handshake = Handshake::new("somebody else", 99, "abc").set("isMsgResp", "perhaps").set("v", &v);
    let mut socket = world.enter(&handshake.set("sdkType", "none")).await?;
    socket.alive().await?;
    same(world.platforms("u1").await?, vec![5], "the platforms of the packed user")?;
    // And with `background`, which is a flag of the connection.
    fields.as_object_mut().context("fields")?.insert("background".into(), json!(true));
    let v = jwt::base64url(fields.to_string());
    world.forbid(&v);
    let _second = world.enter(&Handshake::empty().set("v", &v)).await?;
    same(background(&world, "u1").await?, vec![false, true], "the flags of both connections")
}

/// The only connection of the vectors' user on this platform.
async fn literal_user(world: &World, platform: i64) -> Result<Socket> {
    for platform in [2, 5] {
        world.unrecorded().force_logout("u1", platform).await?;
    }
    Ok(world.login("u1", platform).await?.1)
}

async fn exchange(socket: &mut Socket, id: &str) -> Result<()> {
    let vectors = vectors::load()?;
    socket.send_binary(vectors.frame(id, 0)?).await?;
    same(socket.binary().await?.as_str(), vectors.frame(id, 1)?, "the reply")
}

async fn background(world: &World, user: &str) -> Result<Vec<bool>> {
    Ok(world.status(user).await?.connections.iter().map(|c| c.background).collect())
}

fn platforms_in(message: &Value) -> Result<Vec<(String, Vec<u64>)>> {
    let data = STANDARD.decode(text_at(message, "/data")?)?;
    Ok(proto::tips(&data)?.into_iter().map(|tip| (tip.user, tip.platforms)).collect())
}
