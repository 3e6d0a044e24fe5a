//! A data directory that an earlier program wrote opens with tokens, orders and records as they were.
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

use kit::Server;
use rollcall_conformance::http::{Connection, Request};
use serde_json::Value;

#[tokio::test]
async fn a_data_directory_of_version_2_is_served_as_the_program_before_served_it() {
    let fixture = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/data-v2");
    let expected: Value =
        serde_json::from_str(&std::fs::read_to_string(fixture.join("expected.json")).unwrap()).unwrap();
    let home = tempfile::tempdir().unwrap();
    let data = home.path().join("data");
    std::fs::create_dir(&data).unwrap();
    let file = data.join("rollcall.sqlite3");
    std::fs::copy(fixture.join("rollcall.sqlite3"), &file).unwrap();
    assert_eq!(user_version(&file), 2, "the fixture is of the version before");
    let configuration = std::fs::read_to_string(fixture.join("configuration.toml")).unwrap();

    // The second start finds the file as the first one left it.
    for start in ["first", "second"] {
        let server = Server::start(&data, &configuration);
        let mut differences = Vec::new();
        for case in expected["answers"].as_array().unwrap() {
            let found = ask(&server, case).await;
            let wanted = (case["status"].as_u64().unwrap(), case["answer"].clone());
            if found != wanted {
                differences.push(format!("{}\n  wanted {wanted:?}\n  found  {found:?}", case["what"]));
            }
        }
        assert!(differences.is_empty(), "the {start} start:\n{}", differences.join("\n"));
        assert!(server.terminate().success());
        // Handshakes open records of their own, and proofs write down that a user was seen: neither is of the fixture.
        remove_new_rows(&file, &fixture.join("rollcall.sqlite3"));
    }
    let store = rusqlite::Connection::open(&file).unwrap();
    for stored in expected["stored"].as_array().unwrap() {
        let sql = stored["sql"].as_str().unwrap();
        let rows: Vec<Value> = store
            .prepare(sql)
            .unwrap()
            .query_map([], |row| {
                Ok(match row.get(0)? {
                    rusqlite::types::Value::Integer(number) => number.into(),
                    rusqlite::types::Value::Text(text) => text.into(),
                    other => panic!("{other:?}"),
                })
            })
            .unwrap()
            .collect::<Result<_, _>>()
            .unwrap();
        assert_eq!(Value::Array(rows), stored["rows"], "{sql}");
    }
}

async fn ask(server: &Server, case: &Value) -> (u64, Value) {
    let text = |name: &str| case[name].as_str().unwrap();
    let mut request = Request::new(text("method"), text("path"));
    for (name, value) in case["headers"].as_object().unwrap() {
        request = request.header(name, value.as_str().unwrap());
    }
    if let Some(body) = case.get("body") {
        request = request.body(body.to_string());
    }
    let mut connection = Connection::open(server.address).await.unwrap();
    let response = connection.send(&request).await.unwrap();
    let mut answer = serde_json::from_slice(&response.body).unwrap_or(Value::Null);
    if let Some(answer) = answer.as_object_mut() {
        answer.remove("datetime");
    }
    (response.status.into(), answer)
}

fn user_version(file: &Path) -> u32 {
    let store = rusqlite::Connection::open(file).unwrap();
    store.query_row("PRAGMA user_version", [], |row| row.get(0)).unwrap()
}

fn remove_new_rows(file: &Path, fixture: &Path) {
    let store = rusqlite::Connection::open(file).unwrap();
    store.execute("DELETE FROM record WHERE online_at > 1753000000000", []).unwrap();
    // It stays as it is, in WAL mode too.
    let fixture = format!("file:{}?immutable=1", fixture.to_str().unwrap());
    store.execute("ATTACH ?1 AS fixture", [fixture]).unwrap();
    store.execute("DELETE FROM user WHERE id NOT IN (SELECT id FROM fixture.user)", []).unwrap();
}
