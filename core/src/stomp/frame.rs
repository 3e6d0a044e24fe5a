//! Frames from clients: command and headers (`docs/rules/message-center.md#stomp`).

use std::fmt;

use super::{StompError, Version};

/// The most headers of a frame.
pub(super) const HEADERS: usize = 64;

/// The commands of clients.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Command {
    /// `CONNECT`, or `STOMP` from 1.1 on.
    Connect,
    /// `SUBSCRIBE`
    Subscribe,
    /// `UNSUBSCRIBE`
    Unsubscribe,
    /// `SEND`, the only one with a body.
    Send,
    /// `DISCONNECT`
    Disconnect,
    /// `ACK`, `NACK`, `BEGIN`, `COMMIT`, `ABORT`: accepted without effect.
    Idle,
}

/// A frame without its body.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Frame {
    /// The command.
    pub(super) command: Command,
    headers: Vec<(String, String)>,
}

impl Frame {
    /// Parses command and headers, with or without the empty line after them. `version` is `None` before CONNECT.
    ///
    /// # Errors
    /// The first problem of the frame.
    pub(super) fn read(head: &[u8], version: Option<Version>) -> Result<Self, StompError> {
        let head = std::str::from_utf8(head).map_err(|_| StompError::Malformed)?;
        let mut lines = head.split('\n').map(|line| line.strip_suffix('\r').unwrap_or(line));
        let command = Command::read(lines.next().unwrap_or_default()).ok_or(StompError::Command)?;
        // CONNECT is written without escapes, since it says which ones there will be.
        let version = version.filter(|_| command != Command::Connect).unwrap_or(Version::V10);
        let mut headers = Vec::new();
        for line in lines.filter(|line| !line.is_empty()) {
            let (name, value) = line.split_once(':').ok_or(StompError::Malformed)?;
            if headers.len() >= HEADERS {
                return Err(StompError::TooBig);
            }
            // In 1.0 blanks around a value did not count.
            let value = if version == Version::V10 { value.trim_matches(' ') } else { value };
            let plain = |text| version.unescape(text).map(String::from).ok_or(StompError::Malformed);
            headers.push((plain(name)?, plain(value)?));
        }
        Ok(Self { command, headers })
    }

    /// The first header of this name.
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(other, _)| other == name).map(|(_, value)| value.as_str())
    }

    /// The first header of this name, in whichever case: HTTP does not tell `Authorization` from `authorization`.
    pub(super) fn header_of_any_case(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(other, _)| other.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_str())
    }
}

impl fmt::Debug for Frame {
    // CONNECT carries a passcode, and a token may stand under any name.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Frame")
            .field("command", &self.command)
            .field("headers", &self.headers.len())
            .finish_non_exhaustive()
    }
}

impl Command {
    fn read(name: &str) -> Option<Self> {
        Some(match name {
            "CONNECT" | "STOMP" => Self::Connect,
            "SUBSCRIBE" => Self::Subscribe,
            "UNSUBSCRIBE" => Self::Unsubscribe,
            "SEND" => Self::Send,
            "DISCONNECT" => Self::Disconnect,
            "ACK" | "NACK" | "BEGIN" | "COMMIT" | "ABORT" => Self::Idle,
            _ => return None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_printed_frame_shows_no_header() {
        let frame = Frame::read(b"CONNECT\nlogin:alice\npasscode:open-sesame\n\n", None).unwrap();
        assert_eq!(format!("{frame:?}"), "Frame { command: Connect, headers: 2, .. }");
    }
}
