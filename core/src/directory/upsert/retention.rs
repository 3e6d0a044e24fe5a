//! Retention of records (`docs/rules/message-center.md#retention`).
//!
//! The statements are bounded, so that a store with a backlog is cleaned in steps between other work: an
//! adapter repeats one until it changes fewer rows than its limit.

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

/// A deletion of the records whose ids a question selects.
#[derive(Clone, Debug)]
pub struct Deletion {
    ids: Statement,
}

impl Deletion {
    /// One row if there is anything to delete.
    pub fn question(&self) -> Statement {
        Statement::new(format!("SELECT 1 WHERE EXISTS ({})", self.ids.sql), self.ids.params.clone())
    }

    /// The deletion itself.
    pub fn statement(&self) -> Statement {
        Statement::new(format!("DELETE FROM record WHERE id IN ({})", self.ids.sql), self.ids.params.clone())
    }

    /// Takes what it is about to delete off a shard's counters. It runs before the deletion, in its transaction.
    pub fn counted(&self) -> Statement {
        let sql = format!(
            "UPDATE counter SET records = counter.records - gone.records FROM (\
             SELECT bucket, count(*) AS records FROM record WHERE id IN ({}) GROUP BY bucket) AS gone \
             WHERE counter.bucket = gone.bucket",
            self.ids.sql
        );
        Statement::new(sql, self.ids.params.clone())
    }
}

/// At most `limit` records of any tenant that ended before `before`.
///
/// An imported record counts once its lease is settled, see [`settle_leases`].
pub fn delete_ended_before(before: Timestamp, limit: u32) -> Deletion {
    // Every index leads with the tenant, so the statement hops from one tenant to the next.
    let ids = Statement::new(
        "WITH RECURSIVE known (tenant) AS (SELECT min(tenant) FROM record UNION ALL \
         SELECT (SELECT min(tenant) FROM record WHERE record.tenant > known.tenant) FROM known \
         WHERE known.tenant IS NOT NULL) \
         SELECT old.id FROM known CROSS JOIN record AS old INDEXED BY record_ended \
         ON old.tenant = known.tenant AND old.offline_at IS NOT NULL \
         AND old.offline_at < CAST(?1 AS INTEGER) LIMIT ?2",
        [Value::wide(before.millis()), Value::Int(limit.into())],
    );
    Deletion { ids }
}

/// At most `limit` records of a bucket.
pub fn delete_bucket(bucket: u16, limit: u32) -> Deletion {
    let ids = Statement::new(
        "SELECT id FROM record NOT INDEXED WHERE bucket = ?1 LIMIT ?2",
        [Value::Int(bucket.into()), Value::Int(limit.into())],
    );
    Deletion { ids }
}

/// The most records that [`trim_user`] deletes when a shard publishes a record of the user: far more than one, so that a user with
/// too many comes to the limit.
pub const TRIMMED_AT_INSERT: u32 = 100;

/// Deletes the newest of a user's ended records beyond the latest `keep`: each opening adds one. [`trim_user`] takes what is further
/// behind.
///
/// A comparison with one value, since SQLite allocates a page cache for each set of ids, an empty one too: 100 KB a connect.
pub fn trim_one(tenant: TenantId, user: i64, keep: u32) -> Statement {
    let Deletion { ids } = trim_user(tenant, user, keep, 1);
    Statement::new(format!("DELETE FROM record WHERE id = ({})", ids.sql), ids.params)
}

/// At most `limit` of a user's ended records beyond the latest `keep`.
pub fn trim_user(tenant: TenantId, user: i64, keep: u32, limit: u32) -> Deletion {
    let ids = Statement::new(
        "SELECT id FROM record INDEXED BY record_ended_by_user \
         WHERE tenant = CAST(?1 AS INTEGER) AND user = CAST(?2 AS INTEGER) AND offline_at IS NOT NULL \
         ORDER BY offline_at DESC, id DESC LIMIT ?4 OFFSET ?3",
        [Value::wide(tenant.0), Value::wide(user), Value::Int(keep.into()), Value::Int(limit.into())],
    );
    Deletion { ids }
}

/// A walk over the users of a directory that finds those with more than `keep` records, live ones counted: candidates for
/// [`trim_user`]. Each step reads a bounded number of rows.
#[derive(Clone, Copy, Debug)]
pub struct CrowdedUsers {
    keep: u32,
    rows: u32,
    /// The first user of the next step; `None` at the end.
    from: Option<(i64, i64)>,
}

/// A user with more records than are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CrowdedUser {
    /// The user's tenant.
    pub tenant: TenantId,
    /// The user's number.
    pub user: i64,
    /// Its records, as many as one step reads at most.
    pub records: u32,
}

impl CrowdedUsers {
    /// The tenant and the user at which a walk begins.
    pub const BEGINNING: (i64, i64) = (i64::MIN, i64::MIN);

    /// A walk in steps of `rows`, or of as many as it takes to find one crowded user.
    pub fn new(keep: u32, rows: u32) -> Self {
        Self::at(keep, rows, Self::BEGINNING)
    }

    /// The same from this tenant and user on.
    pub fn at(keep: u32, rows: u32, from: (i64, i64)) -> Self {
        Self { keep, rows: rows.max(keep.saturating_add(1)), from: Some(from) }
    }

    /// The tenant and the user at which the next step begins; `None` at the end of the walk.
    pub const fn goes_on_at(&self) -> Option<(i64, i64)> {
        self.from
    }

    /// The question of the next step; `None` at the end of the walk.
    pub fn question(&self) -> Option<Statement> {
        let (tenant, user) = self.from?;
        // The rest of the tenant, then the tenants behind it: a comparison of both columns would read the tenant from its beginning.
        // The last user of the step may have more records behind it, and is looked at again.
        Some(Statement::new(
            "WITH step AS MATERIALIZED (SELECT tenant, user FROM (SELECT tenant, user FROM record \
             INDEXED BY record_by_user WHERE tenant = CAST(?1 AS INTEGER) AND user >= CAST(?2 AS INTEGER) \
             ORDER BY user LIMIT ?3) AS rest UNION ALL SELECT tenant, user FROM (SELECT tenant, user FROM record \
             INDEXED BY record_by_user WHERE tenant > CAST(?1 AS INTEGER) ORDER BY tenant, user LIMIT ?3) AS others LIMIT ?3), \
             counted AS (SELECT tenant, user, count(*) AS records FROM step GROUP BY tenant, user), \
             last AS (SELECT tenant, user FROM step ORDER BY tenant DESC, user DESC LIMIT 1) \
             SELECT CAST(tenant AS TEXT), CAST(user AS TEXT), CAST(records AS TEXT), \
             CAST((SELECT count(*) FROM step) AS TEXT) \
             FROM counted WHERE records > ?4 OR (tenant, user) = (SELECT tenant, user FROM last) \
             ORDER BY counted.tenant, counted.user",
            [
                Value::wide(tenant),
                Value::wide(user),
                Value::Int(self.rows.into()),
                Value::Int(self.keep.into()),
            ],
        ))
    }

    /// Takes the rows of [`Self::question`], and returns the crowded users among them.
    ///
    /// # Errors
    /// When a row is not of that form.
    pub fn advance(&mut self, rows: &[Row]) -> Result<Vec<CrowdedUser>, RowError> {
        let mut crowded = Vec::new();
        self.from = None;
        for row in rows {
            let mut columns = Columns(row.iter());
            let (tenant, user) = (columns.number("tenant")?, columns.number("user")?);
            let (records, read) = (columns.number("records")?, columns.number("read")?);
            let is_crowded = records > i64::from(self.keep);
            if is_crowded {
                let records = u32::try_from(records).unwrap_or(u32::MAX);
                crowded.push(CrowdedUser { tenant: TenantId(tenant), user, records });
            }
            let behind = user.checked_add(1).map(|user| (tenant, user));
            let behind = behind.or_else(|| Some((tenant.checked_add(1)?, i64::MIN)));
            self.from = if is_crowded { behind } else { Some((tenant, user)) };
            // Only the last row counts.
            self.from = self.from.filter(|_| read >= i64::from(self.rows));
        }
        Ok(crowded)
    }
}
