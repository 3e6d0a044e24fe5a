//! JSON at the border, read in one way: every other reader of `serde_json` would be compiled anew for every type.

use serde::{Deserialize, de::Error as _};

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
