//! Records change in one direction only, whatever the order of the calls.

use std::collections::BTreeMap;

use proptest::{
    collection::vec,
    option,
    prelude::*,
    sample::Index,
    test_runner::{Config, TestRunner},
};

use super::support::{Database, sample};
use crate::{
    directory::{
        holding::{Holding, counters, read_counters, read_users, recount, set_buckets, users_without_bucket},
        membership::{Body, Membership, members, users},
        query::{by_ids, open_records, read_records},
        record::{Record, Source},
        upsert::{
            Deletion, Imported, clashes, clashing_ids, counts, delete_bucket, delete_ended_before,
            end_cut_off_imports_of_users, end_imports_of_tenant, end_imports_of_users, end_left_open, ended,
            import, imported, leaves_bucket, opened, publish, receive, trim_user, with_other_id,
        },
    },
    id::{RecordId, TenantId},
    shard::bucket,
    store::{Statement, migrations::StoreKind},
    time::Timestamp,
};

const WIDE: i64 = i64::MAX - 5;

fn at(millis: i64) -> Timestamp {
    Timestamp::from_millis(millis)
}

fn execute(database: &Database, statements: &[crate::store::Statement]) -> Vec<crate::directory::row::Row> {
    statements.iter().flat_map(|statement| database.run(statement)).collect()
}

#[test]
fn a_record_reads_back_as_it_was_written() {
    let record = Record {
        id: RecordId::from_number(WIDE).unwrap(),
        tenant: TenantId(-WIDE),
        user: WIDE - 1,
        full_name: "李四 \"'\u{10ffff}\\".into(),
        avatar: Some("https://cdn.example.test/a.png".into()),
        offline_at: Some(at(-1)),
        lease_until: Some(at(WIDE)),
        generation: WIDE,
        member_of: Membership::new(&[WIDE], &[1, 2]),
        ..sample(1)
    };
    let database = Database::holding(std::slice::from_ref(&record));
    assert_eq!(database.records(), std::slice::from_ref(&record));
    let published = Database::new();
    execute(&published, &publish(std::slice::from_ref(&record)));
    assert_eq!(published.records(), std::slice::from_ref(&record));
    assert_eq!(read_records(&published.run(&by_ids([record.id]))).unwrap(), [record]);
}

#[test]
fn an_id_that_is_taken_fails_the_opening() {
    let database = Database::holding(&[sample(1)]);
    assert!(database.try_run(&opened(&sample(1))).is_err());
}

#[test]
fn a_record_ends_once() {
    let opened = |id| Record { online_at: at(3), ..sample(id) };
    let database = Database::holding(&[opened(1), opened(2), opened(3)]);
    for end in [5, 9] {
        database.run(&ended(sample(1).id, at(end)));
    }
    database.run(&ended(sample(2).id, at(1)));
    let expected = |id, end| Record { offline_at: Some(at(end)), generation: 2, ..opened(id) };
    assert_eq!(database.records(), [expected(1, 5), expected(2, 3), opened(3)], "not before its beginning");
}

#[test]
fn any_order_of_published_generations_ends_in_the_same_rows() {
    let change = (any::<bool>(), 0_i64..100, any::<bool>());
    let strategy = (vec(vec(change, 1..6), 1..5), vec((any::<Index>(), any::<Index>()), 0..30));
    let mut runner = TestRunner::new(Config { cases: crate::size::sized(80, 300), ..Config::default() });
    runner
        .run(&strategy, |(histories, calls)| {
            let generations: Vec<Vec<Record>> = histories
                .iter()
                .zip(1..)
                .map(|(changes, id)| {
                    let generation = |((ended, end, avatar), generation): (&(bool, i64, bool), i64)| Record {
                        offline_at: ended.then(|| at(*end)),
                        avatar: avatar.then(|| end.to_string()),
                        generation,
                        ..sample(id)
                    };
                    changes.iter().zip(1..).map(generation).collect()
                })
                .collect();
            let database = Database::new();
            for (record, generation) in calls {
                let record = record.get(&generations);
                execute(&database, &publish(std::slice::from_ref(generation.get(record))));
            }
            // Each last one comes at some time, here with all the others in one batch.
            let all: Vec<_> = generations.iter().flatten().rev().cloned().collect();
            execute(&database, &publish(&all));
            let last: Vec<_> = generations.iter().filter_map(|records| records.last().cloned()).collect();
            prop_assert_eq!(database.records(), last);
            Ok(())
        })
        .unwrap_or_else(|error| panic!("{error}"));
}

#[test]
fn a_shard_counts_its_rows_whatever_happens_to_them() {
    let record = (1_i64..12, 1_i64..5, any::<bool>(), option::of(0_i64..50), 1_i64..4).prop_map(
        |(id, user, imported, end, generation)| Record {
            user,
            source: if imported { Source::Import } else { Source::Live },
            offline_at: end.map(at),
            generation,
            ..sample(id)
        },
    );
    let operation = (0..5_u8, vec(record, 1..6), 0_i64..50, 1_i64..5);
    let mut runner = TestRunner::new(Config { cases: crate::size::sized(60, 300), ..Config::default() });
    runner
        .run(&vec(operation, 1..20), |operations| {
            let database = Database::of(StoreKind::Shard);
            let delete = |deletion: &Deletion| {
                database.run(&deletion.counted());
                database.run(&deletion.statement());
            };
            for (operation, records, end, user) in operations {
                let leaves = !execute(&database, &leaves_bucket(&records)).is_empty();
                match operation {
                    0 => {
                        // A publication is of one user.
                        let record = &records[..1];
                        execute(&database, &[counts(record), publish(record)].concat());
                    }
                    1 => {
                        execute(&database, &[counts(&records), import(&records)].concat());
                        if leaves {
                            execute(&database, &recount());
                        }
                    }
                    2 => delete(&delete_ended_before(at(end), 3)),
                    3 => delete(&trim_user(TenantId(1), user, 1, 2)),
                    _ => delete(&delete_bucket(bucket(user), 2)),
                }
                let mut counted: BTreeMap<u16, u64> = BTreeMap::new();
                database
                    .records()
                    .iter()
                    .for_each(|record| *counted.entry(bucket(record.user)).or_default() += 1);
                let kept = read_counters(&database.run(&counters())).unwrap();
                prop_assert_eq!(kept.into_iter().collect::<BTreeMap<_, _>>(), counted);
            }
            Ok(())
        })
        .unwrap_or_else(|error| panic!("{error}"));
}

#[test]
fn records_of_an_earlier_program_get_buckets_and_counters() {
    let records: Vec<_> = (1..=6).map(|id| Record { user: id % 3, ..sample(id) }).collect();
    let database = Database::shard(&records);
    execute(&database, &[Statement::new("UPDATE record SET bucket = NULL", [])]);
    execute(&database, &[Statement::new("DELETE FROM counter", [])]);
    let users = read_users(&database.run(&users_without_bucket())).unwrap();
    execute(&database, &set_buckets(&users));
    let mut expected: Vec<_> = (0..3).map(|user| (bucket(user), 2)).collect();
    expected.sort_unstable();
    assert_eq!(read_counters(&database.run(&counters())).unwrap(), expected);
    assert_eq!(database.run(&users_without_bucket()), Vec::<Vec<_>>::new());
}

#[test]
fn a_received_record_is_replaced_by_a_newer_generation_only() {
    let old = Record { generation: 2, ..sample(1) };
    let database = Database::shard(std::slice::from_ref(&old));
    let new = Record { generation: 3, offline_at: Some(at(9)), full_name: "Li Si".into(), ..sample(1) };
    for (arrived, kept) in [(sample(1), &old), (new.clone(), &new), (old.clone(), &new)] {
        execute(&database, &receive(std::slice::from_ref(&arrived)));
        assert_eq!(database.records(), std::slice::from_ref(kept));
    }
    let stranger = Record { user: 9, source: Source::Import, ..new.clone() };
    execute(&database, &receive(std::slice::from_ref(&stranger)));
    let taken = execute(&database, &clashes(std::slice::from_ref(&stranger)));
    assert_eq!(clashing_ids(&taken).unwrap(), [stranger.id]);
    let other = with_other_id(&stranger);
    assert_eq!(with_other_id(&stranger), other, "the same each time");
    execute(&database, &receive(std::slice::from_ref(&other)));
    assert_eq!(database.records().len(), 2);
}

#[test]
fn a_publish_that_meets_anothers_id_changes_nothing_and_is_reported() {
    let imported = Record { source: Source::Import, ..sample(2) };
    let database = Database::holding(&[sample(1), imported.clone(), sample(3)]);
    let stranger = Record { user: 9, generation: 7, ..sample(1) };
    let over_import = Record { generation: 7, ..sample(2) };
    let own = Record { generation: 2, offline_at: Some(at(4)), ..sample(3) };
    let records = [stranger, over_import, own.clone()];
    execute(&database, &publish(&records));
    assert_eq!(database.records(), [sample(1), imported, own]);
    let refused = clashing_ids(&execute(&database, &clashes(&records))).unwrap();
    assert_eq!(refused, [sample(1).id, sample(2).id]);
}

#[test]
fn the_last_line_of_an_import_wins_and_live_records_are_left_alone() {
    let database = Database::holding(&[sample(1)]);
    let line = |id, name: &str| Record { full_name: name.into(), user: id + 10, ..sample(id) };
    let lines = [line(1, "over a live one"), line(2, "first"), line(3, "only"), line(2, "last")];
    let outcome = imported(&execute(&database, &import(&lines))).unwrap();
    let id = |id| RecordId::from_number(id).unwrap();
    assert_eq!(outcome, [Imported::New(id(2)), Imported::New(id(3)), Imported::Updated(id(2))]);
    let names: Vec<_> =
        database.records().into_iter().map(|record| (record.full_name, record.source)).collect();
    let expected = [("Zhang San", Source::Live), ("last", Source::Import), ("only", Source::Import)];
    assert_eq!(names, expected.map(|(name, source)| (name.to_owned(), source)));
    let again = imported(&execute(&database, &import(&lines[2..3]))).unwrap();
    assert_eq!(again, [Imported::Updated(id(3))]);
}

#[test]
fn an_import_updates_rows_of_its_own_tenant_only() {
    let of = |tenant, name: &str| Record {
        tenant: TenantId(tenant),
        full_name: name.into(),
        source: Source::Import,
        ..sample(1)
    };
    let database = Database::holding(&[of(2, "theirs")]);
    assert_eq!(imported(&execute(&database, &import(&[of(1, "ours")]))).unwrap(), []);
    assert_eq!(database.records(), [of(2, "theirs")]);
    let updated = imported(&execute(&database, &import(&[of(2, "newer")]))).unwrap();
    assert_eq!(updated, [Imported::Updated(sample(1).id)]);
    assert_eq!(database.records(), [Record { generation: 2, ..of(2, "newer") }]);
}

#[test]
fn a_force_off_ends_imports_of_its_users_in_its_tenant_and_nothing_else() {
    let early = |id| Record { online_at: at(0), ..sample(id) };
    let import =
        |id, user, tenant| Record { user, tenant: TenantId(tenant), source: Source::Import, ..early(id) };
    let records = [
        import(1, 1, 1),
        import(2, 2, 1),
        import(3, 1, 2),
        Record { lease_until: Some(at(40)), ..import(4, 1, 1) },
        Record { lease_until: Some(at(400)), ..import(5, 1, 1) },
        Record { offline_at: Some(at(7)), ..import(6, 1, 1) },
        sample(7),
    ];
    let database = Database::holding(&records);
    for changed in [2, 1, 0] {
        let rows = database.run(&end_imports_of_users(TenantId(1), &[1, WIDE], at(100), 2));
        assert_eq!(rows.len(), changed, "two at a time");
    }
    let ends: Vec<_> =
        database.records().iter().map(|record| record.offline_at.map(Timestamp::millis)).collect();
    assert_eq!(ends, [Some(100), None, None, Some(40), Some(100), Some(7), None]);
    let generations: Vec<_> = database.records().iter().map(|record| record.generation).collect();
    assert_eq!(generations, [2, 1, 1, 2, 2, 1, 1]);
}

#[test]
fn a_tenant_order_ends_imports_that_its_cutoff_covers() {
    let import =
        |id, user, online| Record { user, online_at: at(online), source: Source::Import, ..sample(id) };
    let database = Database::holding(&[import(1, 1, 50), import(2, 2, 50), import(3, 1, 101), sample(4)]);
    database.run(&end_imports_of_tenant(TenantId(1), &[2], at(100), 9, &Holding::SHARED));
    let ends: Vec<_> =
        database.records().iter().map(|record| record.offline_at.map(Timestamp::millis)).collect();
    assert_eq!(ends, [Some(100), None, None, None]);
    // The next order exempts these users, and hides nothing of them any more.
    assert_eq!(database.run(&end_cut_off_imports_of_users(TenantId(1), &[1, 2, 3], at(100), 9)).len(), 1);
    let ends: Vec<_> =
        database.records().iter().map(|record| record.offline_at.map(Timestamp::millis)).collect();
    assert_eq!(ends, [Some(100), Some(100), None, None]);
}

/// The original left rows online for ever after a crash.
#[test]
fn a_start_ends_what_a_dead_process_left_open() {
    let database = Database::new();
    let live = |id, online| Record { online_at: at(online), ..sample(id) };
    let import = Record { source: Source::Import, ..live(3, 10) };
    let ended_before = Record { offline_at: Some(at(20)), ..live(4, 10) };
    [live(1, 10), live(2, 60), import, ended_before]
        .iter()
        .for_each(|record| drop(database.run(&opened(record))));
    database.run(&end_left_open(at(50)));
    let ends: Vec<_> =
        database.records().iter().map(|record| record.offline_at.map(Timestamp::millis)).collect();
    assert_eq!(ends, [Some(50), Some(60), None, Some(20)]);
}

/// Each index entry is a billed row at the edge, and a user's object has no lists to answer.
#[test]
fn a_users_object_keeps_its_records_without_an_index() {
    let database = Database::of(StoreKind::User);
    let old = Record { online_at: at(0), ..sample(1) };
    database.insert(&[old.clone(), sample(2)]);
    database.run(&ended(old.id, at(9)));
    let ended = Record { offline_at: Some(at(9)), generation: old.generation + 1, ..old };
    assert_eq!(database.records(), [ended, sample(2)]);
    let indexes = "SELECT name FROM sqlite_master WHERE type = 'index' AND tbl_name = 'record'";
    assert!(database.run(&Statement::new(indexes, [])).is_empty());
}

#[test]
fn open_records_are_walked_by_id() {
    let import = Record { source: Source::Import, ..sample(2) };
    let gone = Record { offline_at: Some(at(1)), ..sample(3) };
    let database = Database::holding(&[sample(1), import, gone, sample(4), sample(5)]);
    let walk = |after| {
        let rows = database.run(&open_records(TenantId(1), after, 2));
        read_records(&rows).unwrap().into_iter().map(|record| record.id.number()).collect::<Vec<_>>()
    };
    assert_eq!(walk(None), [1, 4]);
    assert_eq!(walk(RecordId::from_number(4)), [5]);
}

#[test]
fn a_thousand_records_fit_into_one_statement() {
    let records: Vec<_> = (1..=2_500)
        .map(|id| Record { user_agent: "x".repeat(512), full_name: "名".repeat(40), ..sample(id) })
        .collect();
    let statements = publish(&records);
    assert_eq!(statements.len(), 3);
    let database = Database::new();
    execute(&database, &statements);
    assert_eq!(database.records(), records);
}

#[test]
fn the_members_of_a_body_are_its_users_with_open_connections() {
    let of = |departments: &[i64], groups: &[i64]| Membership::new(departments, groups);
    let user = |n: i64, member_of| Record { user: n, member_of, ..sample(n) };
    let mut ended = user(5, of(&[11], &[]));
    ended.offline_at = Some(at(9));
    let elsewhere = Record { tenant: TenantId(77), ..user(6, of(&[11], &[])) };
    let all = [
        user(1, of(&[11], &[])),
        user(2, of(&[11, 12], &[21])),
        user(3, of(&[], &[11])),
        user(4, None),
        ended,
        elsewhere,
        Record { user: 2, ..user(7, of(&[11], &[])) },
    ];
    let database = Database::holding(&all);
    let tenant = sample(1).tenant;
    let members = |body, ids: &[i64]| {
        let mut users =
            users(&database.run(&members(tenant, body, ids.iter().copied(), &Holding::SHARED))).unwrap();
        users.sort_unstable();
        users
    };
    assert_eq!(members(Body::Department, &[11]), [1, 2]);
    assert_eq!(members(Body::Department, &[12, 13]), [2]);
    assert_eq!(members(Body::Group, &[11, 21]), [2, 3]);
    assert_eq!(members(Body::Group, &[]), Vec::<i64>::new());
}
