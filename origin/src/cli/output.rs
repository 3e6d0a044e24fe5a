//! Output on stdout: lines and JSON documents, fit for a terminal.

use std::io::Write as _;

use rollcall_core::secret::REDACTED;
use serde_json::Value;

/// Prints a line, and flushes it: what a command reports has to appear while the command goes on.
pub(super) fn print_line(line: &str) -> std::io::Result<()> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{line}")?;
    out.flush()
}

/// Prints a document on one line.
pub(super) fn print_json(document: &Value) -> std::io::Result<()> {
    print_line(&document.to_string())
}

/// A text of a server or a client without what could rewrite a terminal: control characters and those that turn the
/// direction of what follows. `secret` is redacted, should a server repeat it.
pub(super) fn sanitize(text: &str, secret: Option<&str>) -> String {
    let text = match secret {
        Some(secret) if !secret.is_empty() => text.replace(secret, REDACTED),
        _ => text.to_owned(),
    };
    text.chars().map(|c| if is_printable(c) { c } else { char::REPLACEMENT_CHARACTER }).collect()
}

fn is_printable(c: char) -> bool {
    !c.is_control()
        && !matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{2028}' | '\u{2029}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_cannot_rewrite_the_terminal_and_a_token_is_not_repeated() {
        assert_eq!(sanitize("a\x1b[2Jb\nc\u{202e}d", None), "a\u{fffd}[2Jb\u{fffd}c\u{fffd}d");
        assert_eq!(sanitize("no such token: abc", Some("abc")), "no such token: [redacted]");
        assert_eq!(sanitize("张三", Some("")), "张三");
    }
}
