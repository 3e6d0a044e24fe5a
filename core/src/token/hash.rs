//! The key under which a token is stored.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq as _;

use crate::{id::hex, json};

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

impl fmt::Display for TokenHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        hex::write(f, &self.0)
    }
}

impl fmt::Debug for TokenHash {
    // Enough to tell tokens apart in a log, too little to look one up.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        hex::write(f, self.0.get(..4).unwrap_or_default())?;
        f.write_str("…")
    }
}

impl FromStr for TokenHash {
    type Err = hex::HexError;

    fn from_str(text: &str) -> Result<Self, hex::HexError> {
        hex::read(text).map(Self)
    }
}

impl Serialize for TokenHash {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for TokenHash {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        json::parsed(deserializer, str::parse)
    }
}
