//! One side is served, whoever comes back.

use rollcall_conformance::postgres::Postgres;
use rollcall_core::{config, store::Statement};
use rollcall_origin::store::{Store, StoreError};

use super::{
    FILE, configure, fill, from, is_served, is_served_by_engine, keys, place, refusal, refusal_of_server,
    serve, to, url,
};
use crate::{
    engines::{client, open},
    kit::Server,
    tables::end_sessions,
};

/// The store reads and writes nothing any more.
async fn is_dead(store: &Store) {
    for _ in 0..2 {
        let written = store.commit(vec![Statement::new("DELETE FROM token", [])]).await;
        assert!(matches!(written, Err(StoreError::Closed | StoreError::Unreachable(_))), "{written:?}");
        assert!(store.load(vec![Statement::new("SELECT hash FROM token", [])]).await.is_err());
    }
    store.dead().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_process_that_was_cut_off_serves_neither_what_was_filled_meanwhile_nor_what_was_left() {
    let engine = Postgres::shared().unwrap();
    let (home, data, settings) = place(&engine);
    let token = fill(&data, &settings).await;
    let client = client(&settings).await;
    let read = || vec![Statement::new("SELECT hash FROM token", [])];
    let before = open(&settings).await.unwrap();
    before.load(read()).await.unwrap();
    assert!(end_sessions(&client, &settings.schema).await >= 2);
    to(&data, &settings);
    is_dead(&before).await;
    let after = open(&settings).await.unwrap();
    assert!(!after.load(read()).await.unwrap()[0].is_empty());
    assert!(end_sessions(&client, &settings.schema).await >= 2);
    let back = home.path().join("back");
    from(&settings, &back);
    is_dead(&after).await;
    is_served(&back, &settings, &token).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_moved_away_long_ago_is_not_moved_once_more() {
    let engine = Postgres::shared().unwrap();
    let (home, data, settings) = place(&engine);
    let token = fill(&data, &settings).await;
    to(&data, &settings);
    let (back, other) = (home.path().join("back"), home.path().join("other"));
    from(&settings, &back);
    is_served(&back, &settings, &token).await;
    let again = ["migrate", "--from", &url(&settings)];
    let refused = |data: &std::path::Path| {
        configure(data, &settings);
        let said = refusal(data, &again);
        assert!(said.contains("was moved to") && said.contains(back.to_str().unwrap()), "{said}");
        assert!(!data.join(FILE).exists());
        said
    };
    refused(&other);
    // Of another move that was cut off.
    let id = "0".repeat(32);
    std::fs::write(other.join("migrating_from"), format!("{{\"id\":\"{id}\",\"from\":\"there\"}}")).unwrap();
    refused(&other);
    std::fs::remove_file(other.join("migrating_from")).unwrap();
    std::fs::rename(back.join(FILE), home.path().join("away")).unwrap();
    let said = refused(&back);
    // What it says brings the schema back.
    let sql = said.get(said.find("DELETE FROM").unwrap()..).unwrap().trim();
    let (session, connection) =
        tokio_postgres::connect(&url(&settings), tokio_postgres::NoTls).await.unwrap();
    tokio::spawn(connection);
    assert_eq!(session.execute(sql, &[]).await.unwrap(), 1, "{sql}");
    is_served_by_engine(&home.path().join("node"), &settings, &token).await;
    from(&settings, &other);
    is_served(&other, &settings, &token).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_server_begins_on_an_empty_schema_while_its_directory_has_the_data() {
    let engine = Postgres::shared().unwrap();
    let (home, data, settings) = place(&engine);
    // A store of nothing is no reason.
    assert!(Server::start(&data, &keys(&settings)).terminate().success());
    assert!(serve(&data, &settings, "").terminate().success());
    let token = fill(&data, &settings).await;
    let said = refusal_of_server(&data, &settings);
    assert!(said.contains("is empty, and the embedded store in") && said.contains("migrate --to"), "{said}");
    to(&data, &settings);
    is_served_by_engine(&data, &settings, &token).await;
    // As a death leaves it behind the commit; the schema that has it is served, and no other one.
    std::fs::rename(data.join("rollcall.sqlite3.migrated"), data.join(FILE)).unwrap();
    is_served_by_engine(&data, &settings, &token).await;
    let other = config::Store { schema: format!("{}_other", settings.schema), ..settings.clone() };
    let said = refusal_of_server(&data, &other);
    assert!(said.contains("was cut off as it ended") && said.contains(&settings.schema), "{said}");
    // Two stores with data are the operator's business.
    std::fs::remove_file(data.join("migrated_to")).unwrap();
    is_served_by_engine(&data, &settings, &token).await;
    is_served(&data, &settings, &token).await;
    assert!(!home.path().join("data/migrated_to").exists());
}
