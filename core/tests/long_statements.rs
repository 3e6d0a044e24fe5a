//! Statements whose list a client can make long: each row of the list takes one step through a key, so that the only
//! writer is not held up.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test")]

use rollcall_core::{
    directory::{upsert, view::ScopedCutoff},
    id::{ConnId, TenantId, UserId},
    platform::Platform,
    serial::Serial,
    shard::scoped,
    store::{
        Statement, Value,
        migrations::{self, StoreKind},
    },
    time::Timestamp,
    token::{
        TokenHash,
        store::{TokenRow, TokenSet, TokenState, delete_expired},
    },
    user::{
        Change, DanglingSubscription, PresenceVersion, RegistrationVersion, forget_oldest_unseen,
        forget_unseen_before, last_opening, newest_opening, read_opening,
    },
};
use rusqlite::{Connection, StatementStatus, params_from_iter, types::Value as Sql};

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
        Change::TakenBack(followed()),
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
            let is_insert = matches!(change, Change::Subscribed { .. } | Change::TakenBack(_));
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
    let left = ["sequence = -1", "sequence = 5", "connection = ''", "connection = ''"].into_iter();
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

/// The same rows in changes of at most `size` each.
fn pieces(change: &Change, size: usize) -> Vec<Change> {
    match change.clone() {
        Change::Subscribed { connection, watched } => watched
            .chunks(size)
            .map(|some| Change::Subscribed { connection, watched: some.to_vec() })
            .collect(),
        Change::Acknowledged { connection, presences } => presences
            .chunks(size)
            .map(|some| Change::Acknowledged { connection, presences: some.to_vec() })
            .collect(),
        Change::Unsubscribed { connection, watched } => watched
            .chunks(size)
            .map(|some| Change::Unsubscribed { connection, watched: some.to_vec() })
            .collect(),
        Change::TakenBack(watched) => {
            watched.chunks(size).map(|some| Change::TakenBack(some.to_vec())).collect()
        }
        Change::Released(dangling) => {
            dangling.chunks(size).map(|some| Change::Released(some.to_vec())).collect()
        }
        other => panic!("{other:?} has no list"),
    }
}

/// The steps that SQLite takes for these changes in one transaction, which is then undone. It is deaf to what else the machine does.
fn steps_of(store: &mut Connection, changes: &[Change]) -> i32 {
    let transaction = store.transaction().unwrap();
    let steps = |statement: &Statement| {
        let mut prepared = transaction.prepare(&statement.sql).unwrap();
        prepared.execute(params_from_iter(bound(statement))).unwrap();
        prepared.get_status(StatementStatus::VmStep)
    };
    changes.iter().flat_map(|change| change.statements(&follower())).map(|statement| steps(&statement)).sum()
}

/// An outcome is one transaction, so its lists are not cut. A list at its limit holds the writer up for as long as its pieces
/// together: the known-wrong way took time by the square of its length.
#[test]
fn a_list_at_its_limit_takes_as_long_as_its_pieces_together() {
    let mut store = store();
    for change in changes() {
        let whole = steps_of(&mut store, std::slice::from_ref(&change));
        let in_pieces = steps_of(&mut store, &pieces(&change, MANY / 30));
        let statements = change.statements(&follower());
        let texts: Vec<_> = statements.iter().map(|statement| &statement.sql).collect();
        assert!(whole <= in_pieces, "{whole} steps and {in_pieces} in pieces: {texts:?}");
        assert!(whole < 100 * i32::try_from(MANY).unwrap(), "{whole} steps: {texts:?}");
        // The next change is about the rows of this one.
        written(&store, &change);
    }
}

/// The rows that a change writes.
fn written(store: &Connection, change: &Change) -> usize {
    let run =
        |statement: &Statement| store.execute(&statement.sql, params_from_iter(bound(statement))).unwrap();
    change.statements(&follower()).iter().map(run).sum()
}

/// The known-wrong way was to write every tombstone anew with each kick.
#[test]
fn a_kick_writes_valid_tokens_and_no_tombstone() {
    const TOKENS: usize = 100;
    let hashes: Vec<TokenHash> = (0..TOKENS).map(|number| TokenHash::of(&number.to_string())).collect();
    let at = Timestamp::from_secs(1_000);
    let issue = |hash: TokenHash, order| {
        let state = TokenState::Valid;
        let expires = Timestamp::from_secs(9_000);
        let (platform, under) = (Platform::Web, Serial::NONE);
        Change::TokenIssued(TokenRow { hash, platform, order, issued_at: at, under, expires, state })
    };
    let kicks = [
        Change::TokensKicked(TokenSet::These(hashes.clone())),
        Change::TokensKicked(TokenSet::Platform { platform: Platform::Web, except: None }),
        Change::TokensKicked(TokenSet::All),
        Change::TokensOutdated { by: at },
    ];
    for kick in kicks {
        let store = store();
        for (hash, order) in hashes.iter().zip(1..) {
            written(&store, &issue(*hash, order));
        }
        assert_eq!(written(&store, &kick), TOKENS, "{kick:?}");
        assert_eq!(written(&store, &kick), 0, "{kick:?}");
    }
}

/// A store with many rows of every kind that is swept: records of one user, tokens and made-up names of many.
fn to_be_swept() -> Connection {
    let store = store();
    let rows = "WITH RECURSIVE n (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < 3000)";
    store
        .execute_batch(&format!(
            "INSERT INTO record (id, tenant, user, full_name, user_agent, device_id, remote_address, online_at, \
             offline_at, lease_until, source, generation) \
             {rows} SELECT n, 1, 7, '', '', '', '', 1, CASE WHEN n % 3 THEN n END, 5, 0, 1 FROM n; \
             INSERT INTO token (user, hash, platform, ord, issued_at, expires_at, state) \
             {rows} SELECT 'u' || n, 'h', 5, 1, 1, n, n % 2 FROM n; \
             INSERT INTO user (id, unseen_at) {rows} SELECT 'u' || n, CASE WHEN n % 2 THEN n END FROM n;"
        ))
        .unwrap();
    store
}

#[test]
fn the_openings_of_a_user_and_of_all_are_found_by_an_index() {
    let store = to_be_swept();
    store
        .execute_batch(
            "INSERT INTO record (id, tenant, user, full_name, user_agent, device_id, remote_address, online_at, source, \
             generation) VALUES (9001, 1, 7, '', '', '', '', 70, 0, 1), (9002, 2, 7, '', '', '', '', 80, 1, 1), \
             (9003, 3, 7, '', '', '', '', 75, 0, 1), (9004, 3, 8, '', '', '', '', 79, 0, 1)",
        )
        .unwrap();
    for (statement, expected) in [
        (last_opening(7), Some(75)),
        (last_opening(8), Some(79)),
        (last_opening(9), None),
        (newest_opening(), Some(80)),
    ] {
        let plan = plan(&store, &statement);
        assert!(!plan.iter().any(|line| line.contains("SCAN") && !line.ends_with("known")), "{plan:#?}");
        let at: Option<i64> =
            store.query_row(&statement.sql, params_from_iter(bound(&statement)), |row| row.get(0)).unwrap();
        let rows = [vec![at.map_or(Value::Null, Value::Int)]];
        assert_eq!(read_opening(&rows), expected.map(Timestamp::from_millis), "{}", statement.sql);
    }
}

/// The known-wrong way was one statement that deleted all there was, while every commit waited.
#[test]
fn each_statement_of_a_sweep_changes_few_rows_and_finds_them_by_an_index() {
    const FEW: usize = 100;
    let few = u32::try_from(FEW).unwrap();
    let late = Timestamp::from_millis(2_000);
    let sweeps = [
        (upsert::settle_leases(late, few), 1_000),
        (upsert::delete_ended_before(late, few).statement(), 1_333),
        (upsert::trim_user(TenantId(1), 7, 10, few).statement(), 1_990),
        (delete_expired(late, few), 2_000),
        (forget_unseen_before(late, few), 1_000),
        (forget_oldest_unseen(few), 1_500),
    ];
    for (statement, expected) in sweeps {
        let store = to_be_swept();
        let plan = plan(&store, &statement);
        let is_scan = |line: &&String| {
            ["record", "old", "token", "user"].iter().any(|table| line.as_str() == format!("SCAN {table}"))
        };
        assert_eq!(plan.iter().find(is_scan), None, "{}", statement.sql);
        assert!(!plan.iter().any(|line| line.contains("ORDER BY")), "{plan:#?}");
        let (mut all, mut last) = (0, FEW);
        while last == FEW {
            last = store.execute(&statement.sql, params_from_iter(bound(&statement))).unwrap();
            assert!(last <= FEW, "{}", statement.sql);
            all += last;
        }
        assert_eq!(all, expected, "{}", statement.sql);
    }
}

/// The most users of an order to a set, in a department that a resolver names.
const SET: i64 = 100_000;

/// A store with an order to so many users, under delivery.
fn ordered(users: i64) -> (Connection, ScopedCutoff) {
    let store = store();
    let cutoff = ScopedCutoff::next(Serial::NONE, 1..=users, Timestamp::from_secs(1_000));
    for statement in scoped::keep(TenantId(1), &cutoff, "", None) {
        store.execute(&statement.sql, params_from_iter(bound(&statement))).unwrap();
    }
    (store, cutoff)
}

/// The steps that SQLite takes for one statement.
fn steps(store: &Connection, statement: &Statement) -> i32 {
    let mut prepared = store.prepare(&statement.sql).unwrap();
    prepared.query(params_from_iter(bound(statement))).unwrap().mapped(|_| Ok(())).for_each(Result::unwrap);
    prepared.get_status(StatementStatus::VmStep)
}

#[test]
fn the_users_of_an_order_are_stored_in_pieces_each_as_short_as_the_first() {
    const PIECE: usize = 2_000;
    let (store, cutoff) = ordered(1);
    let later = ScopedCutoff::next(cutoff.serial, 1..=SET, cutoff.at);
    let all: Vec<i32> = scoped::keep_users(&later, PIECE).map(|piece| steps(&store, &piece)).collect();
    assert_eq!(all.len(), 50);
    let (first, most) = (all.first().unwrap(), all.iter().max().unwrap());
    assert!(*first < 100 * i32::try_from(PIECE).unwrap(), "{first} steps");
    // A row that another one pushes to the next page of an index takes no step more.
    assert_eq!(most, first, "{all:?}");
}

/// What is asked and changed while an order to a set of users is under delivery reaches the rows that it is about, whatever the size of the
/// set.
#[test]
fn what_concerns_an_order_to_a_set_takes_as_long_beside_many_users_as_beside_few() {
    const FEW: i64 = 1_000;
    let some: Vec<UserId> = (300..556).map(UserId::from).collect();
    let of_order = |serial: Serial| {
        [
            scoped::all(),
            scoped::of_user(&UserId::from(7)),
            scoped::unreached(serial, 256),
            scoped::reached(serial, &some),
            scoped::forget_users(serial.next(), 256),
            scoped::last_serial(),
            scoped::delivered(serial),
        ]
    };
    let all_steps = |users: i64| {
        let (store, cutoff) = ordered(users);
        let statements = of_order(cutoff.serial);
        for statement in &statements {
            let plan = plan(&store, statement);
            assert!(!plan.iter().any(|line| line == "SCAN scoped_user"), "{}: {plan:#?}", statement.sql);
        }
        let all: Vec<i32> = statements.iter().map(|statement| steps(&store, statement)).collect();
        all
    };
    assert_eq!(all_steps(SET), all_steps(FEW));
}

#[test]
fn the_users_that_a_delivery_has_left_are_counted_along_their_index() {
    let (store, cutoff) = ordered(5);
    let plan = plan(&store, &scoped::count_unreached(cutoff.serial));
    assert_eq!(plan, ["SEARCH scoped_user USING COVERING INDEX scoped_user_by_serial (serial=?)"]);
}
