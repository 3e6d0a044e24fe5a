//! Frames over an open connection.

use anyhow::{Context as _, Result};
use serde_json::{Value, json};

use super::{Case, cases};
use crate::{
    check::same,
    proto,
    world::World,
    ws::{Event, Handshake, Socket, request},
};

/// The most bytes that a message may have.
const LONGEST: usize = 51_200;

pub(super) fn cases() -> Vec<Case> {
    cases![Base, "base":
        a_text_ping_is_echoed_with_its_body,
        a_text_pong_is_ignored,
        a_control_ping_is_answered,
        stray_text_ends_the_connection,
        an_undecodable_message_ends_the_connection,
        a_message_in_the_name_of_another_ends_the_connection,
        an_unknown_request_ends_the_connection,
        requests_about_messages_succeed_empty,
        requests_without_data_succeed_empty,
        sending_a_message_is_not_permitted,
        the_background_flag_follows_its_request,
        the_background_request_does_not_look_at_its_user,
        logout_answers_then_closes_and_keeps_the_token,
        replies_keep_the_order_of_the_requests,
        the_longest_message_is_read,
        a_message_one_byte_longer_ends_the_connection,
        a_message_in_fragments_is_read_as_one,
        fragments_count_together,
        one_broken_connection_harms_no_other,
        a_clients_close_is_answered_with_its_own_code,
    ]
}

async fn connected(world: &World) -> Result<(String, Socket)> {
    let user = world.user("a");
    let (_, socket) = world.login(&user, 5).await?;
    Ok((user, socket))
}

async fn a_text_ping_is_echoed_with_its_body(world: World) -> Result<()> {
    let (_, mut socket) = connected(&world).await?;
    for body in [json!(null), json!("x"), json!(7), json!({"a": [1, {"b": null}]}), json!([]), json!("ü\n")]
    {
        socket.send_text(&json!({"type": "ping", "body": body}).to_string()).await?;
        let pong: Value = serde_json::from_str(&socket.text().await?)?;
        same(pong, json!({"type": "pong", "body": body}), "the pong")?;
    }
    socket.send_text(" { \"type\" : \"ping\" } ").await?;
    same(socket.text().await?.as_str(), r#"{"type":"pong","body":null}"#, "the pong without a body")
}

async fn a_text_pong_is_ignored(world: World) -> Result<()> {
    let (_, mut socket) = connected(&world).await?;
    socket.send_text(r#"{"type":"pong"}"#).await?;
    socket.send_text(r#"{"type":"pong","body":{"x":1}}"#).await?;
    socket.alive().await
}

async fn a_control_ping_is_answered(world: World) -> Result<()> {
    let (_, mut socket) = connected(&world).await?;
    socket.control_ping(b"op-123").await?;
    socket.control_ping(b"").await?;
    socket.alive().await
}

async fn stray_text_ends_the_connection(world: World) -> Result<()> {
    let user = world.user("a");
    let token = world.issue(&user, 5).await?;
    let asked = request(1001, &user, None).to_string();
    for text in ["hello", "", "{}", "[]", "null", "\"ping\"", r#"{"type":"other"}"#, r#"{"type":1}"#, &asked]
    {
        let mut socket = world.open(&user, 5, &token).await?;
        socket.send_text(text).await?;
        socket.closed(1002).await.with_context(|| format!("after {text:?}"))?;
    }
    world.until_platforms(&user, &[]).await?;
    world.expect_verdict(&token, 0, "the token").await
}

async fn an_undecodable_message_ends_the_connection(world: World) -> Result<()> {
    let user = world.user("a");
    let token = world.issue(&user, 5).await?;
    let good = request(1001, &user, None).to_string();
    let cut = good.get(..good.len() - 2).unwrap_or_default();
    let no_base64 = good.replace(r#""data":null"#, r#""data":"!!""#);
    let text_number = good.replace("1001", "\"1001\"");
    for bytes in [
        b"\x00\x01\xfe\xff".as_slice(),
        b"",
        b"hello",
        b"[]",
        b"null",
        br#"{"type":"ping"}x"#,
        cut.as_bytes(),
        no_base64.as_bytes(),
        text_number.as_bytes(),
    ] {
        let mut socket = world.open(&user, 5, &token).await?;
        socket.send_binary(bytes).await?;
        let shown = String::from_utf8_lossy(bytes).into_owned();
        socket.closed(1002).await.with_context(|| format!("after {shown:?}"))?;
    }
    world.until_platforms(&user, &[]).await
}

async fn a_message_in_the_name_of_another_ends_the_connection(world: World) -> Result<()> {
    let user = world.user("a");
    let token = world.issue(&user, 5).await?;
    for name in ["", "somebody-else", &user.to_uppercase()] {
        for identifier in [1001, 2004, 2003, 1003] {
            let mut socket = world.open(&user, 5, &token).await?;
            socket.send_binary(request(identifier, name, None).to_string()).await?;
            socket.closed(1008).await.with_context(|| format!("{identifier} as {name:?}"))?;
        }
    }
    world.until_platforms(&user, &[]).await?;
    world.expect_verdict(&token, 0, "the token").await
}

async fn an_unknown_request_ends_the_connection(world: World) -> Result<()> {
    let user = world.user("a");
    let token = world.issue(&user, 5).await?;
    // 2001, 2002 and 3001 exist, but only a server may send them.
    for identifier in [0, -1, 1000, 1008, 2001, 2002, 2006, 2100, 3001, 9999] {
        let mut socket = world.open(&user, 5, &token).await?;
        socket.send_binary(request(identifier, &user, None).to_string()).await?;
        socket.closed(1008).await.with_context(|| identifier.to_string())?;
    }
    world.until_platforms(&user, &[]).await
}

async fn requests_about_messages_succeed_empty(world: World) -> Result<()> {
    let (user, mut socket) = connected(&world).await?;
    for identifier in [1001, 1002, 1005, 1006, 1007] {
        let reply = socket.ask(identifier, &user, Some(&proto::user_only(&user))).await?;
        expect_reply(&reply, identifier, 0, "", &json!(""))?;
    }
    socket.alive().await
}

async fn requests_without_data_succeed_empty(world: World) -> Result<()> {
    let (user, mut socket) = connected(&world).await?;
    let reply = socket.ask(1001, &user, None).await?;
    expect_reply(&reply, 1001, 0, "", &json!(""))?;
    socket.alive().await
}

async fn sending_a_message_is_not_permitted(world: World) -> Result<()> {
    let (user, mut socket) = connected(&world).await?;
    for identifier in [1003, 1004] {
        let reply = socket.ask(identifier, &user, Some(b"\x0a\x01x")).await?;
        expect_reply(&reply, identifier, 1002, "NoPermissionError", &json!(null))?;
    }
    socket.alive().await
}

async fn the_background_flag_follows_its_request(world: World) -> Result<()> {
    let (user, mut socket) = connected(&world).await?;
    let (_, mut other) = world.login(&user, 2).await?;
    for (first, second) in [(true, false), (true, true), (false, true), (false, false)] {
        for (socket, flag) in [(&mut socket, first), (&mut other, second)] {
            let reply = socket.ask(2004, &user, Some(&proto::background_status(&user, flag))).await?;
            expect_reply(&reply, 2004, 0, "", &json!(null))?;
        }
        let shown: Vec<bool> = world.status(&user).await?.connections.iter().map(|c| c.background).collect();
        same(shown, vec![first, second], "the flags right after the replies")?;
    }
    Ok(())
}

async fn the_background_request_does_not_look_at_its_user(world: World) -> Result<()> {
    let (user, mut socket) = connected(&world).await?;
    let bystander = world.user("bystander");
    let (_, _other) = world.login(&bystander, 5).await?;
    socket.ask(2004, &user, Some(&proto::background_status(&bystander, true))).await?;
    let flag = |status: crate::world::UserStatus| status.connections.first().map(|c| c.background);
    same(flag(world.status(&user).await?), Some(true), "the flag of the connection that asked")?;
    same(flag(world.status(&bystander).await?), Some(false), "the flag of the user who was named")
}

async fn logout_answers_then_closes_and_keeps_the_token(world: World) -> Result<()> {
    let user = world.user("a");
    let (token, mut socket) = world.login(&user, 5).await?;
    let (_, mut other) = world.login(&user, 2).await?;
    let reply = socket.ask(2003, &user, Some(&proto::push_token(&user, 5))).await?;
    expect_reply(&reply, 2003, 0, "", &json!(""))?;
    socket.ended_silently().await?;
    world.until_platforms(&user, &[2]).await?;
    world.expect_verdict(&token, 0, "the token after logout").await?;
    other.alive().await?;
    world.open(&user, 5, &token).await?.alive().await
}

async fn replies_keep_the_order_of_the_requests(world: World) -> Result<()> {
    let (user, mut socket) = connected(&world).await?;
    let identifiers = [1001, 1003, 1007, 2004, 1002, 1004, 1005];
    for identifier in identifiers {
        let data = proto::user_only(&user);
        socket.send_binary(request(identifier, &user, Some(&data)).to_string()).await?;
    }
    for identifier in identifiers {
        let reply: Value = serde_json::from_str(&socket.binary().await?)?;
        same(reply.pointer("/reqIdentifier"), Some(&json!(identifier)), "reqIdentifier")?;
    }
    Ok(())
}

/// A text ping of exactly this many bytes, and what has to come back.
fn ping_of(length: usize) -> (String, Value) {
    let empty = r#"{"type":"ping","body":""}"#;
    let body = "x".repeat(length.saturating_sub(empty.len()));
    (empty.replace(r#""""#, &format!("{body:?}")), json!({"type": "pong", "body": body}))
}

/// A request of exactly this many bytes.
fn request_of(length: usize, user: &str) -> String {
    let mut value = request(1001, user, Some(&proto::user_only(user)));
    let missing = length.saturating_sub(value.to_string().len());
    if let Some(fields) = value.as_object_mut() {
        let label = format!("{user}_1001{}", "x".repeat(missing));
        fields.insert("msgIncr".to_owned(), json!(label));
    }
    value.to_string()
}

async fn the_longest_message_is_read(world: World) -> Result<()> {
    let (user, mut socket) = connected(&world).await?;
    let (ping, pong) = ping_of(LONGEST);
    same(ping.len(), LONGEST, "the length of the ping")?;
    socket.send_text(&ping).await?;
    same(serde_json::from_str::<Value>(&socket.text().await?)?, pong, "the pong")?;
    let asked = request_of(LONGEST, &user);
    same(asked.len(), LONGEST, "the length of the request")?;
    socket.send_binary(asked.as_bytes()).await?;
    let reply: Value = serde_json::from_str(&socket.binary().await?)?;
    let asked: Value = serde_json::from_str(&asked)?;
    same(reply.pointer("/msgIncr"), asked.pointer("/msgIncr"), "msgIncr")
}

async fn a_message_one_byte_longer_ends_the_connection(world: World) -> Result<()> {
    let (user, mut socket) = connected(&world).await?;
    socket.send_text(&ping_of(LONGEST + 1).0).await?;
    socket.closed(1009).await?;
    let (_, mut socket) = world.login(&user, 5).await?;
    socket.send_binary(request_of(LONGEST + 1, &user)).await?;
    socket.closed(1009).await?;
    world.until_platforms(&user, &[]).await
}

async fn a_message_in_fragments_is_read_as_one(world: World) -> Result<()> {
    let (user, mut socket) = connected(&world).await?;
    socket.send_fragments(true, &[b"{\"ty", b"pe\":", b"", b"\"ping\"}"]).await?;
    same(socket.text().await?.as_str(), r#"{"type":"pong","body":null}"#, "the pong")?;
    let asked = request_of(LONGEST, &user);
    let fragments: Vec<&[u8]> = asked.as_bytes().chunks(10_000).collect();
    socket.send_fragments(false, &fragments).await?;
    let reply: Value = serde_json::from_str(&socket.binary().await?)?;
    same(reply.pointer("/errCode"), Some(&json!(0)), "errCode")
}

async fn fragments_count_together(world: World) -> Result<()> {
    let (user, mut socket) = connected(&world).await?;
    let asked = request_of(LONGEST + 1, &user);
    let fragments: Vec<&[u8]> = asked.as_bytes().chunks(10_000).collect();
    socket.send_fragments(false, &fragments).await?;
    socket.closed(1009).await?;
    world.until_platforms(&user, &[]).await
}

async fn one_broken_connection_harms_no_other(world: World) -> Result<()> {
    let user = world.user("a");
    let token = world.issue(&user, 5).await?;
    let mut good = world.open(&user, 5, &token).await?;
    let mut bad = world.enter(&Handshake::new(&user, 5, &token)).await?;
    bad.send_text("hello").await?;
    match bad.next().await {
        Event::Closed { code: Some(1002), .. } => {}
        other => anyhow::bail!("expected Close 1002, got {}", crate::ws::describe(&other)),
    }
    world.until_platforms(&user, &[5]).await?;
    good.alive().await
}

async fn a_clients_close_is_answered_with_its_own_code(world: World) -> Result<()> {
    let user = world.user("a");
    let token = world.issue(&user, 5).await?;
    for payload in [b"\x03\xe8".as_slice(), b"\x03\xe8bye", b"\x03\xe9", b"\x0f\xa0own", b""] {
        for sdk in ["js", "go"] {
            let socket = world.enter(&Handshake::new(&user, 5, &token).set("sdkType", sdk)).await?;
            let answer = socket.close_with(payload).await.with_context(|| format!("{payload:?}"))?;
            same(answer.get(..2), payload.get(..2), "the code of the answer")?;
        }
    }
    world.until_platforms(&user, &[]).await
}

fn expect_reply(reply: &Value, identifier: i64, code: i64, message: &str, data: &Value) -> Result<()> {
    let what = |name: &str| format!("{name} of the reply to {identifier}");
    same(reply.pointer("/errCode"), Some(&json!(code)), &what("errCode"))?;
    same(reply.pointer("/errMsg"), Some(&json!(message)), &what("errMsg"))?;
    same(reply.pointer("/data"), Some(data), &what("data"))?;
    same(reply.as_object().map(serde_json::Map::len), Some(6), &what("the number of fields"))
}
