//! Statements whose list a client can make long: each row of the list takes one step through a key, so that the only
//! writer is not held up.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test")]

use rollcall_core::{
    id::{ConnId, UserId},
    store::{
        Statement, Value,
        migrations::{self, StoreKind},
    },
    user::{Change, DanglingSubscription, PresenceVersion, RegistrationVersion},
};
use rusqlite::{Connection, params_from_iter, types::Value as Sql};

const MANY: usize = 3_000;

fn store() -> Connection {
    let connection = Connection::open_in_memory().unwrap();
    connection.execute_batch(&migrations::tables(StoreKind::Origin)).unwrap();
    connection
}

fn bound(statement: &Statement) -> impl Iterator<Item = Sql> + '_ {
    statement.params.iter().map(|value| match value {
        Value::Null => Sql::Null,
        Value::Int(number) => Sql::Integer(*number),
        Value::Text(text) => Sql::Text(text.clone()),
    })
}

fn plan(store: &Connection, statement: &Statement) -> Vec<String> {
    let mut explained = store.prepare(&format!("EXPLAIN QUERY PLAN {}", statement.sql)).unwrap();
    let rows = explained.query_map(params_from_iter(bound(statement)), |row| row.get(3)).unwrap();
    rows.collect::<Result<_, _>>().unwrap()
}

fn follower() -> UserId {
    UserId::new("follower").unwrap()
}

fn followed() -> Vec<UserId> {
    (0..MANY).map(|number| UserId::new(format!("followed{number}")).unwrap()).collect()
}

/// Every change of subscriptions whose list comes from a client's request.
fn changes() -> Vec<Change> {
    let connection = ConnId::from_bytes([7; 16]);
    let registration = RegistrationVersion::default();
    let known = PresenceVersion { sequence: 5, ..PresenceVersion::unanswered() };
    let dangling = |watched| DanglingSubscription { connection: String::new(), watched, is_followed: false };
    vec![
        Change::Subscribed {
            connection,
            watched: followed().into_iter().map(|user| (user, registration)).collect(),
        },
        Change::Acknowledged {
            connection,
            presences: followed().into_iter().map(|user| (user, known)).collect(),
        },
        Change::Unsubscribed { connection, watched: followed() },
        Change::Released(followed().into_iter().map(dangling).collect()),
    ]
}

#[test]
fn each_row_of_a_list_is_reached_by_its_key() {
    let store = store();
    for change in changes() {
        for statement in change.statements(&follower()) {
            let plan = plan(&store, &statement);
            let reached: Vec<_> = plan
                .iter()
                .filter(|line| line.contains("SEARCH subscription") || line.contains("SEARCH kept"))
                .collect();
            assert!(
                !plan.iter().any(|line| line.contains("SCAN subscription") || line.contains("SCAN kept")),
                "{plan:#?}"
            );
            let is_insert = matches!(change, Change::Subscribed { .. });
            assert_eq!(reached.is_empty(), is_insert, "{plan:#?}");
            assert!(reached.iter().all(|line| line.contains("watched=?")), "{}\n{plan:#?}", statement.sql);
        }
    }
}

#[test]
fn a_list_at_its_limit_changes_every_row_once() {
    let store = store();
    let count = |condition: &str| {
        let sql = format!("SELECT count(*) FROM subscription WHERE {condition}");
        store.query_row(&sql, [], |row| row.get::<_, i64>(0)).unwrap()
    };
    let many = i64::try_from(MANY).unwrap();
    let left = ["sequence = -1", "sequence = 5", "connection = ''"].into_iter();
    let changes = changes();
    for (change, left) in changes.iter().zip(left) {
        for statement in change.statements(&follower()) {
            store.execute(&statement.sql, params_from_iter(bound(&statement))).unwrap();
        }
        assert_eq!((count(left), count("true")), (many, many), "{left}");
    }
    for statement in changes.last().unwrap().statements(&follower()) {
        store.execute(&statement.sql, params_from_iter(bound(&statement))).unwrap();
    }
    assert_eq!(count("true"), 0);
}
