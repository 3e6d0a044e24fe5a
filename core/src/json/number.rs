//! Numbers as others write them: JSON's own lose digits in many programs, so large ones are often sent as text.

use std::fmt;

use serde::{
    Deserialize, Deserializer,
    de::{Error, Visitor},
};

/// A number, or a text that should be one.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Number {
    /// A whole number.
    Whole(i64),
    /// Any other.
    Fraction(f64),
    /// A text, and the whole number that it is.
    Text(Option<i64>),
}

impl<'de> Deserialize<'de> for Number {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(NumberVisitor(Ok))
    }
}

/// Reads a [`Number`], and what it is to be. A refusal comes from within, where a reader knows its place.
struct NumberVisitor<T>(fn(Number) -> Result<T, &'static str>);

impl<T> NumberVisitor<T> {
    fn take<E: Error>(self, number: Number) -> Result<T, E> {
        (self.0)(number).map_err(E::custom)
    }
}

impl<T> Visitor<'_> for NumberVisitor<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a number or a text")
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<T, E> {
        self.take(Number::Whole(number))
    }

    #[allow(clippy::cast_precision_loss, reason = "so far away they are alike")]
    fn visit_u64<E: Error>(self, number: u64) -> Result<T, E> {
        self.take(i64::try_from(number).map_or(Number::Fraction(number as f64), Number::Whole))
    }

    fn visit_f64<E: Error>(self, number: f64) -> Result<T, E> {
        self.take(Number::Fraction(number))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<T, E> {
        self.take(Number::Text(text.trim().parse().ok()))
    }
}

/// What an [`Integer`] is, for errors.
pub(super) const EXPECTED: &str = "expected a 64-bit integer or its decimal text";

/// A 64-bit integer that may be written as its decimal text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Integer(pub i64);

impl<'de> Deserialize<'de> for Integer {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(NumberVisitor(|number| match number {
            Number::Whole(number) | Number::Text(Some(number)) => Ok(Self(number)),
            _ => Err(EXPECTED),
        }))
    }
}

/// `#[serde(deserialize_with = "json::integer")]`: an [`Integer`].
///
/// # Errors
/// When it is none.
pub fn integer<'de, D: Deserializer<'de>>(deserializer: D) -> Result<i64, D::Error> {
    Integer::deserialize(deserializer).map(|Integer(number)| number)
}
