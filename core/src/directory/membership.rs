//! Memberships in departments and groups, from the tokens of open connections
//! (`docs/rules/message-center.md#members`).

use serde::{Deserialize, Serialize};

use super::{
    holding::Holding,
    index::Index,
    row::{Columns, Row, RowError},
    sql::Binder,
};
use crate::{id::TenantId, json, store::Statement};

/// The most ids of each kind that are stored of one connection.
pub const MOST: usize = 200;

/// The departments and groups of a user; never empty.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Membership {
    departments: Vec<i64>,
    groups: Vec<i64>,
}

/// The kind of a body of users.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Body {
    /// A department.
    Department,
    /// A group.
    Group,
}

impl Membership {
    /// `None` for a user without departments and groups.
    pub fn new(departments: &[i64], groups: &[i64]) -> Option<Self> {
        let some = |ids: &[i64]| ids.iter().copied().take(MOST).collect();
        let all = Self { departments: some(departments), groups: some(groups) };
        (!(all.departments.is_empty() && all.groups.is_empty())).then_some(all)
    }

    /// The text of the column.
    pub(super) fn to_column(&self) -> String {
        let lists = [("departments", &self.departments), ("groups", &self.groups)];
        let member = |(name, ids): (&str, &Vec<i64>)| (name.to_owned(), ids.clone().into());
        serde_json::Value::Object(lists.into_iter().map(member).collect()).to_string()
    }

    pub(super) fn from_column(text: &str) -> Option<Self> {
        json::read(text).ok()
    }
}

/// The users with an open connection that belong to one of these bodies; read by [`users`].
pub fn members(
    tenant: TenantId,
    body: Body,
    ids: impl IntoIterator<Item = i64>,
    holding: &Holding,
) -> Statement {
    let mut binder = Binder::default();
    let (tenant, ids) = (binder.wide(tenant.0), binder.numbers(ids));
    let path = match body {
        Body::Department => "$.departments",
        Body::Group => "$.groups",
    };
    binder.statement(format!(
        "SELECT DISTINCT CAST(user AS TEXT) FROM record {} WHERE tenant = {tenant} \
         AND offline_at IS NULL{} AND member_of IS NOT NULL \
         AND EXISTS (SELECT 1 FROM json_each(member_of, '{path}') AS body WHERE CAST(body.value AS INTEGER) IN {ids})",
        Index::Open.hint(),
        holding.shown()
    ))
}

/// Reads the rows of [`members`].
///
/// # Errors
/// When a row is not of that form.
pub fn users(rows: &[Row]) -> Result<Vec<i64>, RowError> {
    rows.iter().map(|row| Columns(row.iter()).number("user")).collect()
}
