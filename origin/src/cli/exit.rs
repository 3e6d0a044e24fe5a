//! Exit statuses: what a script learns without reading a word.

use rollcall_core::secret::REDACTED;

/// An end that is not status 0 or 1.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Exit {
    /// The command line cannot be carried out as it stands.
    #[error("{0}")]
    Usage(String),
    /// The server wants a token, or a better one.
    #[error("{0}")]
    Token(String),
    /// Everything was asked and answered, and the answer is no.
    #[error("{0}")]
    No(String),
}

impl Exit {
    const fn status(&self) -> u8 {
        match self {
            Self::Usage(_) => 2,
            Self::Token(_) => 3,
            Self::No(_) => 4,
        }
    }
}

/// What `--help` says of the statuses.
pub(super) const HELP: &str = "\
Exit status:
  0  done
  1  failed: no server answered, or it could not do it
  2  the command line is wrong
  3  the token is missing, refused, or may not do this
  4  no: health is not ok, a line was rejected, a user is still online, or the question was declined";

/// The status that the process ends with after `error`.
pub(crate) fn status(error: &anyhow::Error) -> u8 {
    error.downcast_ref::<Exit>().map_or(1, Exit::status)
}

/// Whether the reader of stdout has gone, as `head` does when it has enough: nothing to complain of.
pub(super) fn is_hung_up(error: &anyhow::Error) -> bool {
    error.downcast_ref::<std::io::Error>().is_some_and(|error| error.kind() == std::io::ErrorKind::BrokenPipe)
}

/// A text of a server's or a client's making, fit for a terminal: control characters could rewrite what it shows.
/// `secret` is taken out, should a server repeat it.
pub(super) fn plain(text: &str, secret: Option<&str>) -> String {
    let text = match secret {
        Some(secret) if !secret.is_empty() => text.replace(secret, REDACTED),
        _ => text.to_owned(),
    };
    text.chars().map(|c| if is_tame(c) { c } else { char::REPLACEMENT_CHARACTER }).collect()
}

/// Neither a control character nor one that turns the direction of what follows.
fn is_tame(c: char) -> bool {
    !c.is_control()
        && !matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{2028}' | '\u{2029}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_cannot_rewrite_the_terminal_and_a_token_is_not_repeated() {
        assert_eq!(plain("a\x1b[2Jb\nc\u{202e}d", None), "a\u{fffd}[2Jb\u{fffd}c\u{fffd}d");
        assert_eq!(plain("no such token: abc", Some("abc")), "no such token: [redacted]");
        assert_eq!(plain("张三", Some("")), "张三");
    }
}
