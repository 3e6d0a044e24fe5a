//! JSON at the border, read by `serde_json`.
//!
//! Three rules are added to its own: the outermost value is an object where one is expected (a derived reader also takes
//! an array), an error names members and quotes no input, which may hold secrets, and a list keeps no more items than
//! its limit.

mod error;
mod keyed;
mod list;
mod number;
mod parsed;
mod place;
mod text;

use serde::de::DeserializeOwned;

pub use error::JsonError;
pub use keyed::Keyed;
pub use list::{List, list};
pub use number::{Integer, Number, integer};
pub use parsed::parsed;
pub use text::quoted;

/// Reads JSON text.
///
/// # Errors
/// The position where it is no JSON, or the member with another value than its type takes.
pub fn read<T: DeserializeOwned>(text: &str) -> Result<T, JsonError> {
    serde_json::from_str(text).map_err(|error| JsonError::of(text, &error))
}

/// Reads a JSON object and nothing else.
///
/// # Errors
/// As [`read`], or that it is no object.
pub fn object<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, JsonError> {
    // Checked as a whole: the parser does not look into texts that it skips.
    let text = std::str::from_utf8(bytes).map_err(JsonError::encoding(bytes))?;
    match text.bytes().find(|byte| !byte.is_ascii_whitespace()) {
        Some(b'{') | None => read(text),
        Some(_) => Err(JsonError::NoObject),
    }
}

#[cfg(test)]
mod tests;
