//! The bytes of tokens that the server issues.

use anyhow::Result;

use super::{Case, cases};
use crate::{
    check::{holds, same},
    jwt,
    world::{World, unix_time},
};

pub(super) fn cases() -> Vec<Case> {
    cases![Base, "base":
        an_issued_token_has_the_published_bytes,
        an_admin_token_has_the_published_bytes,
        odd_user_ids_survive_in_the_claims,
    ]
}

async fn an_issued_token_has_the_published_bytes(world: World) -> Result<()> {
    let user = world.user("a");
    let token = world.issue(&user, 7).await?;
    well_formed(&world, &token)?;
    let claims = jwt::claims(&token)?;
    same((claims.user, claims.platform), (user, 7), "whose token it is")?;
    // Nothing else was issued to this user, so the times are not moved to keep texts apart.
    same(claims.exp - claims.iat, lifetime(&world) + 5, "exp - iat")?;
    same(claims.iat - claims.nbf, 300, "iat - nbf")?;
    let issued = claims.exp - lifetime(&world);
    holds((world.born() - 5..=unix_time() + 5).contains(&issued), || {
        format!("exp is that of a token issued {} s after the case began", issued - world.born())
    })
}

async fn an_admin_token_has_the_published_bytes(world: World) -> Result<()> {
    let admin = world.admin()?.to_owned();
    let token = world.fresh_admin_token(&admin).await?;
    well_formed(&world, &token)?;
    let claims = jwt::claims(&token)?;
    same((claims.user, claims.platform), (admin, 10), "whose token it is")?;
    holds(claims.exp - claims.iat >= lifetime(&world) + 5, || {
        format!("exp - iat: {}", claims.exp - claims.iat)
    })?;
    same(claims.iat - claims.nbf, 300, "iat - nbf")
}

async fn odd_user_ids_survive_in_the_claims(world: World) -> Result<()> {
    for odd in ["ü用户😀", "a\"b\\c", "<&>", "tab\tnew\nline"] {
        let user = format!("{}{odd}", world.user("u"));
        let token = world.issue(&user, 5).await?;
        let claims: serde_json::Value = serde_json::from_str(&jwt::parts(&token)?.claims)?;
        same(claims.pointer("/UserID").and_then(|v| v.as_str()), Some(user.as_str()), "UserID")?;
        world.expect_verdict(&token, 0, odd).await?;
    }
    Ok(())
}

fn lifetime(world: &World) -> i64 {
    world.settings().ttl_days * 86_400
}

/// Header bytes, signature, and claims in the published order without white space.
fn well_formed(world: &World, token: &str) -> Result<()> {
    same(jwt::parts(token)?.header.as_str(), jwt::HEADER, "the header")?;
    jwt::claims(token)?;
    same(jwt::verifies(token, world.secret()?)?, true, "the signature verifies with the secret")
}
