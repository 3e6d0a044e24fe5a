//! Encoding of frames to a client.

use super::Version;

/// A frame under construction.
pub(super) struct Encoder {
    text: String,
    version: Version,
}

impl Encoder {
    /// Begins a frame.
    pub(super) fn new(command: &str, version: Version) -> Self {
        let mut text = String::with_capacity(128);
        text.push_str(command);
        text.push('\n');
        Self { text, version }
    }

    /// Adds a header.
    pub(super) fn header(&mut self, name: &str, value: &str) {
        // Names are ours and need no escape.
        self.text.push_str(name);
        self.text.push(':');
        self.version.escape(value, &mut self.text);
        self.text.push('\n');
    }

    /// The whole frame.
    pub(super) fn end(mut self, body: &str) -> String {
        self.text.push('\n');
        self.text.push_str(body);
        self.text.push('\0');
        self.text
    }
}
