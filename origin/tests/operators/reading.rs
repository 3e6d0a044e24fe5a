//! `who`, `ls` and `health`.

use rollcall_conformance::console::fixture::sha256;
use serde_json::json;

use crate::{
    kit::Server,
    shell::{document, ended, err, golden, run, run_with},
};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_shows_connections_without_their_tokens() {
    let home = tempfile::tempdir().unwrap();
    let data_dir = home.path().join("data");
    let server = Server::start(&data_dir, "");
    let world = server.world();
    let admin = world.admin_token().await.unwrap();
    let (token, _socket) = world.login("alice", 2).await.unwrap();
    let (_, _other) = world.login("alice", 5).await.unwrap();

    let shown = ended(&run(&data_dir, &admin, &["who", "alice", "nobody"]), 0);
    assert!(!shown.contains(&token));
    assert_eq!(
        golden(&shown),
        [
            "USER    STATUS   PLATFORM  CONNECTION                        BACKGROUND  TOKEN",
            "alice   online   Android   <thirty-two hexadecimal digits->  no          …token.",
            "alice   online   Web       <thirty-two hexadecimal digits->  no          …token.",
            "nobody  offline  -         -                                 -           -",
        ]
    );

    let read = document(&run(&data_dir, &admin, &["who", "alice", "nobody", "--json"]), 0);
    let connection = world.status("alice").await.unwrap().connections.remove(0);
    let end = &token[token.len() - 6..];
    assert_eq!(
        read["users"][0]["connections"][0],
        json!({"platformID": 2, "platform": "Android", "connID": connection.id, "background": false, "token": format!("…{end}")})
    );
    assert_eq!(
        read["users"][1],
        json!({"userID": "nobody", "tenantId": "0", "online": false, "connections": [], "consoles": [], "recordTenants": []})
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ls_filters_sorts_and_pages() {
    let home = tempfile::tempdir().unwrap();
    let data_dir = home.path().join("data");
    let server = Server::start(&data_dir, "");
    let world = server.world();
    let admin = world.admin_token().await.unwrap();
    let (_, _live) = world.login("101", 5).await.unwrap();
    let record = |id: i64, name: &str| {
        let record = json!({"id": id, "tenantId": 0, "userId": id, "fullName": name, "userAgent": "a\u{1b}[2Jb",
            "onlineDate": "2099-01-01T08:00:00Z", "offlineDate": "2099-01-01T09:00:00Z"});
        format!("{record}\n")
    };
    let lines = format!("{}{}{}", record(1, "zhang san"), record(2, "张三"), record(3, "li"));
    let variables = [("ROLLCALL_TOKEN", admin.as_str())];
    ended(&run_with(&data_dir, &variables, &["import", "-"], &lines), 0);

    let online = golden(&ended(&run(&data_dir, &admin, &["ls", "--online"]), 0));
    assert_eq!(
        online,
        [
            "USER  NAME  SINCE                UNTIL  ADDRESS    DEVICE   AGENT",
            "101   101   <date and time ----  -      127.0.0.1  unknown  unknown",
        ]
    );
    let offline = ["ls", "--offline", "--order-by", "userId", "--sort", "asc"];
    let table = ended(&run(&data_dir, &admin, &offline), 0);
    assert_eq!(
        table.lines().map(str::to_owned).collect::<Vec<_>>(),
        [
            "USER  NAME       SINCE                UNTIL                ADDRESS  DEVICE   AGENT",
            "1     zhang san  2099-01-01 08:00:00  2099-01-01 09:00:00  unknown  unknown  a\u{fffd}[2Jb",
            "2     张三       2099-01-01 08:00:00  2099-01-01 09:00:00  unknown  unknown  a\u{fffd}[2Jb",
            "3     li         2099-01-01 08:00:00  2099-01-01 09:00:00  unknown  unknown  a\u{fffd}[2Jb",
        ]
    );
    let matched =
        document(&run(&data_dir, &admin, &["ls", "--filter", "fullName MATCH zhang s", "--json"]), 0);
    assert_eq!((&matched["total"], &matched["list"][0]["userId"]), (&json!(1), &json!("1")));
    let second = ["ls", "--offline", "--order-by", "userId", "--limit", "2", "--page", "2", "--json"];
    let page = document(&run(&data_dir, &admin, &second), 0);
    assert_eq!((&page["total"], page["list"].as_array().unwrap().len()), (&json!(3), 1));
    assert_eq!(page["list"][0]["userId"], "1");
    let all = document(&run(&data_dir, &admin, &["ls", "--all", "--json"]), 0);
    assert_eq!((&all["total"], all["list"].as_array().unwrap().len()), (&json!(4), 4));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn wrong_questions_are_answered_with_the_right_words() {
    let home = tempfile::tempdir().unwrap();
    let data_dir = home.path().join("data");
    let server = Server::start(&data_dir, "");
    let admin = server.world().admin_token().await.unwrap();
    let asked = |filter: &str| run(&data_dir, &admin, &["ls", "--filter", filter]);
    let key = asked("name EQUAL x");
    ended(&key, 2);
    assert!(err(&key).contains("userId, fullName, deviceId, remoteAddress, online"), "{}", err(&key));
    let operator = asked("fullName LIKE x");
    ended(&operator, 2);
    assert!(err(&operator).contains("EQUAL, NOT_EQUAL, MATCH"), "{}", err(&operator));
    // What goes with what only the server knows.
    let range = asked("fullName GREATER_THAN x");
    ended(&range, 2);
    assert!(err(&range).contains("unsupported_range_filter"), "{}", err(&range));
    let column = run(&data_dir, &admin, &["ls", "--order-by", "name"]);
    ended(&column, 2);
    assert!(err(&column).contains("id, userId, fullName"), "{}", err(&column));
    let tenant = run(&data_dir, &admin, &["ls", "--tenant", "9"]);
    assert_eq!(ended(&tenant, 0).lines().count(), 1, "the titles alone");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn health_is_status_0_only_when_all_is_well() {
    let home = tempfile::tempdir().unwrap();
    let data_dir = home.path().join("data");
    let server = Server::start(&data_dir, "");
    assert_eq!(ended(&run(&data_dir, "", &["health"]), 0), "ok\n");
    assert_eq!(document(&run(&data_dir, "", &["health", "--json"]), 0), json!({"status": "ok"}));
    // A socket that stays keeps the drain going.
    let world = server.world();
    let (_, _one) = world.login("alice", 2).await.unwrap();
    let (_, _two) = world.login("bob", 2).await.unwrap();
    server.signal(rustix::process::Signal::TERM);
    let mut seen = run(&data_dir, "", &["health"]);
    while seen.status.code() == Some(0) {
        seen = run(&data_dir, "", &["health"]);
    }
    assert_eq!(ended(&seen, 4), "draining\n");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn audit_shows_who_gave_which_order() {
    let home = tempfile::tempdir().unwrap();
    let data_dir = home.path().join("data");
    let server = Server::start(&data_dir, "");
    let world = server.world();
    let admin = world.admin_token().await.unwrap();
    let (token, _socket) = world.login("alice", 2).await.unwrap();
    ended(&run(&data_dir, &admin, &["kick", "--yes", "--platform", "Android", "alice"]), 0);
    ended(&run(&data_dir, &admin, &["kick", "--yes", "101"]), 0);

    let shown = ended(&run(&data_dir, &admin, &["audit"]), 0);
    assert_eq!(
        golden(&shown),
        [
            "AT                   BY       FROM       OPERATION    WHAT                   USERS  ENDED  STATE",
            "<date and time ----  imAdmin  127.0.0.1  off          USER 101               1      0      done",
            "<date and time ----  imAdmin  127.0.0.1  forceLogout  user alice on Android  1      1      done",
        ]
    );
    let read = document(&run(&data_dir, &admin, &["audit", "--user", "alice", "--json"]), 0);
    assert_eq!(read["list"].as_array().map(Vec::len), Some(1));
    assert_eq!(read["list"][0]["by"]["tokenSha256"], sha256(&admin));
    assert!(!read.to_string().contains(&token));
    // A page after the other, as many as are asked for.
    let one = document(&run(&data_dir, &admin, &["audit", "--limit", "1", "--json"]), 0);
    let next = one["next"].as_str().unwrap();
    let other = document(&run(&data_dir, &admin, &["audit", "--before", next, "--json"]), 0);
    assert_eq!(other["list"], read["list"]);
    let nothing = document(&run(&data_dir, &admin, &["audit", "--operation", "reshard", "--json"]), 0);
    assert_eq!(nothing, json!({"list": []}));
    let wrong = run(&data_dir, &admin, &["audit", "--from", "yesterday"]);
    ended(&wrong, 2);
    assert!(err(&wrong).contains("from"), "{}", err(&wrong));
}
