//! Consoles that bring their token in the first frame: `docs/rules/message-center.md#login`.

use futures_util::future::join_all;
use rollcall_conformance::{
    http::{Connection, Request},
    stomp::{Client, Framing, OWN},
    world::World,
    ws::{Handshake, Opening, Socket},
};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::consoles::{OTHER, SOCKET, USER, key, online, server, until_online};

/// The ways to speak STOMP: path, subprotocol, framing.
const WAYS: [(&str, Option<&str>, Framing); 3] = [
    ("", Some("v12.stomp"), Framing::Plain),
    ("/websocket", None, Framing::Plain),
    ("/000/abcd1234/websocket", None, Framing::SockJs),
];

fn handshake(path: &str, subprotocol: Option<&str>) -> Handshake {
    let handshake = Handshake::empty().path(&format!("{SOCKET}{path}"));
    match subprotocol {
        Some(offered) => handshake.header("Sec-WebSocket-Protocol", offered),
        None => handshake,
    }
}

async fn waiting(world: &World, way: (&str, Option<&str>, Framing)) -> Client {
    let (path, subprotocol, framing) = way;
    let socket = world.upgraded(&handshake(path, subprotocol)).await.unwrap();
    assert_eq!(socket.protocol(), subprotocol);
    Client::on(socket, framing).await.unwrap()
}

async fn refused(world: &World, handshake: &Handshake) -> (u16, String) {
    match world.try_upgrade(handshake).await.unwrap() {
        Opening::Refused(response) => (response.status, key(&response)),
        Opening::Upgraded(_) => panic!("upgraded"),
    }
}

#[tokio::test]
async fn a_console_begins_with_the_connect_that_proves_it() {
    let home = tempfile::tempdir().unwrap();
    let server = server(&home, &[]);
    let world = server.world();
    let bearer = format!("Bearer {USER}");
    for way in WAYS {
        let mut client = waiting(&world, way).await;
        assert_eq!(online(&world, 101).await, 0, "it has not logged in");
        // Its frames may come in one message: what follows CONNECT is read under the token.
        let connect = client.write("CONNECT", &[("accept-version", "1.2"), ("Authorization", &bearer)], "");
        let subscribe = client.write("SUBSCRIBE", &[("id", "1"), ("destination", OWN), ("receipt", "r")], "");
        client.say_text(&(connect + &subscribe)).await.unwrap();
        assert_eq!(client.frame().await.unwrap().command, "CONNECTED");
        assert_eq!(client.frame().await.unwrap().command, "RECEIPT");
        until_online(&world, 101, 1).await;
        client.say("DISCONNECT", &[], "").await.unwrap();
        client.closed(1000, "").await.unwrap();
        until_online(&world, 101, 0).await;
    }
}

/// The frame is read by another task than that of a session.
#[tokio::test]
async fn a_clients_close_is_answered_before_it_has_logged_in() {
    let home = tempfile::tempdir().unwrap();
    let server = server(&home, &[]);
    let world = server.world();
    for (path, subprotocol, _) in WAYS.into_iter().filter(|(.., framing)| *framing == Framing::Plain) {
        for payload in [b"\x03\xe8".as_slice(), b"\x03\xe9bye", b"\x0f\xa0own", b""] {
            let socket = world.upgraded(&handshake(path, subprotocol)).await.unwrap();
            let answer = socket.close_with(payload).await.unwrap();
            assert_eq!(answer.get(..2), payload.get(..2), "{path}, {payload:?}");
        }
    }
}

/// The server's own Close is on its way when the client's comes.
#[tokio::test]
async fn a_client_that_was_refused_in_band_and_closes_first_reads_all_to_the_end() {
    let home = tempfile::tempdir().unwrap();
    let server = server(&home, &[]);
    for payload in [b"\x03\xe8".as_slice(), b"\x0f\xa0own", b""] {
        let mut connection = Connection::open(server.address).await.unwrap();
        let upgrade = Handshake::new("7", 5, "none").request();
        assert_eq!(connection.send(&upgrade).await.unwrap().status, 101);
        let (mut stream, mut heard) = connection.into_parts();
        let length = u8::try_from(payload.len()).unwrap();
        // The mask is zero.
        stream.write_all(&[&[0x88, 0x80 | length, 0, 0, 0, 0], payload].concat()).await.unwrap();
        stream.read_to_end(&mut heard).await.expect("no reset, which could overtake the refusal");
        let (refusal, close) = heard[2..].split_at(heard[1].into());
        assert!(heard[0] == 0x81 && refusal.starts_with(b"{\"errCode\":1503,"), "{heard:?}");
        assert_eq!(close.get(2..4), Some(1008_u16.to_be_bytes().as_slice()), "{close:?}");
        assert_eq!(close.len(), 2 + usize::from(close[1]), "nothing behind the Close");
    }
}

#[tokio::test]
async fn the_users_limit_counts_from_connect_on() {
    let home = tempfile::tempdir().unwrap();
    let server = server(&home, &[("ROLLCALL__PRESENCE__MAX_CONNECTIONS_PER_USER", "1")]);
    let world = server.world();
    let bearer = format!("Bearer {USER}");
    let headers = [("accept-version", "1.2"), ("authorization", bearer.as_str())];
    let mut first = waiting(&world, WAYS[0]).await;
    let mut second = waiting(&world, WAYS[2]).await;
    first.say("CONNECT", &headers, "").await.unwrap();
    assert_eq!(first.frame().await.unwrap().command, "CONNECTED");
    second.say("CONNECT", &headers, "").await.unwrap();
    second.refused("forbidden", 1008, "refused").await.unwrap();
    assert_eq!(online(&world, 101).await, 1);
}

#[tokio::test]
async fn whoever_does_not_prove_itself_is_told_and_closed() {
    let home = tempfile::tempdir().unwrap();
    let server = server(&home, &[]);
    let world = server.world();
    for way in WAYS {
        for (headers, word) in [
            (vec![("accept-version", "1.2"), ("login", "x"), ("passcode", USER)], "unauthorized"),
            (vec![("Authorization", USER)], "unauthorized"),
            (vec![("Authorization", "Bearer bad")], "invalid_token"),
        ] {
            let mut client = waiting(&world, way).await;
            client.say("CONNECT", &headers, "").await.unwrap();
            client.refused(word, 1008, "refused").await.unwrap();
        }
        let mut client = waiting(&world, way).await;
        client.say("SUBSCRIBE", &[("id", "1"), ("destination", OWN)], "").await.unwrap();
        client.refused("the first frame must be CONNECT or STOMP", 1002, "undecodable").await.unwrap();
        // What the upgrade names is judged there, whatever CONNECT would have said.
        let (path, subprotocol, _) = way;
        let bad = handshake(path, subprotocol);
        let header = bad.clone().header("Authorization", "Bearer bad");
        for bad in [bad.set("access_token", "bad"), header] {
            assert_eq!(refused(&world, &bad).await, (401, "invalid_token".to_owned()));
        }
    }
    // Plain texts bring no token.
    assert_eq!(refused(&world, &handshake("", None)).await, (401, "unauthorized".to_owned()));
    let mut both = Client::on(
        world.upgraded(&handshake("/websocket", None).set("access_token", USER)).await.unwrap(),
        Framing::Plain,
    )
    .await
    .unwrap();
    let other = format!("Bearer {OTHER}");
    both.say("CONNECT", &[("Authorization", &other)], "").await.unwrap();
    assert_eq!(both.frame().await.unwrap().command, "CONNECTED");
    until_online(&world, 101, 1).await;
    assert_eq!(online(&world, 102).await, 0);
}

#[tokio::test]
async fn logins_that_fail_count_for_the_limit_of_their_address() {
    let home = tempfile::tempdir().unwrap();
    let server = server(&home, &[("ROLLCALL__LIMITS__TOKEN_REQUESTS_PER_MINUTE", "3")]);
    let world = server.world();
    let login = async |way, token: &str| {
        let mut client = waiting(&world, way).await;
        client.say("CONNECT", &[("Authorization", &format!("Bearer {token}"))], "").await.unwrap();
        client
    };
    for way in WAYS {
        login(way, "bad").await.refused("invalid_token", 1008, "refused").await.unwrap();
    }
    login(WAYS[0], "worse").await.refused("too_many_requests", 1008, "refused").await.unwrap();
    let guess = Request::post("/auth/get_admin_token").header("operationID", "guess").body("{}");
    assert_eq!(world.send(&guess).await.unwrap().response.status, 429, "what was guessed there counts here");
    for way in WAYS {
        let mut good = login(way, USER).await;
        assert_eq!(good.frame().await.unwrap().command, "CONNECTED", "a good token is not refused");
    }
}

#[tokio::test]
async fn sockets_that_wait_for_a_login_are_few_and_not_for_long() {
    let home = tempfile::tempdir().unwrap();
    let server = server(&home, &[("trusted_proxies", "127.0.0.1"), ("metrics_listen", "127.0.0.1:0")]);
    let world = server.world();
    let from = |address: &str| handshake("/websocket", None).header("X-Forwarded-For", address);
    let mut sockets: Vec<Socket> =
        join_all((0..64).map(|_| async { world.upgraded(&from("192.0.2.1")).await.unwrap() })).await;
    assert_eq!(refused(&world, &from("192.0.2.1")).await, (401, "unauthorized".to_owned()));
    world.upgraded(&from("192.0.2.2")).await.unwrap();
    // A place is free as soon as its client has logged in, or is gone.
    let mut client = Client::on(sockets.pop().unwrap(), Framing::Plain).await.unwrap();
    client.say("CONNECT", &[("Authorization", &format!("Bearer {USER}"))], "").await.unwrap();
    assert_eq!(client.frame().await.unwrap().command, "CONNECTED");
    sockets.push(world.upgraded(&from("192.0.2.1")).await.unwrap());
    for mut socket in sockets {
        assert_eq!(socket.closed(1008).await.unwrap(), "refused");
    }
    drop(client);
    until_online(&world, 101, 0).await;
    let mut after = world.upgraded(&from("192.0.2.1")).await.unwrap();
    assert_eq!(after.closed(1008).await.unwrap(), "refused", "it says nothing, either");
}
