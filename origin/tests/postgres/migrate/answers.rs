//! What a server answers before a move, after it, and after the move back.

use std::path::Path;

use rollcall_conformance::{
    console::fixture::sha256,
    http::{Connection, Request},
    postgres::Postgres,
    proto,
    world::World,
};
use rollcall_core::config;
use serde_json::{Value, json};

use super::{FILE, from, place, serve, to};
use crate::{
    engines::client,
    kit::{Server, earlier::Earlier},
};

/// Users who have tokens: in any script, with what PostgreSQL's texts cannot hold, and with numbers, which have records.
const USERS: [&str; 7] = ["7", "8", "101", "a'b\\", "李\u{10ffff}", "\u{fdd0}", "n\0l"];
/// Users of one order.
const MANY: i64 = 1_500;
/// Imported records, in two tenants.
const RECORDS: i64 = 3_000;

/// Administrators of two tenants, and a user of the first one.
fn configuration() -> String {
    let token = |role: &str, user: i64, tenant: i64, more: &str| {
        let sha256 = sha256(role);
        format!("[[auth.tokens]]\nsha256 = '{sha256}'\nuser_id = {user}\ntenant_id = {tenant}\n{more}\n")
    };
    [
        "[presence]\ngrace_seconds = 3600\n[message_center]\nretention_days = 36500\n".to_owned(),
        token("first", 100, 1, "sys_admin = true"),
        token("member", 103, 1, "full_name = 'Member'"),
        token("second", 200, 2, "sys_admin = true"),
    ]
    .concat()
}

async fn ask(server: &Server, method: &str, path: &str, bearer: &str, body: &str) -> (u16, String) {
    let mut request = Request::new(method, path).header("Authorization", &format!("Bearer {bearer}"));
    if method == "POST" {
        let form = if path.ends_with(":import") { "application/x-ndjson" } else { "application/json" };
        request = request.header("Content-Type", form).body(body.to_owned());
    }
    let mut connection = Connection::open(server.address).await.unwrap();
    let response = connection.send(&request).await.unwrap();
    (response.status, String::from_utf8(response.body).unwrap())
}

/// The same, which has to succeed.
async fn order(server: &Server, path: &str, bearer: &str, body: &str) {
    let (status, answer) = ask(server, "POST", path, bearer, body).await;
    assert!((200..300).contains(&status), "{path}: {status} {answer}");
}

const OFF: &str = "/api/v1/message/center/online/off";

/// Leaves something of every kind, and dies. Returns the tokens of users: good ones, kicked ones and replaced ones.
async fn fill(data: &Path, configuration: &str) -> Vec<String> {
    let server = Server::start(data, configuration);
    let world = server.world();
    let admin = world.admin_token().await.unwrap();
    let mut tokens = Vec::new();
    for user in USERS {
        for platform in [1, 5, 5] {
            tokens.push(world.issue(user, platform).await.unwrap());
        }
        tokens.push(world.issue(user, 2).await.unwrap());
        world.force_logout(user, 2).await.unwrap();
    }
    let names = [("8", "Ada \u{fdd0}"), ("n\0l", "李\u{10ffff}")];
    let users = names
        .map(|(user, name)| json!({"userID": user, "nickname": name, "faceURL": "https://x.test/a.png"}));
    world.as_admin("/user/user_register", &json!({"users": users})).await.unwrap().empty().unwrap();

    let record = |id: i64| {
        let end = match id % 3 {
            0 => json!({"leaseUntil": "2100-01-01T00:00:00Z"}),
            1 => json!({"offlineDate": "2026-01-01T09:00:00Z"}),
            _ => json!({"offlineDate": "2026-01-01T10:00:00Z", "avatar": "https://x.test/b.png"}),
        };
        let mut record = json!({"id": 1_000 + id, "tenantId": 1 + id % 2, "userId": id % 700, "fullName": format!("N{}李", id % 11),
            "userAgent": "agent/1.0", "deviceId": format!("d{}", id % 5), "remoteAddress": "2001:db8::1",
            "onlineDate": format!("2026-01-01T08:{:02}:{:02}Z", id / 60 % 60, id % 60)});
        record.as_object_mut().unwrap().extend(end.as_object().unwrap().clone());
        record.to_string()
    };
    let lines: Vec<String> = (0..RECORDS).map(record).collect();
    order(&server, "/admin/v1/records:import", &admin, &lines.join("\n")).await;

    let ids: Vec<i64> = (50_000..50_000 + MANY).collect();
    let many = json!({"receiveObjectType": "USER", "receiveObjectIds": ids}).to_string();
    order(&server, OFF, "first", &many).await;
    let one = json!({"receiveObjectType": "USER", "receiveObjectIds": [103, 9_223_372_036_854_775_807_i64]});
    order(&server, OFF, "first", &one.to_string()).await;
    let tenant = json!({"receiveObjectType": "TENANT", "receiveObjectIds": [2]}).to_string();
    order(&server, OFF, "second", &tenant).await;

    // One who follows another, one whose end is held back, and one whom the death takes.
    let mut watcher = world.login("101", 3).await.unwrap().1;
    watcher.ask(2005, "101", Some(&proto::subscription(&["7", "李\u{10ffff}"], &[]))).await.unwrap();
    let phone = world.login("7", 3).await.unwrap().1;
    let tablet = world.login("8", 9).await.unwrap().1;
    phone.close().await.unwrap();
    world.until_platforms("7", &[]).await.unwrap();
    // One command of a user at a time: behind this one, the end is durable.
    tokens.push(world.issue("7", 4).await.unwrap());
    server.kill();
    drop((watcher, tablet));
    tokens
}

/// What a server answers, and what every token is worth. What it was asked by is not in it.
async fn answers(server: &Server, tokens: &[String]) -> Vec<(String, Value)> {
    let world = server.world();
    let admin = world.admin_token().await.unwrap();
    // Each server goes on with the orders that were not delivered when the first one died.
    for tenant in [1, 2] {
        let path = &format!("/admin/v1/tenants/{tenant}/order");
        let undelivered = || async {
            let (status, body) = ask(server, "GET", path, &admin, "").await;
            assert_eq!(status, 200, "{body}");
            Ok(serde_json::from_str::<Value>(&body)?["undelivered"].clone())
        };
        world.eventually("orders that are delivered", undelivered, &json!([])).await.unwrap();
    }
    let mut all = Vec::new();
    for (number, token) in tokens.iter().enumerate() {
        all.push((format!("token {number}"), world.verdict(token).await.unwrap().into()));
    }
    let named = json!({"userIDs": USERS});
    for path in
        ["/user/get_users_online_status", "/user/get_users_online_token_detail", "/user/get_users_info"]
    {
        let known = if path.ends_with("info") { json!({"userIDs": ["8", "n\0l"]}) } else { named.clone() };
        all.push((path.to_owned(), world.as_admin(path, &known).await.unwrap().data().unwrap()));
    }
    let list = "/api/v1/message/center/online";
    for bearer in ["first", "member", "second", &admin] {
        for query in [
            "pageSize=2000",
            "pageSize=100&pageNo=7&orderSort=ASC",
            "online=true&pageSize=500&orderBy=fullName",
            "filters=%5B%7B%22key%22:%22fullName%22,%22op%22:%22MATCH%22,%22value%22:%22%E6%9D%8E%22%7D%5D",
            "userId=101",
        ] {
            let (status, body) = ask(server, "GET", &format!("{list}?{query}"), bearer, "").await;
            all.push((format!("{query} by {}", name_of(bearer)), answer(status, &body)));
        }
        for path in
            ["/api/v1/message/center/online/101", "/admin/v1/tenants/1/order", "/admin/v1/tenants/2/order"]
        {
            let (status, body) = ask(server, "GET", path, bearer, "").await;
            all.push((format!("{path} by {}", name_of(bearer)), answer(status, &body)));
        }
    }
    let asked = json!({"userIds": USERS}).to_string();
    let (status, body) = ask(server, "POST", "/admin/v1/users:batchGet", &admin, &asked).await;
    all.push(("users".to_owned(), answer(status, &body)));
    all.extend(exported(server, &admin).await);
    all
}

/// Everything that moves, line by line, but the administrator's own tokens.
async fn exported(server: &Server, admin: &str) -> Vec<(String, Value)> {
    let (mut lines, mut cursor) = (Vec::new(), Value::Null);
    loop {
        let asked = json!({"cursor": cursor}).to_string();
        let (status, text) = ask(server, "POST", "/admin/v1/population:export", admin, &asked).await;
        assert_eq!(status, 200, "{text}");
        let page: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        let last = page.last().unwrap()["cursor"].clone();
        let own = |line: &&Value| line["userId"] == "imAdmin" || line["type"] == "page";
        lines.extend(page.iter().filter(|line| !own(line)).map(|line| ("exported".to_owned(), line.clone())));
        if last.is_null() {
            return lines;
        }
        cursor = last;
    }
}

fn name_of(bearer: &str) -> &str {
    if bearer.len() > 20 { "an administrator" } else { bearer }
}

fn answer(status: u16, body: &str) -> Value {
    let mut answer: Value = serde_json::from_str(body).unwrap_or(Value::Null);
    if let Some(answer) = answer.as_object_mut() {
        answer.remove("datetime");
    }
    json!([status, answer])
}

#[track_caller]
fn assert_same(after: &[(String, Value)], before: &[(String, Value)], what: &str) {
    for (after, before) in after.iter().zip(before) {
        assert_eq!(after, before, "{what}");
    }
    assert_eq!(after.len(), before.len(), "{what}");
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        std::fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
    }
}

/// Logs in by a token from before the move, and out.
async fn is_good(world: &World, user: &str, token: &str) {
    let socket = world.open(user, 1, token).await.unwrap();
    assert_eq!(world.platforms(user).await.unwrap(), [1]);
    socket.close().await.unwrap();
    world.until_platforms(user, &[]).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_answer_is_the_same_after_a_move_and_after_the_move_back() {
    let engine = Postgres::shared().unwrap();
    let (home, data, settings) = place(&engine);
    let configuration = configuration();
    let tokens = fill(&data, &configuration).await;
    let unmoved = home.path().join("unmoved");
    copy(&data, &unmoved);
    let server = Server::start(&unmoved, &configuration);
    let before = answers(&server, &tokens).await;
    assert!(server.terminate().success());
    let verdicts: Vec<i64> =
        before.iter().take(tokens.len()).map(|(_, verdict)| verdict.as_i64().unwrap()).collect();
    assert!(verdicts.contains(&0) && verdicts.contains(&1506), "{verdicts:?}");
    assert!(before.len() > 3_000 + tokens.len(), "the export has the records: {}", before.len());

    let moved = to(&data, &settings);
    for table in
        ["user", "account", "token", "held_end", "subscription", "watcher", "record", "tenant_mark", "lease"]
    {
        assert!(moved["tables"][table].as_u64().unwrap() > 0, "{table} was empty: {moved}");
    }
    let node = home.path().join("node");
    let server = serve(&node, &settings, &configuration);
    assert_same(&answers(&server, &tokens).await, &before, "in PostgreSQL");
    assert!(server.terminate().success());

    let back = home.path().join("back");
    from(&settings, &back);
    let server = Server::start(&back, &configuration);
    assert_same(&answers(&server, &tokens).await, &before, "and back");
    is_good(&server.world(), "7", &tokens[0]).await;
    assert!(server.terminate().success());

    // What follows goes on where it was: serials, and tokens that replace others.
    let again = config::Store { schema: format!("{}_again", settings.schema), ..settings.clone() };
    to(&back, &again);
    let server = serve(&node, &again, &configuration);
    is_good(&server.world(), "n\0l", &tokens[tokens.len() - 5]).await;
    let client = client(&again).await;
    let serial = async || -> i64 {
        let sql =
            "SELECT greatest((SELECT max(sequence) FROM tenant_mark), (SELECT serial FROM last_serial))";
        client.query_one(sql, &[]).await.unwrap().get(0)
    };
    let earlier = serial().await;
    let tenant = json!({"receiveObjectType": "TENANT", "receiveObjectIds": [1]}).to_string();
    order(&server, OFF, "first", &tenant).await;
    assert!(serial().await > earlier && earlier > 0, "{earlier}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_store_of_an_earlier_release_is_answered_from_as_it_was() {
    let engine = Postgres::shared().unwrap();
    let (home, data, settings) = place(&engine);
    let earlier = Earlier::load();
    earlier.copy_to(&data);
    assert!(data.join(FILE).exists());
    to(&data, &settings);
    let server = serve(&home.path().join("node"), &settings, &earlier.configuration());
    assert_eq!(earlier.differences(&server).await, "");
}
