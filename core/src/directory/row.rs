//! Parsing of rows.
//!
//! 64-bit columns are selected as text, see [`crate::store`], so that no number of a row was ever rounded by a double.

use super::{
    membership::Membership,
    record::{Record, Source},
};
use crate::{
    id::{RecordId, TenantId},
    serial::Serial,
    store::Value,
    time::Timestamp,
};

/// One row of an answer, in the order of the statement's columns.
pub type Row = Vec<Value>;

/// A row does not have the form of its statement: the store is damaged, or the adapter is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the directory's row has no valid {0}")]
pub struct RowError(pub &'static str);

/// What a statement selects so that [`record`] can read it; the table is called `record`.
pub const COLUMNS: &str = "CAST(record.id AS TEXT), CAST(record.tenant AS TEXT), CAST(record.user AS TEXT), \
     record.full_name, record.avatar, record.user_agent, record.device_id, record.remote_address, \
     CAST(record.online_at AS TEXT), CAST(record.offline_at AS TEXT), CAST(record.lease_until AS TEXT), \
     record.source, CAST(record.generation AS TEXT), record.member_of, CAST(record.under AS TEXT)";

/// Reads the columns of [`COLUMNS`]; further columns are ignored.
///
/// # Errors
/// Names the first column that is missing or of another type.
pub fn record(row: &[Value]) -> Result<Record, RowError> {
    let mut columns = Columns(row.iter());
    Ok(Record {
        id: columns.id()?,
        tenant: TenantId(columns.number("tenant")?),
        user: columns.number("user")?,
        full_name: columns.text("full_name")?,
        avatar: columns.optional_text("avatar")?,
        user_agent: columns.text("user_agent")?,
        device_id: columns.text("device_id")?,
        remote_address: columns.text("remote_address")?,
        online_at: Timestamp::from_millis(columns.number("online_at")?),
        offline_at: columns.optional_number("offline_at")?.map(Timestamp::from_millis),
        lease_until: columns.optional_number("lease_until")?.map(Timestamp::from_millis),
        source: match columns.number("source")? {
            0 => Source::Live,
            1 => Source::Import,
            _ => return Err(RowError("source")),
        },
        generation: columns.number("generation")?,
        member_of: match columns.optional_text("member_of")? {
            None => None,
            Some(text) => Some(Membership::from_column(&text).ok_or(RowError("member_of"))?),
        },
        under: Serial::from_number(columns.number("under")?),
    })
}

/// The number of a [`Source`] in the table.
pub(super) const fn source_number(source: Source) -> i64 {
    match source {
        Source::Live => 0,
        Source::Import => 1,
    }
}

/// Takes the columns of one row from left to right.
pub(super) struct Columns<'a>(pub(super) std::slice::Iter<'a, Value>);

impl Columns<'_> {
    pub(super) fn id(&mut self) -> Result<RecordId, RowError> {
        RecordId::from_number(self.number("id")?).ok_or(RowError("id"))
    }

    pub(super) fn number(&mut self, name: &'static str) -> Result<i64, RowError> {
        self.optional_number(name)?.ok_or(RowError(name))
    }

    pub(super) fn optional_number(&mut self, name: &'static str) -> Result<Option<i64>, RowError> {
        match self.0.next() {
            Some(Value::Null) => Ok(None),
            Some(Value::Int(number)) => Ok(Some(*number)),
            Some(Value::Text(text)) => text.parse().map(Some).map_err(|_| RowError(name)),
            None => Err(RowError(name)),
        }
    }

    pub(super) fn text(&mut self, name: &'static str) -> Result<String, RowError> {
        self.optional_text(name)?.ok_or(RowError(name))
    }

    pub(super) fn optional_text(&mut self, name: &'static str) -> Result<Option<String>, RowError> {
        match self.0.next() {
            Some(Value::Null) => Ok(None),
            Some(Value::Text(text)) => Ok(Some(text.clone())),
            Some(Value::Int(_)) | None => Err(RowError(name)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_damaged_row_names_its_column() {
        let mut row: Row = ["1", "0", "7", "n"].map(Value::from).to_vec();
        row.extend([Value::Null, "a".into(), "d".into(), "r".into(), "5".into()]);
        row.extend([Value::Null, Value::Null, Value::Int(0), "3".into(), Value::Null, "2".into()]);
        assert_eq!(record(&row).unwrap().online_at, Timestamp::from_millis(5));
        for (column, name) in
            [(0, "id"), (3, "full_name"), (8, "online_at"), (11, "source"), (12, "generation"), (14, "under")]
        {
            let mut damaged = row.clone();
            damaged[column] = Value::Null;
            assert_eq!(record(&damaged), Err(RowError(name)));
        }
        assert_eq!(record(&row[..12]), Err(RowError("generation")));
        row[13] = "[]".into();
        assert_eq!(record(&row), Err(RowError("member_of")));
    }
}
