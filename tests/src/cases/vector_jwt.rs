//! The token vectors, sent as they are; and the verdicts that they get once they are stored, on tokens of
//! the same user and platform that the server issued.

use anyhow::Result;

use super::{Case, cases};
use crate::{
    check::same,
    vectors,
    world::{STATUS, World, post},
};

pub(super) fn cases() -> Vec<Case> {
    let list: Vec<Case> = cases![Base, "base":
        j1_the_admin_token_is_unknown_until_it_is_stored,
        j2_an_android_token_is_unknown_then_valid_then_kicked sharing "the published users",
        j3_the_published_sample_has_expired,
        j4_a_windows_token_is_unknown_until_it_is_stored sharing "the published users",
        j5_a_token_without_nbf_is_well_formed,
        j6_a_second_token_without_nbf_is_well_formed,
        j7_a_token_is_not_yet_valid,
        j8_a_changed_signature_is_told,
    ];
    list.into_iter().map(Case::with_literal_tokens).collect()
}

async fn j1_the_admin_token_is_unknown_until_it_is_stored(world: World) -> Result<()> {
    literal(&world, "J1", 1507, "").await?;
    let token = world.fresh_admin_token("imAdmin").await?;
    world.expect_verdict(&token, 0, "the admin token").await
}

async fn j2_an_android_token_is_unknown_then_valid_then_kicked(world: World) -> Result<()> {
    literal(&world, "J2", 1507, "").await?;
    let token = world.issue("2890713225", 2).await?;
    world.expect_verdict(&token, 0, "a stored token").await?;
    world.force_logout("2890713225", 2).await?;
    world.expect_verdict(&token, 1506, "the token after force_logout").await?;
    literal(&world, "J2", 1507, "").await
}

async fn j3_the_published_sample_has_expired(world: World) -> Result<()> {
    literal(&world, "J3", 1501, "").await
}

async fn j4_a_windows_token_is_unknown_until_it_is_stored(world: World) -> Result<()> {
    literal(&world, "J4", 1507, "").await?;
    let token = world.issue("2890713225", 3).await?;
    world.expect_verdict(&token, 0, "a stored token").await
}

async fn j5_a_token_without_nbf_is_well_formed(world: World) -> Result<()> {
    literal(&world, "J5", 1507, "").await
}

async fn j6_a_second_token_without_nbf_is_well_formed(world: World) -> Result<()> {
    literal(&world, "J6", 1507, "").await
}

async fn j7_a_token_is_not_yet_valid(world: World) -> Result<()> {
    literal(&world, "J7", 1504, "").await
}

async fn j8_a_changed_signature_is_told(world: World) -> Result<()> {
    literal(&world, "J8", 1505, "signature is invalid").await
}

/// The verdict on a vector's own text, as a header and in a body.
async fn literal(world: &World, id: &str, code: i64, detail: &str) -> Result<()> {
    let token = vectors::load()?.token(id)?;
    let answer = world.send(&post(STATUS, Some(&token), r#"{"userIDs":["x"]}"#)).await?;
    answer.refused(code, detail)?;
    same(world.verdict(&token).await?, code, "parse_token's verdict")
}
