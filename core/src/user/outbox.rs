//! Records that the directory has not acknowledged, where user and directory are different stores (the edge).
//!
//! A user's own table keeps the records of its live connections, and ended ones until the directory has them. The queue
//! has no rows of its own, since each is billed there: the column `published` holds the generation that the directory
//! acknowledged last, and a record with another generation is still to be published.

use std::time::Duration;

use crate::{
    directory::{record::Record, row::COLUMNS},
    id::RecordId,
    store::{Statement, Value},
    time::Timestamp,
};

/// Records published in one go.
const BATCH: i64 = 200;
/// The first pause after a failure, and the longest.
const PAUSES: [Duration; 2] = [Duration::from_secs(1), Duration::from_secs(60)];

/// The records that the directory has not acknowledged in their present form, oldest first; read by
/// [`crate::directory::query::read_records`].
pub fn unpublished() -> Statement {
    Statement::new(
        format!("SELECT {COLUMNS} FROM record WHERE published IS NOT generation ORDER BY id LIMIT ?1"),
        [Value::Int(BATCH)],
    )
}

/// The directory acknowledged this generation of the record. An ended record is deleted with it.
pub fn acknowledged(record: &Record) -> Statement {
    let sql = if record.offline_at.is_some() {
        "DELETE FROM record WHERE id = CAST(?1 AS INTEGER) AND generation = CAST(?2 AS INTEGER)"
    } else {
        "UPDATE record SET published = generation WHERE id = CAST(?1 AS INTEGER) AND generation = CAST(?2 AS INTEGER)"
    };
    Statement::new(sql, [Value::wide(record.id.number()), Value::wide(record.generation)])
}

/// The directory has another record with this id: ours gets a new id in every table.
pub fn renamed(old: RecordId, new: RecordId) -> [Statement; 2] {
    let ids = || [Value::wide(old.number()), Value::wide(new.number())];
    [
        Statement::new("UPDATE record SET id = CAST(?2 AS INTEGER) WHERE id = CAST(?1 AS INTEGER)", ids()),
        Statement::new(
            "UPDATE held_end SET record = CAST(?2 AS INTEGER) WHERE record = CAST(?1 AS INTEGER)",
            ids(),
        ),
    ]
}

/// Records without an end, stored or held: each must have a live connection.
pub fn open_records() -> Statement {
    Statement::new(
        "SELECT CAST(id AS TEXT) FROM record WHERE offline_at IS NULL AND id NOT IN (SELECT record FROM held_end)",
        [],
    )
}

/// The ids in the rows of [`open_records`]; unreadable ones are left out.
pub fn read_ids(rows: &[Vec<Value>]) -> Vec<RecordId> {
    rows.iter()
        .filter_map(|row| match row.as_slice() {
            [Value::Text(id)] => id.parse().ok().and_then(RecordId::from_number),
            _ => None,
        })
        .collect()
}

/// When to try again. The next pause is as long as the oldest change has been waiting, so that pauses double without a
/// stored counter.
pub fn retry_at(oldest: &Record, now: Timestamp) -> Timestamp {
    let [first, longest] = PAUSES;
    let since = oldest.offline_at.unwrap_or(oldest.online_at);
    now + now.since(since).clamp(first, longest)
}
