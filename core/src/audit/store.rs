//! The rows of the audit, and their end.

use std::time::Duration;

use super::{EntryId, Part};
use crate::{
    id::UserId,
    store::{Statement, Value},
    time::Timestamp,
};

const DAY: Duration = Duration::from_secs(24 * 3600);

/// Writes a part down. Repeating it changes nothing; an order that goes on writes how far it is.
pub fn keep(part: &Part) -> Statement {
    let Part { entry, tenant, target, users, connections, progress } = part;
    let count = |count: Option<u64>| count.map(|count| i64::try_from(count).unwrap_or(i64::MAX));
    Statement::new(
        "INSERT INTO audit (id, target, tenant, given_by, operation, progress, users, connections, details) \
         VALUES (?1, ?2, CAST(?3 AS INTEGER), ?4, ?5, ?6, ?7, ?8, ?9) ON CONFLICT (id, target) \
         DO UPDATE SET progress = excluded.progress, users = excluded.users, details = excluded.details",
        [
            entry.id.to_string().into(),
            target.as_ref().map_or("", UserId::as_str).into(),
            Value::wide(tenant.0),
            entry.by.as_str().into(),
            entry.operation.name().into(),
            progress.name().into(),
            count(*users).into(),
            count(*connections).into(),
            entry.details.as_str().into(),
        ],
    )
}

/// The first id that is kept for so many days (`audit.retention_days`).
pub fn expired(now: Timestamp, retention_days: u32) -> EntryId {
    EntryId::first_of(now - DAY * retention_days)
}

/// Deletes the oldest rows before this id, at most `limit`.
pub fn delete(before: EntryId, limit: u32) -> Statement {
    Statement::new(
        "DELETE FROM audit WHERE (id, target) IN \
         (SELECT id, target FROM audit WHERE id < ?1 ORDER BY id, target LIMIT ?2)",
        [before.to_string().into(), Value::Int(limit.into())],
    )
}
