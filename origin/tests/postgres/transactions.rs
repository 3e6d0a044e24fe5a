//! Transactions that hold a lock which all processes share.

use std::sync::{
    Arc,
    atomic::{AtomicU32, Ordering::SeqCst},
};

use rollcall_conformance::postgres::Postgres;
use rollcall_core::{
    config,
    secret::Secret,
    store::{Statement, Value},
};
use rollcall_origin::store::{Durability, Patience, Store, StoreError};

use crate::engines::{client, open, settings};

const SHORT: Patience = Patience::Short;
const NOW: Durability = Durability::Now;
/// Ends that wait for a session, and commands by which they have had it.
const ENDS: u32 = 20;
const ENOUGH: u32 = 400;

fn insert(number: i64) -> Statement {
    Statement::new(
        "INSERT INTO account (user, nickname, face_url) VALUES (?1, '', '')",
        [number.to_string().into()],
    )
}

fn count() -> Statement {
    Statement::new("SELECT count(*) FROM account", [])
}

async fn counted(store: &Store, name: &str) -> i64 {
    let (transaction, answers) = store.postgres().unwrap().begin(name, &[count()], SHORT).await.unwrap();
    transaction.roll_back();
    match answers[0][0][0] {
        Value::Int(count) => count,
        ref other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn the_next_holder_of_a_name_waits_reads_what_the_one_before_committed_and_comes_later() {
    let engine = Postgres::shared().unwrap();
    let settings = settings(&engine);
    let store = open(&settings).await.unwrap();
    let engine = store.postgres().unwrap();
    let (first, _) = engine.begin("7", &[], SHORT).await.unwrap();
    assert_eq!(counted(&store, "8").await, 0, "another name does not wait");
    let next = tokio::spawn({
        let store = store.clone();
        async move {
            let (next, answers) = store.postgres().unwrap().begin("7", &[count()], SHORT).await.unwrap();
            let began = next.began();
            next.roll_back();
            (began, answers)
        }
    });
    let client = client(&settings).await;
    let waiting = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted";
    crate::commits::until_any(&client, waiting).await;
    let clock = "SELECT floor(extract(epoch FROM clock_timestamp()) * 1000)::bigint";
    let before: i64 = client.query_one(clock, &[]).await.unwrap().get(0);
    assert!(first.began().millis() <= before);
    first.commit(&[insert(1)], NOW).await.unwrap();
    let (began, answers) = next.await.unwrap();
    assert!(began.millis() >= before, "its time is not that of its wait");
    assert_eq!(answers, [[[Value::Int(1)]]]);
    drop(engine.begin("7", &[], SHORT).await.unwrap());
    assert_eq!(counted(&store, "7").await, 1, "one that is dropped holds nothing");
}

#[tokio::test]
async fn a_statement_that_fails_in_any_place_of_a_transaction_undoes_all_of_it_and_frees_the_name() {
    let engine = Postgres::shared().unwrap();
    let store = open(&settings(&engine)).await.unwrap();
    let engine = store.postgres().unwrap();
    engine.begin("7", &[], SHORT).await.unwrap().0.commit(&[insert(1)], NOW).await.unwrap();
    let broken = || Statement::new("SELECT CAST(?1 AS INTEGER)", ["no number".into()]);
    for place in 0..3 {
        let batch = |at: usize| {
            let mut all = vec![insert(10), insert(11)];
            all.insert(at, broken());
            all
        };
        assert!(matches!(engine.begin("7", &batch(place), SHORT).await, Err(StoreError::Refused(_))));
        let (transaction, _) = engine.begin("7", &[insert(9)], SHORT).await.unwrap();
        assert!(matches!(transaction.load(&batch(place)).await, Err(StoreError::Refused(_))));
        let (transaction, _) = engine.begin("7", &[insert(9)], SHORT).await.unwrap();
        let error = transaction.commit(&batch(place), NOW).await.unwrap_err();
        assert!(error.had_no_effect() && error.is_permanent() && !error.is_conflict(), "{error:?}");
        assert_eq!(counted(&store, "7").await, 1);
    }
    let (transaction, _) = engine.begin("7", &[], SHORT).await.unwrap();
    let error = transaction.commit(&[insert(1)], NOW).await.unwrap_err();
    assert!(error.is_conflict() && !error.is_permanent(), "a key that is there may be drawn anew: {error:?}");
    assert!(!store.condition().is_failing());
}

#[tokio::test]
async fn a_transaction_whose_session_the_server_ended_did_nothing_and_the_next_one_has_another_session() {
    let engine = Postgres::shared().unwrap();
    let settings = config_of_one_writer(&engine);
    let (store, client) = (open(&settings).await.unwrap(), client(&settings).await);
    let engine = store.postgres().unwrap();
    let (transaction, answers) =
        engine.begin("7", &[Statement::new("SELECT count(*) FROM live", [])], SHORT).await.unwrap();
    assert_eq!(answers.len(), 1);
    let end = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity \
               WHERE state = 'idle in transaction' AND query = 'SELECT count(*) FROM live'";
    client.query_one(end, &[]).await.unwrap();
    let error = transaction.commit(&[insert(1)], NOW).await.unwrap_err();
    assert!(!error.is_permanent() && !error.is_conflict(), "{error:?}");
    assert_eq!(counted(&store, "7").await, 0);
    engine.begin("7", &[], SHORT).await.unwrap().0.commit(&[insert(1)], NOW).await.unwrap();
    assert_eq!(counted(&store, "7").await, 1);
}

/// The known-wrong way was a BEGIN that leaves the rest to the server's defaults: then a holder of the lock did not see what the one
/// before it had committed.
#[tokio::test]
async fn the_next_holder_sees_what_was_committed_whatever_the_defaults_of_the_server_are() {
    let engine = Postgres::shared().unwrap();
    let settings = settings(&engine);
    let url = settings.url.as_ref().unwrap().expose();
    let defaults = "-c%20default_transaction_isolation=serializable%20-c%20default_transaction_deferrable=on";
    let url = Secret::new(format!("{url}?options={defaults}"));
    let store = open(&config::Store { url: Some(url), ..settings.clone() }).await.unwrap();
    let engine = store.postgres().unwrap();
    let (first, _) = engine.begin("7", &[], SHORT).await.unwrap();
    let next = tokio::spawn({
        let store = store.clone();
        async move { counted(&store, "7").await }
    });
    let client = client(&settings).await;
    let waiting = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted";
    crate::commits::until_any(&client, waiting).await;
    first.commit(&[insert(1)], NOW).await.unwrap();
    assert_eq!(next.await.unwrap(), 1);
}

/// The known-wrong way was to wait for as long as it takes.
#[tokio::test]
async fn a_command_that_gets_no_session_in_time_is_turned_away_and_its_place_is_free() {
    let engine = Postgres::shared().unwrap();
    let store = open(&config_of_one_writer(&engine)).await.unwrap();
    let engine = store.postgres().unwrap();
    let (mut held, _) = engine.begin("7", &[], SHORT).await.unwrap();
    let mut next = std::pin::pin!(engine.begin("8", &[], SHORT));
    // The server takes a session back that idles in its transaction for two seconds, which is as long as a command waits for one.
    let answer = loop {
        tokio::select! {
            answer = &mut next => break answer,
            () = tokio::time::sleep(std::time::Duration::from_millis(200)) => {
                held = held.load(&[count()]).await.unwrap().0;
            }
        }
    };
    let Err(error) = answer else { panic!("there is one session") };
    assert!(matches!(error, StoreError::Busy) && error.had_no_effect(), "{error:?}");
    held.commit(&[insert(1)], NOW).await.unwrap();
    assert_eq!(counted(&store, "8").await, 1);
    assert!(!store.condition().is_failing(), "the engine has no part in it");
}

/// The known-wrong way was to take an end when no command waits: with one session and commands that keep coming, that is never.
#[tokio::test]
async fn an_end_has_its_turn_at_the_only_session_however_many_commands_keep_coming() {
    let engine = Postgres::shared().unwrap();
    let store = open(&config_of_one_writer(&engine)).await.unwrap();
    // While it is held, everybody queues for it.
    let (held, _) = store.postgres().unwrap().begin("7", &[], SHORT).await.unwrap();
    let (done, ended) = (Arc::<AtomicU32>::default(), Arc::<AtomicU32>::default());
    let commands = (0..4).map(|name| {
        let (store, done, ended) = (store.clone(), done.clone(), ended.clone());
        tokio::spawn(async move {
            while ended.load(SeqCst) < ENDS && done.load(SeqCst) < ENOUGH {
                counted(&store, &format!("command {name}")).await;
                done.fetch_add(1, SeqCst);
            }
        })
    });
    let commands: Vec<_> = commands.collect();
    let ends = (0..ENDS).map(|name| {
        let (store, ended) = (store.clone(), ended.clone());
        tokio::spawn(async move {
            let name = format!("end {name}");
            let engine = store.postgres().unwrap();
            let (end, _) = engine.begin(&name, &[], Patience::Long).await.unwrap();
            end.roll_back();
            ended.fetch_add(1, SeqCst);
        })
    });
    let ends: Vec<_> = ends.collect();
    held.roll_back();
    for command in commands {
        command.await.unwrap();
    }
    // They stop when all ends are done.
    let done = done.load(SeqCst);
    assert!((ENDS / 2..ENOUGH).contains(&done), "{ENDS} ends among {done} commands");
    for end in ends {
        end.await.unwrap();
    }
}

/// The known-wrong way was to give all sessions up.
#[tokio::test]
async fn a_session_that_was_idle_for_too_long_goes_alone() {
    let engine = Postgres::shared().unwrap();
    let settings = settings(&engine);
    let (store, client) = (open(&settings).await.unwrap(), client(&settings).await);
    let fail = "CREATE FUNCTION fail() RETURNS BIGINT LANGUAGE plpgsql AS \
                $$ BEGIN RAISE EXCEPTION 'idle' USING ERRCODE = '25P03'; END $$; \
                CREATE VIEW failing AS SELECT fail() AS answer";
    client.batch_execute(fail).await.unwrap();
    store.load(vec![count()]).await.unwrap();
    let sessions = || async {
        let sql = "SELECT array_agg(pid) FROM pg_locks \
                   WHERE locktype = 'advisory' AND (classid::bigint << 32 | objid::bigint) = hashtextextended($1, 2)";
        client.query_one(sql, &[&settings.schema]).await.unwrap().get::<_, Vec<i32>>(0)
    };
    let before = sessions().await;
    let (transaction, _) = store.postgres().unwrap().begin("7", &[], SHORT).await.unwrap();
    let error = transaction.load(&[Statement::new("SELECT answer FROM failing", [])]).await.err().unwrap();
    assert!(matches!(error, StoreError::Unreachable(_)), "{error:?}");
    store.load(vec![count()]).await.unwrap();
    let after = sessions().await;
    assert!(before.len() > 1 && before.iter().all(|pid| after.contains(pid)), "{before:?} {after:?}");
    assert_eq!(counted(&store, "7").await, 0);
}

fn config_of_one_writer(engine: &Postgres) -> config::Store {
    config::Store { connections: 1, ..settings(engine) }
}
