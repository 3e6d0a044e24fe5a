//! Text messages: ping and pong, and no others (`docs/rules/openim.md#keepalive`).

use std::borrow::Cow;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

/// The constant ping of the JavaScript SDK. A runtime may answer it with [`PONG`] without running any code of ours.
pub const PING: &str = r#"{"type":"ping"}"#;
/// The answer to a ping without a body.
pub const PONG: &str = r#"{"type":"pong","body":null}"#;

/// A valid text message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Keepalive {
    /// A ping with its answer, which repeats the ping's body byte for byte.
    Ping {
        /// The whole answer.
        answer: String,
    },
    /// A pong, which has no answer.
    Pong,
}

#[derive(Deserialize)]
struct Wire<'a> {
    #[serde(rename = "type", borrow)]
    kind: Cow<'a, str>,
    #[serde(default, borrow)]
    body: Option<&'a RawValue>,
}

#[derive(Serialize)]
struct Answer<'a> {
    #[serde(rename = "type")]
    kind: &'a str,
    body: Option<&'a RawValue>,
}

impl Keepalive {
    /// Parses a text message; `None` ends the connection.
    pub fn read(text: &str) -> Option<Self> {
        // Parsed from the text itself, since the answer repeats the body byte for byte.
        let object = text.trim_start().starts_with('{').then_some(text)?;
        let wire: Wire<'_> = serde_json::from_slice(object.as_bytes()).ok()?;
        match wire.kind.as_ref() {
            "ping" => {
                let answer = serde_json::to_string(&Answer { kind: "pong", body: wire.body }).ok()?;
                Some(Self::Ping { answer })
            }
            "pong" => Some(Self::Pong),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(text: &str) -> String {
        match Keepalive::read(text) {
            Some(Keepalive::Ping { answer }) => answer,
            other => panic!("{text}: {other:?}"),
        }
    }

    #[test]
    fn a_ping_is_answered_with_its_own_body() {
        assert_eq!(answer(PING), PONG);
        assert_eq!(answer(r#"{"type":"ping","body":"17"}"#), r#"{"type":"pong","body":"17"}"#);
        assert_eq!(answer(r#"{"body":{"n":1.50},"type":"ping"}"#), r#"{"type":"pong","body":{"n":1.50}}"#);
    }

    #[test]
    fn a_pong_is_silent_and_anything_else_is_stray() {
        assert_eq!(Keepalive::read(r#"{"type":"pong"}"#), Some(Keepalive::Pong));
        for text in ["", "ping", "{}", r#"{"type":"hello"}"#, r#"{"type":1}"#, "[]"] {
            assert_eq!(Keepalive::read(text), None, "{text}");
        }
    }
}
