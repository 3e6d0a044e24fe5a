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

use kit::{Server, earlier::Earlier};
use serde_json::Value;

#[tokio::test]
async fn a_data_directory_of_version_2_is_served_as_the_program_before_served_it() {
    let earlier = Earlier::load();
    let home = tempfile::tempdir().unwrap();
    let data = home.path().join("data");
    let file = earlier.copy_to(&data);
    assert_eq!(user_version(&file), 2, "the fixture is of the version before");

    // The second start finds the file as the first one left it.
    for start in ["first", "second"] {
        let server = Server::start(&data, &earlier.configuration());
        let differences = earlier.differences(&server).await;
        assert!(differences.is_empty(), "the {start} start:\n{differences}");
        assert!(server.terminate().success());
        // Handshakes open records of their own, and proofs write down that a user was seen: neither is of the fixture.
        remove_new_rows(&file, &earlier.file());
    }
    let store = rusqlite::Connection::open(&file).unwrap();
    for stored in earlier.expected["stored"].as_array().unwrap() {
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
