//! The key under which a token is stored.

use std::fmt;

use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq as _;

use crate::id::hex;

/// The SHA-256 of a token's text. Stores keep this and never the text.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TokenHash([u8; 32]);

impl TokenHash {
    /// The hash of `text`.
    pub fn of(text: &str) -> Self {
        Self(Sha256::digest(text.as_bytes()).into())
    }

    /// The first eight bytes as a number, for sets in which one token may pass for another.
    pub fn prefix(&self) -> u64 {
        let first = self.0.first_chunk().copied();
        first.map(u64::from_be_bytes).unwrap_or_default()
    }

    /// Compares in constant time.
    pub fn matches(&self, other: &Self) -> bool {
        self.0.ct_eq(&other.0).into()
    }
}

impl fmt::Debug for TokenHash {
    // Enough to tell tokens apart in a log, too little to look one up.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        hex::write(f, self.0.get(..4).unwrap_or_default())?;
        f.write_str("…")
    }
}

hex::as_text!(TokenHash);
