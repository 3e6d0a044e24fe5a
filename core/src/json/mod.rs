//! JSON at the border, read in one way: text becomes a [`Tree`], and from that each type takes what it needs.
//!
//! A reader straight from the text is a parser compiled anew for every type, and twice, since it takes an array for a
//! struct as well; no document here means that. What is wrong is said without quoting the input, which may hold
//! secrets.

mod error;
mod loose;
mod reader;
mod tree;

use serde::de::DeserializeOwned;

pub use error::Unread;
pub use loose::{Integer, Number, integer};
pub use tree::Tree;

/// Reads JSON text.
///
/// # Errors
/// Where it is no JSON, or which member is not as it should be.
pub fn read<T: DeserializeOwned>(text: &str) -> Result<T, Unread> {
    Tree::parse(text.as_bytes())?.read()
}

/// Reads a JSON object and nothing else.
///
/// # Errors
/// The same, or that it is no object.
pub fn object<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Unread> {
    Tree::object(bytes)?.read()
}

#[cfg(test)]
mod tests;
