//! A soak: connections come and go for a long time, and nothing may accumulate.

use std::time::Duration;

use anyhow::{Result, ensure};
use tokio::time::{MissedTickBehavior, interval};

use super::setup::{AT_ONCE, BEAT_SECONDS, Setup};
use crate::{
    clients::Heartbeat,
    clock::Instant,
    report::Figure,
    stats::{count, slope},
};

/// Connections of the soak.
const CONNECTIONS: usize = 5_000;
/// One connection in this many is replaced every second.
const CHURN: usize = 100;

pub(super) async fn measure(setup: &Setup) -> Result<Vec<Figure>> {
    let size = CONNECTIONS.min(setup.size);
    let mut fixture = setup.fixture(size).await?;
    fixture.clients.set_heartbeat(BEAT_SECONDS, Heartbeat::Text).await?;
    fixture.clients.open_all(fixture.clients.all(), AT_ONCE).await?;
    fixture.server.quiet_with(size + 8).await?;
    let seconds = setup.pick(600, 60);
    let warm_up = seconds / 4;
    let begin = Instant::now();
    let mut points = Vec::new();
    let mut ticks = interval(Duration::from_secs(1));
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let share = size / CHURN;
    let mut churned = 0;
    for second in 0..seconds {
        ticks.tick().await;
        let first = second % CHURN * share;
        // Half of them close, half of them are reset.
        fixture.clients.close(first..first + share / 2).await?;
        fixture.clients.reset(first + share / 2..first + share).await?;
        fixture.clients.open_all(first..first + share, share).await?;
        churned += share;
        let elapsed = Instant::now().since(begin).as_secs_f64();
        if second >= warm_up {
            points.push((elapsed / 60.0, fixture.server.process.resident()? / 1e6));
        }
        if second % 30 == 29 {
            println!("  {elapsed:.0} s: {:.1} MB", points.last().map_or(f64::NAN, |point| point.1));
        }
    }
    // The connections of the queries have closed; the rest are the clients'.
    fixture.server.quiet_with(size).await?;
    let (sockets, live) = (
        fixture.server.process.sockets()?.saturating_sub(fixture.server.own_sockets),
        fixture.clients.live().await?,
    );
    let wrong =
        fixture.admin.connections(fixture.clients.all()).await?.iter().filter(|count| **count != 1).count();
    ensure!(wrong == 0, "{wrong} users are seen with another number of connections than one");
    let (slope, minutes) = (slope(&points), count(seconds) / 60.0);
    let ends = |at: Option<&(f64, f64)>| at.map_or(f64::NAN, |point| point.1);
    Ok(vec![Figure {
        what: format!("soak: {size} connections, 1 % churn a second, {minutes:.0} min"),
        target: "< 1 MB/min, descriptors = live sockets".into(),
        baseline: "-".into(),
        origin: format!("{slope:+.2} MB/min, {sockets} descriptors, {live} live"),
        ratio: None,
        reached: slope < 1.0 && sockets == live,
        notes: vec![format!(
            "{churned} connections were replaced, half of them by a Close frame and half by a reset. The slope is \
             that of least squares through the resident memory of every second after the first quarter: {:.1} MB \
             there, {:.1} MB at the end.",
            ends(points.first()),
            ends(points.last())
        )],
        obstacle: "",
    }])
}
