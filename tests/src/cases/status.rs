//! `get_users_online_status`: what it shows and in which order.

use anyhow::Result;
use serde_json::json;

use super::{Case, cases};
use crate::{
    check::{holds, same},
    size::size,
    world::{STATUS, World},
    ws::Handshake,
};

pub(super) fn cases() -> Vec<Case> {
    cases![Base, "base":
        connections_are_listed_in_connect_order,
        a_connection_has_an_id_of_its_own,
        duplicates_are_answered_each_time,
        an_offline_user_looks_like_an_unknown_one,
        a_user_is_online_once_success_is_told,
        a_background_connection_is_still_online,
        several_connections_of_one_token_are_listed_each,
    ]
}

async fn connections_are_listed_in_connect_order(world: World) -> Result<()> {
    let user = world.user("a");
    let mut open = Vec::new();
    for platform in [5, 2, 11, 3, 5, 1] {
        open.push(world.login(&user, platform).await?);
    }
    let status = world.status(&user).await?;
    let shown: Vec<(i64, &str)> = status.connections.iter().map(|c| (c.platform, c.token.as_str())).collect();
    let wanted: Vec<(i64, &str)> =
        [5, 2, 11, 3, 5, 1].into_iter().zip(&open).map(|(p, (token, _))| (p, token.as_str())).collect();
    same(shown, wanted, "platforms and tokens in connect order")
}

async fn a_connection_has_an_id_of_its_own(world: World) -> Result<()> {
    let user = world.user("a");
    let (_, _one) = world.login(&user, 5).await?;
    let (_, two) = world.login(&user, 5).await?;
    let before = world.status(&user).await?;
    let ids: Vec<&str> = before.connections.iter().map(|c| c.id.as_str()).collect();
    for id in &ids {
        let hex = id.len() == 32 && id.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
        holds(hex, || format!("connID {id:?} is not 32 lower-case hex digits"))?;
    }
    same(ids.len(), 2, "the number of connections")?;
    holds(ids.first() != ids.last(), || "two connections share a connID".to_owned())?;
    two.close().await?;
    world.until_platforms(&user, &[5]).await?;
    let (_, _three) = world.login(&user, 5).await?;
    let after = world.status(&user).await?;
    let kept = after.connections.first().map(|c| c.id.as_str());
    same(kept, ids.first().copied(), "the connID of the connection that stayed")?;
    holds(!ids.contains(&after.connections.last().map_or("", |c| c.id.as_str())), || {
        "a connID was given out twice".to_owned()
    })
}

async fn duplicates_are_answered_each_time(world: World) -> Result<()> {
    let (online, unknown) = (world.user("a"), world.user("nobody"));
    let (_, _socket) = world.login(&online, 5).await?;
    let ids = [&online, &unknown, &online, &online, &unknown].map(String::as_str);
    let statuses = world.statuses(&ids).await?;
    let users: Vec<&str> = statuses.iter().map(|s| s.user.as_str()).collect();
    same(users, ids, "the ids in request order")?;
    let single = world.status(&online).await?;
    for status in statuses.iter().filter(|s| s.user == online) {
        same(status, &single, "the element of a repeated id")?;
    }
    Ok(())
}

async fn an_offline_user_looks_like_an_unknown_one(world: World) -> Result<()> {
    let (offline, unknown) = (world.user("was-here"), world.user("unknown"));
    let (_, socket) = world.login(&offline, 5).await?;
    socket.close().await?;
    world.until_platforms(&offline, &[]).await?;
    let mut texts = Vec::new();
    for user in [&offline, &unknown] {
        let answer = world.as_admin(STATUS, &json!({"userIDs": [user]})).await?;
        texts.push(answer.text()?.replace(user.as_str(), "U"));
    }
    same(texts.first(), texts.last(), "the answers but for the id")
}

async fn a_user_is_online_once_success_is_told(world: World) -> Result<()> {
    let user = world.user("a");
    let rounds = size(5, 25);
    let quiet = world.unrecorded();
    for _ in 0..rounds {
        let token = quiet.issue(&user, 5).await?;
        let socket = quiet.open(&user, 5, &token).await?;
        let shown: Vec<String> =
            quiet.status(&user).await?.connections.into_iter().map(|c| c.token).collect();
        holds(shown.contains(&token), || "not online right after the success frame".to_owned())?;
        socket.close().await?;
    }
    // Without the success frame, the answer to the upgrade itself is the moment.
    let token = world.issue(&user, 2).await?;
    let _socket = world.upgraded(&Handshake::new(&user, 2, &token).silent()).await?;
    world.until_platforms(&user, &[2]).await
}

async fn a_background_connection_is_still_online(world: World) -> Result<()> {
    let user = world.user("a");
    let token = world.issue(&user, 1).await?;
    let handshake = Handshake::new(&user, 1, &token).set("isBackground", "true");
    let _socket = world.enter(&handshake).await?;
    let status = world.status(&user).await?;
    same((status.status, status.connections.first().map(|c| c.background)), (1, Some(true)), "status")
}

/// Under policy 0 two tabs may share one token.
async fn several_connections_of_one_token_are_listed_each(world: World) -> Result<()> {
    let user = world.user("a");
    let token = world.issue(&user, 5).await?;
    let mut first = world.open(&user, 5, &token).await?;
    let mut second = world.open(&user, 5, &token).await?;
    let tokens: Vec<String> = world.status(&user).await?.connections.into_iter().map(|c| c.token).collect();
    same(tokens, vec![token.clone(), token], "the tokens of both connections")?;
    first.alive().await?;
    second.alive().await
}
