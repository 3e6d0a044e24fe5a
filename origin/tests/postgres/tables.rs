//! The tables beside those of the embedded store.

use std::collections::BTreeMap;

use rollcall_conformance::postgres::Postgres;
use rollcall_core::store::migrations::{StoreKind, tables};
use rusqlite::Connection;

use crate::engines::{client, open, settings};

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
             FROM information_schema.columns WHERE table_schema = $1 AND table_name <> 'version'",
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
