//! Conditions on one record, parsed from the query string.

use serde::{Deserialize, Serialize};

use crate::time::Timestamp;

/// One test of a record; a list shows the records that pass all of its conditions.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Condition {
    /// Of the user's number.
    User(Comparison<i64>),
    /// Of a text, by code points and with regard to case.
    Text(TextColumns, TextTest),
    /// Of liveness: whether online records pass, and whether offline ones do.
    Online {
        /// Online records pass.
        online: bool,
        /// Offline records pass.
        offline: bool,
    },
    /// Of a date, by the second.
    Date(DateColumn, Comparison<Second>),
}

/// A test of a value that has an order. A record without the value passes [`Comparison::Null`] only.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Comparison<T> {
    /// The same.
    Equal(T),
    /// Another one.
    NotEqual(T),
    /// Strictly above.
    Greater(T),
    /// Not below.
    GreaterOrEqual(T),
    /// Strictly below.
    Less(T),
    /// Not above.
    LessOrEqual(T),
    /// One of these.
    In(Vec<T>),
    /// None of these.
    NotIn(Vec<T>),
    /// No value.
    Null,
    /// Any value.
    NotNull,
}

/// A test of a text.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum TextTest {
    /// The same.
    Equal(String),
    /// Another one.
    NotEqual(String),
    /// One of these.
    In(Vec<String>),
    /// None of these.
    NotIn(Vec<String>),
    /// This stands somewhere in it.
    Contains(String),
    /// This stands nowhere in it.
    NotContains(String),
    /// It begins with this.
    StartsWith(String),
    /// It does not begin with this.
    NotStartsWith(String),
    /// No value.
    Null,
    /// Any value.
    NotNull,
}

/// Where a text is looked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum TextColumns {
    /// The name at the time of connecting.
    FullName,
    /// The device.
    DeviceId,
    /// The peer's address.
    RemoteAddress,
    /// Name and address, as a search does: a positive test passes when either does, a negative one when both do
    /// (`docs/rules/message-center.md#search`).
    NameAndAddress,
}

/// A date of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum DateColumn {
    /// When it opened.
    Online,
    /// When it ended, as seen by the reader.
    Offline,
}

/// A second of the calendar: how finely dates compare (`docs/rules/message-center.md#dates`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Second(i64);

impl Second {
    /// The second in which an instant lies.
    pub const fn of(instant: Timestamp) -> Self {
        Self(instant.secs())
    }

    /// Its first millisecond.
    pub const fn start(self) -> Timestamp {
        Timestamp::from_secs(self.0)
    }

    /// The first millisecond after it.
    pub const fn end(self) -> Timestamp {
        Timestamp::from_secs(self.0.saturating_add(1))
    }
}
