//! Records that the directory has not acknowledged, where user and directory are different stores (the edge).
//!
//! A user's own table keeps the records of its live connections, and ended ones until the directory has them. The queue
//! has no rows of its own, since each is billed there. An ended record is in it once its end is not held any more. The opening of a
//! record is told at once by the instance that stored it, and is in the queue only after it could not be told; when that
//! instance dies, the connection dies with it, and its end follows.

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

/// The records of the queue, and the openings that this instance is about to tell, oldest first; read by
/// [`super::object::read_shown`].
pub fn unpublished(openings: &[RecordId], now: Timestamp) -> Statement {
    let mut sql = format!(
        "SELECT {COLUMNS}, held_until FROM record WHERE unpublished = 1 \
         OR (offline_at IS NOT NULL AND (held_until IS NULL OR held_until <= ?2))"
    );
    let mut params = vec![Value::Int(BATCH), now.millis().into()];
    if !openings.is_empty() {
        sql.push_str(" OR id IN (SELECT CAST(value AS INTEGER) FROM json_each(?3))");
        params.push(ids(openings));
    }
    sql.push_str(" ORDER BY id LIMIT ?1");
    Statement::new(sql, params)
}

/// The directory acknowledged a record in this form. An ended one is deleted with that. An opening that was not in the queue needs
/// nothing.
pub fn acknowledged(record: &Record, openings: &[RecordId]) -> Option<Statement> {
    let id = Value::wide(record.id.number());
    if record.offline_at.is_some() {
        let sql = "DELETE FROM record WHERE id = CAST(?1 AS INTEGER) AND generation = CAST(?2 AS INTEGER)";
        return Some(Statement::new(sql, [id, Value::wide(record.generation)]));
    }
    let in_queue = !openings.contains(&record.id);
    in_queue.then(|| Statement::new("UPDATE record SET unpublished = 0 WHERE id = CAST(?1 AS INTEGER)", [id]))
}

/// The directory could not be told of these openings.
pub fn untold(openings: &[RecordId]) -> Statement {
    Statement::new(
        "UPDATE record SET unpublished = 1 WHERE unpublished = 0 AND offline_at IS NULL \
         AND id IN (SELECT CAST(value AS INTEGER) FROM json_each(?1))",
        [ids(openings)],
    )
}

fn ids(ids: &[RecordId]) -> Value {
    Value::json(&ids.iter().map(|id| id.number().to_string()).collect::<Vec<_>>())
}

/// The directory has another record with this id: ours gets a new one.
pub fn renamed(old: RecordId, new: RecordId) -> Statement {
    Statement::new(
        "UPDATE record SET id = CAST(?2 AS INTEGER) WHERE id = CAST(?1 AS INTEGER)",
        [Value::wide(old.number()), Value::wide(new.number())],
    )
}

/// Records without an end: each must have a live connection.
pub fn open_records() -> Statement {
    Statement::new("SELECT CAST(id AS TEXT) FROM record WHERE offline_at IS NULL", [])
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
