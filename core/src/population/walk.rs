//! The walk over a population, page by page, and the statements of a store for it.

use serde::{Deserialize, Serialize};

use crate::{
    directory::{
        holding::Holding,
        record::Record,
        row::{COLUMNS, Row, RowError},
    },
    id::{RecordId, TenantId, UserId},
    shard::layout::Layout,
    store::{Statement, Value},
    token::TokenHash,
};

/// The most users or records of a page.
pub const PAGE: u32 = 500;

/// The fewest records that a page asks each shard of a directory for.
const LEAST_OF_SHARD: u32 = 16;

/// Where a page begins. A store with every user goes by users, then by records; directories of tenants go by the users of records.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Position {
    /// Behind a user of the store.
    Users(UserId),
    /// Behind a record of the store, or before all of them.
    Records(Option<RecordId>),
    /// Behind a record of a user in a tenant's directory, or before all of them. It says nothing of shards, whose number may change
    /// between two pages.
    Directory(TenantId, Option<(i64, RecordId)>),
}

/// A part of a population.
#[derive(Clone, Debug, Default)]
pub struct Part {
    /// Users to ask for their snapshots.
    pub users: Vec<UserId>,
    /// Records.
    pub records: Vec<Record>,
    /// Where the next part begins.
    pub next: Option<Position>,
}

/// What a caller brings back for the next page. `None` is at the end of the walk.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cursor {
    /// Where the walk goes on.
    pub at: Option<Position>,
    /// Users with more tokens than the last page took, with the last one that it took.
    pub rest: Vec<(UserId, TokenHash)>,
}

/// The next users of a store that has them all, in order; users with nothing but an account among them.
pub fn users_after(user: Option<&UserId>) -> Statement {
    Statement::new(
        "SELECT id FROM user WHERE id > ?1 UNION SELECT user FROM account WHERE user > ?1 ORDER BY 1 LIMIT ?2",
        [user.map_or("", UserId::as_str).into(), Value::Int(PAGE.into())],
    )
}

/// Reads the rows of [`users_after`].
///
/// # Errors
/// When a row is not of that form.
pub fn read_users(rows: &[Row]) -> Result<Vec<UserId>, RowError> {
    let one = |row: &Row| match row.as_slice() {
        [Value::Text(id)] => UserId::new(id.as_str()).map_err(|_| RowError("user")),
        _ => Err(RowError("user")),
    };
    rows.iter().map(one).collect()
}

/// The next records of a store with every tenant, by id.
pub fn records_after(record: Option<RecordId>) -> Statement {
    Statement::new(
        format!("SELECT {COLUMNS} FROM record WHERE id > CAST(?1 AS INTEGER) ORDER BY record.id LIMIT ?2"),
        [Value::wide(record.map_or(0, RecordId::number)), Value::Int(PAGE.into())],
    )
}

/// The most records that a page takes from each shard: together about twice a page, since shards do not have equally many.
fn most_of_shard(layout: &Layout) -> u32 {
    (2 * PAGE / layout.places().max(1)).max(LEAST_OF_SHARD)
}

/// The next records of a shard, those of a user together. Rows that are in no answer of the shard are not among them.
pub fn records_of_users_after(
    tenant: TenantId,
    after: Option<(i64, RecordId)>,
    layout: &Layout,
    holding: &Holding,
) -> Statement {
    let shown = holding.shown();
    let (user, record) = after.map_or((i64::MIN, 0), |(user, record)| (user, record.number()));
    Statement::new(
        format!(
            "SELECT {COLUMNS} FROM record INDEXED BY record_by_user WHERE tenant = CAST(?1 AS INTEGER) \
             AND (user, id) > (CAST(?2 AS INTEGER), CAST(?3 AS INTEGER)){shown} ORDER BY user, id LIMIT ?4"
        ),
        [
            Value::wide(tenant.0),
            Value::wide(user),
            Value::wide(record),
            Value::Int(most_of_shard(layout).into()),
        ],
    )
}

/// The next records of a tenant out of those of all its shards, and where the page after them begins; `None` at the end.
pub fn merge(layout: &Layout, shards: Vec<Vec<Record>>) -> (Vec<Record>, Option<(i64, RecordId)>) {
    let key = |record: &Record| (record.user, record.id);
    let most = most_of_shard(layout) as usize;
    // Behind the last record of a shard that has more, others may come first.
    let full = shards.iter().filter(|records| records.len() >= most);
    let bound = full.filter_map(|records| records.last().map(key)).min();
    let mut records: Vec<Record> = shards.into_iter().flatten().collect();
    records.sort_by_key(key);
    records.retain(|record| bound.is_none_or(|bound| key(record) <= bound));
    let has_more = bound.is_some() || records.len() > PAGE as usize;
    records.truncate(PAGE as usize);
    let last = records.last().map(key);
    (records, last.filter(|_| has_more))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        directory::{
            query::read_records,
            tests::support::{Database, sample},
        },
        shard::{
            BUCKETS, bucket,
            layout::{LEAST_COPIED, Next},
        },
    };

    #[test]
    fn every_record_of_a_directory_comes_once_though_its_shards_change_between_two_pages() {
        let users = |number: i64| if number % 3 == 0 { -7 } else { number % 200 };
        let all: Vec<Record> =
            (1..=2_400).map(|number| Record { user: users(number), ..sample(number) }).collect();
        let mut layout = Layout::first(3).change_to(8).unwrap();
        let (mut after, mut seen, mut pages) = (None, Vec::new(), 0);
        loop {
            // Beside the shard that answers for a bucket, its former one and the one that receives it may have its records.
            let held = |index: u32, record: &Record| {
                let of = bucket(record.user);
                layout.home(of) == index
                    || layout.receiver(of) == Some(index)
                    || u32::from(of) % layout.shards == index
            };
            let shards = (0..layout.places()).map(|index| {
                let shard = Database::shard(
                    &all.iter().filter(|record| held(index, record)).cloned().collect::<Vec<_>>(),
                );
                let hidden: Vec<u16> = (0..BUCKETS).filter(|bucket| layout.home(*bucket) != index).collect();
                let asked = records_of_users_after(TenantId(1), after, &layout, &shard.held(&hidden));
                read_records(&shard.run(&asked)).unwrap()
            });
            let (records, next) = merge(&layout, shards.collect());
            assert!(records.len() <= PAGE as usize);
            seen.extend(records);
            pages += 1;
            after = next;
            if after.is_none() {
                break;
            }
            for _ in 0..25 {
                let Some(next) = layout.next(LEAST_COPIED) else { break };
                let (Next::Copy(next) | Next::HandOver(next) | Next::End(next)) = next;
                layout = next;
            }
        }
        let mut expected = all.clone();
        expected.sort_by_key(|record| (record.user, record.id));
        assert_eq!(
            seen.iter().map(|record| record.id).collect::<Vec<_>>(),
            expected.iter().map(|record| record.id).collect::<Vec<_>>()
        );
        assert!(pages > 2, "{pages} pages");
    }
}
