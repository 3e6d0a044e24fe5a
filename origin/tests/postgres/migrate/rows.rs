//! Every row of every table, whatever is in it.

use std::path::Path;

use proptest::{collection::vec, prelude::*, strategy::ValueTree as _, test_runner::TestRunner};
use rollcall_conformance::{postgres::Postgres, size::size};
use rollcall_core::store::migrations::{StoreKind, VERSION, tables};
use rusqlite::{Connection, params_from_iter, types::Value};

use super::{FILE, from, place, to};

/// Rows of each table that may have several.
const ROWS: usize = 40;

/// Rows of the longest table: more than a batch.
fn rows_of_many() -> u64 {
    size(5_000, 1_000_000)
}

struct Column {
    table: String,
    name: String,
    is_text: bool,
    takes_null: bool,
}

/// The columns that core's list makes, but the one of an earlier program.
fn columns(store: &Connection) -> Vec<Column> {
    let sql = "SELECT t.name, c.name, c.type, c.\"notnull\" = 0 AND c.pk = 0 FROM sqlite_master AS t \
               JOIN pragma_table_info(t.name) AS c WHERE t.type = 'table' AND t.name <> 'schema' AND c.name <> 'published' \
               ORDER BY t.rowid, c.cid";
    let column = |row: &rusqlite::Row<'_>| {
        let of: String = row.get(2)?;
        Ok(Column { table: row.get(0)?, name: row.get(1)?, is_text: of == "TEXT", takes_null: row.get(3)? })
    };
    store.prepare(sql).unwrap().query_map([], column).unwrap().map(Result::unwrap).collect()
}

fn value(column: &Column) -> BoxedStrategy<Value> {
    let some = if column.is_text {
        let piece = prop_oneof![
            any::<char>().prop_map(String::from),
            prop::sample::select(vec!["\0", "\u{fdd0}", "\u{fdd0}0", "\u{10ffff}", "'\\", "李"])
                .prop_map(String::from),
        ];
        vec(piece, 0..6).prop_map(|pieces| Value::Text(pieces.concat())).boxed()
    } else {
        prop_oneof![any::<i64>(), prop::sample::select(vec![i64::MIN, -1, 0, 1, i64::MAX])]
            .prop_map(Value::Integer)
            .boxed()
    };
    if column.takes_null { prop_oneof![1 => Just(Value::Null), 3 => some].boxed() } else { some }
}

/// A store with random rows in every table, and one that is longer than a batch.
fn fill(file: &Path) {
    let store = Connection::open(file).unwrap();
    store.execute_batch(&tables(StoreKind::Origin)).unwrap();
    store.execute("INSERT INTO schema (id, version) VALUES (1, ?1)", [VERSION]).unwrap();
    let mut runner = TestRunner::default();
    let columns = columns(&store);
    for of_table in columns.chunk_by(|one, other| one.table == other.table) {
        // A table of one row says so.
        let is_single =
            of_table[0].name == "id" && matches!(of_table[0].table.as_str(), "lease" | "last_serial");
        let (names, places): (Vec<&str>, Vec<&str>) =
            of_table.iter().map(|column| (column.name.as_str(), "?")).unzip();
        let sql = format!(
            "INSERT OR IGNORE INTO \"{}\" (\"{}\") VALUES ({})",
            of_table[0].table,
            names.join("\", \""),
            places.join(", ")
        );
        for _ in 0..if is_single { 1 } else { ROWS } {
            let mut row: Vec<Value> = of_table
                .iter()
                .map(|column| value(column).new_tree(&mut runner).unwrap().current())
                .collect();
            if is_single {
                row[0] = Value::Integer(1);
            }
            store.execute(&sql, params_from_iter(row)).unwrap();
        }
        let count: i64 = store
            .query_row(&format!("SELECT count(*) FROM \"{}\"", of_table[0].table), [], |row| row.get(0))
            .unwrap();
        assert!(count > 0, "{}", of_table[0].table);
    }
    let long = serde_json::to_string(&(0..200_000).collect::<Vec<i64>>()).unwrap();
    store.execute("INSERT INTO tenant_mark VALUES (77, 1, 2, ?1, 0)", [long]).unwrap();
    let many = format!(
        "WITH RECURSIVE n (x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n WHERE x < {}) \
         INSERT INTO scoped_user SELECT 'user ' || x, 3 FROM n",
        rows_of_many()
    );
    store.execute(&many, []).unwrap();
}

/// Rows of one of the stores that the other does not have, in any table.
fn missing(one: &Path, other: &Path) -> Vec<(String, i64)> {
    let store = Connection::open(one).unwrap();
    store.execute("ATTACH ?1 AS other", [other.to_str().unwrap()]).unwrap();
    let columns = columns(&store);
    let mut missing = Vec::new();
    for of_table in columns.chunk_by(|one, other| one.table == other.table) {
        let table = &of_table[0].table;
        let sql = format!(
            "SELECT count(*) FROM (SELECT * FROM main.\"{table}\" EXCEPT SELECT * FROM other.\"{table}\")"
        );
        let count: i64 = store.query_row(&sql, [], |row| row.get(0)).unwrap();
        missing.extend((count > 0).then(|| (table.clone(), count)));
    }
    missing
}

#[test]
fn every_row_of_every_table_is_there_after_a_move_and_a_move_back() {
    let engine = Postgres::shared().unwrap();
    let (home, data, settings) = place(&engine);
    std::fs::create_dir(&data).unwrap();
    fill(&data.join(FILE));
    let moved = to(&data, &settings);
    let rows = |table: &str| moved["tables"][table].as_u64().unwrap();
    assert!(rows("scoped_user") >= rows_of_many() && rows("lease") == 1, "{moved}");
    assert!(rows("tenant_mark") > 1 && rows("user") > 1 && rows("record") > 1, "{moved}");
    let back = home.path().join("back");
    assert_eq!(from(&settings, &back)["tables"], moved["tables"]);
    let (before, after) = (data.join("rollcall.sqlite3.migrated"), back.join(FILE));
    assert_eq!(missing(&before, &after), []);
    assert_eq!(missing(&after, &before), []);
}
