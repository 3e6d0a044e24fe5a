//! The deep health check.

use anyhow::Result;
use serde_json::{Value, json};

use super::{probe::change_health, setup::Setup};
use crate::{check::same, http::Request, profile::Profile, world::World};

/// The answer to a deep check, which may be that of the last probe for a second.
async fn deep(world: &World) -> Result<(u16, Value)> {
    let answer = world.send(&Request::new("GET", "/health?deep=1")).await?;
    Ok((answer.response.status, answer.json()?))
}

pub(super) async fn a_deep_health_check_finds_an_object_that_cannot_write(setup: Setup) -> Result<String> {
    let runtime = setup.start(&Profile::Policy1.settings()).await?;
    let world = runtime.world();
    let well = (200, json!({"status": "ok"}));
    world.eventually("deep health", || deep(&world), &well).await?;
    change_health(&world, "ALTER TABLE progress RENAME TO gone").await?;
    world.eventually("deep health", || deep(&world), &(503, json!({"status": "degraded"}))).await?;
    let plain = world.send(&Request::new("GET", "/health")).await?;
    same(plain.response.status, 200, "without looking")?;
    change_health(&world, "ALTER TABLE gone RENAME TO progress").await?;
    world.eventually("deep health", || deep(&world), &well).await?;
    runtime.stop().await?;
    Ok("it was found within a probe, and its end too".to_owned())
}
