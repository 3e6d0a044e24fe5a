//! Why JSON did not read.

use std::fmt;

use serde::de::{Error, Expected, Unexpected};

/// Why JSON did not read. Its words hold nothing of the input, only names of members that were asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unread {
    /// It is no JSON from there on.
    Syntax {
        /// From 1.
        line: usize,
        /// From 1.
        column: usize,
    },
    /// It is JSON, and no object.
    NoObject,
    /// A member is missing.
    Missing(&'static str),
    /// A member stands twice.
    Twice(&'static str),
    /// The value of a member, or of the whole where it has no name, is not what it should be.
    Unexpected(&'static str),
}

impl Unread {
    /// The same, in a member of that name, if nothing further inside was at fault.
    pub(super) fn within(self, name: &'static str) -> Self {
        match self {
            Self::Unexpected("") => Self::Unexpected(name),
            other => other,
        }
    }
}

impl fmt::Display for Unread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Syntax { line, column } => write!(f, "no JSON at line {line}, column {column}"),
            Self::NoObject => f.write_str("expected an object"),
            Self::Missing(name) => write!(f, "missing field `{name}`"),
            Self::Twice(name) => write!(f, "field `{name}` stands twice"),
            Self::Unexpected("") => f.write_str("another value was expected"),
            Self::Unexpected(name) => write!(f, "{name}: another value was expected"),
        }
    }
}

impl std::error::Error for Unread {}

// What a type says of a value quotes it; that a name is known here says enough.
impl Error for Unread {
    fn custom<T: fmt::Display>(_: T) -> Self {
        Self::Unexpected("")
    }

    fn invalid_type(_: Unexpected<'_>, _: &dyn Expected) -> Self {
        Self::Unexpected("")
    }

    fn invalid_value(_: Unexpected<'_>, _: &dyn Expected) -> Self {
        Self::Unexpected("")
    }

    fn invalid_length(_: usize, _: &dyn Expected) -> Self {
        Self::Unexpected("")
    }

    fn unknown_variant(_: &str, _: &'static [&'static str]) -> Self {
        Self::Unexpected("")
    }

    fn unknown_field(_: &str, _: &'static [&'static str]) -> Self {
        Self::Unexpected("")
    }

    fn missing_field(name: &'static str) -> Self {
        Self::Missing(name)
    }

    fn duplicate_field(name: &'static str) -> Self {
        Self::Twice(name)
    }
}

impl From<serde_json::Error> for Unread {
    fn from(error: serde_json::Error) -> Self {
        Self::Syntax { line: error.line(), column: error.column() }
    }
}
