//! What is kept of connections that ended, across starts of the server.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    unreachable_pub,
    missing_docs,
    dead_code,
    reason = "a test"
)]

mod kit;

use std::path::Path;

use kit::{Server, skew::Skew};
use rollcall_conformance::{http::Request, world::World};
use serde_json::{Value, json};

async fn records(world: &World, bearer: &str) -> Vec<i64> {
    let request = Request::new("GET", "/api/v1/message/center/online?pageSize=2000&orderSort=ASC");
    let answer = world.send(&request.header("Authorization", bearer)).await.unwrap();
    let body: Value = serde_json::from_slice(&answer.response.body).unwrap();
    let all = body["data"]["list"].as_array().unwrap().iter();
    all.map(|record| record["id"].as_str().unwrap().parse().unwrap()).collect()
}

/// The number of stored records.
fn stored(data: &Path) -> i64 {
    let store = rusqlite::Connection::open(data.join("rollcall.sqlite3")).unwrap();
    store.query_row("SELECT count(*) FROM record", [], |row| row.get(0)).unwrap()
}

#[tokio::test]
async fn records_that_ended_long_ago_and_too_many_of_one_user_are_deleted() {
    let home = tempfile::tempdir().unwrap();
    let data = home.path().join("data");
    let server = Server::start(&data, "");
    let world = server.world();
    let bearer = format!("Bearer {}", world.admin_token().await.unwrap());
    let line = |id: i64, user: i64, offline: &str| {
        json!({"id": id, "tenantId": 0, "userId": user, "onlineDate": "2025-07-16T09:00:00Z", "offlineDate": offline})
            .to_string()
    };
    let (old, new) = ("2025-07-16T10:00:00Z", "2100-01-01T00:00:00Z");
    // More than one commit's worth of old ones, a few new ones, and a user with two too many.
    let mut lines: Vec<String> = (1..=4_500).map(|id| line(id, id, old)).collect();
    lines.extend((5_001..=5_003).map(|id| line(id, id, new)));
    lines.extend((6_001..=6_005).map(|id| line(id, 7, new)));
    let import = Request::new("POST", "/admin/v1/records:import").header("Authorization", &bearer);
    let answer = world.send(&import.body(lines.join("\n"))).await.unwrap();
    assert_eq!(answer.response.status, 200);
    let all = vec![5_001, 5_002, 5_003, 6_001, 6_002, 6_003, 6_004, 6_005];
    assert_eq!(records(&world, &bearer).await, all, "what is due is in no list");
    assert_eq!(stored(&data), 4_508);
    drop(server);

    let skew = Skew::build(home.path());
    let server = Server::start_as(&data, "[presence]\nmax_records_per_user = 3\n", &skew.variables(), "");
    let world = server.world();
    assert_eq!(records(&world, &bearer).await, all);
    assert_eq!(stored(&data), 4_508, "a clock that was just set deletes nothing");
    skew.pass(11 * 60);
    let left = vec![5_001, 5_002, 5_003, 6_003, 6_004, 6_005];
    world.eventually("the records", || async { Ok(records(&world, &bearer).await) }, &left).await.unwrap();
    assert_eq!(stored(&data), 6);
}

/// The known-wrong way was to delete once an hour what one client had left meanwhile: hundreds of thousands of records, while
/// every commit waited.
#[tokio::test]
async fn a_record_that_is_inserted_drives_the_oldest_of_its_user_out() {
    let home = tempfile::tempdir().unwrap();
    let data = home.path().join("data");
    let server = Server::start(&data, "[presence]\nmax_records_per_user = 3\n");
    let world = server.world();
    let token = world.issue("7", 5).await.unwrap();
    let store = rusqlite::Connection::open(data.join("rollcall.sqlite3")).unwrap();
    let count = |condition: &str| -> i64 {
        store
            .query_row(&format!("SELECT count(*) FROM record WHERE {condition}"), [], |row| row.get(0))
            .unwrap()
    };
    for _ in 0..8 {
        world.open("7", 5, &token).await.unwrap().close().await.unwrap();
        world.eventually("an end", || async { Ok(count("offline_at IS NULL")) }, &0).await.unwrap();
    }
    let _last = world.open("7", 5, &token).await.unwrap();
    assert_eq!((count("true"), count("offline_at IS NULL")), (4, 1));
}

#[tokio::test]
async fn entries_of_the_audit_that_are_old_or_too_many_are_deleted() {
    let home = tempfile::tempdir().unwrap();
    let data = home.path().join("data");
    let server = Server::start(&data, "");
    let world = server.world();
    for user in 0..5 {
        world.force_logout(&format!("user-{user}"), 5).await.unwrap();
    }
    drop(server);
    let store = rusqlite::Connection::open(data.join("rollcall.sqlite3")).unwrap();
    // More than one commit's worth of the year 2025.
    let old = "INSERT INTO audit (id, target, tenant, given_by, operation, progress, users, connections, details) \
               WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 4500) \
               SELECT printf('0197dd1b5c00%020x', i), '', 0, 'imAdmin', 'tenantOff', 'inForce', NULL, NULL, '{}' FROM n";
    store.execute(old, []).unwrap();
    let left = || -> Vec<String> {
        let mut rows = store.prepare("SELECT target FROM audit ORDER BY id").unwrap();
        rows.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect()
    };
    let skew = Skew::build(home.path());
    let server = Server::start_as(&data, "[audit]\nmax_rows = 3\n", &skew.variables(), "");
    let world = server.world();
    let bearer = format!("Bearer {}", world.admin_token().await.unwrap());
    let request = Request::new("GET", "/admin/v1/audit").header("Authorization", &bearer);
    let shown: Value = world.send(&request).await.unwrap().json().unwrap();
    assert_eq!(
        shown["list"].as_array().unwrap().len(),
        5,
        "what is old is not shown, whether it is deleted or not"
    );
    assert_eq!(left().len(), 4_505, "a clock that was just set deletes nothing");
    skew.pass(11 * 60);
    let newest = ["user-2", "user-3", "user-4"].map(str::to_owned).to_vec();
    // A request wakes the server, whose timers do not know that time has passed.
    let left = || async {
        world.status("user-0").await?;
        Ok(left())
    };
    world.eventually("the entries", left, &newest).await.unwrap();
}
