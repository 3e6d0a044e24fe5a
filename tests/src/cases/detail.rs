//! `get_users_online_token_detail`: online users only, grouped by platform.

use anyhow::Result;
use serde_json::json;

use super::{Case, cases};
use crate::{
    check::same,
    world::{DETAIL, World},
};

pub(super) fn cases() -> Vec<Case> {
    cases![Base, "base":
        platforms_are_listed_in_ascending_order,
        tokens_of_a_platform_are_listed_in_connect_order,
        a_shared_token_is_listed_once_a_connection,
        only_users_who_are_online_are_listed,
        a_repeated_id_is_never_doubled_inside,
        unknown_and_offline_users_are_both_left_out,
        both_endpoints_show_the_same_connections,
    ]
}

async fn platforms_are_listed_in_ascending_order(world: World) -> Result<()> {
    let user = world.user("a");
    let mut open = Vec::new();
    for platform in [11, 5, 9, 1, 3, 8, 2] {
        open.push(world.login(&user, platform).await?);
    }
    let details = world.details(&[&user]).await?;
    let platforms: Vec<i64> = details.iter().flat_map(|d| &d.platforms).map(|p| p.platform).collect();
    same(platforms, vec![1, 2, 3, 5, 8, 9, 11], "platforms")
}

async fn tokens_of_a_platform_are_listed_in_connect_order(world: World) -> Result<()> {
    let user = world.user("a");
    let mut tokens = Vec::new();
    for _ in 0..3 {
        tokens.push(world.issue(&user, 5).await?);
    }
    let mut sockets = Vec::new();
    for index in [2, 0, 1] {
        if let Some(token) = tokens.get(index) {
            sockets.push((token.clone(), world.open(&user, 5, token).await?));
        }
    }
    let wanted: Vec<&String> = sockets.iter().map(|(token, _)| token).collect();
    let details = world.details(&[&user]).await?;
    let shown: Vec<&String> = details.iter().flat_map(|d| &d.platforms).flat_map(|p| &p.tokens).collect();
    same(shown, wanted, "tokens")?;
    same(details.first().and_then(|d| d.platforms.first()).map(|p| p.total), Some(3), "total")
}

async fn a_shared_token_is_listed_once_a_connection(world: World) -> Result<()> {
    let user = world.user("a");
    let token = world.issue(&user, 5).await?;
    let _one = world.open(&user, 5, &token).await?;
    let _two = world.open(&user, 5, &token).await?;
    let data = world.as_admin(DETAIL, &json!({"userIDs": [user]})).await?.data()?;
    let platform = json!({"platformID": 5, "total": 2, "token": [token, token]});
    same(data, json!([{"userID": user, "status": 1, "singlePlatformToken": [platform]}]), "data")
}

async fn only_users_who_are_online_are_listed(world: World) -> Result<()> {
    let (one, two, offline) = (world.user("a"), world.user("b"), world.user("c"));
    let (_, _first) = world.login(&one, 5).await?;
    let (_, _second) = world.login(&two, 2).await?;
    world.issue(&offline, 5).await?;
    let details = world.details(&["nobody", &two, &offline, &one]).await?;
    let users: Vec<(&str, i64)> = details.iter().map(|d| (d.user.as_str(), d.status)).collect();
    same(users, vec![(two.as_str(), 1), (one.as_str(), 1)], "users in request order")
}

async fn a_repeated_id_is_never_doubled_inside(world: World) -> Result<()> {
    let user = world.user("a");
    let (token, _socket) = world.login(&user, 5).await?;
    let details = world.details(&[&user, &user]).await?;
    same(details.len(), 2, "the number of elements")?;
    for detail in &details {
        let tokens: Vec<&String> = detail.platforms.iter().flat_map(|p| &p.tokens).collect();
        same(tokens, vec![&token], "the tokens of one element")?;
        same(detail.platforms.first().map(|p| p.total), Some(1), "total")?;
    }
    Ok(())
}

async fn unknown_and_offline_users_are_both_left_out(world: World) -> Result<()> {
    let (offline, unknown) = (world.user("was-here"), world.user("unknown"));
    let (_, socket) = world.login(&offline, 5).await?;
    socket.close().await?;
    world.until_platforms(&offline, &[]).await?;
    for user in [&offline, &unknown] {
        let answer = world.as_admin(DETAIL, &json!({"userIDs": [user]})).await?;
        same(answer.data()?, json!([]), "data")?;
    }
    Ok(())
}

async fn both_endpoints_show_the_same_connections(world: World) -> Result<()> {
    let user = world.user("a");
    let mut open = Vec::new();
    for platform in [5, 2, 5] {
        open.push(world.login(&user, platform).await?);
    }
    let status = world.status(&user).await?;
    let mut by_status: Vec<(i64, String)> =
        status.connections.into_iter().map(|c| (c.platform, c.token)).collect();
    // A stable sort keeps the connect order within a platform.
    by_status.sort_by_key(|(platform, _)| *platform);
    let details = world.details(&[&user]).await?;
    let mut by_detail = Vec::new();
    for platform in details.into_iter().flat_map(|d| d.platforms) {
        same(usize::try_from(platform.total)?, platform.tokens.len(), "total")?;
        by_detail.extend(platform.tokens.into_iter().map(|token| (platform.platform, token)));
    }
    same(by_detail, by_status, "the connections")
}
