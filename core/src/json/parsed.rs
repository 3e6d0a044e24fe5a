//! Values that are written as texts.

use std::fmt;

use serde::de::{Deserializer, Error, Visitor};

/// Reads a text and what `parse` makes of it.
///
/// # Errors
/// When it is no text, or `parse` refuses it. A refusal comes from within, where a reader knows its place.
pub fn parsed<'de, T, R, D>(deserializer: D, parse: fn(&str) -> Result<T, R>) -> Result<T, D::Error>
where
    R: fmt::Display,
    D: Deserializer<'de>,
{
    deserializer.deserialize_str(Parsed(parse))
}

struct Parsed<T, R>(fn(&str) -> Result<T, R>);

impl<T, R: fmt::Display> Visitor<'_> for Parsed<T, R> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<T, E> {
        (self.0)(text).map_err(E::custom)
    }
}
