//! Status queries, beside a handler that reads and writes the same JSON.

use std::time::Duration;

use anyhow::Result;

use super::setup::{AT_ONCE, Setup};
use crate::{
    baseline::Layer,
    http,
    report::Figure,
    stats::{median, percentile},
};

/// Kept connections that send queries.
const CONNECTIONS: usize = 16;
/// Users of the long query.
const MANY: usize = 1000;

/// The rounds of one server.
#[derive(Default)]
struct Side {
    rate: Vec<f64>,
    p99: Vec<f64>,
    many: Vec<f64>,
}

impl Side {
    fn medians(&self) -> (f64, f64) {
        (median(&self.rate), median(&self.p99))
    }

    fn many(&self) -> f64 {
        1e3 * percentile(&self.many, 99.0)
    }
}

pub(super) async fn measure(setup: &Setup) -> Result<Vec<Figure>> {
    let mut fixture = setup.fixture(setup.size).await?;
    fixture.clients.open_all(fixture.clients.all(), AT_ONCE).await?;
    fixture.clients.set_heartbeat(super::setup::BEAT_SECONDS, crate::clients::Heartbeat::Control).await?;
    fixture.server.quiet_with(setup.size + 8).await?;
    let (server, _) = setup.baseline(Layer::Ws, 0).await?;
    let one = fixture.admin.status_request(std::iter::once(setup.size / 2));
    let many = fixture.admin.status_request(0..MANY.min(setup.size));
    let (mut baseline, mut origin) = (Side::default(), Side::default());
    for round in 0..setup.pick(9, 3) {
        for (side, address) in [(&mut baseline, server.address), (&mut origin, fixture.server.address)] {
            let time = Duration::from_millis(setup.pick(3000, 1000));
            let load = http::load(address, CONNECTIONS, time, &one, r#""status":1"#).await?;
            side.rate.push(load.rate);
            side.p99.push(percentile(&load.took, 99.0));
            let load = http::load(address, 1, time / 3, &many, r#""status":1"#).await?;
            side.many.extend(load.took);
            println!("  round {}: {:.0}/s", round + 1, side.rate.last().unwrap_or(&f64::NAN));
        }
    }
    let ((baseline_rate, baseline_p99), (origin_rate, origin_p99)) = (baseline.medians(), origin.medians());
    let rate = Figure {
        what: format!("status of one online user, {CONNECTIONS} kept connections"),
        target: ">= 0.7 of the baseline".into(),
        baseline: format!("{baseline_rate:.0}/s"),
        origin: format!("{origin_rate:.0}/s"),
        ratio: Some(origin_rate / baseline_rate),
        reached: origin_rate >= 0.7 * baseline_rate,
        notes: vec![
            "The baseline handler parses the same query and prints the same answer. The origin also verifies the \
             administrator's token and reads the user's state. The client is one thread beside it."
                .into(),
        ],
        obstacle: "The remaining cost is two layers around every route, the headers that let browsers read, the administrator's \
                    token and its status, and the locks of two users. An answer without authentication would reach it.",
    };
    let p99 = Figure {
        what: "the same, p99".into(),
        target: "<= 2x the baseline".into(),
        baseline: format!("{:.2} ms", 1e3 * baseline_p99),
        origin: format!("{:.2} ms", 1e3 * origin_p99),
        ratio: Some(origin_p99 / baseline_p99),
        reached: origin_p99 <= 2.0 * baseline_p99,
        notes: vec![],
        obstacle: "It follows the rate: server and client share two processors, so a longer computation also waits longer.",
    };
    let long = Figure {
        what: format!("status of {} online users in one call, p99", MANY.min(setup.size)),
        target: "<= 10 ms".into(),
        baseline: format!("{:.2} ms", baseline.many()),
        origin: format!("{:.2} ms", origin.many()),
        ratio: Some(origin.many() / baseline.many()),
        reached: origin.many() <= 10.0,
        notes: vec![format!("{} calls, one after the other.", origin.many.len())],
        obstacle: "A thousand tokens and connection ids take most of the time: 350 KB of JSON.",
    };
    Ok(vec![rate, p99, long])
}
