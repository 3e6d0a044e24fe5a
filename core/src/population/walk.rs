//! The walk over a population, page by page, and the statements of a store for it.

use serde::{Deserialize, Serialize};

use crate::{
    directory::{
        record::Record,
        row::{COLUMNS, Row, RowError},
    },
    id::{RecordId, TenantId, UserId},
    store::{Statement, Value},
    token::TokenHash,
};

/// The most users or records of a page.
pub const PAGE: u32 = 500;

/// Where a page begins. A store with every user goes by users, then by records; shards of tenants go by the users of records.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Position {
    /// Behind a user of the store.
    Users(UserId),
    /// Behind a record of the store, or before all of them.
    Records(Option<RecordId>),
    /// Behind a record of a user in a shard, or before all of them.
    Shard(TenantId, u32, Option<(i64, RecordId)>),
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
        format!("SELECT {COLUMNS} FROM record WHERE id > CAST(?1 AS INTEGER) ORDER BY id LIMIT ?2"),
        [Value::wide(record.map_or(0, RecordId::number)), Value::Int(PAGE.into())],
    )
}

/// The next records of a tenant, those of a user together.
pub fn records_of_users_after(tenant: TenantId, after: Option<(i64, RecordId)>) -> Statement {
    let (user, record) = after.map_or((i64::MIN, 0), |(user, record)| (user, record.number()));
    Statement::new(
        format!(
            "SELECT {COLUMNS} FROM record INDEXED BY record_by_user WHERE tenant = CAST(?1 AS INTEGER) \
             AND (user, id) > (CAST(?2 AS INTEGER), CAST(?3 AS INTEGER)) ORDER BY user, id LIMIT ?4"
        ),
        [Value::wide(tenant.0), Value::wide(user), Value::wide(record), Value::Int(PAGE.into())],
    )
}
