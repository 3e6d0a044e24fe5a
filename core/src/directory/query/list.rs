//! A page of records and the number of all that match, in one statement: one snapshot, one call.

use serde::{Deserialize, Serialize};

use super::{params::ListQuery, plan::Plan};
use crate::{
    directory::{
        holding::Holding,
        record::Record,
        row::{self, COLUMNS, Columns, Row, RowError},
        view::View,
    },
    id::TenantId,
    store::Statement,
};

/// The answer of a list.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Listed {
    /// Of all records that match, wherever the page lies.
    pub total: u64,
    /// The page, in order.
    pub records: Vec<Record>,
}

/// The page and the total of a query within one database of several tenants; its rows are read by [`read_list`].
pub fn list(query: &ListQuery, tenant: TenantId, view: &View) -> Statement {
    window(query, tenant, view, &Holding::SHARED, query.page.offset(), query.page.size())
}

/// [`list`] with another page: `limit` records after the first `offset`.
pub(in crate::directory) fn window(
    query: &ListQuery,
    tenant: TenantId,
    view: &View,
    holding: &Holding,
    offset: u64,
    limit: u64,
) -> Statement {
    let mut plan = Plan::new(query, tenant, view, holding);
    let page = format!("{} LIMIT {} OFFSET {}", plan.order_by(""), plan.bind(limit), plan.bind(offset));
    // A text search costs more than keeping its hits, so the count and the page share them. All other queries are counted
    // without their keys, which an index does faster.
    let (hits, count, keys) = if plan.searches {
        let hits = format!("WITH hit (k, id) AS MATERIALIZED ({}) ", plan.keys());
        (hits, "(SELECT count(*) FROM hit)".to_owned(), "SELECT k, id FROM hit".to_owned())
    } else {
        (String::new(), plan.count(), plan.keys())
    };
    // The outer joins keep one row with the total when the page is empty.
    let sql = format!(
        "{hits}SELECT counted.total, {COLUMNS} FROM (SELECT {count} AS total) AS counted \
         LEFT JOIN ({keys} {page}) AS page ON true LEFT JOIN record ON record.id = page.id {}",
        plan.order_by("page.")
    );
    plan.statement(sql)
}

/// Reads the rows of [`list`].
///
/// # Errors
/// When a row is not of that form, or there is none.
pub fn read_list(rows: &[Row]) -> Result<Listed, RowError> {
    let first = rows.first().ok_or(RowError("total"))?;
    let total = Columns(first.iter()).number("total")?;
    let total = u64::try_from(total).map_err(|_| RowError("total"))?;
    let mut records = Vec::with_capacity(rows.len());
    for row in rows {
        let (_, columns) = row.split_first().ok_or(RowError("total"))?;
        if columns.first() != Some(&crate::store::Value::Null) {
            records.push(row::record(columns)?);
        }
    }
    Ok(Listed { total, records })
}
