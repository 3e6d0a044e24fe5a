//! Texts on their way out.

use serde_json::Value;

/// A text as JSON has it, between quotes. Unlike a serialiser's, this result cannot be an error.
pub fn quoted(text: &str) -> String {
    Value::from(text).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quoted_text_is_read_back() {
        assert_eq!(quoted("a \"b\" \\ \u{1} \u{2028} é"), "\"a \\\"b\\\" \\\\ \\u0001 \u{2028} é\"");
        for text in ["", "\0\n\"", "\u{feff}\u{10ffff}"] {
            assert_eq!(super::super::read::<String>(&quoted(text)).unwrap(), text);
        }
    }
}
