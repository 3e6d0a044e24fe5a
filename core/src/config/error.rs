//! What is wrong with a configuration.

use std::fmt;

/// Everything that was found wrong, a line each. Each line begins with the key.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct ConfigError(Vec<String>);

impl ConfigError {
    pub(super) fn new(problems: Vec<String>) -> Self {
        Self(problems)
    }

    pub(super) fn at(key: &str, problem: impl fmt::Display) -> Self {
        Self(vec![format!("{key}: {problem}")])
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the configuration cannot be used")?;
        self.0.iter().try_for_each(|problem| write!(f, "\n  {problem}"))
    }
}
