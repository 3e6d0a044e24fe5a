//! Retention of records (`docs/rules/message-center.md#retention`).
//!
//! The statements are bounded, so that a store with a backlog is cleaned in steps between other work: an
//! adapter repeats one until it changes no row.

use crate::{
    directory::row::{Columns, Row, RowError},
    id::TenantId,
    store::{Statement, Value},
    time::Timestamp,
};

/// Stores the end of at most `limit` leases that expired by `now`. Readers show it already.
pub fn settle_leases(now: Timestamp, limit: u32) -> Statement {
    Statement::new(
        "UPDATE record SET offline_at = lease_until, generation = generation + 1 WHERE id IN (\
         SELECT id FROM record INDEXED BY record_leased \
         WHERE offline_at IS NULL AND lease_until IS NOT NULL AND lease_until <= CAST(?1 AS INTEGER) LIMIT ?2)",
        [Value::wide(now.millis()), Value::Int(limit.into())],
    )
}

/// Deletes at most `limit` records of any tenant that ended before `before`.
///
/// An imported record counts once its lease is settled, see [`settle_leases`].
pub fn delete_ended_before(before: Timestamp, limit: u32) -> Statement {
    // Every index leads with the tenant, so the statement hops from one tenant to the next.
    Statement::new(
        "WITH RECURSIVE known (tenant) AS (SELECT min(tenant) FROM record UNION ALL \
         SELECT (SELECT min(tenant) FROM record WHERE record.tenant > known.tenant) FROM known \
         WHERE known.tenant IS NOT NULL) \
         DELETE FROM record WHERE id IN (SELECT old.id FROM known CROSS JOIN record AS old INDEXED BY record_ended \
         ON old.tenant = known.tenant AND old.offline_at IS NOT NULL \
         AND old.offline_at < CAST(?1 AS INTEGER) LIMIT ?2)",
        [Value::wide(before.millis()), Value::Int(limit.into())],
    )
}

/// Deletes a user's ended records beyond the latest `keep`.
pub fn trim_user(tenant: TenantId, user: i64, keep: u32) -> Statement {
    Statement::new(
        "DELETE FROM record WHERE id IN (SELECT id FROM record INDEXED BY record_by_user \
         WHERE tenant = CAST(?1 AS INTEGER) AND user = CAST(?2 AS INTEGER) AND offline_at IS NOT NULL \
         ORDER BY offline_at DESC, id DESC LIMIT -1 OFFSET ?3)",
        [Value::wide(tenant.0), Value::wide(user), Value::Int(keep.into())],
    )
}

/// Users who have more than `keep` records, live ones counted: candidates for [`trim_user`].
///
/// Reads one index from end to end; for the daily sweep of a store that imports go to. One row for each user,
/// read by [`CrowdedUser::read`].
pub fn crowded_users(keep: u32) -> Statement {
    Statement::new(
        "SELECT CAST(tenant AS TEXT), CAST(user AS TEXT) FROM record INDEXED BY record_by_user \
         GROUP BY tenant, user HAVING count(*) > ?1",
        [Value::Int(keep.into())],
    )
}

/// A row of [`crowded_users`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CrowdedUser {
    /// The user's tenant.
    pub tenant: TenantId,
    /// The user's number.
    pub user: i64,
}

impl CrowdedUser {
    /// Reads one row.
    ///
    /// # Errors
    /// When the row is not of that form.
    pub fn read(row: &Row) -> Result<Self, RowError> {
        let mut columns = Columns(row.iter());
        Ok(Self { tenant: TenantId(columns.number("tenant")?), user: columns.number("user")? })
    }
}
