//! The cost of an idle connection: memory and processor time.

use std::time::Duration;

use anyhow::{Result, ensure};

use super::setup::{BEAT_SECONDS, Setup, settle};
use crate::{
    baseline::Layer,
    clients::{Heartbeat, LoadClients},
    process::Memory,
    report::Figure,
    server::Server,
    stats::{count, median},
};

/// Clients that come and go before the first look at memory, so that allocations made once are not counted.
const WARM_UP: usize = 64;

/// The cost of an idle connection at one server.
#[derive(Clone, Copy)]
struct Cost {
    /// Bytes a connection.
    memory: f64,
    /// Of these, anonymous ones: not backed by a file.
    anonymous: f64,
    /// Microseconds of processor time a second and connection, with the text heartbeat.
    text: f64,
    /// The same with control pings.
    control: f64,
}

pub(super) async fn measure(setup: &Setup) -> Result<Vec<Figure>> {
    let (mut baseline, mut origin) = (Vec::new(), Vec::new());
    for round in 0..setup.pick(2, 1) {
        let (server, mut clients) = setup.baseline(Layer::Ws, setup.size).await?;
        baseline.push(cost(setup, &server, &mut clients).await?);
        drop((server, clients));
        let mut fixture = setup.fresh_fixture(setup.size).await?;
        origin.push(cost(setup, &fixture.server, &mut fixture.clients).await?);
        println!(
            "  round {}: baseline {:.0} bytes, origin {:.0} bytes",
            round + 1,
            baseline.last().map_or(f64::NAN, |cost| cost.memory),
            origin.last().map_or(f64::NAN, |cost| cost.memory)
        );
    }
    let mut layers = Vec::new();
    for layer in [Layer::Tcp, Layer::Upgrade] {
        let (server, mut clients) = setup.baseline(layer, setup.size).await?;
        layers.push(grown(&server, &mut clients).await?.pss);
    }
    let of = |costs: &[Cost], what: fn(&Cost) -> f64| median(&costs.iter().map(what).collect::<Vec<_>>());
    let both = |what: fn(&Cost) -> f64| (of(&baseline, what), of(&origin, what));
    Ok(vec![memory(both(|cost| cost.memory), of(&origin, |cost| cost.anonymous), &layers), {
        let (baseline, origin) = both(|cost| cost.text);
        let control = both(|cost| cost.control);
        Figure {
            what: format!("processor time of an idle connection, one heartbeat in {BEAT_SECONDS} s"),
            target: "<= 3 µs/s".into(),
            baseline: format!("{baseline:.2} µs/s"),
            origin: format!("{origin:.2} µs/s"),
            ratio: Some(origin / baseline),
            reached: origin <= 3.0,
            notes: vec![format!(
                "The heartbeat is the published JavaScript client's text message, which the origin answers; the baseline \
                 server only reads it. With control pings, as native clients send them: baseline {:.2}, origin {:.2}. At \
                 one heartbeat in {BEAT_SECONDS} s, 3 µs/s are 72 µs a heartbeat, of the kernel's work and the origin's.",
                control.0, control.1
            )],
            obstacle: "Most of it is the kernel's: one wake-up, one read and one write for each heartbeat, whose interval the clients \
                        choose.",
        }
    }])
}

/// Growth of memory, a connection.
async fn grown(server: &Server, clients: &mut LoadClients) -> Result<Memory> {
    let size = clients.all().len();
    clients.open_all(0..WARM_UP.min(size), WARM_UP).await?;
    clients.close(clients.all()).await?;
    server.quiet_with(8).await?;
    let before = server.process.memory()?;
    settle(server, clients).await?;
    let after = server.process.memory()?;
    ensure!(clients.live().await? == size, "an idle connection was lost");
    let each = |before: f64, after: f64| (after - before) / count(size);
    Ok(Memory { pss: each(before.pss, after.pss), anonymous: each(before.anonymous, after.anonymous) })
}

async fn cost(setup: &Setup, server: &Server, clients: &mut LoadClients) -> Result<Cost> {
    let grown = grown(server, clients).await?;
    let size = count(clients.all().len());
    let mut processor = [0.0; 2];
    for (how, found) in [Heartbeat::Text, Heartbeat::Control].into_iter().zip(&mut processor) {
        clients.set_heartbeat(BEAT_SECONDS, how).await?;
        let window = Duration::from_secs(BEAT_SECONDS * setup.pick(2, 1));
        let before = server.process.processor()?;
        tokio::time::sleep(window).await;
        let used = server.process.processor()?.saturating_sub(before);
        *found = used.as_secs_f64() * 1e6 / window.as_secs_f64() / size;
    }
    ensure!(clients.live().await? == clients.all().len(), "an idle connection was lost");
    let [text, control] = processor;
    Ok(Cost { memory: grown.pss, anonymous: grown.anonymous, text, control })
}

fn memory((baseline, origin): (f64, f64), anonymous: f64, layers: &[f64]) -> Figure {
    let kib = |bytes: f64| format!("{:.2} KiB", bytes / 1024.0);
    let layer = |index: usize| layers.get(index).copied().unwrap_or(f64::NAN);
    let (tcp, upgrade) = (layer(0), layer(1));
    Figure {
        what: "memory of an idle authenticated connection".into(),
        target: "<= 5 KiB".into(),
        baseline: kib(baseline),
        origin: kib(origin),
        ratio: Some(origin / baseline),
        reached: origin <= 5.0 * 1024.0,
        notes: vec![
            format!(
                "Growth of PSS over the number of connections, in a process that has just started and issued none of \
                 the tokens; {} of it is anonymous (heap).",
                kib(anonymous)
            ),
            format!(
                "By layers, each a baseline server that stops there: a task that holds the TCP connection {}; hyper's \
                 upgraded stream, which keeps its boxed I/O and a rewind buffer, {} more; axum's WebSocket with \
                 tungstenite's read buffer of 256 bytes {} more; Rollcall {} more.",
                kib(tcp),
                kib(upgrade - tcp),
                kib(baseline - upgrade),
                kib(origin - baseline)
            ),
        ],
        obstacle: "The largest parts are the socket's task, the user's entry with its token's row, tokio's registration, and the \
                    allocator's padding of values that are aligned to cache lines. A smaller task would bring it down, as \
                    would a read buffer that exists only while there is something to read.",
    }
}
