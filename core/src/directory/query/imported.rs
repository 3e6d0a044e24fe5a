//! Where users have imported records, whatever the tenant.

use crate::{
    directory::{
        index::Index,
        row::{Columns, Row, RowError},
        sql::Binder,
    },
    id::TenantId,
    store::Statement,
};

/// The most pairs in one answer.
const PAIRS: usize = 1_000;

/// The tenants in which these users have imported records without a stored end, at most 1,000 pairs of a user and a tenant.
/// Whether such a record is online, the tenant's [`View`](crate::directory::view::View) says.
pub fn imported_in(users: impl IntoIterator<Item = i64>) -> Statement {
    let mut binder = Binder::default();
    let users = binder.numbers(users);
    binder.statement(format!(
        "SELECT CAST(user AS TEXT), CAST(tenant AS TEXT) FROM (SELECT DISTINCT user, tenant FROM record \
         {} WHERE user IN {users} AND offline_at IS NULL AND source = 1 LIMIT {PAIRS}) AS pair",
        Index::Imported.hint()
    ))
}

/// Reads the rows of [`imported_in`].
///
/// # Errors
/// When a row is not of that form.
pub fn read_imported_in(rows: &[Row]) -> Result<Vec<(i64, TenantId)>, RowError> {
    let pair = |row: &Row| {
        let mut columns = Columns(row.iter());
        Ok((columns.number("user")?, TenantId(columns.number("tenant")?)))
    };
    rows.iter().map(pair).collect()
}
