//! Why JSON did not read.

use serde::de::DeserializeOwned;

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

    /// The same for what `serde_json` says.
    pub(super) fn without_path(error: &serde_json::Error) -> Self {
        if error.is_data() {
            Self::unexpected(String::new())
        } else {
            Self::Syntax { line: error.line(), column: error.column() }
        }
    }

    /// Why `text` did not read as a `T`.
    #[cold]
    pub(super) fn of<T: DeserializeOwned>(text: &str, error: &serde_json::Error) -> Self {
        if !error.is_data() {
            return Self::without_path(error);
        }
        // Following the path copies the name of every member, so it is done only for what did not read without it.
        let mut again = serde_json::Deserializer::from_str(text);
        match serde_path_to_error::deserialize::<_, T>(&mut again) {
            Ok(_) => Self::unexpected(String::new()),
            Err(error) => Self::data(error.path(), &error.inner().to_string()),
        }
    }

    /// What is wrong with data, from `serde`'s words for it.
    fn data(path: &serde_path_to_error::Path, words: &str) -> Self {
        let path = if path.iter().len() == 0 { String::new() } else { path.to_string() };
        let name = |start: &str| Some(words.strip_prefix(start)?.split_once('`')?.0);
        // These two hold a name that the type has. All others may quote the input, and so does the path to a name that
        // no type has.
        if let Some(name) = name("missing field `") {
            Self::Data { path, problem: format!("missing field `{name}`") }
        } else if let Some(name) = name("duplicate field `") {
            Self::Data { path, problem: format!("field `{name}` stands twice") }
        } else if words.starts_with("unknown ") {
            Self::unexpected(String::new())
        } else {
            Self::unexpected(path)
        }
    }

    fn unexpected(path: String) -> Self {
        Self::Data { path, problem: ANOTHER.to_owned() }
    }
}

fn prefix(path: &str) -> String {
    if path.is_empty() { String::new() } else { format!("{path}: ") }
}
