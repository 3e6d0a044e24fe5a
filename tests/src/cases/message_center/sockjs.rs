//! SockJS: the requests of its clients around the socket, and its framing.

use anyhow::{Context as _, Result, bail};
use serde_json::{Value, json};

use crate::{
    cases::{Case, cases},
    check::{holds, same},
    console::api::{Api, SOCKET},
    http::{Request, Response},
    stomp::{Client, Framing, OWN},
    subject::Kind,
    world::World,
    ws::{Handshake, Opening},
};

const ORIGIN: &str = "https://console.example.test:8443";

pub(super) fn cases() -> Vec<Case> {
    cases![Console, "console":
        sockjs_is_told_of_websockets_only_and_may_read_it_from_any_origin,
        transports_that_are_not_served_are_not_found_and_readable,
        transports_over_requests_are_served_on_one_machine_alone,
        a_refused_sockjs_socket_is_told_so_before_the_upgrade,
        a_token_in_connect_alone_is_enough_on_one_machine_alone,
        a_token_in_the_upgrade_wins_over_one_in_connect,
        sockjs_carries_several_frames_in_one_message,
        what_is_no_sockjs_message_is_closed,
    ]
}

/// A page of this origin may read the answer although it sent its cookies.
fn readable(response: &Response, what: &str) -> Result<()> {
    for (name, value) in [
        ("access-control-allow-origin", ORIGIN),
        ("access-control-allow-credentials", "true"),
        ("vary", "Origin"),
    ] {
        same(response.header(name).as_deref(), Some(value), &format!("{name} of {what}"))?;
    }
    Ok(())
}

async fn sockjs_is_told_of_websockets_only_and_may_read_it_from_any_origin(world: World) -> Result<()> {
    let path = format!("{SOCKET}/info");
    // Its random number looks like anything.
    let quiet = world.unrecorded();
    let mut numbers = Vec::new();
    for _ in 0..2 {
        let answer =
            quiet.send(&Request::new("GET", &format!("{path}?t=1")).header("Origin", ORIGIN)).await?;
        same(answer.response.status, 200, "the status")?;
        readable(&answer.response, "info")?;
        let cache = answer.response.header("cache-control").unwrap_or_default();
        same(cache.contains("no-store") && cache.contains("max-age=0"), true, "whether it is not cached")?;
        let mut info = answer.json()?;
        let entropy = info.as_object_mut().and_then(|fields| fields.remove("entropy"));
        let entropy = entropy.as_ref().and_then(Value::as_u64).context("no entropy")?;
        same(entropy <= u64::from(u32::MAX), true, "whether the entropy has 32 bits")?;
        numbers.push(entropy);
        same(info, json!({"websocket": true, "cookie_needed": false, "origins": ["*:*"]}), "the rest")?;
    }
    same(numbers.first() == numbers.last(), false, "whether both entropies are equal")?;
    let answer = quiet.send(&Request::new("GET", &path)).await?;
    same(
        answer.response.header("access-control-allow-origin").as_deref(),
        Some("*"),
        "the origin without one",
    )?;
    let preflight = Request::new("OPTIONS", &path)
        .header("Origin", ORIGIN)
        .header("Access-Control-Request-Method", "GET")
        .header("Access-Control-Request-Headers", "x-custom");
    let answer = world.send(&preflight).await?;
    same(answer.response.status, 200, "the status of the preflight")?;
    readable(&answer.response, "the preflight")?;
    same(
        answer.response.header("access-control-allow-headers").as_deref(),
        Some("x-custom"),
        "the headers that are allowed",
    )
}

async fn transports_that_are_not_served_are_not_found_and_readable(world: World) -> Result<()> {
    for (method, rest) in [
        ("GET", "000/abcd1234/eventsource"),
        ("GET", "000/abcd1234/htmlfile"),
        ("GET", "000/abcd1234/jsonp"),
        ("GET", "iframe.html"),
    ] {
        let request = Request::new(method, &format!("{SOCKET}/{rest}")).header("Origin", ORIGIN);
        let answer = world.send(&request).await?;
        same(answer.response.status, 404, rest)?;
        readable(&answer.response, rest)?;
    }
    Ok(())
}

/// At the edge a session's requests would reach its user's object one by one, and none of them would keep it awake.
async fn transports_over_requests_are_served_on_one_machine_alone(world: World) -> Result<()> {
    // The two subjects differ here.
    let quiet = world.unrecorded();
    for transport in ["xhr_streaming", "xhr", "xhr_send"] {
        let path = format!("{SOCKET}/000/abcd1234/{transport}");
        let answer = quiet.send(&Request::new("POST", &path).header("Origin", ORIGIN)).await?;
        readable(&answer.response, transport)?;
        let statuses: &[u16] = match world.kind() {
            Kind::Origin => &[401],
            Kind::Edge => &[404],
            Kind::Running => &[401, 404],
        };
        let status = answer.response.status;
        holds(statuses.contains(&status), || format!("the status {status} of {transport}"))?;
    }
    Ok(())
}

async fn a_refused_sockjs_socket_is_told_so_before_the_upgrade(world: World) -> Result<()> {
    let api = Api::without_fixture(&world)?;
    for rest in ["000/abcd1234/websocket", "websocket"] {
        let path = format!("{SOCKET}/{rest}");
        let handshake = Handshake::empty().path(&path).header("Origin", ORIGIN);
        let bad = handshake.set("access_token", "bad");
        let Opening::Refused(response) = world.try_upgrade(&bad).await? else { bail!("upgraded") };
        readable(&response, rest)?;
        api.reply(response).unauthorized("invalid_token")?;
        let plain = Request::new("GET", &format!("{path}?deviceId=d")).header("Origin", ORIGIN);
        let answer = world.send(&plain).await?;
        same(answer.response.status, 426, "the status without an upgrade")?;
        readable(&answer.response, "what is no upgrade")?;
    }
    Ok(())
}

/// At the edge a socket cannot move to its user's object afterwards.
async fn a_token_in_connect_alone_is_enough_on_one_machine_alone(world: World) -> Result<()> {
    let plain = Handshake::empty().path(SOCKET);
    Api::without_fixture(&world)?.shut_out(&plain, "unauthorized").await?;
    // The two subjects differ here.
    let api = Api::without_fixture(&world.unrecorded())?;
    let user = api.fixture().user(101);
    let token = format!("Bearer {}", api.bearer("user-101"));
    for (rest, framing) in
        [("", Framing::Plain), ("/websocket", Framing::Plain), ("/000/abcd1234/websocket", Framing::SockJs)]
    {
        let handshake =
            Handshake::empty().path(&format!("{SOCKET}{rest}")).header("Sec-WebSocket-Protocol", "v12.stomp");
        let socket = match api.world().try_upgrade(&handshake).await? {
            Opening::Upgraded(socket) => socket,
            Opening::Refused(response) => {
                same(world.kind() == Kind::Origin, false, "whether one machine refuses the upgrade")?;
                api.reply(response).unauthorized("unauthorized")?;
                continue;
            }
        };
        same(world.kind() == Kind::Edge, false, "whether the edge accepts the upgrade")?;
        let mut client = Client::on(*socket, framing).await?;
        client.say("CONNECT", &[("accept-version", "1.2"), ("Authorization", &token)], "").await?;
        same(client.frame().await?.command.as_str(), "CONNECTED", "the answer")?;
        api.until_online(user, &["unknown"]).await?;
        client.say("DISCONNECT", &[], "").await?;
        client.closed(1000, "").await?;
        api.until_online(user, &[] as &[&str]).await?;
    }
    Ok(())
}

async fn a_token_in_the_upgrade_wins_over_one_in_connect(world: World) -> Result<()> {
    let api = Api::without_fixture(&world)?;
    let user = api.fixture().user(101);
    let socket = world.upgraded(&api.handshake("user-101", "d").path(&format!("{SOCKET}/websocket"))).await?;
    let mut client = Client::on(socket, Framing::Plain).await?;
    let other = format!("Bearer {}", api.bearer("user-102"));
    let headers =
        [("accept-version", "1.2"), ("Authorization", other.as_str()), ("login", "x"), ("passcode", "y")];
    client.say("CONNECT", &headers, "").await?;
    same(client.frame().await?.command.as_str(), "CONNECTED", "the answer")?;
    api.until_online(user, &["d"]).await?;
    same(api.online_devices(api.fixture().user(102)).await?.len(), 0, "devices of the other")
}

async fn sockjs_carries_several_frames_in_one_message(world: World) -> Result<()> {
    let api = Api::without_fixture(&world)?;
    let handshake = api.handshake("user-101", "d").path(&format!("{SOCKET}/000/abcd1234/websocket"));
    let mut client = Client::on(world.upgraded(&handshake).await?, Framing::SockJs).await?;
    client.connect("1.1").await?;
    let ack = |receipt: &str| format!("ACK\nreceipt:{receipt}\n\n\0");
    client.socket().send_text("").await?;
    client.socket().send_text("[]").await?;
    client.socket().send_text(&json!([ack("1"), "\n", ack("2"), "ACK\nrec"]).to_string()).await?;
    client.socket().send_text(&json!("eipt:3\n\n\0").to_string()).await?;
    for receipt in ["1", "2", "3"] {
        same(client.frame().await?.header("receipt-id"), Some(receipt), "receipt-id")?;
    }
    client.subscribe("é", OWN).await?;
    client.say("SEND", &[("destination", "/app/chat"), ("receipt", "\"4\"")], "\u{2028}\u{1f600}").await?;
    same(client.frame().await?.header("receipt-id"), Some("\"4\""), "receipt-id")?;
    client.say("SEND", &[("destination", "/nowhere")], "").await?;
    client.refused("nothing can be sent there", 1008, "refused").await.map(drop)
}

async fn what_is_no_sockjs_message_is_closed(world: World) -> Result<()> {
    let api = Api::without_fixture(&world)?;
    let user = api.fixture().user(101);
    let handshake = api.handshake("user-101", "d").path(&format!("{SOCKET}/000/abcd1234/websocket"));
    for text in ["hello", "[\"a\"", "{}", "[1]", "[null]", "7", "CONNECT\n\n\0"] {
        let mut client = Client::on(world.upgraded(&handshake).await?, Framing::SockJs).await?;
        client.socket().send_text(text).await?;
        client.closed(1002, "undecodable").await?;
    }
    let mut client = Client::on(world.upgraded(&handshake).await?, Framing::SockJs).await?;
    client.socket().send_binary(b"[]".to_vec()).await?;
    client.closed(1002, "undecodable").await?;
    let mut client = Client::on(world.upgraded(&handshake).await?, Framing::SockJs).await?;
    for length in [1_000, 1_001] {
        client.socket().send_text(&format!("[{}\"\"]", "\"\",".repeat(length - 1))).await?;
    }
    client.closed(1009, "too big").await?;
    // The constant ping belongs to the protocol below SockJS.
    let mut client = Client::on(world.upgraded(&handshake).await?, Framing::SockJs).await?;
    client.socket().alive().await?;
    drop(client);
    api.until_online(user, &[] as &[&str]).await
}
