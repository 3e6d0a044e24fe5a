//! JSON at the border, read in one way: every other reader of `serde_json` would be compiled anew for every type.

use serde::{Deserialize, Deserializer, de::Error as _};

/// Reads JSON text.
///
/// # Errors
/// The parser's. Its words can quote the input: do not show them where the input holds secrets.
pub fn read<'a, T: Deserialize<'a>>(text: &'a str) -> serde_json::Result<T> {
    serde_json::from_slice(text.as_bytes())
}

/// Reads a JSON object and nothing else: derived readers take an array for a struct as well, and no document here
/// means that.
///
/// # Errors
/// The parser's, or that the value is no object. Its words can quote the input: do not show them where the input
/// holds secrets.
pub fn object<'a, T: Deserialize<'a>>(bytes: &'a [u8]) -> serde_json::Result<T> {
    match bytes.iter().find(|byte| !byte.is_ascii_whitespace()) {
        Some(b'{') => serde_json::from_slice(bytes),
        None => Err(serde_json::Error::custom("EOF")),
        Some(_) => Err(serde_json::Error::custom("expected an object")),
    }
}

/// A 64-bit integer that may be written as its decimal text: JSON's own numbers lose digits in many programs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Integer(pub i64);

impl<'de> Deserialize<'de> for Integer {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Form {
            Number(i64),
            Text(String),
        }
        let number = match Form::deserialize(deserializer) {
            Ok(Form::Number(number)) => Some(number),
            Ok(Form::Text(text)) => text.trim().parse().ok(),
            Err(_) => None,
        };
        number.map(Self).ok_or_else(|| D::Error::custom("expected a 64-bit integer or its decimal text"))
    }
}

/// `#[serde(deserialize_with = "json::integer")]`: an [`Integer`].
///
/// # Errors
/// When it is none.
pub fn integer<'de, D: Deserializer<'de>>(deserializer: D) -> Result<i64, D::Error> {
    Integer::deserialize(deserializer).map(|Integer(number)| number)
}

/// `#[serde(deserialize_with = "json::integers")]`: a list of [`Integer`]s.
///
/// # Errors
/// When one of them is none.
pub fn integers<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<i64>, D::Error> {
    Ok(Vec::<Integer>::deserialize(deserializer)?.into_iter().map(|Integer(number)| number).collect())
}
