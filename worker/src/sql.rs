//! The only place that touches an object's SQL storage.
//!
//! Cursors are drained before anything else happens, and changes go through one transaction that a failing statement takes
//! back whole. Tables are made by the first write, in its transaction: until then reading finds nothing and leaves nothing.
//! Tables of an older version are brought forward before anything is read from them.

use std::cell::Cell;

use rollcall_core::{
    directory::row::Row,
    store::{
        Statement, Value,
        migrations::{self, Found, StoreKind, VersionError},
    },
};
use wasm_bindgen::{JsCast as _, JsValue};
use worker::{SqlStorage, SqlStorageValue, State};

use crate::raw::RawStorage;

/// The store did not do what was asked.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SqlError {
    /// The runtime refused a statement.
    #[error("the object's store refused a statement")]
    Refused(#[source] worker::Error),
    /// The runtime did not commit.
    #[error("the object's store did not commit")]
    Uncommitted(#[source] worker::Error),
    /// A column has a type that no statement of ours writes.
    #[error("a column has a type that no statement writes")]
    ColumnType,
    /// Another program wrote the store.
    #[error("the object's store cannot be used")]
    Version(#[from] VersionError),
}

/// What an instance knows of its object's tables, after one look.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Tables {
    /// It has not looked yet.
    #[default]
    Unknown,
    /// Nothing was ever written.
    Missing,
    /// They are of this program's version.
    Current,
}

/// An object's storage.
pub(crate) struct Sql<'a> {
    state: &'a State,
    kind: StoreKind,
    tables: &'a Cell<Tables>,
}

impl<'a> Sql<'a> {
    /// The storage of `state`. `tables` is where the instance remembers its look at them.
    pub(crate) fn new(state: &'a State, kind: StoreKind, tables: &'a Cell<Tables>) -> Self {
        Self { state, kind, tables }
    }

    /// The rows of a query; `None` while nothing was written.
    pub(crate) fn read(&self, statement: &Statement) -> Result<Option<Vec<Row>>, SqlError> {
        if self.look()? == Tables::Missing {
            return Ok(None);
        }
        self.rows(&self.state.storage().sql(), statement).map(Some)
    }

    /// Makes changes durable, all or none of them, and returns each one's rows.
    pub(crate) fn write(&self, statements: &[Statement]) -> Result<Vec<Vec<Row>>, SqlError> {
        let is_first = self.look()? == Tables::Missing;
        let answers = self.transaction(|sql| {
            if is_first {
                self.run_steps(sql, migrations::new_store(self.kind))?;
            }
            statements.iter().map(|one| self.rows(sql, one)).collect()
        })?;
        self.tables.set(Tables::Current);
        Ok(answers)
    }

    fn look(&self) -> Result<Tables, SqlError> {
        if self.tables.get() == Tables::Unknown {
            let sql = self.state.storage().sql();
            let version = match migrations::found(&self.rows(&sql, &migrations::find())?) {
                Found::Nothing => None,
                // The texts of the first versions may be repeated.
                Found::Unversioned => Some(0),
                Found::Versioned => {
                    Some(migrations::read_version(&self.rows(&sql, &migrations::version())?)?)
                }
            };
            if let Some(version) = version.filter(|version| *version != migrations::VERSION) {
                self.transaction(|sql| self.bring_forward(sql, version))?;
                tracing::info!(
                    from = version,
                    to = migrations::VERSION,
                    "an object's tables are brought forward"
                );
            }
            self.tables.set(if version.is_some() { Tables::Current } else { Tables::Missing });
        }
        Ok(self.tables.get())
    }

    fn bring_forward(&self, sql: &SqlStorage, from: u32) -> Result<(), SqlError> {
        self.run_steps(sql, migrations::missing(self.kind, from)?)
    }

    fn run_steps(
        &self,
        sql: &SqlStorage,
        texts: impl IntoIterator<Item = &'static str>,
    ) -> Result<(), SqlError> {
        for text in texts {
            self.rows(sql, &Statement::new(text, []))?;
        }
        self.rows(sql, &migrations::set_version()).map(drop)
    }

    #[cfg_attr(not(feature = "probe"), allow(clippy::unused_self, reason = "the probe counts by object"))]
    fn rows(&self, sql: &SqlStorage, statement: &Statement) -> Result<Vec<Row>, SqlError> {
        let bound: Vec<SqlStorageValue> = statement.params.iter().map(bind).collect::<Result<_, _>>()?;
        let cursor = sql.exec(&statement.sql, bound).map_err(SqlError::Refused)?;
        let rows = cursor.raw().map(|row| row.map_err(SqlError::Refused)?.into_iter().map(value).collect());
        let rows = rows.collect();
        #[cfg(feature = "probe")]
        crate::probe::counted(self.state, &statement.sql, cursor.rows_read(), cursor.rows_written());
        rows
    }

    fn transaction<T>(&self, work: impl Fn(&SqlStorage) -> Result<T, SqlError>) -> Result<T, SqlError> {
        let storage = self.state.storage();
        let sql = storage.sql();
        let mut done = None;
        let mut run = || {
            let answer = work(&sql);
            let thrown = match &answer {
                Ok(_) => Ok(JsValue::UNDEFINED),
                Err(error) => Err(JsValue::from_str(&error.to_string())),
            };
            done = Some(answer);
            thrown
        };
        let committed = storage.as_raw().unchecked_ref::<RawStorage>().transaction_sync(&mut run);
        match (done, committed) {
            (Some(Err(error)), _) => Err(error),
            (_, Err(error)) => Err(SqlError::Uncommitted(error.into())),
            (Some(answer), Ok(_)) => answer,
            (None, Ok(_)) => {
                Err(SqlError::Uncommitted(worker::Error::RustError("it was not run".to_owned())))
            }
        }
    }
}

fn bind(value: &Value) -> Result<SqlStorageValue, SqlError> {
    Ok(match value {
        Value::Null => SqlStorageValue::Null,
        Value::Int(number) => SqlStorageValue::try_from_i64(*number).map_err(SqlError::Refused)?,
        Value::Text(text) => SqlStorageValue::String(text.clone()),
    })
}

fn value(value: SqlStorageValue) -> Result<Value, SqlError> {
    match value {
        SqlStorageValue::Null => Ok(Value::Null),
        SqlStorageValue::Integer(number) => Ok(Value::Int(number)),
        SqlStorageValue::String(text) => Ok(Value::Text(text)),
        SqlStorageValue::Boolean(_) | SqlStorageValue::Float(_) | SqlStorageValue::Blob(_) => {
            Err(SqlError::ColumnType)
        }
    }
}
