//! The states of a token over its life.

use anyhow::Result;
use serde_json::json;

use super::{Case, cases};
use crate::{
    check::{holds, same},
    world::{PLAIN_STATUS, STATUS, World},
};

pub(super) fn cases() -> Vec<Case> {
    cases![Base, "base":
        tokens_of_one_second_differ_and_all_work,
        tokens_of_several_platforms_are_independent,
        a_kicked_token_stays_kicked_after_the_next_issue,
        a_user_token_is_good_for_what_users_may_ask,
        a_token_of_another_user_with_the_same_claims_is_unknown,
        tokens_issued_at_once_are_all_different,
    ]
}

async fn tokens_of_one_second_differ_and_all_work(world: World) -> Result<()> {
    let user = world.user("a");
    let mut tokens = Vec::new();
    for _ in 0..6 {
        tokens.push(world.issue(&user, 5).await?);
    }
    for token in &tokens {
        world.expect_verdict(token, 0, "a token of this second").await?;
    }
    tokens.sort();
    tokens.dedup();
    same(tokens.len(), 6, "the number of different tokens")
}

async fn tokens_of_several_platforms_are_independent(world: World) -> Result<()> {
    let user = world.user("a");
    let (android, web) = (world.issue(&user, 2).await?, world.issue(&user, 5).await?);
    holds(android != web, || "the tokens of two platforms are equal".to_owned())?;
    world.force_logout(&user, 2).await?;
    world.expect_verdict(&android, 1506, "the token of the kicked platform").await?;
    world.expect_verdict(&web, 0, "the token of the other platform").await
}

async fn a_kicked_token_stays_kicked_after_the_next_issue(world: World) -> Result<()> {
    let user = world.user("a");
    let first = world.issue(&user, 5).await?;
    world.force_logout(&user, 5).await?;
    for platform in [5, 2, 5] {
        let next = world.issue(&user, platform).await?;
        world.expect_verdict(&next, 0, "the next token").await?;
        world.expect_verdict(&first, 1506, "the kicked token").await?;
        world.post(STATUS, Some(&first), &json!({"userIDs": []})).await?.refused(1506, "")?;
    }
    Ok(())
}

async fn a_user_token_is_good_for_what_users_may_ask(world: World) -> Result<()> {
    let user = world.user("a");
    for platform in [1, 5, 11] {
        let token = world.issue(&user, platform).await?;
        let answer = world.post(PLAIN_STATUS, Some(&token), &json!({"userIDs": [user]})).await?;
        same(answer.code()?, 0, "errCode")?;
    }
    Ok(())
}

async fn a_token_of_another_user_with_the_same_claims_is_unknown(world: World) -> Result<()> {
    let (one, other) = (world.user("a"), world.user("b"));
    world.issue(&one, 5).await?;
    world.expect_verdict(&world.forged(&other, 5)?, 1507, "a token of a user who has none").await?;
    world.expect_verdict(&world.forged(&one, 5)?, 1507, "a token that was never issued").await
}

async fn tokens_issued_at_once_are_all_different(world: World) -> Result<()> {
    let user = world.user("a");
    let quiet = world.unrecorded();
    let issued = futures_util::future::try_join_all((0..8).map(|_| quiet.issue(&user, 6))).await?;
    let mut different = issued.clone();
    different.sort();
    different.dedup();
    same(different.len(), issued.len(), "the number of different tokens")?;
    for token in &issued {
        quiet.expect_verdict(token, 0, "a token issued among others").await?;
    }
    Ok(())
}
