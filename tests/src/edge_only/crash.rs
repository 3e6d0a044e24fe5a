//! The state after `kill -9`.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use anyhow::{Result, bail};
use serde_json::json;
use tokio::sync::Notify;

use super::{probe::open_and_ended, setup::Setup};
use crate::{
    check::{holds, same},
    profile::Profile,
    size::size,
    world::{FORCE_LOGOUT, World},
    ws::Handshake,
};

/// Has records.
const NUMBER: &str = "1000000000000031";
const KICKED: i64 = 1506;

pub(super) async fn after_a_crash_everything_is_there_and_nobody_is_online(setup: Setup) -> Result<String> {
    let settings = Profile::Policy1.settings();
    let runtime = setup.start(&settings).await?;
    let world = runtime.world();
    let (online, mut left) = world.login(NUMBER, 5).await?;
    world.eventually("records", || open_and_ended(&world, NUMBER), &(1, 0)).await?;
    let plain = world.user("plain");
    let (held, mut plain_left) = world.login(&plain, 5).await?;
    let idle = world.user("idle");
    let unused = world.issue(&idle, 5).await?;
    let victim = world.user("victim");
    let (dead, mut socket) = world.login(&victim, 5).await?;
    world.force_logout(&victim, 5).await?;
    socket.kicked().await?;
    let replaced = world.issue(&idle, 2).await?;
    let newer = world.issue(&idle, 2).await?;
    runtime.kill().await?;
    left.next().await;
    plain_left.next().await;

    let runtime = setup.start(&settings).await?;
    let world = runtime.world();
    let shown = world.statuses(&[NUMBER, &plain, &idle, &victim]).await?;
    let connections: usize = shown.iter().map(|status| status.connections.len()).sum();
    same(connections, 0, "connections after the restart")?;
    same(world.details(&[NUMBER, &plain, &idle, &victim]).await?.len(), 0, "elements of the token detail")?;
    for (token, code, what) in [
        (&online, 0, "the token of a user with records who was online"),
        (&held, 0, "the token of a user who was online"),
        (&unused, 0, "a token that was never used"),
        (&newer, 0, "the newer of two tokens"),
        (&replaced, KICKED, "the older of two tokens"),
        (&dead, KICKED, "a kicked token"),
    ] {
        world.expect_verdict(token, code, what).await?;
    }
    world.refused_both_ways(&Handshake::new(&victim, 5, &dead), KICKED, "").await?;
    world.refused_both_ways(&Handshake::new(&idle, 2, &replaced), KICKED, "").await?;
    // The record that the crash left open ends at the next question about its user.
    world.eventually("records", || open_and_ended(&world, NUMBER), &(0, 1)).await?;
    for (user, platform, token) in
        [(NUMBER, 5, &online), (&plain, 5, &held), (&idle, 5, &unused), (&idle, 2, &newer)]
    {
        world.open(user, platform, token).await?.alive().await?;
    }
    runtime.stop().await?;
    Ok("6 tokens as before, 4 of them open, 0 connections, 1 record ended".to_owned())
}

const CLIENTS: usize = 4;

/// A client's knowledge of one token of its own user.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Known {
    /// The issue was answered, no kick was asked for.
    Issued,
    /// A kick was asked for and not answered: dead or alive, both are right.
    Kicking,
    /// The kick was answered.
    Kicked,
}

#[derive(Default)]
struct Ledger {
    tokens: Mutex<HashMap<String, (String, Known)>>,
    counts: Mutex<Counts>,
    moment: Notify,
}

#[derive(Clone, Copy, Default)]
struct Counts {
    in_flight: usize,
    answered: usize,
}

impl Ledger {
    fn asked(&self) {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner).in_flight += 1;
    }

    fn answered(&self) {
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        counts.in_flight -= 1;
        counts.answered += 1;
        self.moment.notify_one();
    }

    fn counts(&self) -> Counts {
        *self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn know(&self, user: &str, token: &str, known: Known) {
        let mut tokens = self.tokens.lock().unwrap_or_else(PoisonError::into_inner);
        tokens.insert(token.to_owned(), (user.to_owned(), known));
    }

    fn tokens(&self) -> HashMap<String, (String, Known)> {
        self.tokens.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// Issues, connects and kicks until the server is gone.
async fn client(world: World, name: String, ledger: Arc<Ledger>) {
    for n in 0_u32.. {
        let user = format!("{name}-{n}");
        ledger.asked();
        let Ok(token) = world.issue(&user, 5).await else { return };
        ledger.know(&user, &token, Known::Issued);
        ledger.answered();
        // Two of three are kicked, one of these while it is connected.
        if n % 3 == 0 {
            continue;
        }
        let socket = if n % 3 == 1 { world.open(&user, 5, &token).await.ok() } else { None };
        ledger.know(&user, &token, Known::Kicking);
        ledger.asked();
        let Ok(answer) = world.as_admin(FORCE_LOGOUT, &json!({"userID": user, "platformID": 5})).await else {
            return;
        };
        if answer.empty().is_err() {
            return;
        }
        ledger.know(&user, &token, Known::Kicked);
        ledger.answered();
        drop(socket);
    }
}

pub(super) async fn no_moment_of_death_brings_a_kicked_token_back(setup: Setup) -> Result<String> {
    let settings = Profile::Policy1.settings();
    let mut runtime = setup.start(&settings).await?;
    let (mut issued, mut kicked, mut kicking, mut open) = (0, 0, 0, 0);
    // Each restart takes some seconds; the origin, where it does not, dies more often.
    let deaths = size(3, 12);
    for death in 0..deaths {
        let world = runtime.world();
        world.admin_token().await?;
        let ledger = Arc::new(Ledger::default());
        let clients: Vec<_> = (0..CLIENTS)
            .map(|n| {
                tokio::spawn(client(world.clone(), world.user(&format!("{death}-{n}")), Arc::clone(&ledger)))
            })
            .collect();
        // A different moment each time, counted in answers.
        let enough = 5 + (death * 37) % 53;
        while ledger.counts().answered < enough {
            ledger.moment.notified().await;
        }
        let in_flight = ledger.counts().in_flight;
        runtime.kill().await?;
        for client in clients {
            client.await?;
        }

        runtime = setup.start(&settings).await?;
        let world = runtime.world();
        let tokens = ledger.tokens();
        for (token, (user, known)) in &tokens {
            let verdict = world.verdict(token).await?;
            match (known, verdict) {
                (Known::Issued, 0) => issued += 1,
                (Known::Kicked, KICKED) => kicked += 1,
                (Known::Kicking, 0 | KICKED) => kicking += 1,
                _ => bail!("death {death}: a token that was {known:?} is now {verdict}"),
            }
            if *known == Known::Kicked {
                let (_, envelope) = world.refusal(&Handshake::new(user, 5, token)).await?;
                envelope.refused(KICKED, "")?;
            }
            same(world.status(user).await?.connections.len(), 0, "connections after the restart")?;
        }
        open += in_flight;
    }
    runtime.stop().await?;
    holds(issued >= deaths && kicked >= deaths && open >= deaths, || {
        format!("the load was too small to show anything: {issued} issued, {kicked} kicked, {open} in flight")
    })?;
    Ok(format!(
        "{deaths} deaths with {open} requests in flight: {issued} issued and {kicked} kicked tokens as answered, \
         {kicking} kicks unanswered"
    ))
}
