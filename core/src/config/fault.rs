//! Which key is at fault when the tree does not read.
//!
//! A reader that keeps the path to where it stands would be compiled for every type of the tree. Instead each key is
//! tried alone: every other one has a default.

use serde_json::Value;

use super::{
    KEYS, Key, Kind, Settings,
    tree::{self, Table},
};

/// A line for every key at fault: the key first, then what is wrong with it. Secrets are never quoted.
pub(super) fn find(tree: &Table) -> Vec<(String, String)> {
    let mut found = Vec::new();
    visit(tree, "", &mut found);
    found
}

fn visit(table: &Table, prefix: &str, found: &mut Vec<(String, String)>) {
    for (name, value) in table {
        let path = format!("{prefix}{name}");
        let section = format!("{path}.");
        if let Some(key) = Key::find(&path) {
            try_key(key, value, found);
        } else if KEYS.iter().any(|key| key.path.starts_with(&section)) {
            match value {
                Value::Object(table) => visit(table, &section, found),
                _ => found.push((path, "expected a table".to_owned())),
            }
        } else {
            found.push((path, format!("there is no such key; known here: {}", known(prefix))));
        }
    }
}

/// The names that may stand in a table.
fn known(prefix: &str) -> String {
    let rests = KEYS.iter().filter_map(|key| key.path.strip_prefix(prefix));
    let mut names: Vec<&str> = rests.filter_map(|rest| rest.split('.').next()).collect();
    names.dedup();
    names.join(", ")
}

fn try_key(key: &Key, value: &Value, found: &mut Vec<(String, String)>) {
    match (key.kind, value) {
        (Kind::Toml, Value::Array(items)) => {
            for (index, item) in items.iter().enumerate() {
                let alone = Value::Array(vec![item.clone()]);
                found.extend(problem(key, alone).map(|problem| (format!("{}.{index}", key.path), problem)));
            }
        }
        _ => found.extend(problem(key, value.clone()).map(|problem| (key.path.to_owned(), problem))),
    }
}

fn problem(key: &Key, value: Value) -> Option<String> {
    let mut alone = Table::new();
    tree::insert(&mut alone, key.path, value);
    let error = serde_json::from_value::<Settings>(Value::Object(alone)).err()?;
    // The reader's own words quote the value.
    Some(match key.kind {
        Kind::Secret => "expected text".to_owned(),
        Kind::Secrets => "expected texts in a list".to_owned(),
        _ => error.to_string(),
    })
}
