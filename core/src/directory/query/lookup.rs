//! Records outside of lists: of a user, by id, or all open ones.

use crate::{
    directory::{
        record::Record,
        row::{self, COLUMNS, Row, RowError},
        sql::Binder,
        view::View,
    },
    id::{RecordId, TenantId},
    store::{Statement, Value},
};

/// The one record that stands for a user (`docs/rules/message-center.md#detail`): the online one that opened
/// last, else the one that ended last. No row when the tenant has no record of the user.
pub fn detail(tenant: TenantId, user: i64, view: &View) -> Statement {
    let mut binder = Binder::default();
    let (tenant, user) = (binder.wide(tenant.0), binder.wide(user));
    let end = view.end(&mut binder);
    let retained = view.retained_from.map_or_else(String::new, |from| {
        format!(" AND (offline_at IS NULL OR offline_at >= {})", binder.wide(from.millis()))
    });
    binder.statement(format!(
        "SELECT {COLUMNS} FROM record INDEXED BY record_by_user WHERE tenant = {tenant} AND user = {user}{retained} \
         ORDER BY {end} IS NULL DESC, CASE WHEN {end} IS NULL THEN online_at ELSE {end} END DESC, record.id DESC LIMIT 1"
    ))
}

/// The records with these ids, in no order; unknown ids have no row.
pub fn by_ids(ids: impl IntoIterator<Item = RecordId>) -> Statement {
    let mut binder = Binder::default();
    let ids = binder.numbers(ids.into_iter().map(RecordId::number));
    binder.statement(format!("SELECT {COLUMNS} FROM record WHERE id IN {ids}"))
}

/// Live records of a tenant without a stored end, by id, after `after`: the cursor of audits and of the deliveries of
/// tenant orders. Records that a cutoff covers are among them.
pub fn open_records(tenant: TenantId, after: Option<RecordId>, limit: u32) -> Statement {
    Statement::new(
        format!(
            "SELECT {COLUMNS} FROM record INDEXED BY record_open WHERE tenant = CAST(?1 AS INTEGER) \
             AND offline_at IS NULL AND id > CAST(?2 AS INTEGER) AND source = 0 ORDER BY record.id LIMIT ?3"
        ),
        [Value::wide(tenant.0), Value::wide(after.map_or(0, RecordId::number)), Value::Int(limit.into())],
    )
}

/// Reads the rows of the statements above.
///
/// # Errors
/// When a row is not of that form.
pub fn read_records(rows: &[Row]) -> Result<Vec<Record>, RowError> {
    rows.iter().map(|row| row::record(row)).collect()
}
