//! What is forgotten, and what is not.

use super::support::{Database, sample};
use crate::{
    directory::{
        record::{Record, Source},
        upsert::{CrowdedUser, crowded_users, delete_ended_before, settle_leases, trim_user},
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
    database.run(&delete_ended_before(at(20), 2));
    assert_eq!(ids(&database).len(), 4);
    database.run(&delete_ended_before(at(20), 2));
    assert_eq!(ids(&database), [3, 5, 6]);
    database.run(&delete_ended_before(at(20), 2));
    assert_eq!(ids(&database), [3, 5, 6]);
}

#[test]
fn a_user_keeps_the_latest_ended_records_and_every_live_one() {
    let mut records: Vec<_> = (1..=5).map(|id| ended(id, 1, 100 - id)).collect();
    records.extend([sample(6), ended(7, 2, 1), Record { user: 2, ..ended(8, 1, 1) }]);
    let database = Database::holding(&records);
    let crowded: Vec<_> =
        database.run(&crowded_users(5)).iter().map(|row| CrowdedUser::read(row).unwrap()).collect();
    assert_eq!(crowded, [CrowdedUser { tenant: TenantId(1), user: 1 }]);
    database.run(&trim_user(TenantId(1), 1, 2));
    assert_eq!(ids(&database), [1, 2, 6, 7, 8]);
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
