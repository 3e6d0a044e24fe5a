//! The dates of a user's openings (`docs/rules/users.md#dates`): none is before an earlier one, however the clock runs.
//!
//! A user in memory knows its latest opening. One that comes back to memory has to ask the store only while the clock is behind an
//! opening that the store may hold, which is never the case while the clock runs forward.

use std::time::Duration;

use super::User;
use crate::{
    store::{Statement, Value},
    time::Timestamp,
};

/// The tenants of the store's records, one step each through an index.
const TENANTS: &str = "WITH RECURSIVE known (tenant) AS (SELECT min(tenant) FROM record UNION ALL \
     SELECT (SELECT min(tenant) FROM record WHERE record.tenant > known.tenant) FROM known \
     WHERE known.tenant IS NOT NULL)";

impl User {
    /// The latest opening that is known.
    pub const fn last_opened(&self) -> Timestamp {
        self.last_opened
    }

    /// The user opened a connection at `at`.
    pub fn recall_opening(&mut self, at: Timestamp) {
        self.last_opened = self.last_opened.max(at);
    }

    /// The date of what opens now.
    pub(super) fn opening_date(&self, now: Timestamp) -> Timestamp {
        now.max(self.last_opened + Duration::from_millis(1))
    }
}

/// The latest opening of a user that a directory of every tenant holds; read by [`read_opening`].
pub fn last_opening(user: i64) -> Statement {
    Statement::new(
        format!(
            "{TENANTS} SELECT max(own.online_at) FROM known CROSS JOIN record AS own INDEXED BY record_by_user \
             ON own.tenant = known.tenant AND own.user = CAST(?1 AS INTEGER) WHERE own.source = 0"
        ),
        [Value::wide(user)],
    )
}

/// A date that no opening of any user in a directory is after; read by [`read_opening`]. Imported records count too, so it may be
/// later than the last opening.
pub fn newest_opening() -> Statement {
    Statement::new(
        format!(
            "{TENANTS} SELECT max((SELECT max(online_at) FROM record INDEXED BY record_by_online \
             WHERE tenant = known.tenant)) FROM known"
        ),
        [],
    )
}

/// Reads the rows of [`last_opening`] and [`newest_opening`].
pub fn read_opening(rows: &[Vec<Value>]) -> Option<Timestamp> {
    match rows.first().map(Vec::as_slice) {
        Some([Value::Int(at)]) => Some(Timestamp::from_millis(*at)),
        _ => None,
    }
}
