//! `filters[i].value`: one text, a list in one of its four spellings, quotes and blanks.

use super::{Key, error::QueryError};
use crate::{directory::sql::clean, json};

/// The most members of one `IN` or `NOT_IN`.
pub const VALUES_LIMIT: usize = 1_000;

/// What was given as the value of one filter: every occurrence of the parameter.
pub(super) struct Given(Vec<String>);

impl Given {
    pub(super) fn new(values: Vec<String>) -> Self {
        Self(values)
    }

    /// The value of an operator that takes one, without its quotes.
    pub(super) fn one(&self, index: usize) -> Result<&str, QueryError> {
        match self.0.as_slice() {
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

    /// `a,b`, `[a,b]`, `["a","b"]`, or a repeated parameter with one member each.
    fn members(&self) -> Vec<String> {
        let [list] = self.0.as_slice() else {
            return self.0.iter().map(|member| unquoted(member).to_owned()).collect();
        };
        let list = unquoted(list);
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
