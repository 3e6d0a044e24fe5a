//! Moves that are killed, wherever they are.

use std::{
    path::Path,
    process::{Child, Command, Stdio},
};

use rollcall_conformance::postgres::Postgres;
use rollcall_core::config;
use rusqlite::Connection;

use super::{
    FILE, configure, fill, from, is_served, is_served_by_engine, keys, place, refusal, refusal_of_server,
    serve, to, url,
};
use crate::{
    commits::until_any,
    engines::{client, open},
    kit::{Server, Watchdog},
    shell::{err, run},
};

fn start(data: &Path, settings: &config::Store) -> (Child, Watchdog) {
    configure(data, settings);
    let child = Command::new(env!("CARGO_BIN_EXE_rollcall"))
        .arg("--config")
        .arg(data.with_extension("toml"))
        .args(["migrate", "--to", &url(settings)])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let watchdog = Watchdog::over(&child);
    (child, watchdog)
}

fn records(file: &Path) -> i64 {
    let store = Connection::open(file).unwrap();
    store.query_row("SELECT count(*) FROM record", [], |row| row.get(0)).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_move_that_is_killed_half_way_leaves_both_sides_as_they_were_and_is_begun_anew() {
    let engine = Postgres::shared().unwrap();
    let (home, data, settings) = place(&engine);
    let token = fill(&data, &settings).await;
    // The tables are there, so that one can be kept from being filled; others are copied before it.
    open(&settings).await.unwrap().close().await;
    let (blocking, client) = (client(&settings).await, client(&settings).await);
    blocking.batch_execute("BEGIN; LOCK TABLE record IN SHARE MODE").await.unwrap();
    let (mut child, _watchdog) = start(&data, &settings);
    let waits = format!(
        "SELECT count(*) FROM pg_locks AS l JOIN pg_class AS c ON c.oid = l.relation \
         JOIN pg_namespace AS n ON n.oid = c.relnamespace WHERE NOT l.granted AND n.nspname = '{}'",
        settings.schema
    );
    until_any(&client, &waits).await;
    child.kill().unwrap();
    child.wait().unwrap();
    blocking.batch_execute("COMMIT").await.unwrap();
    for table in ["\"user\"", "token", "record", "setting"] {
        let sql = format!("SELECT count(*) FROM {table}");
        let rows: i64 = client.query_one(&sql, &[]).await.unwrap().get(0);
        assert_eq!(rows, 0, "{table}");
    }
    // The embedded store is still the truth, and goes on.
    let server = Server::start(&data, &keys(&settings));
    assert_eq!(server.world().verdict(&token).await.unwrap(), 0);
    assert!(server.terminate().success());
    let before = records(&data.join(FILE));
    let moved = to(&data, &settings);
    assert_eq!(moved["tables"]["record"], before, "none twice");
    let server = serve(&home.path().join("node"), &settings, "");
    assert_eq!(server.world().verdict(&token).await.unwrap(), 0);
}

/// The moments about the commit, as a death leaves them: the mark is written, and the file has its name.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_move_that_is_killed_as_it_ends_is_served_by_one_side_alone_and_finished_by_the_next_call() {
    let engine = Postgres::shared().unwrap();
    let (home, data, settings) = place(&engine);
    let token = fill(&data, &settings).await;
    to(&data, &settings);
    let kept = data.join("rollcall.sqlite3.migrated");
    let refusal = || {
        let said = run(&data, "", &["serve"]);
        assert!(!said.status.success());
        err(&said)
    };
    // Behind the commit.
    std::fs::rename(&kept, data.join(FILE)).unwrap();
    configure(&data, &settings);
    assert!(refusal().contains("was cut off as it ended"), "{}", refusal());
    let finished = to(&data, &settings);
    assert_eq!(finished["tables"], serde_json::Value::Null, "{finished}");
    let client = client(&settings).await;
    let analyzed = format!(
        "SELECT count(*) FROM pg_stat_user_tables WHERE schemaname = '{}' AND relname = 'token' AND vacuum_count > 1",
        settings.schema
    );
    until_any(&client, &analyzed).await;
    assert!(kept.exists() && !data.join(FILE).exists());
    // Before it: the engine has nothing.
    std::fs::rename(&kept, data.join(FILE)).unwrap();
    client.batch_execute(&format!("DROP SCHEMA {} CASCADE", settings.schema)).await.unwrap();
    assert!(refusal().contains("was cut off as it ended"), "{}", refusal());
    let other = config::Store { schema: format!("{}_other", settings.schema), ..settings.clone() };
    configure(&data, &other);
    let said = err(&run(&data, "", &["migrate", "--to", &url(&other)]));
    assert!(said.contains("repeat that one") && said.contains(&settings.schema), "{said}");
    let again = to(&data, &settings);
    assert!(again["tables"]["token"].as_u64().unwrap() > 0, "{again}");
    let server = serve(&home.path().join("node"), &settings, "");
    assert_eq!(server.world().verdict(&token).await.unwrap(), 0);
}

/// A full disk, or a constraint that is looked at last: nothing was moved, and it is known.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_move_whose_commit_is_refused_leaves_the_embedded_store_in_service() {
    let engine = Postgres::shared().unwrap();
    let (home, data, settings) = place(&engine);
    let token = fill(&data, &settings).await;
    open(&settings).await.unwrap().close().await;
    let client = client(&settings).await;
    let refuse = "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS \
                  $$ BEGIN RAISE 'no room' USING ERRCODE = '53100', DETAIL = 'a value'; END $$; \
                  CREATE CONSTRAINT TRIGGER refuse AFTER INSERT ON setting DEFERRABLE INITIALLY DEFERRED \
                  FOR EACH ROW EXECUTE FUNCTION refuse()";
    client.batch_execute(refuse).await.unwrap();
    let said = refusal(&data, &["migrate", "--to", &url(&settings)]);
    assert!(said.contains("nothing was moved: no room (53100)") && !said.contains("a value"), "{said}");
    assert!(!data.join("migrated_to").exists());
    is_served(&data, &settings, &token).await;
    client.batch_execute("DROP TRIGGER refuse ON setting").await.unwrap();
    to(&data, &settings);
    is_served_by_engine(&home.path().join("node"), &settings, &token).await;
}

/// What deaths leave, one after another, in a new directory and in one that a store was moved out of.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_move_back_that_is_killed_is_served_by_one_side_alone_and_begun_anew() {
    let engine = Postgres::shared().unwrap();
    let (home, data, settings) = place(&engine);
    let token = fill(&data, &settings).await;
    to(&data, &settings);
    let backup = home.path().join("backup");
    let refuses = |data: &Path, why: &str| {
        for arguments in [&["serve"][..], &["token", "admin"], &["backup", backup.to_str().unwrap()]] {
            let said = refusal(data, arguments);
            assert!(said.contains(why), "{arguments:?}: {said}");
        }
    };
    let back = home.path().join("back");
    std::fs::create_dir(&back).unwrap();
    let part = back.join("rollcall.sqlite3.partial");
    std::fs::write(&part, "half of it").unwrap();
    std::fs::write(back.join("rollcall.sqlite3.partial-wal"), "half of it").unwrap();
    configure(&back, &settings);
    refuses(&back, "was cut off");
    is_served_by_engine(&home.path().join("node"), &settings, &token).await;
    from(&settings, &back);

    let schema = client(&settings).await;
    for data in [&back, &data] {
        if data.join("migrated_to").exists() {
            // The one before is the truth.
            schema.batch_execute("DELETE FROM setting WHERE key = 'migrated_to'").await.unwrap();
            from(&settings, data);
            assert!(!data.join("migrated_to").exists());
        }
        // Behind the commit, and before the file has its name.
        let id = "SELECT value FROM setting WHERE key = 'migrated_to_id'";
        let id: String = schema.query_one(id, &[]).await.unwrap().get(0);
        let mark = data.join("migrating_from");
        let written = format!("{{\"id\":\"{id}\",\"from\":\"there\"}}");
        std::fs::write(&mark, &written).unwrap();
        std::fs::rename(data.join(FILE), data.join("rollcall.sqlite3.partial")).unwrap();
        refuses(data, "was cut off as it ended");
        assert!(refusal_of_server(&home.path().join("node"), &settings).contains("the data was moved to"));
        from(&settings, data);
        let left: Vec<_> = std::fs::read_dir(data).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        let is_left = |name: &std::ffi::OsString| {
            let name = name.to_string_lossy();
            name.contains("partial") || name == "migrating_from" || name == "migrated_to"
        };
        assert!(!left.iter().any(is_left), "{left:?}");
        // And when it has.
        std::fs::write(&mark, &written).unwrap();
        is_served(data, &settings, &token).await;
        assert!(!mark.exists());
        assert!(records(&data.join(FILE)) > 0);
    }
}
