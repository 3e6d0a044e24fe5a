//! Changes of records: opening, ending, publishing to the directory, importing, ending by order.
//!
//! A record's `generation` grows by one with every change, and an upsert without a newer generation changes nothing. So a
//! lost, repeated or overtaken call leaves no wrong row (`docs/rules/message-center.md#records`).

mod batch;
mod ending;
mod retention;

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::{
    membership::Membership,
    record::{Record, Source},
    row::{Columns, Row, RowError, source_number},
    sql::clean,
};
use crate::{
    id::RecordId,
    serial::Serial,
    store::{Statement, Value},
    time::Timestamp,
};

pub use ending::{end_cut_off_imports_of_users, end_imports_of_tenant, end_imports_of_users, end_left_open};
pub use retention::{
    CrowdedUser, CrowdedUsers, Deletion, TRIMMED_AT_INSERT, delete_bucket, delete_ended_before,
    settle_leases, trim_one, trim_user,
};

/// A new row for a connection that opened, in the store that owns its user.
///
/// Fails on an id that is taken: the transaction is rolled back and the caller draws another id.
pub fn opened(record: &Record) -> Statement {
    let values = [
        Value::wide(record.id.number()),
        Value::wide(record.tenant.0),
        Value::wide(record.user),
        Value::Text(clean(&record.full_name).into_owned()),
        record.avatar.as_deref().map(|avatar| clean(avatar).into_owned()).into(),
        Value::Text(clean(&record.user_agent).into_owned()),
        Value::Text(clean(&record.device_id).into_owned()),
        Value::Text(clean(&record.remote_address).into_owned()),
        Value::wide(record.online_at.millis()),
        record.offline_at.map_or(Value::Null, |at| Value::wide(at.millis())),
        record.lease_until.map_or(Value::Null, |at| Value::wide(at.millis())),
        Value::Int(source_number(record.source)),
        Value::wide(record.generation),
        record.member_of.as_ref().map(Membership::to_column).into(),
        Value::wide(record.under.number()),
    ];
    Statement::new(
        "INSERT INTO record (id, tenant, user, full_name, avatar, user_agent, device_id, remote_address, \
         online_at, offline_at, lease_until, source, generation, member_of, under) \
         VALUES (CAST(?1 AS INTEGER), CAST(?2 AS INTEGER), CAST(?3 AS INTEGER), ?4, ?5, ?6, ?7, ?8, \
         CAST(?9 AS INTEGER), CAST(?10 AS INTEGER), CAST(?11 AS INTEGER), ?12, CAST(?13 AS INTEGER), ?14, \
         CAST(?15 AS INTEGER))",
        values,
    )
}

/// Stores a record's end, once: an ended record keeps its first end. No end lies before its beginning, however the clock runs.
pub fn ended(id: RecordId, at: Timestamp) -> Statement {
    Statement::new(
        "UPDATE record SET offline_at = max(online_at, CAST(?2 AS INTEGER)), generation = generation + 1 \
         WHERE id = CAST(?1 AS INTEGER) AND offline_at IS NULL",
        [Value::wide(id.number()), Value::wide(at.millis())],
    )
}

/// Publishes live records to the directory; older and repeated generations change nothing.
///
/// The statements take at most 1,000 records each and may run in any order. Afterwards [`clashes`] finds the ids that were
/// rejected because another user's record, or one of another source, has them.
pub fn publish(records: &[Record]) -> Vec<Statement> {
    // The columns that identify a connection are fixed when it opens. Leaving them out of the update keeps the
    // indexes over them untouched when it ends, and each touched index is a billed row at the edge.
    batch::upserts(
        records,
        "ON CONFLICT (id) DO UPDATE SET avatar = excluded.avatar, user_agent = excluded.user_agent, \
         offline_at = excluded.offline_at, lease_until = excluded.lease_until, \
         generation = excluded.generation \
         WHERE excluded.generation > record.generation AND record.source = 0 \
         AND record.tenant = excluded.tenant AND record.user = excluded.user",
    )
}

/// Counts the records that an upsert is about to insert into a shard. It runs before [`publish`], [`import`] or [`receive`] of
/// the same records, in the same transaction.
pub fn counts(records: &[Record]) -> Vec<Statement> {
    batch::counts(records)
}

/// One row if a record that comes again with another user, or twice, would leave the bucket that it is counted in. Then
/// [`recount`](crate::directory::holding::recount) follows the import.
pub fn leaves_bucket(records: &[Record]) -> Vec<Statement> {
    batch::leaves_bucket(records)
}

/// Takes over records of any source from the shard that has them, unless there is a newer generation of them here.
pub fn receive(records: &[Record]) -> Vec<Statement> {
    batch::upserts(
        records,
        "ON CONFLICT (id) DO UPDATE SET user = excluded.user, full_name = excluded.full_name, \
         avatar = excluded.avatar, user_agent = excluded.user_agent, device_id = excluded.device_id, \
         remote_address = excluded.remote_address, online_at = excluded.online_at, \
         offline_at = excluded.offline_at, lease_until = excluded.lease_until, \
         generation = excluded.generation, bucket = excluded.bucket \
         WHERE excluded.generation > record.generation AND record.source = excluded.source \
         AND record.tenant = excluded.tenant AND record.bucket = excluded.bucket",
    )
}

/// The record with another id, the same one each time.
pub fn with_other_id(record: &Record) -> Record {
    let hash = <[u8; 32]>::from(Sha256::digest(format!("{}:{}", record.id, record.user)));
    let entropy = hash.first_chunk().map_or(0, |bytes| u64::from_be_bytes(*bytes));
    Record { id: RecordId::draw(record.online_at, entropy), ..record.clone() }
}

/// The ids of these records that belong to other records; one column, read by [`clashing_ids`].
///
/// Run it after [`publish`], in the same transaction. The publisher of such a record draws another id.
pub fn clashes(records: &[Record]) -> Vec<Statement> {
    batch::clashes(records)
}

/// Reads the rows of [`clashes`].
///
/// # Errors
/// When a row is not of that form.
pub fn clashing_ids(rows: &[Row]) -> Result<Vec<RecordId>, RowError> {
    rows.iter().map(|row| Columns(row.iter()).id()).collect()
}

/// Imports records into the directory: the last line of an id wins, and the record of a live id, or of another tenant's,
/// stays.
///
/// The records' own source and generation are ignored. The statements take at most 1,000 records each, run in order, and
/// return one row for each written record, read by [`imported`]; a record without a row has an id that is taken.
pub fn import(records: &[Record]) -> Vec<Statement> {
    let imported: Vec<_> = records
        .iter()
        .map(|record| Record {
            source: Source::Import,
            under: Serial::UNKNOWN,
            generation: FIRST_GENERATION,
            ..record.clone()
        })
        .collect();
    batch::upserts(
        &imported,
        "ON CONFLICT (id) DO UPDATE SET user = excluded.user, \
         full_name = excluded.full_name, avatar = excluded.avatar, user_agent = excluded.user_agent, \
         device_id = excluded.device_id, remote_address = excluded.remote_address, \
         online_at = excluded.online_at, offline_at = excluded.offline_at, \
         lease_until = excluded.lease_until, generation = record.generation + 1, bucket = excluded.bucket \
         WHERE record.source = 1 AND record.tenant = excluded.tenant \
         RETURNING CAST(id AS TEXT), CAST(generation AS TEXT)",
    )
}

const FIRST_GENERATION: i64 = 1;

/// The result of one imported record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Imported {
    /// The id was new.
    New(RecordId),
    /// An earlier line had the id.
    Updated(RecordId),
}

/// Reads the rows of one statement of [`import`].
///
/// # Errors
/// When a row is not of that form.
pub fn imported(rows: &[Row]) -> Result<Vec<Imported>, RowError> {
    let outcome = |row: &Row| {
        let mut columns = Columns(row.iter());
        let id = columns.id()?;
        let first = columns.number("generation")? == FIRST_GENERATION;
        Ok(if first { Imported::New(id) } else { Imported::Updated(id) })
    };
    rows.iter().map(outcome).collect()
}
