//! Conversions between core's statements and values and rusqlite's.

use rollcall_core::store::{Statement, Value};
use rusqlite::{
    Connection, ToSql,
    types::{ToSqlOutput, ValueRef},
};

use super::super::job::Rows;

/// A parameter.
pub(super) struct Bound<'a>(pub(super) &'a Value);

impl ToSql for Bound<'_> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(match self.0 {
            Value::Null => ToSqlOutput::Borrowed(ValueRef::Null),
            Value::Int(number) => ToSqlOutput::Borrowed(ValueRef::Integer(*number)),
            Value::Text(text) => ToSqlOutput::Borrowed(ValueRef::Text(text.as_bytes())),
        })
    }
}

/// Runs a statement to its end and returns its rows; a statement that changes data returns those of its RETURNING.
pub(super) fn query(connection: &Connection, statement: &Statement) -> rusqlite::Result<Rows> {
    let mut prepared = connection.prepare_cached(&statement.sql)?;
    let columns = prepared.column_count();
    let mut rows = prepared.query(rusqlite::params_from_iter(statement.params.iter().map(Bound)))?;
    let mut read = Rows::new();
    while let Some(row) = rows.next()? {
        read.push((0..columns).map(|column| row.get_ref(column).map(value)?).collect::<Result<_, _>>()?);
    }
    Ok(read)
}

/// A column that was read.
pub(super) fn value(value: ValueRef<'_>) -> rusqlite::Result<Value> {
    match value {
        ValueRef::Null => Ok(Value::Null),
        ValueRef::Integer(number) => Ok(Value::Int(number)),
        ValueRef::Text(_) => Ok(Value::Text(value.as_str()?.to_owned())),
        ValueRef::Real(_) | ValueRef::Blob(_) => Err(rusqlite::types::FromSqlError::InvalidType.into()),
    }
}
