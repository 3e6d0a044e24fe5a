//! The sources' values as one tree.

use serde_json::{Map, Value};

/// A table: values, and further tables.
pub(super) type Table = Map<String, Value>;

/// Puts a value at a dotted path. What stands in the way is left as it is, for the reader to refuse.
pub(super) fn insert(table: &mut Table, path: &str, value: Value) {
    match path.split_once('.') {
        None => {
            table.insert(path.to_owned(), value);
        }
        Some((first, rest)) => {
            let child = table.entry(first).or_insert_with(|| Value::Object(Table::new()));
            if let Value::Object(child) = child {
                insert(child, rest, value);
            }
        }
    }
}

/// Whether there is something at a dotted path, in which a number is a place in a list.
pub(super) fn has(tree: &Value, path: &str) -> bool {
    tree.pointer(&format!("/{}", path.replace('.', "/"))).is_some()
}

/// Lays one tree over another: its values win, and tables are merged.
pub(super) fn lay_over(below: &mut Table, above: &Table) {
    for (name, value) in above {
        match (below.get_mut(name), value) {
            (Some(Value::Object(below)), Value::Object(above)) => lay_over(below, above),
            _ => {
                below.insert(name.clone(), value.clone());
            }
        }
    }
}
