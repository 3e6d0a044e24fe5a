//! `filters[i].value`: one text, a list in one of its spellings, quotes and blanks.

use super::{Key, error::QueryError};
use crate::{directory::sql::clean, json};

/// The most members of one `IN` or `NOT_IN`.
pub const VALUES_LIMIT: usize = 1_000;

/// What was given as the value of one filter.
pub(super) struct Given {
    /// Every occurrence of the parameter.
    values: Vec<String>,
    /// Whether each occurrence is one member of a list.
    is_listed: bool,
}

impl Given {
    /// Of `filters[i].value`.
    pub(super) fn values(values: Vec<String>) -> Self {
        Self { is_listed: values.len() > 1, values }
    }

    /// Of `filters[i].value[n]`.
    pub(super) fn listed(values: Vec<String>) -> Self {
        Self { is_listed: true, values }
    }

    /// Whether nothing was given.
    pub(super) fn is_empty(&self) -> bool {
        self.values.is_empty()
    }

    /// Whether a list has no members, or a value or member is blank.
    pub(super) fn is_blank(&self, is_list: bool) -> bool {
        if !is_list {
            return self.values.iter().any(|value| unquoted(value).trim().is_empty());
        }
        let members = self.members();
        members.is_empty() || members.iter().any(|member| member.trim().is_empty())
    }

    /// The value of an operator that takes one, without its quotes.
    pub(super) fn one(&self, index: usize) -> Result<&str, QueryError> {
        match self.values.as_slice() {
            [value] => Ok(unquoted(value)),
            values => Err(QueryError::unreadable(format!("filters[{index}].value"), &values.join(","))),
        }
    }

    /// The members of a list of numbers, dates or booleans; blank ones do not count.
    pub(super) fn list<T>(&self, key: Key, read: impl Fn(&str) -> Option<T>) -> Result<Vec<T>, QueryError> {
        let members = self.members();
        let members: Vec<_> = members.iter().filter(|member| !member.trim().is_empty()).collect();
        within_limit(members.len())?;
        members.into_iter().map(|member| typed(key, member, &read)).collect()
    }

    /// The members of a list of texts.
    pub(super) fn texts(&self) -> Result<Vec<String>, QueryError> {
        let members = self.members();
        within_limit(members.len())?;
        Ok(members.iter().map(|member| text(member)).collect())
    }

    /// `a,b`, `[a,b]`, `["a","b"]`, or several parameters with one member each.
    fn members(&self) -> Vec<String> {
        if self.is_listed {
            return self.values.iter().map(|member| unquoted(member).to_owned()).collect();
        }
        let list = unquoted(self.values.first().map_or("", String::as_str));
        if let Ok(quoted) = json::read::<Vec<String>>(list) {
            return quoted;
        }
        let inner = list.strip_prefix('[').unwrap_or(list);
        let inner = inner.strip_suffix(']').unwrap_or(inner);
        if inner.is_empty() {
            return Vec::new();
        }
        inner.split(',').map(|member| unquoted(member).to_owned()).collect()
    }
}

/// A value of the key's type.
pub(super) fn typed<T>(key: Key, text: &str, read: impl Fn(&str) -> Option<T>) -> Result<T, QueryError> {
    read(text).ok_or_else(|| QueryError::Format { key: key.name(), value: text.to_owned() })
}

/// A text as records hold it.
pub(super) fn text(text: &str) -> String {
    clean(text).into_owned()
}

fn within_limit(members: usize) -> Result<(), QueryError> {
    if members > VALUES_LIMIT { Err(QueryError::TooMany(VALUES_LIMIT)) } else { Ok(()) }
}

/// Without one leading and one trailing quotation mark.
fn unquoted(text: &str) -> &str {
    let text = text.strip_prefix('"').unwrap_or(text);
    text.strip_suffix('"').unwrap_or(text)
}
