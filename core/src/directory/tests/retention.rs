//! What is forgotten, and what is not.

use super::support::{Database, sample};
use crate::{
    directory::{
        record::{Record, Source},
        upsert::{CrowdedUsers, delete_ended_before, settle_leases, trim_one, trim_user},
    },
    id::TenantId,
    time::Timestamp,
};

fn at(millis: i64) -> Timestamp {
    Timestamp::from_millis(millis)
}

fn ended(id: i64, tenant: i64, end: i64) -> Record {
    Record { tenant: TenantId(tenant), offline_at: Some(at(end)), ..sample(id) }
}

fn ids(database: &Database) -> Vec<i64> {
    database.records().iter().map(|record| record.id.number()).collect()
}

#[test]
fn old_ended_records_go_in_every_tenant_and_in_steps() {
    let database = Database::holding(&[
        ended(1, -7, 10),
        ended(2, 1, 10),
        ended(3, 1, 30),
        ended(4, 5, 19),
        ended(5, 5, 20),
        sample(6),
    ]);
    database.run(&delete_ended_before(at(20), 2).statement());
    assert_eq!(ids(&database).len(), 4);
    database.run(&delete_ended_before(at(20), 2).statement());
    assert_eq!(ids(&database), [3, 5, 6]);
    database.run(&delete_ended_before(at(20), 2).statement());
    assert_eq!(ids(&database), [3, 5, 6]);
}

#[test]
fn a_user_keeps_the_latest_ended_records_and_every_live_one() {
    let mut records: Vec<_> = (1..=5).map(|id| ended(id, 1, 100 - id)).collect();
    records.extend([sample(6), ended(7, 2, 1), Record { user: 2, ..ended(8, 1, 1) }]);
    let database = Database::holding(&records);
    assert_eq!(crowded(&database, 5, 100), [(1, 1)]);
    let is_due = |keep| !database.run(&trim_user(TenantId(1), 1, keep, 2).question()).is_empty();
    assert_eq!([2, 4, 5].map(is_due), [true, true, false]);
    database.run(&trim_user(TenantId(1), 1, 2, 2).statement());
    assert_eq!(ids(&database).len(), 6, "two at a time");
    database.run(&trim_user(TenantId(1), 1, 2, 2).statement());
    assert_eq!(ids(&database), [1, 2, 6, 7, 8]);
    for _ in 0..2 {
        database.run(&trim_one(TenantId(1), 1, 1));
        assert_eq!(ids(&database), [1, 6, 7, 8], "the one beyond the latest, and nothing else");
    }
}

/// The users with more than `keep` records, found in steps of `rows`. Every step is of a walk that goes on where the one before was.
fn crowded(database: &Database, keep: u32, rows: u32) -> Vec<(i64, i64)> {
    let mut next = Some(CrowdedUsers::BEGINNING);
    let mut all = Vec::new();
    for step in 0.. {
        assert!(step < 1_000, "the walk has no end");
        let Some(from) = next else { break };
        let mut walk = CrowdedUsers::at(keep, rows, from);
        let users = walk.advance(&database.run(&walk.question().unwrap())).unwrap();
        all.extend(users.iter().map(|user| (user.tenant.0, user.user)));
        next = walk.goes_on_at();
    }
    all
}

#[test]
fn crowded_users_are_found_once_each_however_long_the_steps_are() {
    let database = Database::new();
    let mut id = 0;
    for (tenant, user, records) in
        [(-7, i64::MAX, 9), (1, -5, 4), (1, 1, 3), (1, 2, 1), (1, 3, 12), (2, i64::MIN, 4), (2, i64::MAX, 5)]
    {
        let mut own = Vec::new();
        for _ in 0..records {
            id += 1;
            own.push(Record { tenant: TenantId(tenant), user, ..ended(id, tenant, id) });
        }
        database.insert(&own);
    }
    let expected = [(-7, i64::MAX), (1, -5), (1, 3), (2, i64::MIN), (2, i64::MAX)];
    for rows in 1..45 {
        assert_eq!(crowded(&database, 3, rows), expected, "{rows} rows a step");
    }
    assert_eq!(crowded(&Database::new(), 3, 10), []);
}

#[test]
fn a_lapsed_lease_is_written_down_as_the_end() {
    let leased = |id, until| Record { source: Source::Import, lease_until: Some(at(until)), ..sample(id) };
    let database = Database::holding(&[leased(1, 10), leased(2, 11), sample(3), leased(4, 5)]);
    database.run(&settle_leases(at(10), 1));
    database.run(&settle_leases(at(10), 100));
    let ends: Vec<_> =
        database.records().iter().map(|record| record.offline_at.map(Timestamp::millis)).collect();
    assert_eq!(ends, [Some(10), None, None, Some(5)]);
}
