//! Subscriptions by REST, which are answered and not kept.

use anyhow::{Context as _, Result};
use serde_json::{Value, json};

use super::{Case, cases};
use crate::{check::same, world::World};

const SUBSCRIBE: &str = "/user/subscribe_users_status";
const SUBSCRIPTIONS: &str = "/user/get_subscribe_users_status";

pub(super) fn cases() -> Vec<Case> {
    cases![Base, "base":
        a_subscription_by_rest_is_answered_with_the_platforms,
        subscriptions_by_rest_are_not_kept,
        a_subscription_by_rest_has_its_three_parts,
    ]
}

async fn a_subscription_by_rest_is_answered_with_the_platforms(world: World) -> Result<()> {
    let (watcher, watched) = (world.user("watcher"), world.user("watched"));
    let token = world.issue(&watcher, 5).await?;
    let (secret, _socket) = world.login(&watched, 2).await?;
    let body = json!({"userID": watcher, "userIDs": [watched, "nobody", watched, ""], "genre": 1});
    let answer = world.post(SUBSCRIBE, Some(&token), &body).await?;
    let status = |user: &str, platforms: &[i64]| json!({"userID": user, "status": i64::from(!platforms.is_empty()), "platformIDs": platforms});
    let wanted = [status(&watched, &[2]), status("nobody", &[]), status(&watched, &[2]), status("", &[])];
    same(answer.data()?, json!({"statusList": wanted}), "the answer")?;
    same(answer.text()?.contains(&*secret), false, "whether it shows a token")?;
    let body = json!({"userID": watcher, "userIDs": [], "genre": 1});
    let answer = world.post(SUBSCRIBE, Some(&token), &body).await?;
    same(answer.data()?, json!({"statusList": []}), "the answer to no users")
}

async fn subscriptions_by_rest_are_not_kept(world: World) -> Result<()> {
    let (watcher, watched) = (world.user("watcher"), world.user("watched"));
    let token = world.issue(&watcher, 5).await?;
    for genre in [1, 2] {
        let body = json!({"userID": watcher, "userIDs": [watched], "genre": genre});
        let answer = world.post(SUBSCRIBE, Some(&token), &body).await?;
        if genre == 2 {
            same(answer.data()?, json!({"statusList": []}), "the answer to a cancel")?;
        }
        let answer = world.post(SUBSCRIPTIONS, Some(&token), &json!({"userID": watcher})).await?;
        same(answer.data()?, json!({"statusList": []}), "the subscriptions")?;
    }
    Ok(())
}

async fn a_subscription_by_rest_has_its_three_parts(world: World) -> Result<()> {
    let user = world.user("a");
    let token = world.issue(&user, 5).await?;
    let refused = async |path: &str, body: Value, detail: &str| {
        let answer = world.post(path, Some(&token), &body).await?;
        answer.refused(1001, detail).with_context(|| format!("{path} with {body}"))
    };
    for body in [json!({}), json!({"userID": ""})] {
        refused(SUBSCRIBE, body.clone(), "UserID is empty").await?;
        refused(SUBSCRIPTIONS, body, "UserID is empty").await?;
    }
    for ids in [json!({"userID": user, "genre": 1}), json!({"userID": user, "userIDs": null, "genre": 7})] {
        refused(SUBSCRIBE, ids, "subscription User-list is empty").await?;
    }
    for genre in [0, 3, -1] {
        let body = json!({"userID": user, "userIDs": [], "genre": genre});
        refused(SUBSCRIBE, body, "invalid subscription type parameter").await?;
    }
    let many = json!({"userID": user, "userIDs": vec!["u"; 1_001], "genre": 1});
    refused(SUBSCRIBE, many, "too many userIDs").await?;
    for path in [SUBSCRIBE, SUBSCRIPTIONS] {
        same(world.post_text(path, None, "{}").await?.code()?, 1001, path)?;
        same(world.post_text(path, Some("abc"), "{}").await?.code()?, 1503, path)?;
    }
    Ok(())
}
