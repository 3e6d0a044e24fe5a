//! Pings that cost nothing.

use anyhow::Result;
use serde_json::{Value, json};

use super::{probe, setup::Setup};
use crate::{check::same, profile::Profile};

/// The number that a client sends in some hours.
const PINGS: u64 = 1_000;

pub(super) async fn constant_pings_wake_nobody(setup: Setup) -> Result<String> {
    let runtime = setup.start(&Profile::Policy1.settings()).await?;
    let world = runtime.world();
    let user = world.user("a");
    let (_, mut socket) = world.login(&user, 5).await?;
    let before = probe::look(&world, &user).await?;
    for _ in 0..PINGS {
        socket.alive().await?;
    }
    let after = probe::look(&world, &user).await?;
    same(after, before, "the object after constant pings")?;

    socket.send_text(&json!({"type": "ping", "body": 1}).to_string()).await?;
    let pong: Value = serde_json::from_str(&socket.text().await?)?;
    same(pong, json!({"type": "pong", "body": 1}), "the pong to a ping with a body of its own")?;
    let woken = probe::look(&world, &user).await?;
    same(woken.wakes, before.wakes + 1, "the wakes after one ping with a body of its own")?;
    runtime.stop().await?;
    Ok(format!("{PINGS} constant pings 0 wakes, 1 other ping {} wake", woken.wakes - before.wakes))
}
