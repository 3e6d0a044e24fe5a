//! Reasons to refuse a token, one code each. None of these tokens opens anything.

use anyhow::{Context as _, Result};

use super::{Case, cases};
use crate::{
    check::same,
    jwt::{self, Hash},
    world::{Delivery, PARSE_TOKEN, STATUS, World, post, unix_time},
    ws::Handshake,
};

pub(super) fn cases() -> Vec<Case> {
    cases![Base, "base":
        an_unsigned_token_is_refused,
        a_token_of_another_hash_is_refused,
        an_asymmetric_header_is_refused,
        a_missing_algorithm_is_refused,
        header_fields_that_point_to_keys_are_not_followed,
        a_changed_signature_is_refused,
        a_wrong_secret_is_refused,
        texts_that_are_no_token_are_malformed,
        claims_that_are_not_of_the_form_are_malformed,
        a_token_without_end_is_malformed,
        an_end_in_the_past_is_expired,
        a_beginning_in_the_future_is_not_yet_valid,
        an_issue_time_in_the_future_is_refused_beyond_a_minute,
        fractional_times_are_read,
        extreme_times_never_open_anything,
        the_signature_is_judged_before_the_times,
        expired_is_told_before_not_yet_valid,
        doubled_claims_never_open_anything,
    ]
}

/// The token as a header and in a body; REST never answers 1502.
async fn refused(world: &World, token: &str, code: i64, detail: &str) -> Result<()> {
    let body = serde_json::json!({"token": token}).to_string();
    for request in [post(PARSE_TOKEN, None, &body), post(STATUS, Some(token), r#"{"userIDs":["x"]}"#)] {
        let answer = world.send(&request).await?;
        answer.refused(code, detail).with_context(|| request.target.clone())?;
    }
    Ok(())
}

/// A refusal whose code the documents leave open: one of these, and the same on both ways.
async fn refused_with_one_of(world: &World, token: &str, codes: &[i64]) -> Result<()> {
    let body = serde_json::json!({"token": token}).to_string();
    for request in [post(PARSE_TOKEN, None, &body), post(STATUS, Some(token), r#"{"userIDs":["x"]}"#)] {
        let answer = world.send(&request).await?;
        answer.envelope()?.refused_with_one_of(codes).with_context(|| request.target.clone())?;
    }
    Ok(())
}

/// The administrator's claims: the prize that each of these tokens is after.
fn prize(world: &World) -> Result<String> {
    Ok(world.claims(world.admin()?, 10).to_text())
}

async fn an_unsigned_token_is_refused(world: World) -> Result<()> {
    let claims = prize(&world)?;
    for alg in ["none", "None", "nOnE", "NONE"] {
        let header = format!(r#"{{"alg":"{alg}","typ":"JWT"}}"#);
        let unsigned = format!("{}.{}.", jwt::base64url(&header), jwt::base64url(&claims));
        refused(&world, &unsigned, 1505, "signing method is unavailable").await?;
        let signed = jwt::sign(Hash::Sha256, &header, &claims, world.secret()?.as_bytes())?;
        refused(&world, &signed, 1505, "signing method is unavailable").await?;
    }
    Ok(())
}

async fn a_token_of_another_hash_is_refused(world: World) -> Result<()> {
    let claims = prize(&world)?;
    let secret = world.secret()?.as_bytes();
    for (alg, hash) in [("HS384", Hash::Sha384), ("HS512", Hash::Sha512)] {
        let header = format!(r#"{{"alg":"{alg}","typ":"JWT"}}"#);
        refused_with_one_of(&world, &jwt::sign(hash, &header, &claims, secret)?, &[1505]).await?;
        // Labelled as the right one, or the right one labelled as another.
        refused_with_one_of(&world, &jwt::sign(hash, jwt::HEADER, &claims, secret)?, &[1503, 1505]).await?;
        refused_with_one_of(&world, &jwt::sign(Hash::Sha256, &header, &claims, secret)?, &[1505]).await?;
    }
    Ok(())
}

async fn an_asymmetric_header_is_refused(world: World) -> Result<()> {
    let claims = prize(&world)?;
    let secret = world.secret()?.as_bytes();
    for alg in ["RS256", "ES256", "EdDSA", "PS256", "hs256", "HS256 ", "XYZ"] {
        let header = format!(r#"{{"alg":"{alg}","typ":"JWT"}}"#);
        let token = jwt::sign(Hash::Sha256, &header, &claims, secret)?;
        refused_with_one_of(&world, &token, &[1505]).await.with_context(|| alg.to_owned())?;
    }
    Ok(())
}

async fn a_missing_algorithm_is_refused(world: World) -> Result<()> {
    let claims = prize(&world)?;
    for header in [r#"{"typ":"JWT"}"#, "{}", r#"{"alg":null}"#, r#"{"alg":""}"#, r#"{"alg":["HS256"]}"#] {
        let token = jwt::sign(Hash::Sha256, header, &claims, world.secret()?.as_bytes())?;
        refused_with_one_of(&world, &token, &[1503, 1505]).await.with_context(|| header.to_owned())?;
    }
    Ok(())
}

async fn header_fields_that_point_to_keys_are_not_followed(world: World) -> Result<()> {
    let claims = prize(&world)?;
    for extra in [
        r#""kid":"../../../../dev/null""#,
        r#""kid":"' UNION SELECT 'k' --""#,
        r#""jku":"http://127.0.0.1:1/keys""#,
        r#""jwk":{"kty":"oct","k":"c2Vzc2FtZQ"}"#,
        r#""x5u":"http://127.0.0.1:1/c""#,
    ] {
        let header = format!(r#"{{"alg":"HS256","typ":"JWT",{extra}}}"#);
        for key in [b"".as_slice(), b"k", b"sessame", b"\0"] {
            let token = jwt::sign(Hash::Sha256, &header, &claims, key)?;
            refused_with_one_of(&world, &token, &[1503, 1505]).await.with_context(|| extra.to_owned())?;
        }
        // Signed with the right secret it is still a text that was never issued.
        let token = jwt::sign(Hash::Sha256, &header, &claims, world.secret()?.as_bytes())?;
        refused_with_one_of(&world, &token, &[1503, 1505, 1507]).await.with_context(|| extra.to_owned())?;
    }
    Ok(())
}

async fn a_changed_signature_is_refused(world: World) -> Result<()> {
    let user = world.user("a");
    let token = world.issue(&user, 5).await?;
    let (signed, signature) = token.rsplit_once('.').context("no signature")?;
    let first = if signature.starts_with('A') { 'B' } else { 'A' };
    let tail = signature.get(1..).unwrap_or_default();
    refused(&world, &format!("{signed}.{first}{tail}"), 1505, "signature is invalid").await?;
    // What is wrong first, the form or the signature, hangs on bits that each token has others of.
    let quiet = world.unrecorded();
    for cut in [0, 1, 20, 42] {
        let cut = format!("{signed}.{}", signature.get(..cut).unwrap_or_default());
        refused_with_one_of(&quiet, &cut, &[1503, 1505]).await?;
    }
    // The last character holds two bits that decoders may ignore; the text is another one all the same.
    let last = signature.chars().last().context("no signature")?;
    let alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let place = alphabet.find(last).context("the last character")?;
    let twin = alphabet.chars().nth(place ^ 1).context("its twin")?;
    let head = signature.get(..signature.len() - 1).unwrap_or_default();
    refused_with_one_of(&quiet, &format!("{signed}.{head}{twin}"), &[1503, 1505, 1507]).await?;
    // The claims of another user under this signature.
    let (header, _) = signed.split_once('.').context("no header")?;
    let swapped = format!("{header}.{}.{signature}", jwt::base64url(prize(&world)?));
    refused(&world, &swapped, 1505, "signature is invalid").await?;
    world.expect_verdict(&token, 0, "the token itself").await
}

async fn a_wrong_secret_is_refused(world: World) -> Result<()> {
    let claims = prize(&world)?;
    let longer = format!("{} ", world.secret()?);
    for wrong in ["", "secret", "OPENIM123", &longer] {
        refused(&world, &jwt::mint(&claims, wrong)?, 1505, "signature is invalid").await?;
    }
    Ok(())
}

async fn texts_that_are_no_token_are_malformed(world: World) -> Result<()> {
    // The same text in every run: these mutilated ones are not masked in a transcript.
    let good = jwt::mint(r#"{"UserID":"u","PlatformID":5,"exp":4102444800}"#, world.secret()?)?;
    let parts: Vec<&str> = good.split('.').collect();
    let [header, claims, signature] = parts.as_slice() else { anyhow::bail!("three parts") };
    let no_json = jwt::base64url("no json");
    for text in [
        "abc".to_owned(),
        "a.b".to_owned(),
        "..".to_owned(),
        "...".to_owned(),
        "a.b.c".to_owned(),
        format!("{header}.{claims}"),
        format!("{good}.{signature}"),
        format!("{header}.!!!.{signature}"),
        format!("!!!.{claims}.{signature}"),
        format!("{no_json}.{claims}.{signature}"),
        format!("Bearer {good}"),
        "null".to_owned(),
        "{}".to_owned(),
    ] {
        refused(&world, &text, 1503, "").await.with_context(|| text.chars().take(40).collect::<String>())?;
    }
    Ok(())
}

/// Signed as they should be, so that nothing but their form speaks against them.
async fn claims_that_are_not_of_the_form_are_malformed(world: World) -> Result<()> {
    let secret = world.secret()?;
    for claims in [
        "no json",
        "[]",
        r#""text""#,
        r#"{"UserID":1,"PlatformID":5,"exp":4102444800}"#,
        r#"{"UserID":"u","PlatformID":"5","exp":4102444800}"#,
        r#"{"UserID":"u","PlatformID":5,"exp":"4102444800"}"#,
        r#"{"UserID":"u","PlatformID":5,"exp":{}}"#,
        r#"{"UserID":"u","PlatformID":5,"exp":4102444800,"#,
    ] {
        refused(&world, &jwt::mint(claims, secret)?, 1503, "").await.with_context(|| claims.to_owned())?;
    }
    for claims in [r#"{"exp":4102444800}"#, r#"{"UserID":"","PlatformID":0,"exp":4102444800}"#] {
        let token = jwt::mint(claims, secret)?;
        refused_with_one_of(&world, &token, &[1503, 1507]).await.with_context(|| claims.to_owned())?;
    }
    Ok(())
}

async fn a_token_without_end_is_malformed(world: World) -> Result<()> {
    for claims in [r#"{"UserID":"u","PlatformID":5}"#, r#"{"UserID":"u","PlatformID":5,"exp":null}"#] {
        refused(&world, &jwt::mint(claims, world.secret()?)?, 1503, "").await?;
    }
    Ok(())
}

async fn an_end_in_the_past_is_expired(world: World) -> Result<()> {
    let now = unix_time();
    for exp in [now, now - 1, now - 86_400, 1, 0, -1] {
        let claims = format!(r#"{{"UserID":"u","PlatformID":5,"exp":{exp}}}"#);
        let token = jwt::mint(&claims, world.secret()?)?;
        refused(&world, &token, 1501, "").await.with_context(|| format!("exp {exp}"))?;
    }
    Ok(())
}

async fn a_beginning_in_the_future_is_not_yet_valid(world: World) -> Result<()> {
    let now = unix_time();
    let token = |nbf: i64| {
        let claims = jwt::Claims { nbf, ..world.claims("u", 5) };
        jwt::mint(&claims.to_text(), world.secret()?)
    };
    refused(&world, &token(now + 120)?, 1504, "").await?;
    refused(&world, &token(now)?, 1507, "").await
}

async fn an_issue_time_in_the_future_is_refused_beyond_a_minute(world: World) -> Result<()> {
    let now = unix_time();
    let token = |iat: i64| {
        let claims = jwt::Claims { iat, ..world.claims("u", 5) };
        jwt::mint(&claims.to_text(), world.secret()?)
    };
    refused_with_one_of(&world, &token(now + 120)?, &[1505]).await?;
    refused(&world, &token(now + 30)?, 1507, "").await
}

async fn fractional_times_are_read(world: World) -> Result<()> {
    let now = unix_time();
    for (times, code) in [
        (format!(r#""exp":{}.75,"nbf":{}.5,"iat":{}.25"#, now + 600, now - 300, now - 5), 1507),
        (format!(r#""exp":{}.5"#, now - 10), 1501),
        (format!(r#""exp":{}.0,"nbf":{}.5"#, now + 600, now + 300), 1504),
        (r#""exp":4.1024448e9"#.to_owned(), 1507),
    ] {
        let claims = format!(r#"{{"UserID":"u","PlatformID":5,{times}}}"#);
        let token = jwt::mint(&claims, world.secret()?)?;
        refused(&world, &token, code, "").await.with_context(|| times.clone())?;
    }
    Ok(())
}

async fn extreme_times_never_open_anything(world: World) -> Result<()> {
    for times in [
        r#""exp":1e300"#,
        r#""exp":9223372036854775807"#,
        r#""exp":18446744073709551616"#,
        r#""exp":99999999999999999999999999"#,
        r#""exp":-9223372036854775808"#,
        r#""exp":-1e300"#,
        r#""exp":4102444800,"nbf":-9223372036854775808,"iat":-9223372036854775808"#,
        r#""exp":4102444800,"nbf":9223372036854775807"#,
        r#""exp":4102444800,"iat":9223372036854775807"#,
    ] {
        let claims = format!(r#"{{"UserID":"u","PlatformID":5,{times}}}"#);
        let token = jwt::mint(&claims, world.secret()?)?;
        let codes = [1501, 1503, 1504, 1505, 1507];
        refused_with_one_of(&world, &token, &codes).await.with_context(|| times.to_owned())?;
    }
    Ok(())
}

async fn the_signature_is_judged_before_the_times(world: World) -> Result<()> {
    let claims = r#"{"UserID":"u","PlatformID":5,"exp":1704509888,"nbf":1696733588,"iat":1696733888}"#;
    refused(&world, &jwt::mint(claims, "a wrong secret")?, 1505, "signature is invalid").await?;
    let user = world.user("a");
    let handshake = Handshake::new(&user, 5, &jwt::mint(claims, "a wrong secret")?);
    let (delivery, envelope) = world.refusal(&handshake).await?;
    same(delivery, Delivery::Frame, "the delivery")?;
    envelope.refused(1505, "signature is invalid")
}

async fn expired_is_told_before_not_yet_valid(world: World) -> Result<()> {
    let now = unix_time();
    let claims = jwt::Claims { exp: now - 10, nbf: now + 600, iat: now + 600, ..world.claims("u", 5) };
    refused(&world, &jwt::mint(&claims.to_text(), world.secret()?)?, 1501, "").await
}

async fn doubled_claims_never_open_anything(world: World) -> Result<()> {
    let admin = world.admin()?.to_owned();
    for claims in [
        format!(r#"{{"UserID":"u","UserID":"{admin}","PlatformID":10,"exp":4102444800}}"#),
        format!(r#"{{"UserID":"{admin}","PlatformID":5,"PlatformID":10,"exp":4102444800}}"#),
        format!(r#"{{"UserID":"{admin}","PlatformID":10,"exp":1,"exp":4102444800}}"#),
    ] {
        let token = jwt::mint(&claims, world.secret()?)?;
        refused_with_one_of(&world, &token, &[1501, 1503, 1507]).await?;
    }
    for header in [r#"{"alg":"none","alg":"HS256"}"#, r#"{"alg":"HS256","alg":"none"}"#] {
        let token = jwt::sign(Hash::Sha256, header, &prize(&world)?, world.secret()?.as_bytes())?;
        refused_with_one_of(&world, &token, &[1503, 1505, 1507]).await?;
    }
    Ok(())
}
