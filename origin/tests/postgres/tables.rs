//! The tables beside those of the embedded store.

use std::collections::BTreeMap;

use rollcall_conformance::postgres::Postgres;
use rollcall_core::store::{
    Statement,
    migrations::{StoreKind, tables},
};
use rollcall_origin::store::{Durability, Patience, StoreError};
use rusqlite::Connection;
use tokio_postgres::Client;

use crate::{
    engines::{client, open, settings},
    live::clock_ahead_by,
};

/// Columns by table and name, with whether they take NULL, and their defaults.
type Columns = BTreeMap<(String, String), (String, bool, Option<String>)>;

fn embedded() -> Columns {
    let store = Connection::open_in_memory().unwrap();
    store.execute_batch(&tables(StoreKind::Origin)).unwrap();
    let sql = "SELECT t.name, c.name, c.type, c.\"notnull\" = 0 AND c.pk = 0, c.dflt_value FROM sqlite_master AS t \
               JOIN pragma_table_info(t.name) AS c WHERE t.type = 'table' AND t.name <> 'schema'";
    let mut statement = store.prepare(sql).unwrap();
    let column = |row: &rusqlite::Row<'_>| {
        let of: String = row.get(2)?;
        let of = if of == "INTEGER" { "bigint" } else { "text" };
        Ok(((row.get(0)?, row.get(1)?), (of.to_owned(), row.get(3)?, row.get(4)?)))
    };
    let mut all: Columns = statement.query_map([], column).unwrap().map(Result::unwrap).collect();
    // Of an earlier program; nothing reads it.
    all.remove(&("record".to_owned(), "published".to_owned()));
    all
}

#[tokio::test]
async fn every_column_of_the_embedded_store_is_here_and_texts_compare_by_their_bytes() {
    let engine = Postgres::shared().unwrap();
    let settings = settings(&engine);
    open(&settings).await.unwrap().close().await;
    let rows = client(&settings)
        .await
        .query(
            "SELECT table_name::text, column_name::text, data_type::text, is_nullable = 'YES', \
             split_part(column_default, '::', 1), collation_name::text \
             FROM information_schema.columns WHERE table_schema = $1 AND table_name NOT IN ('version', 'live', 'setting', 'node', 'wake', 'parcel', 'delivery')",
            &[&settings.schema],
        )
        .await
        .unwrap();
    let mut all = Columns::new();
    for row in rows {
        let (table, name, of): (String, String, String) = (row.get(0), row.get(1), row.get(2));
        let collation: Option<String> = row.get(5);
        assert_eq!(collation.as_deref(), (of == "text").then_some("C"), "{table}.{name}");
        let default: Option<String> = row.get(4);
        let default = default.map(|text| text.trim_matches(['(', ')']).replace("'-1'", "-1"));
        all.insert((table, name), (of, row.get(3), default));
    }
    assert_eq!(all, embedded());
}

#[tokio::test]
async fn one_process_has_the_tables_and_those_of_a_newer_program_are_left_alone() {
    let engine = Postgres::shared().unwrap();
    let settings = settings(&engine);
    let first = open(&settings).await.unwrap();
    let error = format!("{:#}", open(&settings).await.err().unwrap());
    assert!(error.contains("another rollcall"), "{error}");
    drop(first);
    let client = client(&settings).await;
    client.batch_execute("UPDATE version SET version = 1000").await.unwrap();
    drop(open(&settings).await.unwrap());
    client.batch_execute("UPDATE version SET compatible_from = 1000; DROP TABLE lease").await.unwrap();
    let error = open(&settings).await.err().unwrap();
    let error = format!("{error:#}");
    assert!(error.contains("version 1000") && error.contains("run the newer program"), "{error}");
    assert!(client.batch_execute("SELECT 1 FROM lease").await.is_err(), "nothing is made");
}

/// Ends the sessions of the process that uses a schema. Returns how many.
pub(crate) async fn end_sessions(client: &Client, schema: &str) -> i64 {
    let sql = "SELECT count(pg_terminate_backend(pid)) FROM pg_locks \
               WHERE locktype = 'advisory' AND (classid::bigint << 32 | objid::bigint) = hashtextextended($1, 2)";
    client.query_one(sql, &[&schema]).await.unwrap().get(0)
}

/// The known-wrong way was a lock that was taken at the start and never looked at again.
#[tokio::test]
async fn a_process_that_lost_its_sessions_goes_on_unless_another_one_has_started() {
    let engine = Postgres::shared().unwrap();
    let settings = settings(&engine);
    let first = open(&settings).await.unwrap();
    let client = client(&settings).await;
    let write = || vec![Statement::new("UPDATE lease SET renewed_at = renewed_at + 1", [])];
    let end_sessions = || end_sessions(&client, &settings.schema);
    first.commit(write()).await.unwrap();
    assert!(end_sessions().await >= 2);
    first.commit(write()).await.unwrap();
    let (begun, _) = first.postgres().unwrap().begin("7", &[], Patience::Short).await.unwrap();
    assert!(end_sessions().await >= 1);
    let second = open(&settings).await.unwrap();
    assert!(begun.commit(&write(), Durability::Now).await.is_err(), "it does not finish what it began");
    for _ in 0..2 {
        assert!(matches!(first.commit(write()).await, Err(StoreError::Closed | StoreError::Unreachable(_))));
        assert!(first.load(vec![Statement::new("SELECT renewed_at FROM lease", [])]).await.is_err());
    }
    first.dead().await;
    assert!(matches!(first.commit(write()).await, Err(StoreError::Closed)));
    second.commit(write()).await.unwrap();
}

#[tokio::test]
async fn a_server_whose_clock_is_far_away_is_refused() {
    let engine = Postgres::shared().unwrap();
    let settings = settings(&engine);
    drop(open(&settings).await.unwrap());
    let client = client(&settings).await;
    for (seconds, is_taken) in [(50, true), (-50, true), (75, false), (-75, false), (3_600, false)] {
        client.batch_execute(&clock_ahead_by(seconds)).await.unwrap();
        let opened = open(&settings).await;
        assert_eq!(opened.is_ok(), is_taken, "{seconds}");
        if let Err(error) = opened {
            let error = format!("{error:#}");
            assert!(error.starts_with("store.url") && error.contains("the server's clock"), "{error}");
        }
    }
}
