//! SockJS framing (`docs/rules/message-center.md#sockjs`).

use crate::{gateway::Close, json};

/// The first text of the server.
pub(super) const OPEN: &str = "o";

/// The messages in one text of a client; `None` when it is neither a list of texts nor a text.
pub fn read(text: &str) -> Option<Vec<String>> {
    match text.trim_start().as_bytes().first() {
        None => Some(Vec::new()),
        Some(b'"') => json::read(text).ok().map(|message| vec![message]),
        Some(_) => json::read(text).ok(),
    }
}

/// Frames one message to a client.
pub(super) fn message(text: &str) -> String {
    format!("a[{}]", json::quoted(text))
}

/// The last text before the close.
pub fn close(close: Close) -> String {
    closing(close.code(), close.reason())
}

/// The last text before a close of the framing's own. `reason` has nothing that JSON escapes.
pub fn closing(code: u16, reason: &str) -> String {
    format!("c[{code},\"{reason}\"]")
}

/// Whether a text of the server announces the close.
pub fn is_closing(text: &str) -> bool {
    text.starts_with("c[")
}
