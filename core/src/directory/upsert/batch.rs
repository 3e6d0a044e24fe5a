//! Many records in one statement.
//!
//! The rows travel as one JSON text, because the Workers runtime allows 100 parameters a statement and 2 MB a
//! value, and because one statement is one transaction there.

use std::collections::BTreeSet;

use serde_json::json;

use crate::{
    directory::{membership::Membership, record::Record, row::source_number, sql::clean},
    shard::bucket,
    store::{Statement, Value},
};

/// Records in one statement.
const ROWS: usize = 1_000;
/// Bytes of JSON after which a statement takes no further record.
const BYTES: usize = 1_000_000;

/// One `INSERT … ON CONFLICT` for each batch of records.
pub(super) fn upserts(records: &[Record], conflict: &str) -> Vec<Statement> {
    // `WHERE true` tells the parser that ON CONFLICT is not a join's.
    let sql = format!(
        "INSERT INTO record (id, tenant, user, full_name, avatar, user_agent, device_id, remote_address, \
         online_at, offline_at, lease_until, source, generation, member_of, under, bucket) \
         SELECT CAST(value ->> 0 AS INTEGER), CAST(value ->> 1 AS INTEGER), CAST(value ->> 2 AS INTEGER), \
         value ->> 3, value ->> 4, value ->> 5, value ->> 6, value ->> 7, CAST(value ->> 8 AS INTEGER), \
         CAST(value ->> 9 AS INTEGER), CAST(value ->> 10 AS INTEGER), CAST(value ->> 11 AS INTEGER), \
         CAST(value ->> 12 AS INTEGER), value ->> 13, CAST(value ->> 14 AS INTEGER), CAST(value ->> 15 AS INTEGER) \
         FROM json_each(?1) WHERE true {conflict}"
    );
    let statement = |batch| Statement::new(sql.clone(), [Value::Text(batch)]);
    runs(records).flat_map(|run| batches(run.iter().map(row))).map(statement).collect()
}

/// The records in their order, cut so that no run has an id twice: one statement changes a row once.
fn runs(records: &[Record]) -> impl Iterator<Item = &[Record]> {
    let mut rest = records;
    std::iter::from_fn(move || {
        let mut seen = BTreeSet::new();
        let length = rest.iter().take_while(|record| seen.insert(record.id)).count();
        let (run, behind) = rest.split_at(length);
        rest = behind;
        (!run.is_empty()).then_some(run)
    })
}

/// One row if rows with the ids of `records`, or some of `records` themselves, are of another bucket.
pub(super) fn leaves_bucket(records: &[Record]) -> Vec<Statement> {
    let sql = "WITH given AS (SELECT value ->> 0 AS id, value ->> 1 AS bucket FROM json_each(?1)) \
         SELECT 1 WHERE EXISTS (SELECT 1 FROM given CROSS JOIN record ON record.id = given.id \
         WHERE record.bucket <> given.bucket) \
         OR EXISTS (SELECT 1 FROM given GROUP BY id HAVING min(bucket) <> max(bucket))";
    batches(keys(records)).map(|batch| Statement::new(sql, [Value::Text(batch)])).collect()
}

fn keys(records: &[Record]) -> impl Iterator<Item = String> {
    records.iter().map(|record| json!([record.id.number(), bucket(record.user)]).to_string())
}

/// Counts the records whose ids no row has, by bucket.
pub(super) fn counts(records: &[Record]) -> Vec<Statement> {
    let sql = "INSERT INTO counter (bucket, records) SELECT given.bucket, count(DISTINCT given.id) FROM (\
         SELECT value ->> 0 AS id, value ->> 1 AS bucket FROM json_each(?1)) AS given \
         WHERE NOT EXISTS (SELECT 1 FROM record WHERE record.id = given.id) GROUP BY given.bucket \
         ON CONFLICT (bucket) DO UPDATE SET records = counter.records + excluded.records";
    batches(keys(records)).map(|batch| Statement::new(sql, [Value::Text(batch)])).collect()
}

/// The ids among `records` that a row of another user, or of the other source, has.
pub(super) fn clashes(records: &[Record]) -> Vec<Statement> {
    let key = |record: &Record| {
        json!([record.id.number(), record.tenant, record.user, source_number(record.source)]).to_string()
    };
    let keys = records.iter().map(key);
    let sql = "SELECT CAST(record.id AS TEXT) FROM json_each(?1) AS given \
         CROSS JOIN record ON record.id = given.value ->> 0 \
         WHERE record.source <> given.value ->> 3 OR record.tenant <> given.value ->> 1 OR record.user <> given.value ->> 2";
    batches(keys).map(|batch| Statement::new(sql, [Value::Text(batch)])).collect()
}

fn row(record: &Record) -> String {
    json!([
        record.id.number(),
        record.tenant,
        record.user,
        clean(&record.full_name),
        record.avatar.as_deref().map(clean),
        clean(&record.user_agent),
        clean(&record.device_id),
        clean(&record.remote_address),
        record.online_at,
        record.offline_at,
        record.lease_until,
        source_number(record.source),
        record.generation,
        record.member_of.as_ref().map(Membership::to_column),
        record.under,
        bucket(record.user),
    ])
    .to_string()
}

/// JSON arrays of the given elements, none longer than the limits unless one element alone is.
fn batches(elements: impl Iterator<Item = String>) -> impl Iterator<Item = String> {
    let mut elements = elements.peekable();
    std::iter::from_fn(move || {
        let mut batch = format!("[{}", elements.next()?);
        let mut rows = 1;
        while let Some(element) =
            elements.next_if(|element| rows < ROWS && batch.len() + element.len() < BYTES)
        {
            batch.push(',');
            batch.push_str(&element);
            rows += 1;
        }
        batch.push(']');
        Some(batch)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_run_has_an_id_twice() {
        let records = [1, 2, 1, 1, 3, 2].map(crate::directory::tests::support::sample);
        let ids = |run: &[Record]| run.iter().map(|record| record.id.number()).collect::<Vec<_>>();
        let runs: Vec<_> = runs(&records).map(ids).collect();
        assert_eq!(runs, [vec![1, 2], vec![1], vec![1, 3, 2]]);
    }

    #[test]
    fn a_batch_ends_at_its_rows_or_at_its_bytes() {
        let sizes = |elements: Vec<String>| -> Vec<usize> {
            let count = |batch: String| serde_json::from_str::<Vec<String>>(&batch).unwrap().len();
            batches(elements.into_iter()).map(count).collect()
        };
        assert_eq!(sizes(vec![]), Vec::<usize>::new());
        assert_eq!(sizes(vec![r#""a""#.into(); 2_001]), [1_000, 1_000, 1]);
        let long = format!("{:?}", "x".repeat(400_000));
        assert_eq!(sizes(vec![long; 5]), [2, 2, 1]);
        let longest = format!("{:?}", "x".repeat(1_200_000));
        assert_eq!(sizes(vec![longest; 2]), [1, 1]);
    }
}
