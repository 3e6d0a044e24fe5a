//! The durable facts as SQL text: one dialect (SQLite), executed by both adapters.
//!
//! A [`Statement`] is text plus parameters and does nothing by itself. Numbers wider than 53 bits are bound as
//! text through `CAST(? AS INTEGER)` and read back through `CAST(… AS TEXT)`, because the Workers binding
//! carries numbers as doubles; a statement has at most 100 parameters for the same runtime.

pub mod migrations;

#[cfg(test)]
mod golden;

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

/// One statement, ready to be executed in the transaction of its outcome.
#[derive(Clone, Debug, PartialEq)]
pub struct Statement {
    /// SQL with `?1`, `?2`, … for the parameters.
    pub sql: Cow<'static, str>,
    /// The bound parameters, in order.
    pub params: Vec<Value>,
}

/// A bound parameter or a read column.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Value {
    /// SQL NULL.
    Null,
    /// Within ±2^53; wider numbers go as [`Value::wide`].
    Int(i64),
    /// UTF-8.
    Text(String),
}

impl Value {
    /// A 64-bit number as text, for `CAST(? AS INTEGER)`.
    pub fn wide(number: i64) -> Self {
        Self::Text(number.to_string())
    }

    /// A value as JSON text. One that cannot be written is NULL, which the columns of JSON refuse: the transaction fails, and no
    /// column is left empty as if there were nothing.
    pub(crate) fn json<T: Serialize>(value: &T) -> Self {
        serde_json::to_string(value).map_or(Self::Null, Self::Text)
    }
}

impl From<i64> for Value {
    fn from(number: i64) -> Self {
        Self::Int(number)
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl<T: Into<Self>> From<Option<T>> for Value {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Null, Into::into)
    }
}

impl Statement {
    /// A statement of constant text.
    pub fn new(sql: impl Into<Cow<'static, str>>, params: impl Into<Vec<Value>>) -> Self {
        Self { sql: sql.into(), params: params.into() }
    }
}
