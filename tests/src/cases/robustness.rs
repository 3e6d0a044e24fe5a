//! What no client should send does no harm. How the HTTP layer words its refusal is its own affair and
//! not recorded; that the server goes on serving is.

use anyhow::{Context as _, Result};
use serde_json::json;

use super::{Case, cases};
use crate::{
    check::{holds, same},
    http::{Connection, Request},
    jwt,
    world::{PARSE_TOKEN, STATUS, World, post},
    ws::{Handshake, Opening, upgrade},
};

pub(super) fn cases() -> Vec<Case> {
    cases![Base, "base":
        half_broken_http_harms_nobody,
        a_token_of_a_megabyte_harms_nobody,
        a_plain_get_of_the_gateway_is_a_client_error,
        a_broken_upgrade_is_a_client_error,
        ids_of_any_alphabet_are_kept_apart,
    ]
}

async fn healthy(world: &World) -> Result<()> {
    let answer = world.send(&Request::new("GET", "/health")).await?;
    same(answer.response.status, 200, "health")
}

async fn half_broken_http_harms_nobody(world: World) -> Result<()> {
    let token = world.admin_token().await?;
    let unfinished = format!(
        "POST {STATUS} HTTP/1.1\r\nhost: x\r\noperationID: op\r\ntoken: {token}\r\ncontent-length: 17\r\n\r\n{{\"user"
    );
    for bytes in [
        "\r\n\r\n\r\n",
        "GET\r\n\r\n",
        "GET / HTTP/9.9\r\n\r\n",
        "\u{16}\u{3}\u{1}\u{2}\u{0}\u{1}\u{0}\u{1}\u{fc}\u{3}\u{3}",
        "POST / HTTP/1.1\r\nhost: x\r\ncontent-length: -1\r\n\r\n",
        "POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 5\r\ncontent-length: 6\r\n\r\nhello",
        "POST / HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n",
        "GET /%zz?%%% HTTP/1.1\r\nhost: x\r\n\r\n",
        "GET / HTTP/1.1\r\nno colon here\r\n\r\n",
        "GET / HTTP/1.1\r\nhost: x",
        &unfinished,
    ] {
        let mut connection = Connection::open(world.address()).await?;
        connection.write(bytes.as_bytes()).await?;
        let (stream, _) = connection.into_parts();
        drop(stream);
        healthy(&world.unrecorded()).await.with_context(|| format!("after {bytes:.60?}"))?;
    }
    healthy(&world).await
}

async fn a_token_of_a_megabyte_harms_nobody(world: World) -> Result<()> {
    let long = "a".repeat(1_000_000);
    let huge = format!("{}.{long}.{long}", jwt::base64url(jwt::HEADER));
    for token in [&long, &huge] {
        let request = post(STATUS, Some(token), "{}");
        let mut connection = Connection::open(world.address()).await?;
        let mut bytes = request.head(&world.address().to_string());
        bytes.extend_from_slice(&request.body);
        // An HTTP layer may end the connection without a word; what it says must be a refusal.
        if let Ok(response) = connection.answer_while_sending(&bytes, "POST").await {
            let refused = (400..500).contains(&response.status)
                || String::from_utf8_lossy(&response.body).contains("\"errCode\":1503");
            holds(refused, || format!("status {}", response.status))?;
        }
    }
    // As long as a body may be where no token is asked for, it is judged.
    same(world.verdict(&"a".repeat(8000)).await?, 1503, "the verdict on a long text")?;
    let claims = format!(r#"{{"UserID":"{}","PlatformID":1,"exp":4102444800}}"#, "u".repeat(5000));
    let token = jwt::mint(&claims, "a wrong secret")?;
    let verdict = world.verdict(&token).await?;
    holds([1503, 1505].contains(&verdict), || format!("{verdict} for a long token of a wrong secret"))?;
    let many = "a.".repeat(4000);
    let answer = world.post(PARSE_TOKEN, None, &json!({"token": many})).await?;
    answer.refused(1503, "")?;
    healthy(&world).await
}

async fn a_plain_get_of_the_gateway_is_a_client_error(world: World) -> Result<()> {
    let user = world.user("a");
    let token = world.issue(&user, 5).await?;
    for target in ["/".to_owned(), "/ws".to_owned(), Handshake::new(&user, 5, &token).request().target] {
        let answer = world.unrecorded().send(&Request::new("GET", &target)).await?;
        let status = answer.response.status;
        holds((400..500).contains(&status), || format!("status {status} of GET {target:.10}"))?;
    }
    same(world.platforms(&user).await?, Vec::<i64>::new(), "platforms online")
}

async fn a_broken_upgrade_is_a_client_error(world: World) -> Result<()> {
    let user = world.user("a");
    let token = world.issue(&user, 5).await?;
    let target = Handshake::new(&user, 5, &token).request().target;
    let whole = upgrade(&target, &[]);
    for missing in ["sec-websocket-key", "sec-websocket-version", "upgrade"] {
        let mut request = whole.clone();
        request.headers.retain(|(name, _)| name != missing);
        match world.unrecorded().try_upgrade_with(&request).await {
            Ok(Opening::Refused(response)) => {
                let status = response.status;
                holds((400..500).contains(&status), || format!("status {status} without {missing}"))?;
            }
            Ok(Opening::Upgraded(_)) => anyhow::bail!("upgraded without {missing}"),
            Err(error) => return Err(error.context(format!("without {missing}"))),
        }
    }
    same(world.platforms(&user).await?, Vec::<i64>::new(), "platforms online")
}

async fn ids_of_any_alphabet_are_kept_apart(world: World) -> Result<()> {
    let run = world.user("u");
    let ids =
        [" ", "ü", "用户", "a/b?c#d", "%41", "A", "\"quoted\"", "a:b", "00", "0", "😀", "a\u{301}", "á"];
    let users: Vec<String> = ids.iter().map(|id| format!("{run}{id}")).collect();
    let mut sockets = Vec::new();
    for user in &users {
        let (token, socket) = world.login(user, 5).await.with_context(|| user.clone())?;
        sockets.push((token, socket));
    }
    let users: Vec<&str> = users.iter().map(String::as_str).collect();
    let statuses = world.statuses(&users).await?;
    same(statuses.len(), users.len(), "the number of elements")?;
    for ((status, user), (token, _)) in statuses.iter().zip(&users).zip(&sockets) {
        same(status.user.as_str(), *user, "userID")?;
        let tokens: Vec<&String> = status.connections.iter().map(|c| &c.token).collect();
        same(tokens, vec![token], user)?;
    }
    Ok(())
}
