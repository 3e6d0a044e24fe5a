//! Clients that speak gob, with and without gzip, are pushed to as well.

use std::io::{Read as _, Write as _};

use anyhow::{Context as _, Result, bail};
use flate2::{Compression, read::GzDecoder, write::GzEncoder};

use crate::{
    cases::{Case, cases},
    check::same,
    proto, vectors,
    world::World,
    ws::{Event, Handshake, Socket, describe},
};

pub(super) fn cases() -> Vec<Case> {
    cases![Base, "base":
        g7_a_change_is_pushed_in_gob sharing "user u1",
        a_change_is_pushed_in_compressed_gob sharing "user u1",
        a_change_is_pushed_in_compressed_json,
    ]
}

/// The vectors' user.
const USER: &str = "u1";
const IDENTIFIER: u16 = 2005;

async fn g7_a_change_is_pushed_in_gob(world: World) -> Result<()> {
    told_in_gob(&world, false).await
}

async fn a_change_is_pushed_in_compressed_gob(world: World) -> Result<()> {
    told_in_gob(&world, true).await
}

async fn told_in_gob(world: &World, gzip: bool) -> Result<()> {
    let quiet = world.unrecorded();
    for platform in [2, 5] {
        quiet.force_logout(USER, platform).await?;
    }
    let vectors = vectors::load()?;
    let watcher = world.user("watcher");
    let mut socket = connect(world, &watcher, "go", gzip).await?;
    let question = request(&vectors.gob("G1")?, &watcher)?;
    send(&mut socket, &question, gzip).await?;
    receive(&mut socket, gzip).await?;
    let (_, _android) = world.login(USER, 2).await?;
    receive(&mut socket, gzip).await?;
    let (_, _web) = world.login(USER, 5).await?;
    same(receive(&mut socket, gzip).await?, vectors.gob("G7")?, "the push")?;
    send(&mut socket, &question, gzip).await?;
    same(receive(&mut socket, gzip).await?, vectors.gob("G8")?, "the answer")
}

async fn a_change_is_pushed_in_compressed_json(world: World) -> Result<()> {
    let watcher = world.user("watcher");
    let mut socket = connect(&world, &watcher, "js", true).await?;
    let user = world.user("a");
    let question = crate::ws::request(2005, &watcher, Some(&proto::subscription(&[&user], &[])));
    send(&mut socket, question.to_string().as_bytes(), true).await?;
    receive(&mut socket, true).await?;
    let (_, _socket) = world.login(&user, 5).await?;
    let push: serde_json::Value = serde_json::from_slice(&receive(&mut socket, true).await?)?;
    same(super::watcher::tips(&push)?, vec![(user, vec![5])], "the push")
}

async fn connect(world: &World, user: &str, kind: &str, gzip: bool) -> Result<Socket> {
    let token = world.issue(user, 5).await?;
    let mut handshake = Handshake::new(user, 5, &token).set("sdkType", kind);
    if gzip {
        handshake = handshake.set("compression", "gzip");
    }
    world.enter(&handshake).await
}

/// The request that G8 answers, in the name of `sender`. The type's definition is that of another vector.
fn request(another: &[u8], sender: &str) -> Result<Vec<u8>> {
    let length = usize::from(*another.first().context("an empty vector")?);
    let mut bytes = another.get(..=length).context("a cut vector")?.to_vec();
    // Type 65, then by field number less the one before: reqIdentifier 1, sendID 3, operationID 4, msgIncr 5, data 6.
    let mut value = vec![0xff, 0x82, 1, 0xfe];
    value.extend((IDENTIFIER * 2).to_be_bytes());
    for (step, text) in
        [(2, sender.as_bytes()), (1, b"op3"), (1, b"op3x"), (1, &proto::subscription(&[USER], &[]))]
    {
        value.push(step);
        value.push(small(text.len())?);
        value.extend(text);
    }
    value.push(0);
    bytes.push(small(value.len())?);
    bytes.extend(value);
    Ok(bytes)
}

/// Numbers below 128 are their own byte.
fn small(length: usize) -> Result<u8> {
    if length < 128 { Ok(u8::try_from(length)?) } else { bail!("{length} does not fit this small encoder") }
}

async fn send(socket: &mut Socket, plain: &[u8], gzip: bool) -> Result<()> {
    if !gzip {
        return socket.send_binary(plain).await;
    }
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(plain)?;
    socket.send_binary(encoder.finish()?).await
}

async fn receive(socket: &mut Socket, gzip: bool) -> Result<Vec<u8>> {
    let bytes = match socket.next().await {
        Event::Binary(bytes) => bytes,
        other => bail!("expected a binary frame, got {}", describe(&other)),
    };
    if !gzip {
        return Ok(bytes);
    }
    let mut plain = Vec::new();
    GzDecoder::new(bytes.as_slice()).read_to_end(&mut plain).context("a frame is not gzip")?;
    Ok(plain)
}
