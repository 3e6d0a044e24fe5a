//! SockJS framing (`docs/rules/message-center.md#sockjs`).

use crate::{gateway::Close, json};

/// The first text of the server.
pub(super) const OPEN: &str = "o";

/// The messages in one text of a client; `None` when it is neither a list of texts nor a text.
pub(super) fn read(text: &str) -> Option<Vec<String>> {
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
pub(super) fn close(close: Close) -> String {
    let mut framed = String::from("c[");
    framed.push_str(&close.code().to_string());
    framed.push_str(",\"");
    // Our own reasons have nothing that JSON escapes.
    framed.push_str(close.reason());
    framed.push_str("\"]");
    framed
}
