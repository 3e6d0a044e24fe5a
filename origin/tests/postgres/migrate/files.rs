//! What lies beside a store.

use rollcall_conformance::postgres::Postgres;
use rusqlite::Connection;

use super::{FILE, configure, fill, from, is_served, is_served_by_engine, place, refusal, to, url};
use crate::engines::client;

/// SQLite reads any log that is there into a file of the name: the rows of another store were served, and found to be whole.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_log_of_another_store_is_not_read_into_the_one_that_is_moved_beside_it() {
    let engine = Postgres::shared().unwrap();
    let (home, data, settings) = place(&engine);
    let token = fill(&data, &settings).await;
    to(&data, &settings);
    let back = home.path().join("back");
    std::fs::create_dir(&back).unwrap();
    configure(&back, &settings);
    for suffix in ["-wal", "-shm", "-journal"] {
        let left = back.join(format!("{FILE}{suffix}"));
        std::fs::write(&left, "of another store").unwrap();
        let said = refusal(&back, &["migrate", "--from", &url(&settings)]);
        assert!(said.contains(&format!("{FILE}{suffix} is there")), "{said}");
        assert!(!back.join(FILE).exists());
        // Nothing was moved.
        is_served_by_engine(&home.path().join("node"), &settings, &token).await;
        std::fs::remove_file(left).unwrap();
    }
    from(&settings, &back);
    is_served(&back, &settings, &token).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_kept_file_holds_everything_by_itself_also_where_another_program_reads_it_meanwhile() {
    let engine = Postgres::shared().unwrap();
    let (home, data, settings) = place(&engine);
    let token = fill(&data, &settings).await;
    let file = data.join(FILE);
    let reader = Connection::open(&file).unwrap();
    let count = |store: &Connection| -> i64 {
        store.query_row("SELECT count(*) FROM scoped_user", [], |row| row.get(0)).unwrap()
    };
    reader.execute_batch("BEGIN").unwrap();
    assert_eq!(count(&reader), 0);
    let writer = Connection::open(&file).unwrap();
    let many = "WITH RECURSIVE n (x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n WHERE x < 100) \
                INSERT INTO scoped_user SELECT 'user ' || x, 3 FROM n";
    writer.execute(many, []).unwrap();
    drop(writer);
    configure(&data, &settings);
    let said = refusal(&data, &["migrate", "--to", &url(&settings)]);
    assert!(said.contains("another program reads"), "{said}");
    assert!(!data.join("migrated_to").exists());
    let moved: i64 =
        client(&settings).await.query_one("SELECT count(*) FROM scoped_user", &[]).await.unwrap().get(0);
    assert_eq!(moved, 0);
    drop(reader);
    to(&data, &settings);
    let alone = home.path().join("alone.sqlite3");
    std::fs::copy(data.join("rollcall.sqlite3.migrated"), &alone).unwrap();
    assert_eq!(count(&Connection::open(&alone).unwrap()), 100);
    is_served_by_engine(&home.path().join("node"), &settings, &token).await;
}
