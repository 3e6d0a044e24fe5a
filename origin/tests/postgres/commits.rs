//! Commits that fail, and what is answered then.

use std::time::Duration;

use rollcall_conformance::postgres::Postgres;
use rollcall_core::store::Statement;
use rollcall_origin::store::{Store, StoreError};
use tokio_postgres::Client;

use crate::engines::{client, open, settings};

fn insert(number: i64) -> Statement {
    Statement::new(
        "INSERT INTO token (user, hash, platform, ord, issued_at, expires_at, state) VALUES ('u', ?1, 1, 1, 1, ?2, 0)",
        [number.to_string().into(), number.into()],
    )
}

async fn stored(client: &Client) -> i64 {
    client.query_one("SELECT count(*) FROM token", &[]).await.unwrap().get(0)
}

/// Repeats a question that counts until it counts any.
pub(crate) async fn until_any(client: &Client, sql: &str) {
    loop {
        let count: i64 = client.query_one(sql, &[]).await.unwrap().get(0);
        if count > 0 {
            return;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn a_statement_that_fails_in_any_place_undoes_the_others_and_is_never_answered_as_done() {
    let engine = Postgres::shared().unwrap();
    let settings = settings(&engine);
    let (store, client) = (open(&settings).await.unwrap(), client(&settings).await);
    store.commit(vec![insert(1)]).await.unwrap();
    let failing = [
        // The place and the data, a row that is there, a text in no language, one that is SQLite's alone, a NULL.
        (insert(1), false),
        (Statement::new("SELECT nothing FROM nowhere", []), true),
        (Statement::new("SELECT changes()", []), true),
        (Statement::new("UPDATE token SET hash = ?1", [rollcall_core::store::Value::Null]), true),
        (Statement::new("SELECT CAST(?1 AS INTEGER)", ["no number".into()]), true),
    ];
    for (failing, is_permanent) in failing {
        for place in 0..4 {
            let mut batch = vec![insert(2), insert(3), insert(4)];
            batch.insert(place, failing.clone());
            let error = store.commit(batch).await.unwrap_err();
            assert!(matches!(error, StoreError::Refused(_)), "{error:?}");
            assert_eq!(error.is_permanent(), is_permanent, "{error}");
            assert_eq!(stored(&client).await, 1, "{place} {error}");
        }
    }
    assert!(!store.condition().is_failing(), "the engine has no part in it");
    store.commit(vec![insert(2), insert(3)]).await.unwrap();
    assert_eq!(stored(&client).await, 3);
    assert_eq!(store.change(Statement::new("DELETE FROM token WHERE hash <> '2'", [])).await.unwrap(), 2);
}

#[tokio::test]
async fn a_commit_that_others_are_in_the_way_of_waits_and_one_whose_session_ends_is_run_again() {
    let engine = Postgres::shared().unwrap();
    let settings = settings(&engine);
    let (store, client) = (open(&settings).await.unwrap(), client(&settings).await);
    client.batch_execute("BEGIN; LOCK TABLE token").await.unwrap();
    let waiting = tokio::spawn({
        let store = store.clone();
        async move { store.commit(vec![insert(1)]).await }
    });
    let other = crate::engines::client(&settings).await;
    let blocked = format!(
        "SELECT count(pg_terminate_backend(l.pid)) FROM pg_locks AS l JOIN pg_class AS c ON c.oid = l.relation \
         JOIN pg_namespace AS n ON n.oid = c.relnamespace WHERE NOT l.granted AND n.nspname = '{}'",
        settings.schema
    );
    until_any(&other, &blocked).await;
    client.batch_execute("COMMIT").await.unwrap();
    waiting.await.unwrap().unwrap();
    assert_eq!(stored(&client).await, 1);
    assert!(!store.condition().is_failing());
}

#[tokio::test]
async fn transactions_that_lock_each_other_are_both_done() {
    // It looks for locks in a circle after a second otherwise, and several of those are more than a commit may take.
    let engine = Postgres::start(&[], &["deadlock_timeout=20ms"]).unwrap();
    let settings = settings(&engine);
    let (store, client) = (open(&settings).await.unwrap(), client(&settings).await);
    store.commit((0..20).map(insert).collect()).await.unwrap();
    let touch = |number: i64| {
        Statement::new("UPDATE token SET ord = ord + 1 WHERE hash = ?1", [number.to_string().into()])
    };
    let both = (0..20).map(|round| {
        let forth: Vec<_> = (0..20).map(touch).collect();
        let back: Vec<_> = forth.iter().cloned().rev().collect();
        let store = store.clone();
        tokio::spawn(async move { store.commit(if round % 2 == 0 { forth } else { back }).await })
    });
    let both: Vec<_> = both.collect();
    for done in both {
        done.await.unwrap().unwrap();
    }
    let sum: i64 = client.query_one("SELECT sum(ord)::bigint FROM token", &[]).await.unwrap().get(0);
    assert_eq!(sum, 20 + 20 * 20);
}

#[tokio::test]
async fn a_commit_whose_standby_does_not_answer_is_not_answered_as_done() {
    let engine = Postgres::start(&[], &[]).unwrap();
    let settings = settings(&engine);
    let (store, client) = (open(&settings).await.unwrap(), client(&settings).await);
    client.batch_execute("ALTER SYSTEM SET synchronous_standby_names = 'nobody'").await.unwrap();
    client.batch_execute("SELECT pg_reload_conf()").await.unwrap();
    let waiting_for_it = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'rollcall' AND wait_event = 'SyncRep'";
    // The setting reaches each session in its own time.
    let error = loop {
        let waiting = tokio::spawn({
            let store: Store = store.clone();
            async move { store.commit(vec![Statement::new("DELETE FROM token", []), insert(1)]).await }
        });
        tokio::select! {
            () = until_any(&client, waiting_for_it) => {}
            () = async { while !waiting.is_finished() { tokio::task::yield_now().await } } => continue,
        }
        let cancel = "SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE wait_event = 'SyncRep'";
        client.execute(cancel, &[]).await.unwrap();
        break waiting.await.unwrap().unwrap_err();
    };
    assert!(matches!(error, StoreError::Unknown(_)) && !error.had_no_effect(), "{error:?}");
    assert!(store.condition().is_failing());
}

#[tokio::test]
async fn an_engine_that_dies_makes_commits_fail_and_they_succeed_when_it_is_back() {
    let engine = Postgres::start(&[], &[]).unwrap();
    let settings = settings(&engine);
    let store = open(&settings).await.unwrap();
    store.commit(vec![insert(1)]).await.unwrap();
    engine.crash().unwrap();
    let error = store.commit(vec![insert(2)]).await.unwrap_err();
    assert!(matches!(error, StoreError::Unreachable(_) | StoreError::Unknown(_)), "{error:?}");
    assert!(!error.is_permanent() && store.condition().is_failing());
    assert!(store.load(vec![Statement::new("SELECT 1", [])]).await.is_err());
    engine.resume().unwrap();
    let done = async {
        while store.commit(vec![insert(3)]).await.is_err() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), done).await.unwrap();
    let kept = store.load(vec![Statement::new("SELECT hash FROM token WHERE hash = '1'", [])]).await.unwrap();
    assert_eq!(kept[0].len(), 1, "what was answered is there");
}
