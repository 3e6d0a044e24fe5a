//! Consoles that speak STOMP.

use anyhow::{Context as _, Result};
use serde_json::Value;
use tokio::time::{Duration, timeout};

use crate::{
    cases::{Case, cases},
    check::{holds, same},
    console::{
        api::{AGENT, Api, SOCKET},
        reply::Record,
    },
    size::size,
    stomp::{Client, Frame, Framing, OWN, TOPIC},
    subject::Kind,
    world::World,
    ws::Handshake,
};

/// Every way in: its path behind the socket's own, the subprotocols that the client offers, and what it gets.
const WAYS: [(&str, Option<&str>, Framing); 6] = [
    ("", None, Framing::Plain),
    ("/", Some("mqtt"), Framing::Plain),
    ("", Some("v10.stomp, v11.stomp, v12.stomp"), Framing::Plain),
    ("/websocket", None, Framing::Plain),
    ("/000/abcd1234/websocket", None, Framing::SockJs),
    ("/server-7/0/websocket", Some("v11.stomp"), Framing::SockJs),
];

pub(super) fn cases() -> Vec<Case> {
    cases![Console, "console":
        each_version_is_spoken_and_the_best_subprotocol_chosen,
        the_first_message_tells_stomp_from_plain_texts,
        an_order_reaches_a_subscriber_in_every_way_before_the_close,
        a_message_goes_to_the_users_queue_else_to_the_topic_else_nowhere,
        a_console_that_never_connects_is_online_and_is_told_nothing,
        a_stomp_socket_has_a_record_from_its_upgrade_to_its_end,
        every_end_of_a_session_ends_its_record,
        every_frame_gets_the_receipt_that_it_asks_for,
        what_goes_wrong_is_told_and_closed,
        frames_may_be_cut_and_joined_anywhere,
        a_session_has_bounds,
        a_clients_close_is_answered_in_every_way,
        a_flood_of_rubbish_harms_nobody_else,
        beats_are_what_the_server_said within 60,
    ]
}

fn handshake(api: &Api, role: &str, device: &str, path: &str, offered: Option<&str>) -> Handshake {
    let handshake = api.handshake(role, device).path(&format!("{SOCKET}{path}"));
    match offered {
        Some(offered) => handshake.header("Sec-WebSocket-Protocol", offered),
        None => handshake,
    }
}

/// A client of the plain kind that is connected in this version, once its record is in the list.
async fn connected(api: &Api, role: &str, user: i64, version: &str) -> Result<Client> {
    let before = api.unrecorded().online_devices(user).await?;
    let socket = api.world().upgraded(&handshake(api, role, "stomp", "/websocket", None)).await?;
    let mut client = Client::on(socket, Framing::Plain).await?;
    let frame = client.connect(version).await?;
    same(frame.header("version"), Some(version), "the version")?;
    let wanted: Vec<String> = before.into_iter().chain(["stomp".to_owned()]).collect();
    api.until_online(user, &wanted).await?;
    Ok(client)
}

/// A MESSAGE with the CLOSE message of an order to this user.
fn close_message(api: &Api, frame: &Frame, id: Option<&str>, destination: &str, user: i64) -> Result<()> {
    same(frame.command.as_str(), "MESSAGE", "the command")?;
    same(frame.header("subscription"), id, "the subscription")?;
    same(frame.header("destination"), Some(destination), "the destination")?;
    same(frame.header("content-type"), Some("application/json"), "the type")?;
    same(frame.header("message-id").is_some_and(|id| !id.is_empty()), true, "a message-id")?;
    let body: Value = serde_json::from_str(&frame.body)?;
    same(body.pointer("/type").and_then(Value::as_str), Some("CLOSE"), "the message's type")?;
    same(
        body.pointer("/receiveObjectIds/0").and_then(Value::as_str),
        Some(user.to_string().as_str()),
        "the receiver",
    )?;
    api.sent_just_now(&body)
}

async fn each_version_is_spoken_and_the_best_subprotocol_chosen(world: World) -> Result<()> {
    let api = Api::without_fixture(&world)?;
    for (offered, chosen, accepted, version) in [
        ("v10.stomp", "v10.stomp", "1.0", "1.0"),
        ("v10.stomp,v11.stomp", "v11.stomp", "1.1,1.0", "1.1"),
        ("v10.stomp, v12.stomp, v11.stomp", "v12.stomp", "1.2, 1.1, 1.0", "1.2"),
        ("mqtt, v12.stomp", "v12.stomp", "1.1,2.0", "1.1"),
    ] {
        let socket = world.upgraded(&handshake(&api, "user-101", "d", "", Some(offered))).await?;
        same(socket.protocol(), Some(chosen), "the subprotocol")?;
        let mut client = Client::on(socket, Framing::Plain).await?;
        let frame = client.connect(accepted).await?;
        same(frame.header("version"), Some(version), "the version")?;
        same(frame.header("heart-beat").is_some(), version != "1.0", "whether there is a heart-beat header")?;
        same(frame.header("session").is_some_and(|name| !name.is_empty()), true, "a session's name")?;
        client.subscribe("s:1", OWN).await?;
    }
    let socket = world.upgraded(&handshake(&api, "user-101", "d", "", Some("mqtt"))).await?;
    same(socket.protocol(), None, "the subprotocol")
}

async fn the_first_message_tells_stomp_from_plain_texts(world: World) -> Result<()> {
    let api = Api::without_fixture(&world)?;
    let user = api.fixture().user(101);
    let plain = handshake(&api, "user-101", "d", "", None);
    for first in
        ["CONNECT\naccept-version:1.2\n\n\0", "STOMP\r\naccept-version:1.2\r\n\r\n\0", "CONNECT\naccept-ver"]
    {
        let mut socket = world.upgraded(&plain).await?;
        // The constant ping says nothing about what follows.
        socket.alive().await?;
        socket.send_text(first).await?;
        if first.ends_with("ver") {
            socket.send_text("sion:1.2\n\n\0").await?;
        }
        let mut client = Client::on(socket, Framing::Plain).await?;
        same(client.frame().await?.command.as_str(), "CONNECTED", "the answer")?;
        client.say("DISCONNECT", &[], "").await?;
        client.closed(1000, "").await?;
    }
    let mut socket = world.upgraded(&plain).await?;
    socket.send_binary(b"CONNECT\naccept-version:1.2\n\n\0".to_vec()).await?;
    let mut client = Client::on(socket, Framing::Plain).await?;
    same(client.frame().await?.command.as_str(), "CONNECTED", "the answer to a binary message")?;
    drop(client);
    api.until_online(user, &[] as &[&str]).await?;

    let mut sockets = Vec::new();
    for first in [None, Some("hello"), Some("CONNECT"), Some("CONNECTION\n"), Some("\nCONNECT\n")] {
        let mut socket = world.upgraded(&plain).await?;
        if let Some(first) = first {
            socket.send_text(first).await?;
            // It is decided: this is one more plain text.
            socket.send_text("CONNECT\naccept-version:1.2\n\n\0").await?;
        }
        socket.alive().await?;
        sockets.push(socket);
    }
    api.until_online(user, &vec!["d"; sockets.len()]).await?;
    api.take_off("admin-t1", "USER", &[user]).await?;
    for socket in &mut sockets {
        api.forced_off(socket, "USER", &[user]).await?;
    }
    Ok(())
}

async fn an_order_reaches_a_subscriber_in_every_way_before_the_close(world: World) -> Result<()> {
    let api = Api::without_fixture(&world)?;
    let user = api.fixture().user(101);
    let mut clients = Vec::new();
    for (path, offered, framing) in WAYS {
        let socket = world.upgraded(&handshake(&api, "user-101", "d", path, offered)).await?;
        let mut client = Client::on(socket, framing).await?;
        client.connect("1.2").await?;
        client.subscribe("sub:0", OWN).await?;
        clients.push(client);
    }
    api.until_online(user, &["d"; WAYS.len()]).await?;
    api.take_off("admin-t1", "USER", &[user]).await?;
    api.all_gone("admin-t1", &[user]).await?;
    for client in &mut clients {
        let message = client.frame().await?;
        close_message(&api, &message, Some("sub:0"), OWN, user)?;
        client.closed(4001, "forced_offline").await?;
    }
    api.shut_out(&handshake(&api, "user-101", "d", "/websocket", None), "invalid_token").await
}

async fn a_clients_close_is_answered_in_every_way(world: World) -> Result<()> {
    let api = Api::without_fixture(&world)?;
    let user = api.fixture().user(101);
    for (path, offered, framing) in WAYS.into_iter().chain([("", None, Framing::Plain)]) {
        for is_connected in [false, true] {
            let socket = world.upgraded(&handshake(&api, "user-101", "d", path, offered)).await?;
            let mut client = Client::on(socket, framing).await?;
            if is_connected && (path, offered) != ("", None) {
                client.connect("1.2").await?;
            }
            let answer = client.into_socket().close_with(b"\x03\xe8").await.context(path)?;
            same(answer.as_slice(), b"\x03\xe8", "the answer")?;
        }
    }
    api.until_online(user, &[] as &[&str]).await
}

async fn a_message_goes_to_the_users_queue_else_to_the_topic_else_nowhere(world: World) -> Result<()> {
    let api = Api::without_fixture(&world)?;
    let user = api.fixture().user(101);
    let mut both = connected(&api, "user-101", user, "1.1").await?;
    both.subscribe("t", TOPIC).await?;
    both.subscribe("own", OWN).await?;
    both.subscribe("own-too", OWN).await?;
    let mut topic = connected(&api, "user-101", user, "1.2").await?;
    topic.subscribe("own", OWN).await?;
    topic.done("SUBSCRIBE", &[("id", "t"), ("destination", TOPIC), ("ack", "client")]).await?;
    topic.done("UNSUBSCRIBE", &[("id", "own")]).await?;
    let mut none = connected(&api, "user-101", user, "1.0").await?;
    none.done("SUBSCRIBE", &[("destination", OWN)]).await?;
    none.done("UNSUBSCRIBE", &[("destination", OWN)]).await?;
    let mut nameless = connected(&api, "user-101", user, "1.0").await?;
    nameless.done("SUBSCRIBE", &[("destination", OWN)]).await?;
    api.take_off("admin-t1", "USER", &[user]).await?;
    let (first, second) = (both.frame().await?, both.frame().await?);
    close_message(&api, &first, Some("own"), OWN, user)?;
    close_message(&api, &second, Some("own-too"), OWN, user)?;
    holds(first.header("message-id") != second.header("message-id"), || "one message-id for two".to_owned())?;
    let message = topic.frame().await?;
    close_message(&api, &message, Some("t"), TOPIC, user)?;
    same(message.header("ack").is_some(), true, "whether it can be acknowledged")?;
    close_message(&api, &nameless.frame().await?, None, OWN, user)?;
    for mut client in [both, topic, none, nameless] {
        client.closed(4001, "forced_offline").await?;
    }
    Ok(())
}

async fn a_console_that_never_connects_is_online_and_is_told_nothing(world: World) -> Result<()> {
    let api = Api::without_fixture(&world)?;
    let user = api.fixture().user(101);
    let mut clients = Vec::new();
    // A console that may still speak plain texts is told in one.
    let ways = WAYS.into_iter().skip(2);
    for (path, offered, framing) in ways.clone() {
        let socket = world.upgraded(&handshake(&api, "user-101", "d", path, offered)).await?;
        clients.push(Client::on(socket, framing).await?);
    }
    api.until_online(user, &vec!["d"; ways.len()]).await?;
    api.take_off("admin-t1", "USER", &[user]).await?;
    for client in &mut clients {
        client.closed(4001, "forced_offline").await?;
    }
    Ok(())
}

async fn a_stomp_socket_has_a_record_from_its_upgrade_to_its_end(world: World) -> Result<()> {
    let api = Api::without_fixture(&world)?;
    let user = api.fixture().user(101);
    for (round, (path, offered, framing)) in WAYS.into_iter().enumerate() {
        let device = format!("device {round}");
        let socket = world.upgraded(&handshake(&api, "user-101", &device, path, offered)).await?;
        api.until_online(user, &[device.as_str()]).await?;
        let mut client = Client::on(socket, framing).await?;
        client.connect("1.2").await?;
        let records = api.records(user).await?;
        same(records.len(), round + 1, "records")?;
        let record = records.into_iter().next().unwrap_or_else(|| unreachable!());
        api.recent(&record.online_date, "onlineDate")?;
        let wanted = Record {
            user_id: user.to_string(),
            full_name: "Zhang San".to_owned(),
            avatar: Some("https://cdn.example.test/a/101.png".to_owned()),
            user_agent: AGENT.to_owned(),
            device_id: device,
            online: true,
            offline_date: None,
            ..record.clone()
        };
        same(record, wanted, "the record")?;
        client.done("DISCONNECT", &[]).await?;
        client.closed(1000, "").await?;
        api.until_online(user, &[] as &[&str]).await?;
    }
    Ok(())
}

async fn every_end_of_a_session_ends_its_record(world: World) -> Result<()> {
    let api = Api::without_fixture(&world)?;
    let user = api.fixture().user(101);
    let nobody: &[&str] = &[];
    let mut client = connected(&api, "user-101", user, "1.2").await?;
    client.say("DISCONNECT", &[], "").await?;
    client.closed(1000, "").await?;
    api.until_online(user, nobody).await?;
    let mut client = connected(&api, "user-101", user, "1.2").await?;
    client.say("NONSENSE", &[], "").await?;
    client.refused("there is no such command", 1002, "undecodable").await?;
    api.until_online(user, nobody).await?;
    connected(&api, "user-101", user, "1.1").await?.into_socket().reset()?;
    api.until_online(user, nobody).await?;
    connected(&api, "user-101", user, "1.0").await?.into_socket().close().await?;
    api.until_online(user, nobody).await?;
    same(api.records(user).await?.len(), 4, "records")
}

async fn every_frame_gets_the_receipt_that_it_asks_for(world: World) -> Result<()> {
    let api = Api::without_fixture(&world)?;
    let user = api.fixture().user(101);
    for version in ["1.0", "1.1", "1.2"] {
        let mut client = connected(&api, "user-101", user, version).await?;
        client.done("SUBSCRIBE", &[("id", "0"), ("destination", OWN), ("ack", "client-individual")]).await?;
        client.done("BEGIN", &[("transaction", "t")]).await?;
        client.done("ACK", &[("id", "1"), ("message-id", "1"), ("subscription", "0")]).await?;
        client.done("NACK", &[("id", "1"), ("message-id", "1"), ("subscription", "0")]).await?;
        client.done("SEND", &[("destination", "/app/chat"), ("transaction", "t")]).await?;
        client.done("COMMIT", &[("transaction", "t")]).await?;
        client.done("ABORT", &[("transaction", "t")]).await?;
        client.done("UNSUBSCRIBE", &[("id", "0")]).await?;
        client.done("UNSUBSCRIBE", &[("id", "never there")]).await?;
        client.done("DISCONNECT", &[]).await?;
        client.closed(1000, "").await?;
    }
    api.until_online(user, &[] as &[&str]).await
}

async fn what_goes_wrong_is_told_and_closed(world: World) -> Result<()> {
    const HEADER: &str = "a required header is missing or does not read";
    const MALFORMED: &str = "the frame does not read";
    const WHERE: &str = "the destinations are /user/queue/messages and /topic/messages";
    let api = Api::without_fixture(&world)?;
    let user = api.fixture().user(101);
    for (said, message, code, reason) in [
        ("CONNECT\naccept-version:1.2\n\n\0", "the session is connected already", 1002, "undecodable"),
        ("SUBSCRIBE\nid:1\ndestination:/topic/else\nreceipt:r\n\n\0", WHERE, 1008, "refused"),
        ("SUBSCRIBE\nid:1\ndestination:/user/7/queue/messages\nreceipt:r\n\n\0", WHERE, 1008, "refused"),
        ("SUBSCRIBE\ndestination:/topic/messages\nreceipt:r\n\n\0", HEADER, 1002, "undecodable"),
        ("SUBSCRIBE\nid:1\nreceipt:r\n\n\0", HEADER, 1002, "undecodable"),
        ("UNSUBSCRIBE\nreceipt:r\n\n\0", HEADER, 1002, "undecodable"),
        (
            "SEND\ndestination:/topic/messages\nreceipt:r\n\nhello\0",
            "nothing can be sent there",
            1008,
            "refused",
        ),
        ("MESSAGE\nreceipt:r\n\n\0", "there is no such command", 1002, "undecodable"),
        ("hello\n\n\0", "there is no such command", 1002, "undecodable"),
        ("ACK\nid:\\t\n\n\0", MALFORMED, 1002, "undecodable"),
        ("ACK\nid\n\n\0", MALFORMED, 1002, "undecodable"),
        ("ACK\nid:1\0", MALFORMED, 1002, "undecodable"),
        ("ACK\nid:1\n\nbody\0", MALFORMED, 1002, "undecodable"),
        ("SEND\ncontent-length:x\n\n\0", HEADER, 1002, "undecodable"),
    ] {
        let mut client = connected(&api, "user-101", user, "1.2").await?;
        client.say_text(said).await?;
        let error = client.refused(message, code, reason).await?;
        let whole = said.contains("\nreceipt:r\n") && message != "there is no such command";
        same(
            error.header("receipt-id"),
            whole.then_some("r"),
            &format!("receipt-id of the ERROR to {said:?}"),
        )?;
    }
    api.until_online(user, &[] as &[&str]).await?;
    for (said, message, code, reason) in [
        (
            "SUBSCRIBE\nid:1\ndestination:/topic/messages\n\n\0",
            "the first frame must be CONNECT or STOMP",
            1002,
            "undecodable",
        ),
        ("CONNECT\naccept-version:3.0\n\n\0", "the versions are 1.0, 1.1 and 1.2", 1008, "refused"),
        ("CONNECT\naccept-version:1.1\nheart-beat:often\n\n\0", HEADER, 1002, "undecodable"),
    ] {
        let socket = world.upgraded(&handshake(&api, "user-101", "d", "/websocket", None)).await?;
        let mut client = Client::on(socket, Framing::Plain).await?;
        client.say_text(said).await?;
        let error = client.refused(message, code, reason).await?;
        same(error.header("version").is_some(), said.contains("3.0"), "whether the versions are named")?;
    }
    // A binary message that is no text at all.
    let mut client = connected(&api, "user-101", user, "1.2").await?;
    client.socket().send_binary(b"ACK\nid:\xff\n\n\0".to_vec()).await?;
    client.refused(MALFORMED, 1002, "undecodable").await?;
    api.until_online(user, &[] as &[&str]).await
}

async fn frames_may_be_cut_and_joined_anywhere(world: World) -> Result<()> {
    let api = Api::without_fixture(&world)?;
    let user = api.fixture().user(101);
    // Of this size; the last is one message for all.
    for size in [1, 7, 64, usize::MAX] {
        let mut client = connected(&api, "user-101", user, "1.2").await?;
        let script = "\n\r\nSUBSCRIBE\r\nid:ü\r\ndestination:/user/queue/messages\r\nreceipt:1\r\n\r\n\0\
                      \n\nSEND\ndestination:/app/chat\ncontent-length:4\nreceipt:2\n\n\0\0\n\0\0\
                      SEND\ndestination:/app/chat\nreceipt:3\n\nACK\n\nü\0\
                      DISCONNECT\nreceipt:4\nreceipt:5\n\n\0ACK\nreceipt:6\n\n\0";
        for piece in script.as_bytes().chunks(size) {
            client.socket().send_binary(piece.to_vec()).await?;
        }
        for receipt in ["1", "2", "3", "4"] {
            same(client.frame().await?.header("receipt-id"), Some(receipt), "receipt-id")?;
        }
        client.closed(1000, "").await?;
    }
    // Frames of WebSocket are yet another cut.
    let mut client = connected(&api, "user-101", user, "1.1").await?;
    client.socket().send_fragments(true, &[b"ACK\nrec", b"eipt:7\n", b"\n\0"]).await?;
    same(client.frame().await?.header("receipt-id"), Some("7"), "receipt-id")
}

async fn a_session_has_bounds(world: World) -> Result<()> {
    const SUBSCRIPTIONS: &str = "too many subscriptions, or too long an id";
    let api = Api::without_fixture(&world)?;
    let user = api.fixture().user(101);
    let mut client = connected(&api, "user-101", user, "1.2").await?;
    for id in 0..8 {
        client.subscribe(&format!("{id:064}"), OWN).await?;
    }
    client.say("SUBSCRIBE", &[("id", "9"), ("destination", OWN)], "").await?;
    client.refused(SUBSCRIPTIONS, 1008, "refused").await?;
    let long = "x".repeat(65);
    let mut client = connected(&api, "user-101", user, "1.2").await?;
    client.say("SUBSCRIBE", &[("id", &long), ("destination", OWN)], "").await?;
    client.refused(SUBSCRIPTIONS, 1008, "refused").await?;
    let mut client = connected(&api, "user-101", user, "1.2").await?;
    client.subscribe("1", OWN).await?;
    client.say("SUBSCRIBE", &[("id", "1"), ("destination", TOPIC)], "").await?;
    client.refused("the subscription's id is taken", 1002, "undecodable").await?;

    let receipts = "ACK\nreceipt:1\n\n\0";
    let send = |body: usize| format!("SEND\ndestination:/app/chat\nreceipt:1\n\n{}\0", "x".repeat(body));
    for (texts, answers) in [
        (vec![format!("ACK\na:{}", "x".repeat(8 * 1024))], 0),
        (vec![format!("ACK\n{}\n\0", "a:b\n".repeat(65))], 0),
        (vec!["SEND\ndestination:/app/chat\ncontent-length:65537\n\n".to_owned()], 0),
        (vec!["SEND\ndestination:/app/chat\n\n".to_owned(), "x".repeat(40_000), "x".repeat(40_000)], 0),
        (vec![receipts.repeat(101)], 100),
    ] {
        let mut client = connected(&api, "user-101", user, "1.1").await?;
        for text in texts {
            client.say_text(&text).await?;
        }
        for _ in 0..answers {
            same(client.frame().await?.command.as_str(), "RECEIPT", "the answer")?;
        }
        client.refused("the frame is too big", 1009, "too big").await?;
    }
    let mut client = connected(&api, "user-101", user, "1.2").await?;
    client.say_text(&format!("ACK\n{}receipt:1\n\n\0", "a:b\n".repeat(63))).await?;
    client.say_text(&send(50_000)).await?;
    client.say_text(&receipts.repeat(99)).await?;
    for _ in 0..101 {
        same(client.frame().await?.header("receipt-id"), Some("1"), "receipt-id")?;
    }
    client.done("DISCONNECT", &[]).await?;
    client.closed(1000, "").await?;
    api.until_online(user, &[] as &[&str]).await
}

async fn a_flood_of_rubbish_harms_nobody_else(world: World) -> Result<()> {
    let api = Api::without_fixture(&world)?;
    let user = api.fixture().user(101);
    let quiet = api.unrecorded();
    let mut bystander = connected(&quiet, "user-101", user, "1.2").await?;
    let rounds = size(20, 100);
    for round in 0..rounds {
        let socket =
            quiet.world().upgraded(&handshake(&quiet, "user-101", "flood", "/websocket", None)).await?;
        let mut client = Client::on(socket, Framing::Plain).await?;
        // Anything that is never a whole frame, until it is too much.
        let rubbish: String = (0..200).map(|n| char::from(b'!' + ((n * 7 + round) % 90) as u8)).collect();
        for _ in 0..50 {
            if client.socket().push_text(&rubbish).await.is_err() {
                break;
            }
        }
        client.refused("the frame is too big", 1009, "too big").await?;
    }
    bystander.done("ACK", &[("id", "1")]).await?;
    quiet.until_online(user, &["stomp"]).await
}

/// The frames depend on the server, so none of them is recorded.
async fn beats_are_what_the_server_said(world: World) -> Result<()> {
    const OWN_PACE: &str = "10000,10000";
    const WITHIN: Duration = Duration::from_secs(90);
    let api = Api::without_fixture(&world)?.unrecorded();
    let world = api.world();
    let open = async |path: &str, framing| {
        let socket = world.upgraded(&handshake(&api, "user-101", "d", path, None)).await?;
        Client::on(socket, framing).await
    };
    let mut plain = open("/websocket", Framing::Plain).await?;
    let said = plain.connect_with("1.2", "0,1000").await?;
    let pace = said.header("heart-beat").unwrap_or_default().to_owned();
    match world.kind() {
        Kind::Origin => same(pace.as_str(), OWN_PACE, "the origin's heart-beat")?,
        Kind::Edge => same(pace.as_str(), "0,0", "the edge's heart-beat")?,
        Kind::Running => {
            holds(pace == "0,0" || pace == OWN_PACE, || format!("heart-beat {pace}"))?;
        }
    }
    if pace == "0,0" {
        return plain.done("ACK", &[("id", "1")]).await;
    }
    let mut sockjs = open("/0/0/websocket", Framing::SockJs).await?;
    sockjs.connect_with("1.1", "0,10000").await?;
    let mut silent = open("/0/1/websocket", Framing::SockJs).await?;
    let beats = async { tokio::try_join!(plain.beat(), sockjs.beat(), silent.beat()) };
    let (plain_beat, sockjs_beat, silent_beat) = timeout(WITHIN, beats).await??;
    same((plain_beat.as_str(), sockjs_beat.as_str(), silent_beat.as_str()), ("\n", "\n", "h"), "the beats")
}
