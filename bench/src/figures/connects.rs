//! Connects a second, from the handshake to the durable record.

use anyhow::{Result, ensure};

use super::setup::{AT_ONCE, Setup};
use crate::{
    baseline::Layer,
    report::Figure,
    stats::{median, percentile},
};

pub(super) async fn measure(setup: &Setup) -> Result<Vec<Figure>> {
    let mut fixture = setup.fixture(setup.size).await?;
    let (server, mut clients) = setup.baseline(Layer::Ws, setup.size).await?;
    let (mut baseline, mut origin, mut p99) = (Vec::new(), Vec::new(), Vec::new());
    for round in 0..setup.pick(5, 2) {
        let opened = clients.open_all(clients.all(), AT_ONCE).await?;
        baseline.push(opened.rate());
        clients.reset(clients.all()).await?;
        server.quiet().await?;
        let opened = fixture.clients.open_all(fixture.clients.all(), AT_ONCE).await?;
        origin.push(opened.rate());
        p99.push(percentile(&opened.took, 99.0));
        let counts = fixture.admin.connections(fixture.clients.all()).await?;
        ensure!(counts.iter().all(|count| *count == 1), "a connected user is not online");
        fixture.clients.reset(fixture.clients.all()).await?;
        fixture.server.quiet().await?;
        println!(
            "  round {}: baseline {:.0}/s, origin {:.0}/s",
            round + 1,
            baseline.last().unwrap_or(&f64::NAN),
            origin.last().unwrap_or(&f64::NAN)
        );
    }
    let (baseline, origin) = (median(&baseline), median(&origin));
    Ok(vec![Figure {
        what: "connects a second, with token, policy and durable record".into(),
        target: ">= 0.5 of the baseline".into(),
        baseline: format!("{baseline:.0}/s"),
        origin: format!("{origin:.0}/s"),
        ratio: Some(origin / baseline),
        reached: origin >= 0.5 * baseline,
        notes: vec![format!(
            "{AT_ONCE} clients connect concurrently; p99 from the SYN to the success frame {:.0} ms. After each round \
             every user's status must show one connection.",
            1e3 * median(&p99)
        )],
        obstacle: "Both servers share the processors with the clients, which cost as much as the baseline server. Beyond the \
                    baseline's work, a connect verifies an HMAC, runs three or four queries and writes two rows in SQLite, through three \
                    threads. By a profile, SQLite and its threads take about a third of it, HTTP's layers and tasks the \
                    rest. Profiles and token rows in memory beside the store would reach it, or more processors.",
    }])
}
