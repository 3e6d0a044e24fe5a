//! Filters of lists (`docs/rules/message-center.md#filters`).
//!
//! A query string is parsed into [`Condition`]s, which hold valid tests only. A condition has two meanings that tests keep
//! equal: a naive one over a [`Record`](super::record::Record), and one in SQL.

mod condition;
mod error;
mod items;
mod naive;
mod name;
pub(super) mod render;
mod value;

pub use condition::{Comparison, Condition, DateColumn, Second, TextColumns, TextTest};
pub use error::QueryError;
pub use items::{FILTERS_LIMIT, Kind, conditions};
pub use value::VALUES_LIMIT;

pub(crate) use items::{number as parse_number, parameter};

/// A name that `filters[i].key` may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Key {
    /// `userId`
    UserId,
    /// `fullName`, as stored when the connection opened
    FullName,
    /// `deviceId`
    DeviceId,
    /// `remoteAddress`
    RemoteAddress,
    /// `online`
    Online,
    /// `onlineDate`
    OnlineDate,
    /// `offlineDate`
    OfflineDate,
}

impl Key {
    /// Every key, in the documents' order.
    pub const ALL: [Self; 7] = [
        Self::UserId,
        Self::FullName,
        Self::DeviceId,
        Self::RemoteAddress,
        Self::Online,
        Self::OnlineDate,
        Self::OfflineDate,
    ];

    /// The key with exactly this name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|key| key.name() == name)
    }

    /// The name on the wire.
    pub const fn name(self) -> &'static str {
        match self {
            Self::UserId => "userId",
            Self::FullName => "fullName",
            Self::DeviceId => "deviceId",
            Self::RemoteAddress => "remoteAddress",
            Self::Online => "online",
            Self::OnlineDate => "onlineDate",
            Self::OfflineDate => "offlineDate",
        }
    }
}

/// A word that `filters[i].op` may have (`docs/rules/message-center.md#operators`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operator {
    /// Strictly after or above.
    GreaterThan,
    /// Strictly before or below.
    LessThan,
    /// Not before, not below.
    GreaterThanEqual,
    /// Not after, not above.
    LessThanEqual,
    /// The same.
    Equal,
    /// Another one.
    NotEqual,
    /// Contains.
    Match,
    /// Starts with: the end is what is left open.
    MatchEnd,
    /// Does not contain.
    NotMatch,
    /// Does not start with.
    NotMatchEnd,
    /// One of.
    In,
    /// None of.
    NotIn,
    /// Has no value.
    IsNull,
    /// Has a value.
    IsNotNull,
}

impl Operator {
    /// Every operator, in the documents' order.
    pub const ALL: [Self; 14] = [
        Self::GreaterThan,
        Self::LessThan,
        Self::GreaterThanEqual,
        Self::LessThanEqual,
        Self::Equal,
        Self::NotEqual,
        Self::Match,
        Self::MatchEnd,
        Self::NotMatch,
        Self::NotMatchEnd,
        Self::In,
        Self::NotIn,
        Self::IsNull,
        Self::IsNotNull,
    ];

    /// The operator with exactly this name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|operator| operator.name() == name)
    }

    /// The name on the wire.
    pub const fn name(self) -> &'static str {
        match self {
            Self::GreaterThan => "GREATER_THAN",
            Self::LessThan => "LESS_THAN",
            Self::GreaterThanEqual => "GREATER_THAN_EQUAL",
            Self::LessThanEqual => "LESS_THAN_EQUAL",
            Self::Equal => "EQUAL",
            Self::NotEqual => "NOT_EQUAL",
            Self::Match => "MATCH",
            Self::MatchEnd => "MATCH_END",
            Self::NotMatch => "NOT_MATCH",
            Self::NotMatchEnd => "NOT_MATCH_END",
            Self::In => "IN",
            Self::NotIn => "NOT_IN",
            Self::IsNull => "IS_NULL",
            Self::IsNotNull => "IS_NOT_NULL",
        }
    }

    /// Whether `filters[i].value` matters.
    pub const fn needs_value(self) -> bool {
        !matches!(self, Self::IsNull | Self::IsNotNull)
    }

    /// Whether the value is a list.
    pub const fn takes_list(self) -> bool {
        matches!(self, Self::In | Self::NotIn)
    }
}
