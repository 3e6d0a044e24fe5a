//! Upgrades that succeed.

use anyhow::{Context as _, Result};

use super::{Case, cases};
use crate::{check::same, subject::Kind, world::World, ws::Handshake};

pub(super) fn cases() -> Vec<Case> {
    cases![Base, "base":
        the_gateway_is_on_three_paths_with_or_without_a_slash_at_the_end,
        without_being_asked_the_gateway_sends_no_first_frame,
        the_background_flag_is_taken_from_the_query,
        the_result_flag_takes_every_spelling,
        parameters_that_mean_nothing_are_ignored,
        every_platform_may_connect,
        an_administrator_may_connect,
    ]
}

async fn the_gateway_is_on_three_paths_with_or_without_a_slash_at_the_end(world: World) -> Result<()> {
    let user = world.user("a");
    let token = world.issue(&user, 5).await?;
    for path in ["/", "/ws", "/msg_gateway", "/ws/", "/msg_gateway/", "//msg_gateway"] {
        let handshake = Handshake::new(&user, 5, &token).path(path);
        let mut socket = world.enter(&handshake).await.with_context(|| path.to_owned())?;
        socket.alive().await?;
    }
    Ok(())
}

async fn without_being_asked_the_gateway_sends_no_first_frame(world: World) -> Result<()> {
    let user = world.user("a");
    let token = world.issue(&user, 5).await?;
    let whole = Handshake::new(&user, 5, &token);
    let mut asked_not: Vec<Handshake> =
        ["0", "f", "F", "false", "False", "FALSE"].map(|no| whole.clone().set("isMsgResp", no)).to_vec();
    asked_not.push(whole.silent());
    for handshake in asked_not {
        let mut socket = world.upgraded(&handshake).await?;
        // The pong would come second if anything came first.
        socket.alive().await?;
    }
    Ok(())
}

async fn the_background_flag_is_taken_from_the_query(world: World) -> Result<()> {
    let spellings = [
        ("1", true),
        ("t", true),
        ("T", true),
        ("TRUE", true),
        ("true", true),
        ("True", true),
        ("0", false),
        ("f", false),
        ("F", false),
        ("FALSE", false),
        ("false", false),
        ("False", false),
    ];
    for (index, (text, flag)) in spellings.into_iter().enumerate() {
        let user = world.user(&format!("u{index}"));
        let token = world.issue(&user, 1).await?;
        let handshake = Handshake::new(&user, 1, &token).set("isBackground", text);
        let _socket = world.enter(&handshake).await.with_context(|| text.to_owned())?;
        let shown = world.status(&user).await?.connections.first().map(|c| c.background);
        same(shown, Some(flag), &format!("isBackground={text}"))?;
    }
    let user = world.user("missing");
    let token = world.issue(&user, 1).await?;
    let _socket = world.enter(&Handshake::new(&user, 1, &token).without("isBackground")).await?;
    let shown = world.status(&user).await?.connections.first().map(|c| c.background);
    same(shown, Some(false), "isBackground when it is missing")
}

async fn the_result_flag_takes_every_spelling(world: World) -> Result<()> {
    let user = world.user("a");
    let token = world.issue(&user, 5).await?;
    for yes in ["1", "t", "T", "TRUE", "true", "True"] {
        let handshake = Handshake::new(&user, 5, &token).set("isMsgResp", yes);
        world.enter(&handshake).await.with_context(|| yes.to_owned())?.alive().await?;
    }
    Ok(())
}

async fn parameters_that_mean_nothing_are_ignored(world: World) -> Result<()> {
    let user = world.user("a");
    let token = world.issue(&user, 5).await?;
    let mut handshake = Handshake::new(&user, 5, &token)
        .set("sdkVersion", "v3.8.3+hotfix")
        .set("compression", "brotli")
        .set("unknown", "x y&z")
        .set("v", "")
        .header("origin", "https://console.example");
    // Compression is not negotiated: the opening fails if the answer names an extension. At the edge that is the
    // platform's to say, and the proxy of the local one accepts the offer in our place.
    if world.kind() != Kind::Edge {
        handshake =
            handshake.header("sec-websocket-extensions", "permessage-deflate; client_max_window_bits");
    }
    world.enter(&handshake).await?.alive().await
}

async fn every_platform_may_connect(world: World) -> Result<()> {
    let user = world.user("a");
    let mut sockets = Vec::new();
    let platforms = [1, 2, 3, 4, 5, 6, 7];
    for platform in platforms {
        sockets.push(world.login(&user, platform).await.with_context(|| platform.to_string())?);
    }
    same(world.platforms(&user).await?, platforms.to_vec(), "platforms online")?;
    let other = world.user("b");
    for platform in [8, 9, 11] {
        sockets.push(world.login(&other, platform).await.with_context(|| platform.to_string())?);
    }
    same(world.platforms(&other).await?, vec![8, 9, 11], "platforms online")
}

async fn an_administrator_may_connect(world: World) -> Result<()> {
    let admin = world.admin()?.to_owned();
    let token = world.fresh_admin_token(&admin).await?;
    let mut socket = world.open(&admin, 10, &token).await?;
    let status = world.status(&admin).await?;
    let shown: Vec<(i64, &str)> = status.connections.iter().map(|c| (c.platform, c.token.as_str())).collect();
    same(shown, vec![(10, token.as_str())], "the administrator's connections")?;
    socket.alive().await?;
    socket.close().await?;
    world.until_platforms(&admin, &[]).await
}
