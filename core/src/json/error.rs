//! Why JSON did not read.

use super::{number, place::Place};

/// Why JSON did not read. Its text names members and quotes nothing of the input.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum JsonError {
    /// It is no JSON from there on.
    #[error("no JSON at line {line}, column {column}")]
    Syntax {
        /// From 1.
        line: usize,
        /// From 1; 0 is the end of the line before.
        column: usize,
    },
    /// It is JSON, and no object.
    #[error("expected an object")]
    NoObject,
    /// A member or item is not as its type takes it.
    #[error("{}{problem}", prefix(path))]
    Data {
        /// Where, such as `more[1].x`; empty for the whole.
        path: String,
        /// What is wrong.
        problem: String,
    },
}

const ANOTHER: &str = "another value was expected";

impl JsonError {
    /// The same for bytes that are no text.
    pub(super) fn encoding(bytes: &[u8]) -> impl FnOnce(std::str::Utf8Error) -> Self {
        move |error| {
            let good = bytes.get(..error.valid_up_to()).unwrap_or_default();
            let line = good.split(|byte| *byte == b'\n').next_back().unwrap_or_default();
            let lines = good.iter().filter(|byte| **byte == b'\n').count();
            Self::Syntax { line: lines + 1, column: line.len() + 1 }
        }
    }

    /// Why `text` did not read.
    #[cold]
    pub(super) fn of(text: &str, error: &serde_json::Error) -> Self {
        if !error.is_data() {
            return Self::Syntax { line: error.line(), column: error.column() };
        }
        let (words, place) = (error.to_string(), Place::of(text, error));
        let name = |start: &str| Some(words.strip_prefix(start)?.split_once('`')?.0);
        // These two hold a name that the type has. All others may quote the input, and so does the path to a name that
        // no type has.
        if let Some(name) = name("missing field `") {
            Self::Data { path: place.to_string(), problem: format!("missing field `{name}`") }
        } else if let Some(name) = name("duplicate field `") {
            // The reader stops behind the name, so the value before it came last.
            Self::Data { path: place.around().to_string(), problem: format!("field `{name}` stands twice") }
        } else if words.starts_with("unknown field ") {
            Self::Data { path: String::new(), problem: ANOTHER.to_owned() }
        } else {
            let problem = expectation(&words).map(|wanted| format!("expected {wanted}"));
            Self::Data { path: place.to_string(), problem: problem.unwrap_or_else(|| ANOTHER.to_owned()) }
        }
    }

    /// The same of a value that is a member of an object.
    #[must_use]
    pub fn within(self, member: &str) -> Self {
        match self {
            Self::Data { path, problem } => {
                let dot = if path.is_empty() || path.starts_with('[') { "" } else { "." };
                Self::Data { path: format!("{member}{dot}{path}"), problem }
            }
            other => Self::Data { path: member.to_owned(), problem: other.to_string() },
        }
    }
}

/// What a value's type takes, in plain words; what `serde` says behind its last `expected` never quotes the input.
fn expectation(words: &str) -> Option<String> {
    if words.starts_with(number::EXPECTED) {
        return number::EXPECTED.strip_prefix("expected ").map(str::to_owned);
    }
    let is_known = ["invalid type: ", "invalid value: ", "unknown variant "]
        .iter()
        .any(|start| words.starts_with(start));
    let (_, wanted) = words.rsplit_once(", expected ").filter(|_| is_known)?;
    let wanted = wanted.rsplit_once(" at line ").map_or(wanted, |(wanted, _)| wanted);
    Some(match wanted {
        "a string" => "text".to_owned(),
        "a boolean" => "true or false".to_owned(),
        "a sequence" | "a list" => "a list".to_owned(),
        "a map" | "an object" => "an object".to_owned(),
        wanted if wanted.starts_with("struct ") => "an object".to_owned(),
        "i8" | "u8" | "i16" | "u16" | "i32" | "u32" | "i64" | "u64" => "a whole number".to_owned(),
        wanted if wanted.starts_with("one of `") || wanted.starts_with('`') => wanted.to_owned(),
        "a number or a text" => "a number or its text".to_owned(),
        _ => return None,
    })
}

fn prefix(path: &str) -> String {
    if path.is_empty() { String::new() } else { format!("{path}: ") }
}
