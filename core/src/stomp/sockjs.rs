//! SockJS framing (`docs/rules/message-center.md#sockjs`).

use crate::{gateway::Close, json};

/// The first text of the server.
pub(super) const OPEN: &str = "o";

/// The most messages in one text of a client.
const MESSAGES: usize = 1_000;

/// The messages in one text of a client.
///
/// # Errors
/// [`Close::Undecodable`] when it is neither a list of texts nor a text, [`Close::TooBig`] when there are too many.
pub fn read(text: &str) -> Result<Vec<String>, Close> {
    let read = match text.trim_start().as_bytes().first() {
        None => Ok((Vec::new(), 0)),
        Some(b'"') => json::read(text).map(|message| (vec![message], 1)),
        Some(_) => json::list(text, MESSAGES),
    };
    match read {
        Ok((_, length)) if length > MESSAGES => Err(Close::TooBig),
        Ok((messages, _)) => Ok(messages),
        Err(_) => Err(Close::Undecodable),
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
