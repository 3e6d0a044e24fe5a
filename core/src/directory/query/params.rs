//! The query string of both list endpoints as a value (`docs/rules/message-center.md#paging`).

use std::ops::RangeInclusive;

use super::order::{Direction, Order, OrderBy};
use crate::directory::{
    filter::{self, Comparison, Condition, Kind, QueryError, parameter, parse_number},
    zone::Zone,
};

/// The last page that may be asked for.
pub const PAGE_NUMBER_LIMIT: u32 = 100_000;
/// The largest page.
pub const PAGE_SIZE_LIMIT: u32 = 2_000;

/// A query to a list: conditions, order and page.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ListQuery {
    /// The conditions; a listed record passes all of them.
    pub conditions: Vec<Condition>,
    /// The order of the whole list.
    pub order: Order,
    /// The page that is answered.
    pub page: PageRequest,
    /// Accepted, without effect on the answer.
    pub scope: Option<InfoScope>,
}

/// The requested page: `number` counts from 1, `size` is in records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PageRequest {
    number: u32,
    size: u32,
}

/// `infoScope`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InfoScope {
    /// `BASIC`
    Basic,
    /// `DETAIL`
    Detail,
}

impl Default for PageRequest {
    fn default() -> Self {
        Self { number: 1, size: 10 }
    }
}

impl PageRequest {
    /// The page with this number and size.
    ///
    /// # Errors
    /// Outside 1 to [`PAGE_NUMBER_LIMIT`], or 1 to [`PAGE_SIZE_LIMIT`].
    pub fn new(number: i64, size: i64) -> Result<Self, QueryError> {
        Ok(Self { number: within(number, 1..=PAGE_NUMBER_LIMIT)?, size: within(size, 1..=PAGE_SIZE_LIMIT)? })
    }

    /// How many records come before it.
    pub const fn offset(self) -> u64 {
        (self.number as u64 - 1) * self.size as u64
    }

    /// How many records it has at most.
    pub const fn size(self) -> u64 {
        self.size as u64
    }
}

/// A query string as [`ListQuery::parse`] takes it.
pub fn pairs(query: &str) -> Vec<(String, String)> {
    form_urlencoded::parse(query.as_bytes()).into_owned().collect()
}

impl ListQuery {
    /// Whether every listed record is of this user.
    pub fn is_about(&self, user: i64) -> bool {
        let only = |condition: &Condition| matches!(condition, Condition::User(Comparison::Equal(id)) if *id == user);
        self.conditions.iter().any(only)
    }

    /// Parses a decoded query string: names and values in their order, repeated names included. Empty paging parameters
    /// count as absent, unknown parameters are ignored, and the first of a repeated parameter counts.
    ///
    /// # Errors
    /// The first [`QueryError`].
    pub fn parse(kind: Kind, pairs: &[(String, String)], zone: &Zone) -> Result<Self, QueryError> {
        let default = PageRequest::default();
        let page = PageRequest::new(
            number(pairs, "pageNo")?.unwrap_or(default.number.into()),
            number(pairs, "pageSize")?.unwrap_or(default.size.into()),
        )?;
        let direction = word(pairs, "orderSort", Direction::from_name)?.unwrap_or_default();
        let scope = word(pairs, "infoScope", InfoScope::from_name)?;
        let conditions = filter::conditions(kind, pairs, zone)?;
        let by = match parameter(pairs, "orderBy") {
            None => OrderBy::default(),
            Some(name) => {
                OrderBy::from_name(name).ok_or_else(|| QueryError::UnsupportedOrderBy(name.to_owned()))?
            }
        };
        Ok(Self { conditions, order: Order { by, direction }, page, scope })
    }
}

impl InfoScope {
    fn from_name(name: &str) -> Option<Self> {
        match name {
            "BASIC" => Some(Self::Basic),
            "DETAIL" => Some(Self::Detail),
            _ => None,
        }
    }
}

fn number(pairs: &[(String, String)], name: &str) -> Result<Option<i64>, QueryError> {
    word(pairs, name, parse_number)
}

fn word<T>(
    pairs: &[(String, String)],
    name: &str,
    read: impl Fn(&str) -> Option<T>,
) -> Result<Option<T>, QueryError> {
    let text = parameter(pairs, name);
    text.map(|text| read(text).ok_or_else(|| QueryError::unreadable(name, text))).transpose()
}

fn within(number: i64, limits: RangeInclusive<u32>) -> Result<u32, QueryError> {
    let (least, most) = (i64::from(*limits.start()), i64::from(*limits.end()));
    if number < least {
        return Err(QueryError::TooSmall(least));
    }
    u32::try_from(number).ok().filter(|number| limits.contains(number)).ok_or(QueryError::TooLarge(most))
}
