//! A kick is final from the moment of its answer, and in its order before that.

use std::{net::SocketAddr, os::fd::AsFd as _, time::Duration};

use anyhow::{Context as _, Result, bail};
use futures_util::future::{join, join_all, try_join_all};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use tokio::{
    net::TcpSocket,
    time::{Instant, sleep, timeout},
};

use super::{Case, cases};
use crate::{
    check::{holds, same},
    http::Connection,
    size::size,
    subject::Kind,
    world::World,
    ws::{Handshake, KICK, Opening, Socket},
};

pub(super) fn cases() -> Vec<Case> {
    cases![Base, "base":
        a_kick_is_a_frame_then_a_close,
        every_reader_sees_a_kick_right_after_its_answer,
        kicked_token_is_refused_after_reconnect,
        a_storm_of_reconnects_with_a_dead_token_fails within 120,
        the_token_is_dead_before_the_client_hears_of_it,
        a_kick_against_logins_leaves_nobody_online within 120,
        a_client_that_never_reads_is_kicked_all_the_same alone "it measures a kick",
        a_client_that_stopped_reading_holds_up_nobody alone "it measures a kick",
    ]
}

async fn a_kick_is_a_frame_then_a_close(world: World) -> Result<()> {
    let user = world.user("a");
    let (_, mut socket) = world.login(&user, 5).await?;
    world.force_logout(&user, 5).await?;
    socket.kicked().await
}

async fn every_reader_sees_a_kick_right_after_its_answer(world: World) -> Result<()> {
    let user = world.user("a");
    let rounds = size(5, 30);
    let quiet = world.unrecorded();
    for _ in 0..rounds {
        let (token, mut socket) = quiet.login(&user, 5).await?;
        quiet.force_logout(&user, 5).await?;
        let (status, detail) =
            join(quiet.status(&user), quiet.details(std::slice::from_ref(&user.as_str()))).await;
        same(status?.status, 0, "status right after the answer")?;
        same(detail?.len(), 0, "elements of the token detail right after the answer")?;
        quiet.expect_verdict(&token, 1506, "the token right after the answer").await?;
        socket.kicked().await?;
    }
    Ok(())
}

async fn kicked_token_is_refused_after_reconnect(world: World) -> Result<()> {
    let user = world.user("a");
    let (token, mut socket) = world.login(&user, 5).await?;
    world.force_logout(&user, 5).await?;
    for _ in 0..2 {
        world.refused_both_ways(&Handshake::new(&user, 5, &token), 1506, "").await?;
    }
    socket.kicked().await?;
    world.refused_both_ways(&Handshake::new(&user, 5, &token), 1506, "").await?;
    // A new login is a new token.
    let (_, mut fresh) = world.login(&user, 5).await?;
    fresh.alive().await?;
    world.refused_both_ways(&Handshake::new(&user, 5, &token), 1506, "").await
}

async fn a_storm_of_reconnects_with_a_dead_token_fails(world: World) -> Result<()> {
    let user = world.user("a");
    let (token, mut socket) = world.login(&user, 5).await?;
    world.force_logout(&user, 5).await?;
    let quiet = world.unrecorded();
    let (clients, tries) = size((10, 10), (20, 50));
    let storm = (0..clients).map(|_| async {
        for _ in 0..tries {
            let (_, envelope) = quiet.refusal(&Handshake::new(&user, 5, &token).silent()).await?;
            envelope.refused(1506, "")?;
        }
        anyhow::Ok(())
    });
    try_join_all(storm).await?;
    same(world.status(&user).await?.status, 0, "status after the storm")?;
    socket.kicked().await
}

/// Guards against the known-wrong design that closes first and revokes afterwards: the client asks the
/// moment it reads the frame, whether or not the order has been answered yet.
async fn the_token_is_dead_before_the_client_hears_of_it(world: World) -> Result<()> {
    let user = world.user("a");
    let rounds = size(5, 30);
    let quiet = world.unrecorded();
    for _ in 0..rounds {
        let (token, mut socket) = quiet.login(&user, 5).await?;
        let hears = async {
            same(socket.binary().await?.as_str(), KICK, "the kick frame")?;
            quiet.expect_verdict(&token, 1506, "the token when the frame arrives").await?;
            same(quiet.status(&user).await?.status, 0, "status when the frame arrives")?;
            let (_, envelope) = quiet.refusal(&Handshake::new(&user, 5, &token).silent()).await?;
            envelope.refused(1506, "")?;
            same(socket.closed(4006).await?.as_str(), "kicked", "the reason of the Close frame")
        };
        let (ordered, heard) = join(quiet.force_logout(&user, 5), hears).await;
        ordered?;
        heard?;
    }
    Ok(())
}

/// In either order the user is offline after both: a login before the kick is kicked, one after it
/// is refused.
async fn a_kick_against_logins_leaves_nobody_online(world: World) -> Result<()> {
    let quiet = world.unrecorded();
    let rounds = size(20, 200);
    let (mut admitted, mut refused) = (0, 0);
    for round in 0..rounds {
        let user = world.user(&format!("u{}", round % 7));
        let token = quiet.issue(&user, 5).await?;
        let logins =
            join_all((0..3).map(|_| async { quiet.try_upgrade(&Handshake::new(&user, 5, &token)).await }));
        let (ordered, logins) = join(quiet.force_logout(&user, 5), logins).await;
        ordered?;
        same(quiet.status(&user).await?.status, 0, "status after both")?;
        quiet.expect_verdict(&token, 1506, "the token after both").await?;
        for login in logins {
            let Opening::Upgraded(mut socket) = login? else { bail!("refused by HTTP") };
            match outcome(&mut socket).await? {
                Outcome::Kicked => admitted += 1,
                Outcome::Refused => refused += 1,
            }
        }
    }
    same(admitted + refused, rounds * 3, "the number of logins that ended one way or the other")
}

enum Outcome {
    Kicked,
    Refused,
}

async fn outcome(socket: &mut Socket) -> Result<Outcome> {
    let first = socket.text().await?;
    if first == crate::ws::CONNECTED {
        socket.kicked().await?;
        return Ok(Outcome::Kicked);
    }
    holds(first.contains("\"errCode\":1506"), || format!("refused with {first}"))?;
    socket.closed(1008).await?;
    Ok(Outcome::Refused)
}

async fn a_client_that_never_reads_is_kicked_all_the_same(world: World) -> Result<()> {
    let user = world.user("a");
    let (token, mut socket) = world.login(&user, 5).await?;
    let before = ordinary_kick(&world).await?;
    let begun = Instant::now();
    world.force_logout(&user, 5).await?;
    let answered = begun.elapsed();
    if world.kind() == Kind::Origin {
        // At the edge the runtime keeps the transport until the client answers the Close.
        let fd = socket.tcp().as_fd().try_clone_to_owned()?;
        let left = Timespec::try_from(HANGS)?;
        let ended =
            tokio::task::spawn_blocking(move || poll(&mut [PollFd::new(&fd, PollFlags::RDHUP)], Some(&left)));
        let ended = ended.await.context("waiting for the end of the connection")??;
        holds(ended > 0, || format!("the connection is still open {HANGS:?} after the kick"))?;
    }
    let cut = begun.elapsed();
    within_bounds(&world, before, answered, cut).await?;
    same(world.status(&user).await?.status, 0, "status")?;
    world.expect_verdict(&token, 1506, "the token").await?;
    socket.kicked().await
}

/// The client asks for echoes until nothing moves any more: both directions are stuffed.
async fn a_client_that_stopped_reading_holds_up_nobody(world: World) -> Result<()> {
    let user = world.user("a");
    let quiet = world.unrecorded();
    let token = quiet.issue(&user, 5).await?;
    let other = world.user("b");
    let (_, mut bystander) = world.login(&other, 5).await?;
    // What lies between would read on.
    let address = world.at_one_server().address();
    let socket = TcpSocket::new_v4()?;
    socket.set_recv_buffer_size(4096)?;
    let stream = socket.connect(address).await?;
    let local = stream.local_addr()?;
    let connection = Connection::over(stream, address);
    let handshake = Handshake::new(&user, 5, &token).silent();
    let Opening::Upgraded(mut stuffed) = quiet.try_upgrade_over(connection, &handshake).await? else {
        bail!("refused");
    };
    let ping = format!(r#"{{"type":"ping","body":"{}"}}"#, "x".repeat(40_000));
    let mut sent = 0;
    // The server may also have cut such a client by itself; that is an end as well.
    while let Ok(Ok(())) = timeout(Duration::from_millis(500), stuffed.push_text(&ping)).await {
        sent += 1;
        if world.kind() != Kind::Origin && sent == 100 {
            // What the platform keeps for a client that does not read is the platform's to bound.
            break;
        }
        holds(sent < 4000, || "160 MB were taken in without a pause".to_owned())?;
    }
    let before = ordinary_kick(&world).await?;
    let begun = Instant::now();
    quiet.force_logout(&user, 5).await?;
    let answered = begun.elapsed();
    if world.kind() == Kind::Origin {
        until_cut(address, local, begun + HANGS).await?;
    }
    let cut = begun.elapsed();
    within_bounds(&world, before, answered, cut).await?;
    same(world.status(&user).await?.status, 0, "status")?;
    world.expect_verdict(&token, 1506, "the token").await?;
    bystander.alive().await?;
    drop(stuffed);
    bystander.alive().await
}

/// After this a connection counts as never cut.
const HANGS: Duration = Duration::from_secs(60);

/// The control of these cases: from the request to kick a client that reads until the end of its connection.
async fn ordinary_kick(world: &World) -> Result<Duration> {
    let quiet = world.unrecorded();
    let user = world.user("reads");
    let mut longest = Duration::ZERO;
    for _ in 0..3 {
        let (_, mut socket) = quiet.login(&user, 5).await?;
        let begun = Instant::now();
        quiet.force_logout(&user, 5).await?;
        socket.kicked().await?;
        longest = longest.max(begun.elapsed());
    }
    Ok(longest)
}

/// A client that does not read has a second for its last frames, from the answer on; the answer waits for no client. Both may
/// take what the machine makes of a kick besides, which `before` and a kick from now measure.
async fn within_bounds(world: &World, before: Duration, answered: Duration, cut: Duration) -> Result<()> {
    let control = before.max(ordinary_kick(world).await?) * 10;
    let second = Duration::from_secs(1);
    let is_cut = cut.saturating_sub(answered) < second + control;
    holds(answered < second + control && is_cut, || {
        format!("answered after {answered:?}, cut after {cut:?}; ten ordinary kicks take {control:?}")
    })
}

/// Waits until the server's end of a connection is no longer established. The client cannot see it: the
/// end would arrive behind what it does not read.
async fn until_cut(server: SocketAddr, client: SocketAddr, deadline: Instant) -> Result<()> {
    let (server, client) = (format!(":{:04X}", server.port()), format!(":{:04X}", client.port()));
    loop {
        let table = std::fs::read_to_string("/proc/net/tcp")?;
        let established = table.lines().any(|line| {
            let columns: Vec<&str> = line.split_whitespace().collect();
            matches!(columns.as_slice(), [_, local, remote, "01", ..]
                if local.ends_with(&server) && remote.ends_with(&client))
        });
        if !established {
            return Ok(());
        }
        holds(Instant::now() < deadline, || {
            format!("the server holds the connection {HANGS:?} after the kick")
        })?;
        sleep(Duration::from_millis(2)).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn an_established_connection_is_seen_and_its_end_too() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let server = listener.local_addr().unwrap();
        let client = tokio::net::TcpStream::connect(server).await.unwrap();
        let (accepted, local) = listener.accept().await.unwrap();
        assert!(until_cut(server, local, Instant::now() + Duration::from_millis(100)).await.is_err());
        drop(accepted);
        until_cut(server, local, Instant::now() + HANGS).await.unwrap();
        drop(client);
    }
}
