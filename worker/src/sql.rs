//! The only place that touches an object's SQL storage.
//!
//! Cursors are drained before anything else happens, and changes go through one transaction that a failing statement takes
//! back whole. Tables are made by the first write, in its transaction: until then reading finds nothing and leaves nothing.
//! Tables that few users need are made by the first write that needs them. Tables of an older version are brought forward before
//! anything is read from them.

use std::cell::Cell;

use rollcall_core::{
    directory::row::Row,
    store::{
        Statement, Value,
        migrations::{self, Extra, Extras, Found, StoreKind, VersionError},
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
    /// They are of this program's version, and these are there beside those of every object.
    Current(Extras),
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

    /// Why this code must leave the tables alone, if newer code wrote them. An object looks before it does anything.
    pub(crate) fn of_newer_code(&self) -> Option<SqlError> {
        self.look().err().filter(|error| matches!(error, SqlError::Version(VersionError::Newer(_))))
    }

    /// Whether these tables were made.
    pub(crate) fn has(&self, extra: Extra) -> Result<bool, SqlError> {
        Ok(matches!(self.look()?, Tables::Current(extras) if extras.has(extra)))
    }

    /// Makes changes durable, all or none of them, and returns each one's rows.
    pub(crate) fn write(&self, statements: &[Statement]) -> Result<Vec<Vec<Row>>, SqlError> {
        self.write_with([], statements)
    }

    /// The same with the tables that the changes need.
    pub(crate) fn write_with(
        &self,
        needed: impl IntoIterator<Item = Extra>,
        statements: &[Statement],
    ) -> Result<Vec<Vec<Row>>, SqlError> {
        let before = match self.look()? {
            Tables::Current(extras) => Some(extras),
            Tables::Unknown | Tables::Missing => None,
        };
        let there = before.unwrap_or_default();
        let mut after = there;
        let mut lacking = Vec::new();
        for extra in needed {
            if !after.has(extra) {
                after = after.and(extra);
                lacking.push(extra);
            }
        }
        let answers = self.transaction(|sql| {
            if before.is_none() {
                self.run(sql, migrations::new_store(self.kind))?;
                self.rows(sql, &migrations::begin(self.kind, after))?;
            }
            lacking.iter().try_for_each(|extra| self.run(sql, extra.tables()))?;
            if before.is_some() && after != there {
                self.rows(sql, &after.set())?;
            }
            statements.iter().map(|one| self.rows(sql, one)).collect()
        })?;
        self.tables.set(Tables::Current(after));
        Ok(answers)
    }

    fn look(&self) -> Result<Tables, SqlError> {
        if self.tables.get() == Tables::Unknown {
            let sql = self.state.storage().sql();
            let found = match self.glance(&sql) {
                Some((migrations::VERSION, extras)) => Tables::Current(extras),
                _ => self.look_closely(&sql)?,
            };
            self.tables.set(found);
        }
        Ok(self.tables.get())
    }

    /// What one row says of an object of a recent version. Any other object refuses the question.
    fn glance(&self, sql: &SqlStorage) -> Option<(u32, Extras)> {
        migrations::read_glance(&self.rows(sql, &migrations::glance(self.kind)).ok()?)
    }

    fn look_closely(&self, sql: &SqlStorage) -> Result<Tables, SqlError> {
        let version = match migrations::found(&self.rows(sql, &migrations::find())?) {
            Found::Nothing => return Ok(Tables::Missing),
            // The texts of the first versions may be repeated.
            Found::Unversioned => 0,
            Found::Versioned => migrations::read_version(&self.rows(sql, &migrations::version())?)?,
        };
        self.transaction(|sql| self.bring_forward(sql, version))?;
        tracing::info!(from = version, to = migrations::VERSION, "an object's tables are brought forward");
        Ok(Tables::Current(self.glance(sql).map(|(_, extras)| extras).unwrap_or_default()))
    }

    fn bring_forward(&self, sql: &SqlStorage, from: u32) -> Result<(), SqlError> {
        self.run(sql, migrations::missing(self.kind, from)?)?;
        self.rows(sql, &migrations::set_version()).map(drop)
    }

    fn run(&self, sql: &SqlStorage, texts: impl IntoIterator<Item = &'static str>) -> Result<(), SqlError> {
        texts.into_iter().try_for_each(|text| self.rows(sql, &Statement::new(text, [])).map(drop))
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
