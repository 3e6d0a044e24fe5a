//! TOML text as a tree.

use serde_json::Value;
use toml::de::{DeTable, DeValue, Error};

use super::{ConfigError, tree::Table};

/// Reads a document. `source` names it in errors, which never quote it: it holds secrets.
pub(super) fn read(source: &str, text: &str) -> Result<Table, ConfigError> {
    let document = DeTable::parse(text).map_err(|error| syntax(source, text, &error))?;
    let mut problems = Vec::new();
    let tree = table(document.get_ref(), "", &mut problems);
    if problems.is_empty() {
        Ok(tree)
    } else {
        Err(ConfigError::new(problems.into_iter().map(|problem| format!("{problem} ({source})")).collect()))
    }
}

/// Reads one value, such as `[1, 2]`.
pub(super) fn read_value(text: &str) -> Option<Value> {
    let mut problems = Vec::new();
    let value = value(DeValue::parse(text).ok()?.get_ref(), "", &mut problems);
    problems.is_empty().then_some(value)
}

fn syntax(source: &str, text: &str, error: &Error) -> ConfigError {
    let before = error.span().and_then(|span| text.get(..span.start)).unwrap_or_default();
    let line = before.matches('\n').count() + 1;
    ConfigError::at(&format!("{source}, line {line}"), error.message())
}

fn table(table: &DeTable<'_>, path: &str, problems: &mut Vec<String>) -> Table {
    let mut tree = Table::new();
    for (name, item) in table {
        let name = name.get_ref().to_string();
        let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
        let value = value(item.get_ref(), &path, problems);
        tree.insert(name, value);
    }
    tree
}

fn value(item: &DeValue<'_>, path: &str, problems: &mut Vec<String>) -> Value {
    match item {
        DeValue::String(text) => Value::from(text.as_ref()),
        DeValue::Boolean(flag) => Value::from(*flag),
        DeValue::Integer(number) => match i64::from_str_radix(number.as_str(), number.radix()) {
            Ok(number) => Value::from(number),
            Err(_) => refused(path, "expected a 64-bit number", problems),
        },
        DeValue::Array(items) => {
            items.iter().map(|item| value(item.get_ref(), path, problems)).collect::<Vec<_>>().into()
        }
        DeValue::Table(items) => Value::Object(table(items, path, problems)),
        DeValue::Float(_) => refused(path, "no key takes a fraction", problems),
        DeValue::Datetime(_) => refused(path, "no key takes a date; write text between quotes", problems),
    }
}

fn refused(path: &str, why: &str, problems: &mut Vec<String>) -> Value {
    problems.push(format!("{path}: {why}"));
    Value::Null
}
