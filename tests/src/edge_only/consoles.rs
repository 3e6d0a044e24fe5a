//! Sockets of the message center that were left alone.

use std::time::Duration;

use anyhow::Result;
use serde_json::{Value, json};
use tokio::time::sleep;

use super::{probe, setup::Setup};
use crate::{
    check::{holds, same},
    console::api::Api,
    profile::Profile,
};

/// The runtime evicts an object 10 s after its last event, and some seconds later on a busy machine.
const IDLE: Duration = Duration::from_secs(12);
/// After so many idle times an object counts as never evicted.
const IDLE_TIMES: usize = 5;
const PINGS: usize = 20;

pub(super) async fn an_idle_console_wakes_nobody_and_hears_of_an_order(setup: Setup) -> Result<String> {
    let runtime = setup.start(&Profile::Console.settings()).await?;
    let world = runtime.world();
    let api = Api::without_fixture(&world)?;
    let number = api.fixture().user(101);
    let user = number.to_string();
    let mut socket = world.upgraded(&api.handshake("user-101", "d")).await?;
    let open = || async {
        let records = probe::own_records(&world, &user).await?;
        Ok(records.iter().filter(|record| record.ended_at.is_none()).count())
    };
    same(open().await?, 1, "open records of a console")?;

    let before = probe::look(&world, &user).await?;
    for _ in 0..PINGS {
        socket.alive().await?;
    }
    same(probe::look(&world, &user).await?, before, "the object after constant pings")?;
    socket.send_text(&json!({"type": "ping", "body": 1}).to_string()).await?;
    let pong: Value = serde_json::from_str(&socket.text().await?)?;
    same(pong, json!({"type": "pong", "body": 1}), "the pong to a ping with a body of its own")?;
    same(probe::look(&world, &user).await?.wakes, before.wakes + 1, "the wakes after another ping")?;

    let mut slept = before;
    for _ in 0..IDLE_TIMES {
        // A look is an event as well, so the object is left alone between two.
        sleep(IDLE).await;
        slept = probe::look(&world, &user).await?;
        if slept.instance != before.instance {
            break;
        }
    }
    holds(slept.instance != before.instance, || "the object was never evicted".to_owned())?;
    same(slept.wakes, before.wakes + 1, "the wakes after an idle time")?;
    socket.alive().await?;
    same(open().await?, 1, "open records after an idle time")?;
    api.take_off("admin-t1", "USER", &[number]).await?;
    api.forced_off(&mut socket, "USER", &[number]).await?;
    world.eventually("open records after the order", open, &0).await?;
    runtime.stop().await?;
    Ok(format!("{PINGS} constant pings 0 wakes; evicted, and told of the order all the same"))
}
