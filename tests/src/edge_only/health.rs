//! The deep health check.

use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use serde_json::json;

use super::{probe::change_health, setup::Setup};
use crate::{check::same, http::Request, profile::Profile, world::World};

/// A check is asked once a second at most, and a busy machine takes its time.
const WITHIN: Duration = Duration::from_secs(60);

/// Asks until the answer is this one, since the last probe's is given again for a second.
async fn until(world: &World, status: u16, word: &str) -> Result<()> {
    let deadline = Instant::now() + WITHIN;
    loop {
        let answer = world.send(&Request::new("GET", "/health?deep=1")).await?;
        if answer.response.status == status {
            return same(answer.json()?, json!({"status": word}), "the body");
        }
        if Instant::now() > deadline {
            bail!("deep health is {} for a minute, and should be {status}", answer.response.status);
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

pub(super) async fn a_deep_health_check_finds_an_object_that_cannot_write(setup: Setup) -> Result<String> {
    let runtime = setup.start(&Profile::Policy1.settings()).await?;
    let world = runtime.world();
    until(&world, 200, "ok").await?;
    change_health(&world, "ALTER TABLE progress RENAME TO gone").await?;
    until(&world, 503, "degraded").await?;
    let plain = world.send(&Request::new("GET", "/health")).await?;
    same(plain.response.status, 200, "without looking")?;
    change_health(&world, "ALTER TABLE gone RENAME TO progress").await?;
    until(&world, 200, "ok").await?;
    runtime.stop().await?;
    Ok("it was found within a probe, and its end too".to_owned())
}
