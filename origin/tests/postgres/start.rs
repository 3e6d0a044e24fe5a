//! Servers that are refused.

use rollcall_conformance::postgres::Postgres;
use rollcall_core::{config, secret::Secret};

use crate::engines::{client, open, settings};

async fn refusal(settings: &config::Store) -> String {
    format!("{:#}", open(settings).await.err().expect("it was opened"))
}

#[tokio::test]
async fn a_database_in_another_encoding_and_a_server_without_room_are_refused() {
    let engine = Postgres::shared().unwrap();
    let settings = settings(&engine);
    let make = "CREATE DATABASE other ENCODING 'SQL_ASCII' TEMPLATE template0";
    client(&settings).await.batch_execute(make).await.unwrap();
    let url = engine.url();
    let url = url.rsplit_once('/').map(|(server, _)| format!("{server}/other")).unwrap();
    let other = config::Store { url: Some(Secret::new(url)), ..settings.clone() };
    let error = refusal(&other).await;
    assert!(error.contains("SQL_ASCII") && error.contains("UTF8"), "{error}");
    let error = refusal(&config::Store { connections: 1000, ..settings }).await;
    assert!(error.contains("1007 sessions"), "{error}");
}

#[tokio::test]
async fn a_server_that_may_lose_what_was_answered_is_refused_and_so_is_one_that_does_not_take_us() {
    let engine = Postgres::start(&["--auth=scram-sha-256"], &["fsync=off"]).unwrap();
    let settings = settings(&engine);
    // It takes the password, and is refused.
    let error = refusal(&settings).await;
    assert!(error.contains("fsync off"), "{error}");
    let address = format!("127.0.0.1:{}", engine.port());
    for url in [
        format!("postgres://rollcall:hunter2@{address}/postgres"),
        "postgres://rollcall:hunter2@127.0.0.1:1/postgres".to_owned(),
        // The server has no certificate, and this program asks for one.
        format!("postgres://rollcall:hunter2@{address}/postgres?sslmode=verify-full"),
    ] {
        let error = refusal(&config::Store { url: Some(Secret::new(url)), ..settings.clone() }).await;
        assert!(error.starts_with("store.url") && !error.contains("hunter2"), "{error}");
    }
}
