//! Connects a second, from the handshake to the durable record.

use anyhow::{Result, ensure};

use super::setup::{AT_ONCE, Setup};
use crate::{
    bare::Stage,
    report::Figure,
    stats::{median, percentile},
};

pub(super) async fn measure(setup: &Setup) -> Result<Vec<Figure>> {
    let mut fixture = setup.fixture(setup.size).await?;
    let (server, mut clients) = setup.bare(Stage::Ws, setup.size).await?;
    let (mut bare, mut ours, mut p99) = (Vec::new(), Vec::new(), Vec::new());
    for round in 0..setup.pick(5, 2) {
        let opened = clients.open_all(clients.all(), AT_ONCE).await?;
        bare.push(opened.rate());
        clients.reset(clients.all()).await?;
        server.quiet().await?;
        let opened = fixture.clients.open_all(fixture.clients.all(), AT_ONCE).await?;
        ours.push(opened.rate());
        p99.push(percentile(&opened.took, 99.0));
        let counts = fixture.admin.connections(fixture.clients.all()).await?;
        ensure!(counts.iter().all(|count| *count == 1), "a connected user is not online");
        fixture.clients.reset(fixture.clients.all()).await?;
        fixture.server.quiet().await?;
        println!(
            "  round {}: bare {:.0}/s, ours {:.0}/s",
            round + 1,
            bare.last().unwrap_or(&f64::NAN),
            ours.last().unwrap_or(&f64::NAN)
        );
    }
    let (bare, ours) = (median(&bare), median(&ours));
    Ok(vec![Figure {
        what: "connects a second, with token, policy and durable record".into(),
        target: ">= 0.5 of bare".into(),
        bare: format!("{bare:.0}/s"),
        ours: format!("{ours:.0}/s"),
        ratio: Some(ours / bare),
        reached: ours >= 0.5 * bare,
        notes: vec![format!(
            "{AT_ONCE} clients connect at a time; p99 from the SYN to the success frame {:.0} ms. After each round \
             every user's status is asked and must show one connection.",
            1e3 * median(&p99)
        )],
        otherwise: "Both sides share the processors with the clients, who cost as much as the bare server. Beside what that one \
                    does, a connect verifies an HMAC, puts three or four questions to SQLite and writes two rows, through three \
                    threads; a profile takes about a third of it to SQLite and its threads, the rest to HTTP's layers and to \
                    tasks. It would take profiles and token rows kept in memory beside the store, or more processors than \
                    two.",
    }])
}
