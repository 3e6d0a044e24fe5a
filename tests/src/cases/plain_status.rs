//! `get_users_status`: open to every user, and never with a token in it.

use anyhow::Result;
use serde_json::{Value, json};

use super::{Case, cases};
use crate::{
    check::{at, holds, same},
    world::{PLAIN_STATUS, World},
};

pub(super) fn cases() -> Vec<Case> {
    cases![Base, "base":
        every_user_may_ask_for_plain_statuses,
        plain_statuses_need_ids,
        plain_statuses_have_the_same_cap,
    ]
}

/// Platforms are a set: sorted here, so that only the set is compared.
fn set(element: &Value) -> Result<Vec<i64>> {
    let mut platforms: Vec<i64> = serde_json::from_value(at(element, "/platformIDs")?.clone())?;
    let count = platforms.len();
    platforms.sort_unstable();
    platforms.dedup();
    same(platforms.len(), count, "the number of different platforms")?;
    Ok(platforms)
}

async fn every_user_may_ask_for_plain_statuses(world: World) -> Result<()> {
    let (one, two) = (world.user("a"), world.user("b"));
    let caller = world.issue(&world.user("caller"), 5).await?;
    let mut tokens = Vec::new();
    for (user, platform) in [(&one, 5), (&one, 2), (&one, 5), (&two, 3)] {
        tokens.push(world.login(user, platform).await?);
    }
    let ids = [one.as_str(), "nobody", &two, &one];
    let admin = world.admin_token().await?;
    for asker in [&caller, &admin] {
        let body = json!({"userID": "ignored", "userIDs": ids});
        let answer = world.post(PLAIN_STATUS, Some(asker), &body).await?;
        let data = answer.data()?;
        let list = at(&data, "/statusList")?.as_array().cloned().unwrap_or_default();
        let wanted = [(1, vec![2, 5]), (0, vec![]), (1, vec![3]), (1, vec![2, 5])];
        same(list.len(), wanted.len(), "the number of elements")?;
        for ((element, id), (status, platforms)) in list.iter().zip(ids).zip(wanted) {
            same(at(element, "/userID")?, &json!(id), "userID")?;
            same(at(element, "/status")?, &json!(status), "status")?;
            same(set(element)?, platforms, "platformIDs")?;
            same(element.as_object().map(serde_json::Map::len), Some(3), "the number of fields")?;
        }
        for (token, _) in &tokens {
            holds(!answer.text()?.contains(token.as_str()), || "the answer shows a token".to_owned())?;
        }
    }
    Ok(())
}

async fn plain_statuses_need_ids(world: World) -> Result<()> {
    let token = world.admin_token().await?;
    for body in ["{}", r#"{"userIDs":null}"#, r#"{"userIDs":[]}"#] {
        world.post_text(PLAIN_STATUS, Some(&token), body).await?.refused(1001, "UserIDs is empty")?;
    }
    Ok(())
}

async fn plain_statuses_have_the_same_cap(world: World) -> Result<()> {
    let ids: Vec<String> = (0..=world.settings().max_user_ids).map(|n| n.to_string()).collect();
    let answer = world.as_admin(PLAIN_STATUS, &json!({"userIDs": ids})).await?;
    answer.refused(1001, "too many userIDs")
}
