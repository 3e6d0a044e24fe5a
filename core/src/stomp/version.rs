//! The protocol's versions and their escapes in headers (`docs/rules/message-center.md#stomp`).

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

/// A version; an older one is smaller.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Version {
    /// Headers without escapes.
    V10,
    /// Escapes of line feed, colon and backslash; heart-beats.
    V11,
    /// Escapes of the carriage return, in addition.
    V12,
}

/// The best first.
const ALL: [Version; 3] = [Version::V12, Version::V11, Version::V10];

impl Version {
    /// As the header `version` names it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::V10 => "1.0",
            Self::V11 => "1.1",
            Self::V12 => "1.2",
        }
    }

    /// As a WebSocket's subprotocol names it.
    pub const fn subprotocol(self) -> &'static str {
        match self {
            Self::V10 => "v10.stomp",
            Self::V11 => "v11.stomp",
            Self::V12 => "v12.stomp",
        }
    }

    /// A name or value of a header, as this version reads it; `None` for an escape that it does not know.
    pub(super) fn unescape(self, text: &str) -> Option<Cow<'_, str>> {
        if self == Self::V10 || !text.contains('\\') {
            return Some(Cow::Borrowed(text));
        }
        let mut plain = String::with_capacity(text.len());
        let mut characters = text.chars();
        while let Some(character) = characters.next() {
            plain.push(match character {
                '\\' => match characters.next()? {
                    'n' => '\n',
                    'c' => ':',
                    '\\' => '\\',
                    'r' if self == Self::V12 => '\r',
                    _ => return None,
                },
                other => other,
            });
        }
        Some(Cow::Owned(plain))
    }

    /// Appends a name or value of a header, as this version writes it.
    pub(super) fn escape(self, text: &str, out: &mut String) {
        for character in text.chars() {
            match character {
                '\n' if self != Self::V10 => out.push_str("\\n"),
                ':' if self != Self::V10 => out.push_str("\\c"),
                '\\' if self != Self::V10 => out.push_str("\\\\"),
                '\r' if self == Self::V12 => out.push_str("\\r"),
                other => out.push(other),
            }
        }
    }
}

/// The best version in a list of names with commas between them.
pub fn choose(offered: &str, name: fn(Version) -> &'static str) -> Option<Version> {
    ALL.into_iter().find(|version| offered.split(',').any(|other| other.trim() == name(*version)))
}
