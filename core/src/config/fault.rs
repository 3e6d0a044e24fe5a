//! One value that no key takes: which one, and why, in words that quote nothing of it.

use std::fmt;

use serde::de;

const NO_SUCH_KEY: &str = "there is no such key";

/// A value at fault. It displays as the key and what is wrong.
#[derive(Debug)]
pub(super) struct Fault {
    path: Vec<Step>,
    problem: String,
}

/// From a table or list to what is in it.
#[derive(Debug)]
pub(super) enum Step {
    Key(String),
    Item(usize),
}

impl Fault {
    /// The fault of what is in something, as one of what is around it.
    pub(super) fn within(mut self, step: Step) -> Self {
        self.path.insert(0, step);
        self
    }

    /// Whether the key is at fault and not its value.
    pub(super) fn is_unknown_key(&self) -> bool {
        self.problem.starts_with(NO_SUCH_KEY)
    }

    /// How many tables and lists lead to it.
    pub(super) fn depth(&self) -> usize {
        self.path.len()
    }

    /// A date at this path of names between dots.
    pub(super) fn date(path: &str) -> Self {
        let path = path.split('.').map(|name| Step::Key(name.to_owned())).collect();
        Self { path, problem: "expected no date; text stands between quotes".to_owned() }
    }

    /// Whether an item of a list is no table.
    pub(super) fn is_about_tables(&self) -> bool {
        matches!(self.path.last(), Some(Step::Item(_))) && self.problem == TABLE_EXPECTED
    }

    /// The fault of a variable whose key is a list of tables.
    pub(super) fn of_table_list(mut self) -> Self {
        self.path.retain(|step| matches!(step, Step::Key(_)));
        self.problem = "expected a TOML list of inline tables; `[]` is none".to_owned();
        self
    }

    /// Whether more tables and lists lead to it than to the other one, or it says more: for a list of tables, texts between
    /// commas are no form at all.
    pub(super) fn is_closer_than(&self, other: &Self) -> bool {
        let (own, others) = (self.path.len(), other.path.len());
        own > others || (own == others && other.is_about_tables())
    }

    /// The names that lead to it, up to the first list.
    pub(super) fn keys(&self) -> impl Iterator<Item = &str> {
        self.path.iter().map_while(|step| match step {
            Step::Key(key) => Some(key.as_str()),
            Step::Item(_) => None,
        })
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut separator = "";
        for step in &self.path {
            match step {
                Step::Key(key) => write!(f, "{separator}{key}")?,
                Step::Item(index) => write!(f, "[{index}]")?,
            }
            separator = ".";
        }
        write!(f, ": {}", self.problem)
    }
}

impl std::error::Error for Fault {}

impl de::Error for Fault {
    fn custom<T: fmt::Display>(words: T) -> Self {
        Self { path: Vec::new(), problem: problem(&words.to_string()) }
    }
}

pub(super) const TABLE_EXPECTED: &str = "expected a table";

/// What is wrong, from `serde`'s words for it: those that quote the value are cut down to what was expected.
fn problem(words: &str) -> String {
    let wanted = words.rsplit_once(", expected ").map(|(_, wanted)| wanted);
    if words.starts_with("unknown field ") {
        let known = wanted.unwrap_or_default().trim_start_matches("one of ").replace('`', "");
        format!("{NO_SUCH_KEY}; known here: {}", known.replace(" or ", ", "))
    } else if words.starts_with("unknown ") || words.starts_with("invalid ") {
        format!("expected {}", expected(wanted.unwrap_or("another value")))
    } else {
        words.to_owned()
    }
}

/// A type in the words of a person who writes TOML.
fn expected(of: &str) -> &str {
    match of {
        "a string" => "text",
        "a boolean" => "true or false",
        "a sequence" => "a list",
        "u16" => "a whole number from 0 to 65535",
        "u32" => "a whole number from 0 to 4294967295",
        "i64" => "a whole number",
        other => other,
    }
}
