//! Records that the directory has not acknowledged, where user and directory are different stores (the edge).
//!
//! A user's own table keeps the records of its live connections, and ended ones until the directory has them. The queue
//! has no rows of its own, since each is billed there. An ended record is in it once its end is not held any more. The opening of a
//! record is told at once by the instance that stored it, and is in the queue only after it could not be told; when that
//! instance dies, the connection dies with it, and its end follows.
//!
//! Of the last record that is acknowledged with its end a row stays: the floor of the user's dates
//! (`docs/rules/users.md#dates`). Its id is -1, which no record has. To change a row costs what its deletion costs.
//!
//! The queue has the audit's entries of the user's orders too: in the row of the record that the order ended, or alone in a row of an id
//! below -1.

use std::time::Duration;

use crate::{
    audit::Part,
    directory::{record::Record, row::COLUMNS},
    id::RecordId,
    store::{Statement, Value},
    time::Timestamp,
};

/// Records published in one go.
const BATCH: i64 = 200;
/// What is in the queue at ?1.
macro_rules! queued {
    () => {
        "unpublished = 1 OR (offline_at IS NOT NULL AND (held_until IS NULL OR held_until <= ?1))"
    };
}

/// The first pause after a failure, and the longest.
const PAUSES: [Duration; 2] = [Duration::from_secs(1), Duration::from_secs(60)];

/// The records of the queue, and the openings that this instance is about to tell, oldest first; read by
/// [`super::object::read_shown`].
pub fn unpublished(openings: &[RecordId], now: Timestamp) -> Statement {
    let mut sql = format!("SELECT {COLUMNS}, audit, held_until FROM record WHERE id > 0 AND ({}", queued!());
    let mut params = vec![now.millis().into(), Value::Int(BATCH)];
    if !openings.is_empty() {
        sql.push_str(" OR id IN (SELECT CAST(value AS INTEGER) FROM json_each(?3))");
        params.push(ids(openings));
    }
    sql.push_str(") ORDER BY id LIMIT ?2");
    Statement::new(sql, params)
}

/// The directory acknowledged a record in this form. An ended one becomes the floor with that, in place of the one before: no date that
/// follows may lie before `floor`, or before those of the record. An opening that was not in the queue needs nothing.
pub fn acknowledged(record: &Record, openings: &[RecordId], floor: Timestamp) -> Option<Statement> {
    let id = Value::wide(record.id.number());
    if record.offline_at.is_some() {
        let floor = floor.max(latest(record));
        let sql = "UPDATE OR REPLACE record SET id = -1, tenant = 0, user = 0, full_name = '', avatar = NULL, \
                   user_agent = '', device_id = '', remote_address = '', online_at = ?3, offline_at = NULL, generation = 0, \
                   member_of = NULL, held_until = NULL, unpublished = 0, audit = NULL \
                   WHERE id = CAST(?1 AS INTEGER) AND generation = CAST(?2 AS INTEGER)";
        return Some(Statement::new(sql, [id, Value::wide(record.generation), floor.millis().into()]));
    }
    let in_queue = !openings.contains(&record.id);
    in_queue.then(|| Statement::new("UPDATE record SET unpublished = 0 WHERE id = CAST(?1 AS INTEGER)", [id]))
}

/// Ends a record, with a part of the audit that the directory is to be told of with it, unless another one waits there. Its generation
/// grows in any case, so that no earlier answer of the directory is taken for one to this.
pub(super) fn ended_with(record: RecordId, at: Timestamp, part: &Part) -> Statement {
    Statement::new(
        "UPDATE record SET offline_at = coalesce(offline_at, max(online_at, CAST(?2 AS INTEGER))), held_until = NULL, \
         generation = generation + 1, audit = coalesce(audit, ?3) WHERE id = CAST(?1 AS INTEGER)",
        [Value::wide(record.number()), Value::wide(at.millis()), Value::json(part)],
    )
}

/// Keeps a part of the audit in a row of its own, unless it is in a row already: that of `carrier`, the record that the order ended, which is
/// looked at first, or one of an earlier try of the same call. It takes a number below all others where another order of the moment has its
/// own. Read by [`is_alone`].
pub(super) fn untold_part(part: &Part, carrier: Option<RecordId>) -> Statement {
    Statement::new(
        "INSERT INTO record (id, tenant, user, full_name, user_agent, device_id, remote_address, online_at, source, generation, audit) \
         SELECT CASE WHEN EXISTS (SELECT 1 FROM record WHERE id = CAST(?1 AS INTEGER)) THEN (SELECT min(id) FROM record) - 1 \
         ELSE CAST(?1 AS INTEGER) END, 0, 0, '', '', '', '', 0, 0, 0, ?2 \
         WHERE NOT EXISTS (SELECT 1 FROM record WHERE id = CAST(?4 AS INTEGER) AND json_extract(audit, '$.entry.id') = ?3) \
         AND NOT EXISTS (SELECT 1 FROM record WHERE audit IS NOT NULL AND json_extract(audit, '$.entry.id') = ?3) \
         RETURNING 'alone'",
        [
            Value::wide(part.entry.id.below_floor()),
            Value::json(part),
            part.entry.id.to_string().into(),
            Value::wide(carrier.map_or(0, RecordId::number)),
        ],
    )
}

/// Whether one of these answers to statements says that a part of the audit has a row of its own now. No live record makes a shard ask for
/// it, so it needs an alarm.
pub fn is_alone(answers: &[Vec<Vec<Value>>]) -> bool {
    answers.iter().any(|rows| matches!(rows.as_slice(), [row] if *row == [Value::from("alone")]))
}

/// Parts of the audit in rows of their own, oldest first; read by [`read_parts`].
pub fn parts_alone() -> Statement {
    Statement::new(
        "SELECT CAST(record.id AS TEXT), audit, held_until FROM record WHERE id < -1 ORDER BY record.id DESC LIMIT ?1",
        [Value::Int(BATCH)],
    )
}

/// Reads what the rows of [`unpublished`] or [`parts_alone`] have of the audit, each with the number in its row. What does not read
/// is left out.
pub fn read_parts(rows: &[Vec<Value>]) -> Vec<(i64, Part)> {
    let read = |row: &Vec<Value>| match (row.first()?, row.get(row.len().checked_sub(2)?)?) {
        (Value::Text(id), Value::Text(text)) => Some((id.parse().ok()?, serde_json::from_str(text).ok()?)),
        _ => None,
    };
    rows.iter().filter_map(read).collect()
}

/// The directory has taken in the parts of these rows.
pub fn told_parts(rows: &[i64]) -> Statement {
    let ids: Vec<String> = rows.iter().map(i64::to_string).collect();
    Statement::new(
        "DELETE FROM record WHERE id < -1 AND id IN (SELECT CAST(value AS INTEGER) FROM json_each(?1))",
        [Value::json(&ids)],
    )
}

/// The latest date of a record.
pub fn latest(record: &Record) -> Timestamp {
    record.offline_at.map_or(record.online_at, |end| end.max(record.online_at))
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

/// What an instance has to know of the user's own table before anything else.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Look {
    /// Records without an end: each must have a live connection.
    pub open: Vec<RecordId>,
    /// Whether the queue holds anything.
    pub is_queued: bool,
    /// Whether parts of the audit wait in rows of their own.
    pub has_parts: bool,
    /// The date that the next opening has to follow.
    pub floor: Timestamp,
}

/// One look at the whole table; read by [`read_look`].
pub fn look(now: Timestamp) -> Statement {
    let sql = concat!("SELECT CAST(id AS TEXT), online_at, offline_at IS NULL, ", queued!(), " FROM record");
    Statement::new(sql, [now.millis().into()])
}

/// Reads the rows of [`look`]; unreadable ones are left out.
pub fn read_look(rows: &[Vec<Value>]) -> Look {
    let mut look = Look::default();
    for row in rows {
        let [Value::Text(id), Value::Int(online_at), Value::Int(is_open), Value::Int(is_queued)] =
            row.as_slice()
        else {
            continue;
        };
        look.floor = look.floor.max(Timestamp::from_millis(*online_at));
        let number: Option<i64> = id.parse().ok();
        let record = number.and_then(RecordId::from_number);
        look.has_parts |= number.is_some_and(|number| number < -1);
        look.is_queued |= record.is_some() && *is_queued != 0;
        look.open.extend(record.filter(|_| *is_open != 0));
    }
    look
}

/// When to try again. The next pause is as long as the oldest change has been waiting, so that pauses double without a
/// stored counter. `None` where nothing waits.
pub fn retry_at(records: &[Record], parts: &[Part], now: Timestamp) -> Option<Timestamp> {
    let [first, longest] = PAUSES;
    let oldest = records.first().map(|record| record.offline_at.unwrap_or(record.online_at));
    let since = oldest.into_iter().chain(parts.iter().map(|part| part.entry.id.at())).min()?;
    Some(now + now.since(since).clamp(first, longest))
}
