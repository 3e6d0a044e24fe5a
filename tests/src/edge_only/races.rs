//! Upgrades that arrive at the same time.

use std::fmt;

use anyhow::{Context as _, Result, bail};
use futures_util::future::try_join_all;

use super::setup::Setup;
use crate::{
    answer::Envelope,
    check::same,
    profile::Profile,
    size::size,
    world::World,
    ws::{CONNECTED, Event, Handshake, KICK, Socket, describe},
};

/// After so many replacements in a minute both sockets of a token are kept: two devices share it
/// (`docs/rules/openim.md#same-token`).
const REPLACEMENTS: usize = 5;

/// The outcome of one upgrade.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    /// Connected still.
    Live,
    /// Connected, then 2002 and Close 4006.
    Kicked,
    /// Connected, then Close 1000: the same token came again.
    Replaced,
    /// Refused with 1506.
    Refused,
}

#[derive(Default)]
struct Tally {
    kicked: usize,
    replaced: usize,
    refused: usize,
}

/// The object takes one upgrade at a time, whatever the order in which they arrive: one connection is left.
pub(super) async fn upgrades_racing_under_policy_1_leave_one_connection(setup: Setup) -> Result<String> {
    let runtime = setup.start(&Profile::Policy1.settings()).await?;
    let world = runtime.world();
    let mut tally = Tally::default();
    let mut races = 0;
    let rounds = size(4, 10);
    for clients in [2, 10] {
        for round in 0..rounds {
            let user = world.user(&format!("{clients}-{round}"));
            let what = || format!("{clients} clients, round {round}");
            one_token(&world, &user, clients, &mut tally).await.with_context(what)?;
            a_token_each(&world, &user, clients, &mut tally).await.with_context(what)?;
            a_new_login(&world, &user, clients, &mut tally).await.with_context(what)?;
            races += 3;
        }
    }
    runtime.stop().await?;
    Ok(format!("{races} races, {tally}"))
}

/// All with the same token: it is the same device, so no connection is kicked.
async fn one_token(world: &World, user: &str, clients: usize, tally: &mut Tally) -> Result<()> {
    let token = world.issue(user, 5).await?;
    let upgrades = (0..clients).map(|_| upgrade(world, user, token.clone()));
    let raced = try_join_all(upgrades).await?;
    let replaced = REPLACEMENTS.min(clients - 1);
    let fates = settle(world, user, raced, clients - replaced, tally).await?;
    let found = fates.iter().filter(|fate| **fate == Fate::Replaced).count();
    same(found, replaced, "the clients that were replaced by another with the same token")?;
    world.expect_verdict(&token, 0, "the token that all had").await
}

/// Each with a token of its own, which it asks for just before: the newest one wins.
async fn a_token_each(world: &World, user: &str, clients: usize, tally: &mut Tally) -> Result<()> {
    let logins = (0..clients).map(|_| async {
        let token = world.issue(user, 5).await?;
        upgrade(world, user, token).await
    });
    let raced = try_join_all(logins).await?;
    let tokens: Vec<String> = raced.iter().map(|(token, _)| token.clone()).collect();
    let fates = settle(world, user, raced, 1, tally).await?;
    for (token, fate) in tokens.iter().zip(fates) {
        let (code, what) = match fate {
            Fate::Live => (0, "the token that won"),
            _ => (1506, "a token that lost"),
        };
        world.expect_verdict(token, code, what).await?;
    }
    Ok(())
}

/// A device is connected and another one has got its token: it connects while the first one tries to come back.
async fn a_new_login(world: &World, user: &str, clients: usize, tally: &mut Tally) -> Result<()> {
    let (old, mut connected) = world.login(user, 5).await?;
    connected.alive().await?;
    let new = world.issue(user, 5).await?;
    let tokens = (1..clients).map(|_| old.clone()).chain([new.clone()]);
    let mut raced = try_join_all(tokens.map(|token| upgrade(world, user, token))).await?;
    // It has read its success frame already.
    let first = fate_of_connected(&mut connected).await?;
    same(first, Fate::Kicked, "the fate of the first device")?;
    tally.kicked += 1;
    raced.reverse();
    let fates = settle(world, user, raced, 1, tally).await?;
    same(fates.first(), Some(&Fate::Live), "the fate of the new login")?;
    world.expect_verdict(&old, 1506, "the token of the first device").await
}

async fn upgrade(world: &World, user: &str, token: String) -> Result<(String, Socket)> {
    let socket = world.upgraded(&Handshake::new(user, 5, &token)).await?;
    Ok((token, socket))
}

/// Looks what became of each, once all have been answered: exactly as many as stated are connected, and every reader
/// sees those and no other.
async fn settle(
    world: &World,
    user: &str,
    raced: Vec<(String, Socket)>,
    connected: usize,
    tally: &mut Tally,
) -> Result<Vec<Fate>> {
    let mut fates = Vec::new();
    let mut live = Vec::new();
    for (token, mut socket) in raced {
        let fate = fate(world, &mut socket).await?;
        match fate {
            Fate::Live => live.push((token, socket)),
            Fate::Kicked => tally.kicked += 1,
            Fate::Replaced => tally.replaced += 1,
            Fate::Refused => tally.refused += 1,
        }
        fates.push(fate);
    }
    let winners: Vec<String> = live.iter().map(|(token, _)| token.clone()).collect();
    same(winners.len(), connected, "the number of clients that are connected")?;
    let status = world.status(user).await?;
    let shown: Vec<String> = status.connections.into_iter().map(|connection| connection.token).collect();
    same(&shown, &winners, "the tokens that the status query shows")?;
    let details = world.details(&[user]).await?;
    let detailed: Vec<(i64, Vec<String>)> = details
        .into_iter()
        .flat_map(|tokens| tokens.platforms)
        .map(|platform| (platform.total, platform.tokens))
        .collect();
    same(detailed, vec![(i64::try_from(connected)?, winners)], "the token detail")?;
    for (_, socket) in live {
        socket.close().await?;
    }
    world.until_platforms(user, &[]).await?;
    Ok(fates)
}

async fn fate(world: &World, socket: &mut Socket) -> Result<Fate> {
    let first = socket.text().await?;
    if first != CONNECTED {
        Envelope::parse(&first, world.settings().style)?.refused(1506, "")?;
        socket.closed(1008).await?;
        return Ok(Fate::Refused);
    }
    fate_of_connected(socket).await
}

async fn fate_of_connected(socket: &mut Socket) -> Result<Fate> {
    // A ping that only the object can answer, and answers only on a connection that lives. It may fail on one that
    // has ended.
    socket.push_text(r#"{"type":"ping","body":1}"#).await.ok();
    match socket.next().await {
        Event::Text(pong) if pong == r#"{"type":"pong","body":1}"# => Ok(Fate::Live),
        Event::Binary(frame) if frame == KICK.as_bytes() => {
            same(socket.closed(4006).await?.as_str(), "kicked", "the reason of the Close frame")?;
            Ok(Fate::Kicked)
        }
        Event::Closed { code: Some(1000), .. } => Ok(Fate::Replaced),
        other => bail!("a client that was let in got {}", describe(&other)),
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { kicked, replaced, refused } = self;
        write!(f, "losers: {kicked} kicked, {replaced} replaced, {refused} refused with 1506")
    }
}
