//! Identifiers, parsed once at the border and never bare strings after that.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::{json, time::Timestamp};

/// The longest userID that may own tokens and connections, in bytes.
///
/// A Durable Object's name and an index key both have to hold it.
pub const USER_ID_BYTES: usize = 256;

/// A user of the application: one aggregate, whatever the tenant.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct UserId(String);

/// The reason why a text is not a userID.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UserIdError {
    /// The text is empty.
    #[error("userID is empty")]
    Empty,
    /// See [`USER_ID_BYTES`].
    #[error("userID is longer than {USER_ID_BYTES} bytes")]
    TooLong,
}

impl UserId {
    /// Parses a userID.
    ///
    /// # Errors
    /// When it is empty or longer than [`USER_ID_BYTES`].
    pub fn new(text: impl Into<String>) -> Result<Self, UserIdError> {
        let text = text.into();
        match text.len() {
            0 => Err(UserIdError::Empty),
            1..=USER_ID_BYTES => Ok(Self(text)),
            _ => Err(UserIdError::TooLong),
        }
    }

    /// The canonical text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The message center's number of this user, when the userID is the canonical decimal form of one.
    ///
    /// Only such users have records in the directory (`docs/rules/message-center.md#records`).
    pub fn number(&self) -> Option<i64> {
        self.0.parse().ok().filter(|number: &i64| number.to_string() == self.0)
    }
}

impl fmt::Display for UserId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl From<i64> for UserId {
    fn from(number: i64) -> Self {
        Self(number.to_string())
    }
}

impl FromStr for UserId {
    type Err = UserIdError;

    fn from_str(text: &str) -> Result<Self, UserIdError> {
        Self::new(text)
    }
}

impl<'de> Deserialize<'de> for UserId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        json::parsed(deserializer, str::parse)
    }
}

/// A tenant of the message center. OpenIM users without another one are in tenant 0.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct TenantId(pub i64);

impl fmt::Display for TenantId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// One live socket: 32 lower-case hexadecimal digits on the wire (`docs/rules/openim.md#connections`).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConnId([u8; 16]);

impl ConnId {
    /// From 16 random bytes, drawn by the adapter.
    pub const fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }
}

impl fmt::Debug for ConnId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

hex::as_text!(ConnId);

/// One row of the directory: a connection, live or ended.
///
/// Positive and 63 bits wide: milliseconds << 22 | bits of the entropy, so that ids sort by time of creation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RecordId(i64);

impl RecordId {
    const RANDOM_BITS: u32 = 22;

    /// A new id for a record created `now`; the low bits come from `entropy`.
    pub fn draw(now: Timestamp, entropy: u64) -> Self {
        let mask = (1_u64 << Self::RANDOM_BITS) - 1;
        let low = i64::try_from(entropy & mask).unwrap_or(0);
        let high = now.millis().max(0) & (i64::MAX >> Self::RANDOM_BITS);
        Self((high << Self::RANDOM_BITS) | low)
    }

    /// An id that was given from outside (an import); `None` below 1.
    pub fn from_number(number: i64) -> Option<Self> {
        (number > 0).then_some(Self(number))
    }

    /// The number itself.
    pub const fn number(self) -> i64 {
        self.0
    }
}

impl fmt::Display for RecordId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl Serialize for RecordId {
    // As text: the id has more bits than a JavaScript number keeps.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for RecordId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        json::parsed(deserializer, |text| {
            text.parse().ok().and_then(Self::from_number).ok_or("not a record id")
        })
    }
}

/// Lower-case hexadecimal, for ids and digests.
pub mod hex {
    use std::fmt::{self, Write as _};

    /// A text is not lower-case hexadecimal of the right length.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
    #[error("not lower-case hexadecimal of the right length")]
    pub struct HexError;

    /// Bytes that are hexadecimal digits as a text, and in JSON.
    macro_rules! as_text {
        ($bytes:ident) => {
            impl ::std::fmt::Display for $bytes {
                fn fmt(&self, f: &mut ::std::fmt::Formatter<'_>) -> ::std::fmt::Result {
                    $crate::id::hex::write(f, &self.0)
                }
            }

            impl ::std::str::FromStr for $bytes {
                type Err = $crate::id::hex::HexError;

                fn from_str(text: &str) -> Result<Self, Self::Err> {
                    $crate::id::hex::read(text).map(Self)
                }
            }

            impl ::serde::Serialize for $bytes {
                fn serialize<S: ::serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                    serializer.collect_str(self)
                }
            }

            impl<'de> ::serde::Deserialize<'de> for $bytes {
                fn deserialize<D: ::serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                    $crate::json::parsed(deserializer, str::parse)
                }
            }
        };
    }
    pub(crate) use as_text;

    /// Writes two digits a byte.
    ///
    /// # Errors
    /// Only what the formatter itself reports.
    pub fn write(f: &mut fmt::Formatter<'_>, bytes: &[u8]) -> fmt::Result {
        let digit = |value: u8| char::from(if value < 10 { b'0' + value } else { b'a' - 10 + value });
        bytes.iter().try_for_each(|byte| {
            f.write_char(digit(byte >> 4))?;
            f.write_char(digit(byte & 15))
        })
    }

    /// Reads exactly `N` bytes.
    ///
    /// # Errors
    /// [`HexError`] for another length, upper case or a stray character.
    pub fn read<const N: usize>(text: &str) -> Result<[u8; N], HexError> {
        let mut bytes = [0; N];
        let mut digits = text.bytes().map(digit);
        for byte in &mut bytes {
            let high = digits.next().flatten().ok_or(HexError)?;
            let low = digits.next().flatten().ok_or(HexError)?;
            *byte = high << 4 | low;
        }
        if digits.next().is_some() { Err(HexError) } else { Ok(bytes) }
    }

    fn digit(byte: u8) -> Option<u8> {
        match byte {
            b'0'..=b'9' => Some(byte - b'0'),
            b'a'..=b'f' => Some(byte - b'a' + 10),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_canonical_decimals_have_a_number() {
        let number = |text: &str| UserId::new(text).unwrap().number();
        assert_eq!(number("2890713225"), Some(2_890_713_225));
        assert_eq!(number("-5"), Some(-5));
        for text in ["007", "+7", " 7", "7.0", "alice", "9223372036854775808"] {
            assert_eq!(number(text), None, "{text}");
        }
    }

    #[test]
    fn record_ids_are_positive_and_sort_by_time() {
        let early = RecordId::draw(Timestamp::from_millis(1_700_000_000_000), u64::MAX);
        let late = RecordId::draw(Timestamp::from_millis(1_700_000_000_001), 0);
        assert!(0 < early.number() && early < late);
        assert!(RecordId::draw(Timestamp::from_millis(i64::MAX), u64::MAX).number() > 0);
    }

    #[test]
    fn a_connection_id_reads_back_what_it_wrote() {
        let id = ConnId::from_bytes([0xab; 16]);
        assert_eq!(id.to_string(), "ab".repeat(16));
        assert_eq!(id.to_string().parse(), Ok(id));
        assert!("AB".repeat(16).parse::<ConnId>().is_err());
        assert!("ab".repeat(15).parse::<ConnId>().is_err());
        assert!("ab".repeat(17).parse::<ConnId>().is_err());
    }
}
