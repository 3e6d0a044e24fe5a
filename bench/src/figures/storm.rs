//! A reconnect storm: all clients lose their connections at the same moment, and connect again.

use std::iter;

use anyhow::{Error, Result, anyhow, ensure};
use tokio::time::{Duration, sleep};

use super::setup::{AT_ONCE, BEAT_SECONDS, Setup};
use crate::{
    baseline::Layer,
    clients::{Heartbeat, LoadClients, Opened},
    clock::Instant,
    openim::Admin,
    report::Figure,
    stats::{median, percentile},
};

pub(super) async fn measure(setup: &Setup) -> Result<Vec<Figure>> {
    // The last client stays connected throughout, and must always be seen with one connection.
    let mut fixture = setup.fixture(setup.size + 1).await?;
    let (server, mut clients) = setup.baseline(Layer::Ws, setup.size).await?;
    fixture.clients.open_all(fixture.clients.all(), AT_ONCE).await?;
    fixture.clients.set_heartbeat(BEAT_SECONDS, Heartbeat::Control).await?;
    fixture.server.quiet_with(setup.size + 9).await?;
    clients.open_all(clients.all(), AT_ONCE).await?;
    let (mut baseline, mut origin, mut failed, mut wrong, mut p99) = (vec![], vec![], 0, 0, vec![]);
    let mut reasons = None;
    for round in 0..setup.pick(3, 1) {
        let (seconds, opened) = storm(&mut clients, setup.size).await?;
        baseline.push(seconds);
        ensure!(
            opened.failures() == 0,
            "clients could not reconnect to the baseline server: {:?}",
            opened.failed
        );
        server.quiet_with(setup.size).await?;
        let (seconds, opened) = tokio::select! {
            outcome = storm(&mut fixture.clients, setup.size) => outcome?,
            wrong = steady(&fixture.admin, setup.size) => return Err(wrong),
        };
        origin.push(seconds);
        failed += opened.failures();
        if opened.failures() > 0 {
            reasons = Some(format!("Failures: {:?}.", opened.failed));
        }
        p99.push(percentile(&opened.took, 99.0));
        let counts = fixture.admin.connections(fixture.clients.all()).await?;
        wrong += counts.iter().filter(|count| **count != 1).count();
        println!(
            "  round {}: baseline {:.2} s, origin {seconds:.2} s",
            round + 1,
            baseline.last().unwrap_or(&f64::NAN)
        );
        fixture.server.quiet_with(setup.size + 9).await?;
    }
    let (baseline, origin) = (median(&baseline), median(&origin));
    Ok(vec![Figure {
        what: format!("{} connections dropped at once and reconnecting", setup.size),
        target: "<= 10 s, none failed, no wrong status".into(),
        baseline: format!("{baseline:.2} s"),
        origin: format!("{origin:.2} s, {failed} failed, {wrong} wrong"),
        ratio: Some(origin / baseline),
        reached: origin <= 10.0 && failed == 0 && wrong == 0,
        notes: iter::once(format!(
            "All clients are reset and reconnect at the same moment, without a second attempt; p99 of a client {:.1} s. The \
             status of a user who stays connected is queried throughout, that of all others afterwards: each must show \
             exactly one connection.",
            median(&p99)
        ))
        .chain(reasons)
        .collect(),
        obstacle: "It follows the rate of connects: see there.",
    }])
}

/// Resets `size` clients. Returns the seconds until the last of them has reconnected.
async fn storm(clients: &mut LoadClients, size: usize) -> Result<(f64, Opened)> {
    let begin = Instant::now();
    clients.reset(0..size).await?;
    let opened = clients.open(0..size, size).await?;
    Ok((Instant::now().since(begin).as_secs_f64(), opened))
}

/// Queries the status of a client that stays connected. Returns only when an answer is wrong.
async fn steady(admin: &Admin, client: usize) -> Error {
    loop {
        match admin.connections(client..client + 1).await {
            Ok(counts) if counts == [1] => sleep(Duration::from_millis(20)).await,
            Ok(counts) => return anyhow!("a user who stayed connected was seen with {counts:?} connections"),
            Err(error) => {
                return error.context("the status of a user who stayed connected could not be queried");
            }
        }
    }
}
