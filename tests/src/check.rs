//! Comparisons whose failure says what was expected and what came.

use std::fmt::Debug;

use anyhow::{Context as _, Result, bail};
use serde_json::Value;

/// Fails unless both are equal; `what` names the thing compared.
pub fn same<A, B>(got: A, wanted: B, what: &str) -> Result<()>
where
    A: PartialEq<B> + Debug,
    B: Debug,
{
    if got == wanted {
        return Ok(());
    }
    bail!("{what}: expected {}, got {}", shorten(&format!("{wanted:?}")), shorten(&format!("{got:?}")))
}

/// Fails unless the condition holds.
pub fn holds(condition: bool, what: impl FnOnce() -> String) -> Result<()> {
    if condition { Ok(()) } else { bail!("{}", what()) }
}

/// The value at a JSON pointer, or an error that names the pointer.
pub fn at<'a>(value: &'a Value, pointer: &str) -> Result<&'a Value> {
    value.pointer(pointer).with_context(|| format!("no {pointer} in {}", shorten(&value.to_string())))
}

/// The text at a JSON pointer.
pub fn text_at(value: &Value, pointer: &str) -> Result<String> {
    let found = at(value, pointer)?;
    found.as_str().map(str::to_owned).with_context(|| format!("{pointer} is not text: {found}"))
}

/// The integer at a JSON pointer.
pub fn integer_at(value: &Value, pointer: &str) -> Result<i64> {
    let found = at(value, pointer)?;
    found.as_i64().with_context(|| format!("{pointer} is not an integer: {found}"))
}

/// Long texts are cut in the middle, so that a failure stays readable.
pub fn shorten(text: &str) -> String {
    const KEEP: usize = 700;
    let count = text.chars().count();
    if count <= 2 * KEEP {
        return text.to_owned();
    }
    let head: String = text.chars().take(KEEP).collect();
    let tail: String = text.chars().skip(count - KEEP).collect();
    format!("{head} …({count} characters)… {tail}")
}
