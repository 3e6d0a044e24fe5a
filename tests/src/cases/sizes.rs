//! Bodies over the limit are refused before they are buffered.

use anyhow::{Context as _, Result, bail};
use serde_json::json;

use super::{Case, cases};
use crate::{
    answer::Answer,
    check::same,
    http::{Connection, Request},
    world::{ADMIN_TOKEN, DETAIL, FORCE_LOGOUT, PARSE_TOKEN, STATUS, USER_TOKEN, World, post},
};

const MEBIBYTE: usize = 1 << 20;
/// The limit of routes that ask for no token.
const OPEN: usize = 8 << 10;

pub(super) fn cases() -> Vec<Case> {
    cases![Base, "base":
        a_body_of_exactly_the_limit_is_read,
        a_body_over_the_limit_is_refused_on_every_route,
        a_length_over_the_limit_is_refused_before_the_body_arrives,
        a_chunked_body_is_read,
        an_endless_chunked_body_is_refused_at_the_limit,
        a_route_that_asks_for_no_token_takes_eight_kibibytes,
        a_bad_token_is_refused_before_the_body_arrives,
    ]
}

/// A status query of exactly this many bytes.
fn padded(length: usize) -> String {
    let (start, end) = (r#"{"userIDs":[]"#, "}");
    format!("{start}{}{end}", " ".repeat(length.saturating_sub(start.len() + end.len())))
}

fn too_large(answer: &Answer) -> Result<()> {
    answer.envelope_with(413)?.refusal(1001).map(drop)
}

async fn a_body_of_exactly_the_limit_is_read(world: World) -> Result<()> {
    let token = world.admin_token().await?;
    let answer = world.post_text(STATUS, Some(&token), &padded(MEBIBYTE)).await?;
    same(answer.data()?, json!([]), "data")
}

async fn a_body_over_the_limit_is_refused_on_every_route(world: World) -> Result<()> {
    let token = world.admin_token().await?;
    for path in [STATUS, DETAIL, ADMIN_TOKEN, USER_TOKEN, PARSE_TOKEN, FORCE_LOGOUT] {
        let mut request = post(path, Some(&token), "");
        request.body = padded(MEBIBYTE + 1).into_bytes();
        let mut bytes = request.head(&world.address().to_string());
        bytes.extend_from_slice(&request.body);
        let response = world.answer_while_sending(&bytes).await?;
        too_large(&world.noted(&request, response))?;
    }
    Ok(())
}

/// The head promises 200 MB and not one byte of them follows.
async fn a_length_over_the_limit_is_refused_before_the_body_arrives(world: World) -> Result<()> {
    let token = world.admin_token().await?;
    for length in ["1048577", "200000000"] {
        let request = post(STATUS, Some(&token), "").header("content-length", length);
        too_large(&world.send(&request).await?)?;
    }
    let health = world.send(&Request::new("GET", "/health")).await?;
    same(health.response.status, 200, "health")
}

async fn a_route_that_asks_for_no_token_takes_eight_kibibytes(world: World) -> Result<()> {
    for path in [ADMIN_TOKEN, PARSE_TOKEN] {
        let answer = world.post_text(path, None, &padded(OPEN)).await?;
        answer.envelope()?.refusal(1001).with_context(|| path.to_owned())?;
        let request = post(path, None, &padded(OPEN + 1));
        let mut bytes = request.head(&world.address().to_string());
        bytes.extend_from_slice(&request.body);
        let response = world.answer_while_sending(&bytes).await?;
        too_large(&world.noted(&request, response)).with_context(|| path.to_owned())?;
    }
    Ok(())
}

/// The head promises a body that never comes.
async fn a_bad_token_is_refused_before_the_body_arrives(world: World) -> Result<()> {
    for path in [STATUS, DETAIL, USER_TOKEN, FORCE_LOGOUT] {
        for (token, code) in [(None, 1001), (Some("abc"), 1503)] {
            let request = post(path, token, "").header("content-length", "100");
            let answer = world.send(&request).await?;
            answer.envelope()?.refusal(code).with_context(|| format!("{path} with {token:?}"))?;
        }
    }
    Ok(())
}

fn chunked(token: &str) -> Request {
    post(STATUS, Some(token), "").header("transfer-encoding", "chunked")
}

fn chunk(bytes: &[u8]) -> Vec<u8> {
    let mut out = format!("{:x}\r\n", bytes.len()).into_bytes();
    out.extend_from_slice(bytes);
    out.extend_from_slice(b"\r\n");
    out
}

async fn a_chunked_body_is_read(world: World) -> Result<()> {
    let request = chunked(&world.admin_token().await?);
    let mut bytes = request.head(&world.address().to_string());
    for piece in [r#"{"user"#, r#"IDs":["#, "]}"] {
        bytes.extend(chunk(piece.as_bytes()));
    }
    bytes.extend_from_slice(b"0\r\n\r\n");
    let mut connection = Connection::open(world.address()).await?;
    connection.write(&bytes).await?;
    let response = connection.answer("POST").await?;
    same(world.noted(&request, response).data()?, json!([]), "data")
}

/// One byte over the limit and no end: an answer can only come from a server that counts as it reads.
async fn an_endless_chunked_body_is_refused_at_the_limit(world: World) -> Result<()> {
    let request = chunked(&world.admin_token().await?);
    let mut bytes = request.head(&world.address().to_string());
    let body = padded(MEBIBYTE + 1);
    for piece in body.as_bytes().chunks(60_000) {
        bytes.extend(chunk(piece));
    }
    let response = world.answer_while_sending(&bytes).await?;
    if response.status == 200 {
        bail!("accepted {} bytes", body.len());
    }
    too_large(&world.noted(&request, response))
}
