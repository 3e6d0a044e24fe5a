//! The frozen steps, and the stores of every version that they bring forward.

use std::collections::BTreeMap;

use rusqlite::Connection;
use sha2::{Digest as _, Sha256};

use super::*;

const ALL: [StoreKind; 4] = [Origin, User, Shard, Cutoff];

/// A released line is never edited: stores that went through the step would differ from new ones.
const RELEASED: &[(u32, &str, &str)] = &[
    (1, "Origin User", "595e28d0d5405b85cc62a6dd4474d47e1e620ea7631a9784669f344b3e0a362a"),
    (1, "User", "0ecaf5c16e70c66e6c7a2b85a163b23d358b2f83dd53e9ce370a68025917d0c3"),
    (1, "Origin Shard", "6fe697d9561d75d42aa866cbe04c4a1b6a0c373b5098a93aa9f6628b16a7792a"),
    (1, "Origin Shard", "f16f8a20f3288b21b01774f1313b7d734d8ce70ce5fc7293b25b217582296c28"),
    (1, "Origin", "c96a08bad04bbd35483bda69954d6daba21d4fae7aca171bafa67b6755e4518a"),
    (1, "Shard", "2ff5874aeb7ccb7b22759350cecf86c42ab7cc331ac9bae187ce4eca8d0e08ff"),
    (1, "Shard", "ffb497de0b5358a4d13cb381ceda21152d045e963cd33d72c07aed513a1d221a"),
    (1, "Shard", "17585e689898eb2876dabb7523b5badfe5a027d0ffa07ef203b60de27d0de186"),
    (1, "Shard", "50937edbd730e210c70218e2e9f86a8f847af82be24f61a2c8b5ad17aa9522f4"),
    (2, "Origin User", "e50589d2fce98b38075141501156d9f914997c7f9bd89062f19d6f9434068a6b"),
    (3, "Origin User Shard", "ec514aad52e002f683791d02a4672e31d1f183ceaf5d72ed4420a9188cdb6574"),
    (3, "Origin", "5c6a173f8bc38f509414006cd58f7926ef9463a87a51db2441d8b48e327c3767"),
    (4, "Origin User", "385d9536df5eac45109fdbbaa126cbfb839bf09984b30dc00060252482d2886e"),
    (4, "Origin User Shard", "22919ad406ae102bd6316f8ca6116b0d4824456c224758769aa40fb277dd3ba7"),
    (4, "Origin Shard", "9b52bb6a65d548f253c5fe37e99e5c85157d225c2eba71b6e02dbfd69a4e6362"),
    (4, "Origin Shard", "b0be469ccb00ff72694b93ea7c83af2238d669180a0f486a5f6cd1480b0c8c6c"),
    (4, "Shard", "c738c0b2038389c17386a7a15e872b6df1469b06fa8460126b860a7d87fc90c4"),
    (5, "Origin User", "e6570d366659613ab50993d1f462be440f444416f2733e58e830cec0f306cb86"),
    (5, "Origin Shard", "795c05ae263823ef0fca4fbca00984280ca0e552e39d20e4631f7f8d10508e77"),
    (5, "Origin", "6d9d02de1a8e3bdb096e734a0559be8f8284a1494102fac0731e4f614cc61a8f"),
    (5, "Origin User", "d165d998e0a8163a64d83d4de9ba9970c80392ae06383cc3e8e544db9c74962b"),
    (5, "Origin", "155fef77001c7dd963f13a9b5edf6e02dd6f3d156db54c7d57f0e8d96d2fc8c2"),
    (6, "Origin User", "c702d1263fa1009f64a92b32099d1e5fa071e6ea08d526c6a1d3bb8626f9999d"),
    (7, "Origin Shard", "8e8c130083e277ce6c3f1dcbd729d0ba9da725afd956e9ba6f47a86ded9b960e"),
    (8, "Origin User", "c8e2d1106c8a3ea95ae3168bf20bacdd6a8d036dd2fee7d58468d2168d079d58"),
    (8, "User", "49c1d6245a3da7a2f119fd458659c2c7591d7db0a0a77627187fee681d5c3a92"),
    (8, "User", "17ff9d4f8e7d1048eab59bacee1ec461e6ab5d57c100a2c06365ae5f6d6f5596"),
    (8, "User", "365cef63fcdf14c7e505162c6d48317fc627e0ebe5e7ad5334518bea8840b4ae"),
    (8, "User", "7ec298102d0456cee1878f89c1635e93aff05510c52188871bc9aaee8f660fe8"),
    (9, "Origin Shard", "f574ae2d1f0fcda54a9175a970a0ca5e7880ab02cdacf1521f0db394891efbef"),
    (9, "Shard", "71bf69fc8b5972d90c8430908f008e66150d3d90774aeb06d72f209b389d8a1b"),
    (9, "Shard", "51c9e0de1fbf883fa33e1edfe31f11479faad64cbc6ae4a1debe5bd93838640d"),
    (9, "Shard", "a6e22c1fe77aaded66e41e151e88d9553feb9f3e7f4007bd3a3eff3b9aef7d57"),
    (10, "Origin", "8eaa09e024e8d5d5ec595066346f43ebbe1567192b7ff7e340abb8cb5bb3a93f"),
    (10, "Cutoff", "c8d9b72b712d011051660a862050a75f9e9aad71cc3a70345e17f979365fae4e"),
    (10, "Shard", "6d98083553dfabf7bc9982c4dd606ba5408e65db548929d834be70afea82906f"),
    (11, "Shard", "3adfc766b912bb1ea915c45529a5a76d4d1d2baf8bbaaa16ba92dd6c62ec90ab"),
    (12, "Origin", "2425893e57e53a1c9065b77b16a15a65acbdeba427f9281e7437c60d3ee45019"),
    (13, "Origin", "082a0f76f89d210a79dfa0342f1ed73f86e1f0d74cb9abd64bdd25e8ae24b0bd"),
    (13, "Shard Cutoff", "191318e27458acc50811a65c17636a2deb54713649984d37a7104d9a16042e4b"),
    (13, "Cutoff", "9ccdcb8897585920f5d5194f510eddc6142fe7cdff8f6dbf9771df6bec86f580"),
    (13, "Shard", "1371f29b24464ecb6faf8f22f46ac2eef9fee09fc97ea998d7b1b540c016ea85"),
    (13, "User", "c5b6b5eaa716f1d309e6f6e778797625b1a88671aa87c24ed4a12a6ee41741fa"),
    (14, "Origin User", "9aeb8e16d25a598b0fca28f4cc097284e81c8b5fc575b5e772dec6f35ea5aa02"),
    (15, "Origin Cutoff", "bc2d39ed08bf91e28003a68706a2af8c62250ab2c7519f30607aa1ac4155d90f"),
    (16, "Origin User", "2f4212dbb5a39b0ca00e4b40d4fa572927f6bd1e0d060961377f40cb8885fca8"),
    (16, "Origin Cutoff", "3e1d914a286e329af793903702131d474cab5533930cf4d937fea3bec539376c"),
    (16, "Origin", "581382ca906cc26f41f61f9863e0f34423be107443e560e19c4a3cb7199d82ae"),
    (16, "Cutoff", "5cb4517998fdce48d87b089bc0a446466344831717a7d6f9bf8ef5cb5012bc93"),
];

#[test]
fn a_released_step_never_changes() {
    let hex = |sql: &str| Sha256::digest(sql).iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    let steps: Vec<_> = STEPS
        .iter()
        .map(|step| {
            let stores: Vec<_> = step.stores.iter().map(|store| format!("{store:?}")).collect();
            (step.version, stores.join(" "), hex(step.sql))
        })
        .collect();
    let released: Vec<_> = RELEASED
        .iter()
        .map(|(version, stores, hash)| (*version, (*stores).to_owned(), (*hash).to_owned()))
        .collect();
    assert_eq!(steps, released, "append a step of the next version; its hash is on the left");
}

#[test]
fn versions_grow_by_one_and_the_last_one_is_the_programs() {
    assert_eq!(STEPS.first().map(|step| step.version), Some(1));
    assert!(STEPS.windows(2).all(|pair| (0..=1).contains(&(pair[1].version - pair[0].version))));
    assert_eq!(STEPS.last().map(|step| step.version), Some(VERSION));
}

#[test]
fn every_version_of_a_store_comes_to_the_same_tables() {
    for store in ALL {
        let new = at(store, VERSION);
        for version in 0..VERSION {
            let old = at(store, version);
            bring_forward(&old, store, version);
            assert_eq!(objects(&old), objects(&new), "{store:?} from version {version}");
            assert_eq!(stored_version(&old), Ok(VERSION));
        }
    }
}

/// `user.sql`, `account.sql`, `subscriptions.sql` and `shard.sql` are made by this test: run it with `ROLLCALL_BLESS=1` after a step
/// was added.
#[test]
fn a_new_object_has_the_tables_that_all_steps_come_to() {
    let files: [(StoreKind, &str, &[&str], Vec<&str>); 4] = [
        (User, "account.sql", &["account"], Extra::Account.tables().collect()),
        (
            User,
            "subscriptions.sql",
            &["subscription", "watcher", "ties"],
            Extra::Subscriptions.tables().collect(),
        ),
        (User, "user.sql", &["user", "token", "record", "schema"], new_store(User)),
        (Shard, "shard.sql", &[], new_store(Shard)),
    ];
    let mut made: BTreeMap<&str, Connection> = BTreeMap::new();
    for (store, file, of, texts) in files {
        let sql = "SELECT tbl_name, sql || ';' FROM sqlite_master WHERE sql IS NOT NULL ORDER BY rowid";
        let mut wanted = String::new();
        for row in query(&at(store, VERSION), &Statement::new(sql, [])) {
            let [Value::Text(table), Value::Text(sql)] = row.as_slice() else { panic!("{row:?}") };
            if of.is_empty() || of.contains(&table.as_str()) {
                wanted.push_str(&format!("{sql}\n"));
            }
        }
        if std::env::var_os("ROLLCALL_BLESS").is_some() {
            let path =
                std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src/store/migrations").join(file);
            std::fs::write(path, &wanted).unwrap();
            continue;
        }
        assert_eq!(texts.join("\n") + "\n", wanted, "{file}: run this test with ROLLCALL_BLESS=1");
        let key = if store == User { "user" } else { "shard" };
        let new = made.entry(key).or_insert_with(|| Connection::open_in_memory().unwrap());
        new.execute_batch(&texts.concat()).unwrap();
    }
    for (store, key) in [(User, "user"), (Shard, "shard")] {
        if let Some(new) = made.get(key) {
            assert_eq!(objects(new), objects(&at(store, VERSION)));
        }
    }
}

#[test]
fn an_object_says_at_a_glance_what_it_has() {
    let glance_at = |store: &Connection, kind| read_glance(&query(store, &glance(kind)));
    for version in 3..VERSION {
        let old = at(User, version);
        bring_forward(&old, User, version);
        assert_eq!(glance_at(&old, User), Some((VERSION, Extras::ALL)), "from version {version}");
    }
    let new = Connection::open_in_memory().unwrap();
    new.execute_batch(&new_store(User).concat()).unwrap();
    query(&new, &begin(User, Extras::default()));
    assert_eq!(glance_at(&new, User), Some((VERSION, Extras::default())));
    let mut extras = Extras::default();
    for extra in [Extra::Subscriptions, Extra::Account] {
        assert!(!extras.has(extra));
        extra.tables().for_each(|sql| new.execute_batch(sql).unwrap());
        extras = extras.and(extra);
        query(&new, &extras.set());
        assert_eq!(glance_at(&new, User), Some((VERSION, extras)));
    }
    assert_eq!(extras, Extras::ALL);
    assert_eq!(glance_at(&at(Shard, VERSION), Shard), Some((VERSION, Extras::default())));
}

/// What an object of the version before kept beside its records, the records keep.
#[test]
fn held_ends_and_untold_openings_are_brought_forward() {
    let old = at(User, 7);
    let record = |id, generation, published: &str| {
        format!(
            "INSERT INTO record (id, tenant, user, full_name, user_agent, device_id, remote_address, online_at, \
             source, generation, published) VALUES ({id}, 0, 1, '', '', '', '', 50, 0, {generation}, {published});"
        )
    };
    let sql = record(1, 1, "1")
        + &record(2, 1, "NULL")
        + &record(3, 1, "1")
        + &record(4, 1, "1")
        + "INSERT INTO held_end VALUES ('1', 3, 70, 90), ('1', 4, 40, 90);\
           INSERT INTO user (id) VALUES ('1'), ('2');\
           INSERT INTO token VALUES ('1', 'b', 5, 1, 1, 300, 0, -1), ('1', 'a', 5, 1, 1, 200, 1, -1);";
    old.execute_batch(&sql).unwrap();
    bring_forward(&old, User, 7);
    let rows = |sql: &'static str| format!("{:?}", query(&old, &Statement::new(sql, [])));
    assert_eq!(
        rows("SELECT id, generation, offline_at, held_until, unpublished FROM record ORDER BY id"),
        "[[Int(1), Int(1), Null, Null, Int(0)], [Int(2), Int(1), Null, Null, Int(1)], \
         [Int(3), Int(2), Int(70), Int(90), Int(0)], [Int(4), Int(2), Int(50), Int(90), Int(0)]]"
    );
    assert_eq!(rows("SELECT first_expiry FROM user ORDER BY id"), "[[Int(200)], [Null]]");
    assert_eq!(rows("SELECT hash, state FROM token"), r#"[[Text("b"), Int(0)], [Text("a"), Int(1)]]"#);
}

/// Objects at the edge had tables before they had a version.
#[test]
fn tables_without_a_version_are_taken_as_they_are() {
    for store in [User, Shard] {
        let old = at(store, 2);
        let sql =
            "INSERT INTO record VALUES (7, 1, 1, '', NULL, '', '', '', 1, NULL, NULL, 0, 1, NULL, NULL)";
        old.execute_batch(sql).unwrap();
        assert_eq!(found(&query(&old, &find())), Found::Unversioned);
        bring_forward(&old, store, 0);
        assert_eq!(objects(&old), objects(&at(store, VERSION)));
        assert_eq!(query(&old, &Statement::new("SELECT id FROM record", [])), [[Value::Int(7)]]);
    }
}

/// Earlier programs compared dates. What their orders took stays taken, and what came after them stays good.
#[test]
fn orders_and_tokens_without_serials_go_by_their_dates() {
    use crate::{
        id::{TenantId, UserId},
        shard::cutoff,
        time::Timestamp,
        token::TokenHash,
        user::{Command, Loaded, Part, User as Aggregate},
    };
    let old = at(Origin, 3);
    let [before, after] = ["before", "after"].map(TokenHash::of);
    let sql = format!(
        "INSERT INTO tenant_mark VALUES (5, 1000, 7, '[]', 0);\
         INSERT INTO token VALUES ('u', '{before}', 5, 1, 1000, 9000, 0), ('u', '{after}', 5, 2, 1001, 9000, 0);"
    );
    old.execute_batch(&sql).unwrap();
    bring_forward(&old, Origin, 3);
    let first = cutoff::read(&query(&old, &cutoff::get(TenantId(5)))).unwrap().unwrap();
    let next = crate::directory::view::Cutoff::next(
        Some(&first),
        first.serial,
        Vec::new(),
        Timestamp::from_millis(500),
    );
    let user = Aggregate::new(UserId::new("u").unwrap(), Vec::new());
    for (token, taken) in [(before, [true, true]), (after, [false, true])] {
        let mut loaded = Loaded::default();
        let needs = Command::VerifyToken { token }.needs();
        for (part, statement) in needs.queries(&user, Timestamp::default()) {
            assert_eq!(part, Part::Presented);
            loaded.absorb(part, &query(&old, &statement)).unwrap();
        }
        let began = loaded.presented.unwrap().unwrap().began();
        assert_eq!([&first, &next].map(|cutoff| cutoff.follows(began)), taken);
    }
}

#[test]
fn a_store_is_found_as_what_it_is() {
    let empty = Connection::open_in_memory().unwrap();
    assert_eq!(found(&query(&empty, &find())), Found::Nothing);
    for store in ALL {
        let unversioned = if store == Cutoff { Found::Nothing } else { Found::Unversioned };
        assert_eq!(found(&query(&at(store, 1), &find())), unversioned);
        assert_eq!(found(&query(&at(store, VERSION), &find())), Found::Versioned);
    }
}

#[test]
fn a_newer_store_is_refused_with_words() {
    let Err(error) = missing(Origin, VERSION + 1) else { panic!("it was taken") };
    assert_eq!(error, VersionError::Newer(VERSION + 1));
    assert!(error.to_string().contains("run the newer program"), "{error}");
    for rows in [vec![], vec![vec![Value::Int(-1)]], vec![vec![Value::Null]], vec![vec![Value::Int(1)]; 2]] {
        assert_eq!(read_version(&rows), Err(VersionError::Unreadable), "{rows:?}");
    }
}

#[test]
fn the_version_is_one_row_however_often_it_is_set() {
    let store = at(Shard, VERSION);
    query(&store, &set_version());
    assert_eq!(stored_version(&store), Ok(VERSION));
}

/// A store as the program of that version left it.
fn at(store: StoreKind, version: u32) -> Connection {
    let connection = Connection::open_in_memory().unwrap();
    for step in STEPS.iter().filter(|step| step.version <= version && step.stores.contains(&store)) {
        connection.execute_batch(step.sql).unwrap();
    }
    if version == VERSION {
        query(&connection, &set_version());
    }
    connection
}

fn bring_forward(connection: &Connection, store: StoreKind, from: u32) {
    missing(store, from).unwrap().for_each(|sql| connection.execute_batch(sql).unwrap());
    query(connection, &set_version());
}

fn stored_version(connection: &Connection) -> Result<u32, VersionError> {
    read_version(&query(connection, &version()))
}

fn objects(connection: &Connection) -> BTreeMap<String, Value> {
    let sql = "SELECT name, sql FROM sqlite_master";
    let named = |mut row: Vec<Value>| match (row.remove(0), row.remove(0)) {
        (Value::Text(name), sql) => (name, sql),
        other => panic!("{other:?}"),
    };
    query(connection, &Statement::new(sql, [])).into_iter().map(named).collect()
}

fn query(connection: &Connection, statement: &Statement) -> Vec<Vec<Value>> {
    use rusqlite::types::ValueRef;
    let bound = |value: &Value| match value {
        Value::Null => rusqlite::types::Value::Null,
        Value::Int(number) => (*number).into(),
        Value::Text(text) => text.clone().into(),
    };
    let read = |value: ValueRef<'_>| match value {
        ValueRef::Null => Value::Null,
        ValueRef::Integer(number) => Value::Int(number),
        ValueRef::Text(text) => Value::Text(String::from_utf8(text.to_vec()).unwrap()),
        other => panic!("{other:?}"),
    };
    let mut prepared = connection.prepare(&statement.sql).unwrap();
    let columns = prepared.column_count();
    let mut rows = prepared.query(rusqlite::params_from_iter(statement.params.iter().map(bound))).unwrap();
    let mut answer = Vec::new();
    while let Some(row) = rows.next().unwrap() {
        answer.push((0..columns).map(|column| read(row.get_ref(column).unwrap())).collect());
    }
    answer
}
