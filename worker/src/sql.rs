//! The only place that touches an object's SQL storage.
//!
//! Cursors are drained before anything else happens, changes go through one transaction that a failing statement
//! takes back whole, and tables are made by the first write: until then reading finds nothing and leaves nothing.

use std::cell::Cell;

use rollcall_core::{
    directory::row::Row,
    store::{Statement, Value},
};
use wasm_bindgen::{JsCast as _, JsValue};
use worker::{SqlStorage, SqlStorageValue, State};

use crate::raw::RawStorage;

/// Every store of ours has this one.
const ANY_TABLE: &str = "SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = 'record'";

/// The store did not do what was asked.
#[derive(Clone, Debug, thiserror::Error)]
#[error("the object's store: {0}")]
pub(crate) struct SqlError(String);

/// An object's storage, with the tables that it is made of.
pub(crate) struct Sql<'a> {
    state: &'a State,
    schema: &'a [&'static str],
    written: &'a Cell<bool>,
}

impl<'a> Sql<'a> {
    /// The storage of `state`. `schema` is run before each instance's first change, so it must be repeatable;
    /// `written` is where the instance keeps in mind that there are tables.
    pub(crate) fn new(state: &'a State, schema: &'a [&'static str], written: &'a Cell<bool>) -> Self {
        Self { state, schema, written }
    }

    /// The rows of a query; `None` while its tables are not made yet.
    pub(crate) fn read(&self, statement: &Statement) -> Result<Option<Vec<Row>>, SqlError> {
        let sql = self.state.storage().sql();
        if !self.written.get() && rows(&sql, &Statement::new(ANY_TABLE, []))?.is_empty() {
            return Ok(None);
        }
        match rows(&sql, statement) {
            Ok(rows) => Ok(Some(rows)),
            // A table that came with a newer schema, and no change since.
            Err(SqlError(text)) if text.contains("no such table") => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Makes changes durable, all or none of them, and returns each one's rows.
    pub(crate) fn write(&self, statements: &[Statement]) -> Result<Vec<Vec<Row>>, SqlError> {
        let storage = self.state.storage();
        let sql = storage.sql();
        let mut answers = Ok(Vec::with_capacity(statements.len()));
        let mut work = || {
            answers =
                self.make_tables(&sql).and_then(|()| statements.iter().map(|one| rows(&sql, one)).collect());
            match &answers {
                Ok(_) => Ok(JsValue::UNDEFINED),
                Err(error) => Err(JsValue::from_str(&error.to_string())),
            }
        };
        let committed = storage.as_raw().unchecked_ref::<RawStorage>().transaction_sync(&mut work);
        let answers = answers?;
        committed.map_err(|error| SqlError(format!("{error:?}")))?;
        self.written.set(true);
        Ok(answers)
    }

    fn make_tables(&self, sql: &SqlStorage) -> Result<(), SqlError> {
        if self.written.get() {
            return Ok(());
        }
        self.schema.iter().try_for_each(|tables| rows(sql, &Statement::new(*tables, [])).map(drop))
    }
}

fn rows(sql: &SqlStorage, statement: &Statement) -> Result<Vec<Row>, SqlError> {
    let bound: Vec<SqlStorageValue> = statement.params.iter().map(bind).collect::<Result<_, _>>()?;
    let cursor = sql.exec(&statement.sql, bound).map_err(refused)?;
    cursor.raw().map(|row| row.map_err(refused)?.into_iter().map(value).collect()).collect()
}

fn bind(value: &Value) -> Result<SqlStorageValue, SqlError> {
    Ok(match value {
        Value::Null => SqlStorageValue::Null,
        Value::Int(number) => SqlStorageValue::try_from_i64(*number).map_err(refused)?,
        Value::Text(text) => SqlStorageValue::String(text.clone()),
    })
}

fn value(value: SqlStorageValue) -> Result<Value, SqlError> {
    match value {
        SqlStorageValue::Null => Ok(Value::Null),
        SqlStorageValue::Integer(number) => Ok(Value::Int(number)),
        SqlStorageValue::String(text) => Ok(Value::Text(text)),
        SqlStorageValue::Boolean(_) | SqlStorageValue::Float(_) | SqlStorageValue::Blob(_) => {
            Err(SqlError("a column has a type that no statement of ours writes".to_owned()))
        }
    }
}

fn refused(error: worker::Error) -> SqlError {
    SqlError(error.to_string())
}
