//! What one database holds of a directory, as far as the statements over it depend on that.

use std::ops::Range;

use crate::{
    directory::{
        index::Index,
        row::{COLUMNS, Columns, Row, RowError},
        sql::Binder,
    },
    id::RecordId,
    store::{Statement, Value},
};

/// What a database holds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Holding {
    /// Whether its records are of one tenant. Then it has neither `record_by_tenant` nor `record_by_online`, nor
    /// `record_imported_of_tenant`, which every record would pay for.
    pub one_tenant: bool,
    /// Buckets whose records are in the database and in no answer: they are being received, or another shard has them.
    pub hidden: Vec<u16>,
    /// The number of its records without those of hidden buckets, where it is kept.
    pub records: Option<u64>,
}

impl Holding {
    /// The database of several tenants. All of its records are in answers, and none are counted beforehand.
    pub const SHARED: Self = Self { one_tenant: false, hidden: Vec::new(), records: None };

    /// A shard, for statements that depend on nothing else of it.
    pub const SHARD: Self = Self { one_tenant: true, hidden: Vec::new(), records: None };

    /// A shard of a tenant's directory, by its kept counters; `is_owned` says which buckets its answers are about.
    pub fn of_shard(counters: &[(u16, u64)], is_owned: impl Fn(u16) -> bool) -> Self {
        let (owned, hidden): (Vec<_>, Vec<_>) = counters.iter().partition(|(bucket, _)| is_owned(*bucket));
        Self {
            one_tenant: true,
            hidden: hidden.into_iter().map(|(bucket, _)| bucket).collect(),
            records: Some(owned.iter().map(|(_, records)| records).sum()),
        }
    }

    /// SQL that follows other tests of a row: whether it may be in an answer. Empty where all may.
    pub(crate) fn shown(&self) -> String {
        if self.hidden.is_empty() {
            return String::new();
        }
        let hidden: Vec<_> = self.hidden.iter().map(u16::to_string).collect();
        format!(" AND bucket NOT IN ({})", hidden.join(","))
    }

    /// The index over the tenant's records in the order of their ids.
    pub(super) const fn by_id(&self) -> Index {
        if self.one_tenant { Index::Rows } else { Index::Tenant }
    }

    /// The index over the tenant's imported records without an end.
    pub(super) const fn imports(&self) -> Index {
        if self.one_tenant { Index::Imported } else { Index::ImportedOfTenant }
    }
}

/// The counters of a shard: for each bucket with records their number. A counter counts rows and no states, so it changes only with a
/// statement that inserts or deletes some, in its transaction.
pub fn counters() -> Statement {
    Statement::new("SELECT bucket, CAST(records AS TEXT) FROM counter WHERE records <> 0", [])
}

/// Reads the rows of [`counters`].
///
/// # Errors
/// When a row is not of that form.
pub fn read_counters(rows: &[Row]) -> Result<Vec<(u16, u64)>, RowError> {
    let one = |row: &Row| {
        let mut columns = Columns(row.iter());
        let bucket = u16::try_from(columns.number("bucket")?).map_err(|_| RowError("bucket"))?;
        let records = u64::try_from(columns.number("records")?).map_err(|_| RowError("records"))?;
        Ok((bucket, records))
    };
    rows.iter().map(one).collect()
}

/// The users whose records have no bucket yet: they were written by a program that kept none.
pub fn users_without_bucket() -> Statement {
    Statement::new("SELECT DISTINCT CAST(user AS TEXT) FROM record WHERE bucket IS NULL", [])
}

/// Gives the records of these users their buckets, and counts all records anew.
pub fn set_buckets(users: &[i64]) -> Vec<Statement> {
    let mut binder = Binder::default();
    let pairs: Vec<_> = users.iter().map(|user| (user.to_string(), crate::shard::bucket(*user))).collect();
    let pairs = binder.bind(Value::json(&pairs));
    let set = binder.statement(format!(
        "UPDATE record SET bucket = given.value ->> 1 FROM json_each({pairs}) AS given \
         WHERE record.bucket IS NULL AND record.user = CAST(given.value ->> 0 AS INTEGER)"
    ));
    std::iter::once(set).chain(recount()).collect()
}

/// Counts all records of a shard anew.
pub fn recount() -> [Statement; 2] {
    let count = "INSERT INTO counter (bucket, records) SELECT bucket, count(*) FROM record GROUP BY bucket";
    [Statement::new("DELETE FROM counter", []), Statement::new(count, [])]
}

/// At most `limit` records of these buckets after `after`, by id; read by [`read_records`](super::query::read_records).
pub fn of_buckets(buckets: &Range<u16>, after: Option<RecordId>, limit: u32) -> Statement {
    Statement::new(
        format!(
            "SELECT {COLUMNS} FROM record NOT INDEXED WHERE bucket >= ?1 AND bucket < ?2 \
             AND id > CAST(?3 AS INTEGER) ORDER BY id LIMIT ?4"
        ),
        [
            Value::Int(buckets.start.into()),
            Value::Int(buckets.end.into()),
            Value::wide(after.map_or(0, RecordId::number)),
            Value::Int(limit.into()),
        ],
    )
}

/// The buckets of the records with these ids.
pub fn buckets_of(ids: &[RecordId]) -> Statement {
    let mut binder = Binder::default();
    let ids = binder.numbers(ids.iter().map(|id| id.number()));
    binder.statement(format!("SELECT DISTINCT bucket FROM record WHERE id IN {ids} AND bucket IS NOT NULL"))
}

/// Reads the rows of [`buckets_of`].
///
/// # Errors
/// When a row is not of that form.
pub fn read_buckets(rows: &[Row]) -> Result<Vec<u16>, RowError> {
    let one =
        |row: &Row| u16::try_from(Columns(row.iter()).number("bucket")?).map_err(|_| RowError("bucket"));
    rows.iter().map(one).collect()
}

/// Reads the rows of [`users_without_bucket`].
///
/// # Errors
/// When a row is not of that form.
pub fn read_users(rows: &[Row]) -> Result<Vec<i64>, RowError> {
    rows.iter().map(|row| Columns(row.iter()).number("user")).collect()
}
