//! Everything that can be done to users, and what must hold afterwards whatever the clock does meanwhile.

use std::collections::BTreeMap;

use rollcall_conformance::{
    console::fixture::sha256,
    http::Request,
    proto,
    world::World,
    ws::{Opening, Socket, upgrade},
};
use serde_json::{Value, json};

use crate::kit::Server;

pub(crate) const WEB: i64 = 5;
pub(crate) const IOS: i64 = 1;

/// A console of tenant 0 that may do everything there.
pub(crate) const CONSOLES: &str = "[[auth.tokens]]\nsha256 = '5e884898da28047151d0e56f8dc6292773603d0d6aabbdd62a11ef721d1542d8'\n\
                                   user_id = 900\ntenant_id = 0\nsys_admin = true\npermissions = ['OnlineUser', 'SignOut']\n";
const CONSOLE: &str = "Bearer password";
/// An opaque token without an issue time, of user 901 of tenant 0.
const OPAQUE: &str = "an-opaque-token-that-only-an-order-can-take";
/// The first user of the first call of [`order`].
pub(crate) const FIRST: i64 = 100;
const OFF: &str = "/api/v1/message/center/online/off";

/// Both tokens, orders to two users that are orders to a set, and ends of connections that are held back for a second.
pub(crate) fn configuration() -> String {
    let opaque = sha256(OPAQUE);
    format!(
        "{CONSOLES}[[auth.tokens]]\nsha256 = '{opaque}'\nuser_id = 901\ntenant_id = 0\n\
         [message_center]\ndirect_users = 1\n[presence]\ngrace_seconds = 1\n"
    )
}

async fn ask(world: &World, method: &str, target: &str, bearer: &str, body: Option<&Value>) -> Value {
    let mut request = Request::new(method, target).header("Authorization", bearer);
    if let Some(body) = body {
        request = request.header("Content-Type", "application/json").body(body.to_string());
    }
    let answer = world.send(&request).await.unwrap();
    assert_eq!(answer.response.status, 200, "{target}: {}", String::from_utf8_lossy(&answer.response.body));
    serde_json::from_slice(&answer.response.body).unwrap_or_default()
}

pub(crate) async fn take_all_off(world: &World) {
    let order = json!({"receiveObjectType": "ALL", "broadcast": true});
    ask(world, "POST", OFF, CONSOLE, Some(&order)).await;
}

/// The records of a user by id: online date and offline date.
pub(crate) async fn records(world: &World, user: i64) -> BTreeMap<i64, (String, Option<String>)> {
    let target = format!("/api/v1/message/center/online?pageSize=100&userId={user}");
    let answer = ask(world, "GET", &target, CONSOLE, None).await;
    let date = |record: &Value, name: &str| record[name].as_str().map(str::to_owned);
    let of = |record: &Value| {
        let id = record["id"].as_str().unwrap().parse().unwrap();
        (id, (date(record, "onlineDate").unwrap(), date(record, "offlineDate")))
    };
    answer["data"]["list"].as_array().unwrap().iter().map(of).collect()
}

/// Everything that can be done to a user, from a login to its end. The token that is good afterwards.
pub(crate) async fn live(server: &Server, user: &str) -> String {
    // A world of its own, whose administrator's token is of this clock.
    let world = server.world();
    let first = world.issue(user, WEB).await.unwrap();
    world.expect_verdict(&first, 0, "a new token").await.unwrap();
    let socket = world.open(user, WEB, &first).await.unwrap();
    assert_eq!(world.platforms(user).await.unwrap(), [WEB]);
    world.force_logout(user, WEB).await.unwrap();
    world.expect_verdict(&first, 1506, "a kicked token").await.unwrap();
    assert!(world.platforms(user).await.unwrap().is_empty());
    drop(socket);

    let second = world.issue(user, WEB).await.unwrap();
    let _second_socket = world.open(user, WEB, &second).await.unwrap();
    let third = world.issue(user, IOS).await.unwrap();
    take_all_off(&world).await;
    for (token, what) in [(&second, "connected"), (&third, "not connected")] {
        world.expect_verdict(token, 1506, what).await.unwrap();
    }
    assert!(world.platforms(user).await.unwrap().is_empty());
    let later = world.issue(user, WEB).await.unwrap();
    world.expect_verdict(&later, 0, "a token issued after the order").await.unwrap();
    let socket = world.open(user, WEB, &later).await.unwrap();
    assert_eq!(world.platforms(user).await.unwrap(), [WEB]);
    let online = |records: &BTreeMap<_, (String, Option<String>)>| {
        records.values().filter(|(_, offline)| offline.is_none()).count()
    };
    let number = user.parse().unwrap();
    world
        .eventually("the online records", || async { Ok(online(&records(&world, number).await)) }, &1)
        .await
        .unwrap();
    socket.close().await.unwrap();
    world
        .eventually("the online records", || async { Ok(online(&records(&world, number).await)) }, &0)
        .await
        .unwrap();
    // The same order again takes back nothing that an earlier one took.
    take_all_off(&world).await;
    for token in [&first, &second, &third, &later] {
        world.expect_verdict(token, 1506, "taken").await.unwrap();
    }
    let last = world.issue(user, WEB).await.unwrap();
    world.expect_verdict(&last, 0, "the last token").await.unwrap();
    last
}

async fn status_of_opaque(world: &World) -> u16 {
    let request = Request::new("GET", "/admin/v1/me").header("Authorization", &format!("Bearer {OPAQUE}"));
    world.send(&request).await.unwrap().response.status
}

/// How many records of a user are online.
async fn online(world: &World, user: i64) -> usize {
    records(world, user).await.values().filter(|(_, offline)| offline.is_none()).count()
}

async fn until_offline(world: &World, user: i64) {
    world.eventually("the online records", || async { Ok(online(world, user).await) }, &0).await.unwrap();
}

/// Orders of this kind to these ids.
async fn take_off(world: &World, kind: &str, ids: &[i64]) {
    let order = json!({"receiveObjectType": kind, "receiveObjectIds": ids});
    ask(world, "POST", OFF, CONSOLE, Some(&order)).await;
}

/// A console by the token in its URL.
pub(crate) async fn console(world: &World, token: &str) -> Socket {
    let request = upgrade(&format!("/ws/messageCenter?access_token={token}"), &[]);
    match world.try_upgrade_with(&request).await.unwrap() {
        Opening::Upgraded(socket) => *socket,
        Opening::Refused(response) => panic!("{}", response.status),
    }
}

/// What else can be done, to users from this number on.
pub(crate) async fn order(server: &Server, first: i64) {
    let world = server.world();
    let admin = format!("Bearer {}", world.admin_token().await.unwrap());
    account_and_presence(&world, first).await;
    orders_to_sets(&world, &admin, first + 10).await;
    orders_to_one_and_to_a_tenant(&world, first + 20).await;
    one_token_and_one_end(&world, &admin, first + 30).await;
    opaque_tokens_and_consoles(&world).await;
    population(&world, &admin, first).await;
    for user in (0..40).map(|n| first + n).chain([900, 901]) {
        until_offline(&world, user).await;
        for (id, (online, offline)) in records(&world, user).await {
            assert!(offline.is_some_and(|offline| offline >= online), "{id} of {user}");
        }
    }
}

/// An account, following, a push, what a client tells, and the end of following.
async fn account_and_presence(world: &World, first: i64) {
    let [one, watcher] = [first, first + 1].map(|user| user.to_string());
    let account = |name: &str| json!({"users": [{"userID": one, "nickname": name, "faceURL": ""}]});
    for (name, code) in [("Ada", 0), ("Eve", 1102)] {
        let answer = world.as_admin("/user/user_register", &account(name)).await.unwrap();
        assert_eq!(answer.json().unwrap()["errCode"], code, "{name}");
    }
    let (_, mut follower) = world.login(&watcher, WEB).await.unwrap();
    let follow = proto::subscription(&[&one], &[]);
    assert_eq!(follower.ask(2005, &watcher, Some(&follow)).await.unwrap()["errCode"], 0);
    let (token, mut socket) = world.login(&one, WEB).await.unwrap();
    follower.binary().await.unwrap();
    let background = proto::background_status(&one, true);
    assert_eq!(socket.ask(2004, &one, Some(&background)).await.unwrap()["errCode"], 0);
    let leave = proto::subscription(&[], &[&one]);
    assert_eq!(follower.ask(2005, &watcher, Some(&leave)).await.unwrap()["errCode"], 0);
    let told = proto::push_token(&one, 5);
    assert_eq!(socket.ask(2003, &one, Some(&told)).await.unwrap()["errCode"], 0);
    socket.ended_silently().await.unwrap();
    world.until_platforms(&one, &[]).await.unwrap();
    world.expect_verdict(&token, 0, "a token after its client has logged out").await.unwrap();
    until_offline(world, first).await;
    // The follower heard no more of it.
    follower.alive().await.unwrap();
    follower.close().await.unwrap();
}

/// An order to a set of users: one is connected, one has a token, one a record of another system.
async fn orders_to_sets(world: &World, admin: &str, first: i64) {
    let [one, two, imported] = [first, first + 1, first + 2];
    let (token, _socket) = world.login(&one.to_string(), WEB).await.unwrap();
    let other = world.issue(&two.to_string(), IOS).await.unwrap();
    let line = json!({
        "id": first, "tenantId": 0, "userId": imported,
        "onlineDate": "2026-01-01T08:00:00Z", "leaseUntil": "2099-01-01T00:00:00Z",
    });
    let import = ask(world, "POST", "/admin/v1/records:import", admin, Some(&line)).await;
    assert_eq!(import["imported"], 1, "{import}");
    // What is not ours goes by the date: earlier orders to the tenant cover it.
    let is_covered = first > FIRST + 99;
    assert_eq!((online(world, one).await, online(world, imported).await), (1, usize::from(!is_covered)));
    take_off(world, "USER", &[one, two, imported]).await;
    assert!(world.platforms(&one.to_string()).await.unwrap().is_empty());
    for (token, what) in [(&token, "connected"), (&other, "not connected")] {
        world.expect_verdict(token, 1506, what).await.unwrap();
    }
    for user in [one, imported] {
        until_offline(world, user).await;
    }
    let later = world.issue(&one.to_string(), WEB).await.unwrap();
    world.expect_verdict(&later, 0, "a token issued after the order").await.unwrap();
}

/// A direct order to a user, and one to the tenant, from which its giver is exempt: user 900.
async fn orders_to_one_and_to_a_tenant(world: &World, first: i64) {
    let user = first.to_string();
    let token = world.issue(&user, WEB).await.unwrap();
    let own = world.issue("900", WEB).await.unwrap();
    take_off(world, "USER", &[first]).await;
    world.expect_verdict(&token, 1506, "a token that was taken").await.unwrap();
    let (later, _socket) = world.login(&user, WEB).await.unwrap();
    take_off(world, "TENANT", &[0]).await;
    assert!(world.platforms(&user).await.unwrap().is_empty());
    for (token, code, what) in
        [(&token, 1506, "twice"), (&later, 1506, "the second"), (&own, 0, "the giver's")]
    {
        world.expect_verdict(token, code, what).await.unwrap();
    }
}

/// A token that is taken back alone, and an end that is held back and comes.
async fn one_token_and_one_end(world: &World, admin: &str, user: i64) {
    let name = user.to_string();
    let lost = world.issue(&name, WEB).await.unwrap();
    let kept = world.issue(&name, IOS).await.unwrap();
    let hashes = json!({"sha256": [sha256(&lost)]});
    let target = format!("/admin/v1/users/{user}/tokens:revoke");
    assert_eq!(ask(world, "POST", &target, admin, Some(&hashes)).await["revoked"], 1);
    world.expect_verdict(&lost, 1506, "the revoked token").await.unwrap();
    world.expect_verdict(&kept, 0, "the other token").await.unwrap();
    world.open(&name, IOS, &kept).await.unwrap().close().await.unwrap();
    until_offline(world, user).await;
    world.expect_verdict(&kept, 0, "a token after its connection").await.unwrap();
}

/// A token of another issuer and its console are taken by orders, and unlocks give the token back, not what is ours.
async fn opaque_tokens_and_consoles(world: &World) {
    // Earlier orders may have taken it.
    for target in ["/admin/v1/tenants/0/unlock", "/admin/v1/users/901/unlock"] {
        ask(world, "POST", target, CONSOLE, None).await;
        let ours = world.issue("901", IOS).await.unwrap();
        assert_eq!(status_of_opaque(world).await, 200);
        let mut opened = console(world, OPAQUE).await;
        assert_eq!(online(world, 901).await, 1);
        if target.contains("tenants") {
            take_all_off(world).await
        } else {
            take_off(world, "USER", &[901]).await
        }
        let closing: Value = serde_json::from_str(&opened.text().await.unwrap()).unwrap();
        assert_eq!(closing["type"], "CLOSE");
        assert_eq!(opened.closed(4001).await.unwrap(), "forced_offline");
        assert_eq!(status_of_opaque(world).await, 401);
        assert_eq!(ask(world, "POST", target, CONSOLE, None).await["unlocked"], true);
        assert_eq!(status_of_opaque(world).await, 200);
        world.expect_verdict(&ours, 1506, "what an unlock does not give back").await.unwrap();
    }
}

/// All of one user moves out and in again, and is what it was.
async fn population(world: &World, admin: &str, user: i64) {
    let export = || async {
        let asked = json!({"userIds": [user.to_string(), (user + 30).to_string()]});
        send(world, "/admin/v1/population:export", admin, "application/json", asked.to_string()).await
    };
    let before = export().await;
    let report =
        send(world, "/admin/v1/population:import", admin, "application/x-ndjson", before.clone()).await;
    let report: Value = serde_json::from_str(&report).unwrap();
    assert_eq!((&report["users"], &report["rejected"]), (&json!(2), &json!([])), "{report}");
    assert_eq!(export().await, before);
}

async fn send(world: &World, target: &str, bearer: &str, media: &str, body: String) -> String {
    let request =
        Request::post(target).header("Authorization", bearer).header("Content-Type", media).body(body);
    let answer = world.send(&request).await.unwrap();
    let text = String::from_utf8(answer.response.body).unwrap();
    assert_eq!(answer.response.status, 200, "{target}: {text}");
    text
}
