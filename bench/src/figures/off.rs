//! Force off: of one user among many, and of a whole tenant.

use anyhow::{Result, ensure};

use super::setup::{AT_ONCE, BEAT_SECONDS, Fixture, Setup};
use crate::{
    clients::Heartbeat,
    clock::Instant,
    http::Connection,
    openim::success,
    report::Figure,
    stats::{count, median, percentile},
};

/// The longest wait for a Close frame.
const TIMEOUT_SECONDS: u64 = 30;

async fn connected(setup: &Setup, size: usize) -> Result<Fixture> {
    let mut fixture = setup.fixture(size).await?;
    fixture.clients.set_heartbeat(BEAT_SECONDS, Heartbeat::Control).await?;
    fixture.clients.open_all(fixture.clients.all(), AT_ONCE).await?;
    fixture.server.quiet_with(size + 8).await?;
    Ok(fixture)
}

/// Takes one user after the other offline, while all others stay connected.
pub(super) async fn one(setup: &Setup) -> Result<Vec<Figure>> {
    let targets = setup.pick(500, 150);
    let mut fixture = connected(setup, setup.size + 2 * targets).await?;
    let mut connection = Connection::open(fixture.server.address).await?;
    let mut figures = Vec::new();
    let ways: [(&str, usize); 2] = [("the message center's order", 0), ("OpenIM's forced logout", targets)];
    for (way, offset) in ways {
        let (mut closed, mut answered) = (Vec::new(), Vec::new());
        for target in setup.size + offset..setup.size + offset + targets {
            let request = match offset {
                0 => fixture.admin.off_user(target),
                _ => fixture.admin.force_logout(target),
            };
            let begin = Instant::now();
            success(&connection.ask(&request).await?)?;
            answered.push(Instant::now().since(begin).as_secs_f64());
            let closes = fixture.clients.closes(target..target + 1, TIMEOUT_SECONDS).await?;
            ensure!(closes.codes.keys().eq(&[4006]), "closed with {:?}", closes.codes);
            closed.extend(closes.last.map(|at| at.since(begin).as_secs_f64()));
        }
        ensure!(closed.len() == targets, "a Close frame did not come");
        let p99 = 1e3 * percentile(&closed, 99.0);
        figures.push(Figure {
            what: format!("one user's force off by {way}, request to Close frame, p99"),
            target: "<= 10 ms".into(),
            baseline: "-".into(),
            origin: format!("{p99:.2} ms"),
            ratio: None,
            reached: p99 <= 10.0,
            notes: vec![format!(
                "{targets} users one after the other, {} others connected. Median {:.2} ms; the answer came after \
                 {:.2} ms (median), {:.2} ms (p99).",
                setup.size,
                1e3 * median(&closed),
                1e3 * median(&answered),
                1e3 * percentile(&answered, 99.0)
            )],
            obstacle: "The order is answered after its commit, so that the disk's slowest commits count.",
        });
    }
    ensure!(fixture.clients.live().await? == setup.size, "another user was closed too");
    Ok(figures)
}

/// Takes a whole tenant offline by one order.
pub(super) async fn tenant(setup: &Setup) -> Result<Vec<Figure>> {
    let (mut last, mut answered) = (Vec::new(), Vec::new());
    for round in 0..setup.pick(3, 1) {
        let mut fixture = connected(setup, setup.size).await?;
        let mut connection = Connection::open(fixture.server.address).await?;
        let begin = Instant::now();
        success(&connection.ask(&fixture.admin.off_tenant()).await?)?;
        answered.push(Instant::now().since(begin).as_secs_f64());
        let counts = fixture.admin.connections(fixture.clients.all()).await?;
        ensure!(counts.iter().all(|count| *count == 0), "the order was answered, and a user is still online");
        let closes = fixture.clients.closes(fixture.clients.all(), TIMEOUT_SECONDS).await?;
        ensure!(closes.open == 0, "{} are still connected", closes.open);
        ensure!(closes.codes.keys().eq(&[4006]), "closed with {:?}", closes.codes);
        last.extend(closes.last.map(|at| at.since(begin).as_secs_f64()));
        println!("  round {}: {:.2} s", round + 1, last.last().unwrap_or(&f64::NAN));
    }
    let seconds = median(&last);
    Ok(vec![Figure {
        what: format!("a tenant's force off, {} connections, request to last Close frame", setup.size),
        target: "<= 1 s".into(),
        baseline: "-".into(),
        origin: format!("{seconds:.2} s"),
        ratio: None,
        reached: seconds <= 1.0,
        notes: vec![format!(
            "The answer came after {:.0} ms; from then on no status showed a user online. {:.0} closes a second. Records \
             and tokens are committed afterwards, which is not in this time.",
            1e3 * median(&answered),
            count(setup.size) / seconds
        )],
        obstacle: "Each connection costs a read of its user's rows, two writes to its \
                    socket, and the client's reads on the same two processors. One query for many users' rows would bring \
                    it down; so would more processors.",
    }])
}
