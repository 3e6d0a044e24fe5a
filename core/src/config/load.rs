//! Reading the sources, in their order.

use serde::Deserialize as _;
use toml::{
    Table, Value,
    de::{DeTable, DeValue, Error},
};

use super::{
    ConfigError, Runtime, Settings,
    fault::Fault,
    tree::{self, Node},
};

/// Variables of the environment (or of the Worker) that hold a key begin with this.
pub const VARIABLE_PREFIX: &str = "ROLLCALL__";

/// What a misspelt variable begins with, in any case.
const MISSPELT_PREFIX: &str = "rollcall_";
/// More words than the name of any key has.
const WORDS: usize = 8;

/// The variable that is meant by one that is passed over: a key's, but for its case or the number of its underscores.
///
/// Other variables that begin with `ROLLCALL_` are none of this program's, such as those that Kubernetes sets for a service.
pub fn meant_variable(name: &str) -> Option<String> {
    let lower = name.to_ascii_lowercase();
    let words: Vec<&str> =
        lower.strip_prefix(MISSPELT_PREFIX)?.split('_').filter(|word| !word.is_empty()).collect();
    if name.starts_with(VARIABLE_PREFIX) || !(2..=WORDS).contains(&words.len()) {
        return None;
    }
    let path = (1..1_u32 << (words.len() - 1)).map(|ends| path(&words, ends)).find(|path| is_key(path))?;
    Some(format!("{VARIABLE_PREFIX}{}", path.to_ascii_uppercase()))
}

/// The words as a path; a bit of `ends` says that a name ends behind the word of that number.
fn path(words: &[&str], ends: u32) -> String {
    let mut path = String::new();
    for (number, word) in words.iter().enumerate() {
        path.push_str(word);
        if number + 1 < words.len() {
            path.push_str(if ends >> number & 1 == 1 { "__" } else { "_" });
        }
    }
    path
}

fn is_key(path: &str) -> bool {
    let depth = path.split("__").count();
    match deserialize(nested(path, Value::Boolean(true))) {
        Ok(_) => true,
        Err(fault) => !fault.is_unknown_key() && fault.depth() == depth,
    }
}

impl Settings {
    /// Merges the TOML text and the variables into the defaults, and checks the result.
    ///
    /// `source` names the text in errors. Variables that do not begin with [`VARIABLE_PREFIX`] are passed over.
    ///
    /// # Errors
    /// Names every key that is unknown, of the wrong type or impossible.
    pub fn load(
        runtime: Runtime,
        source: &str,
        toml: &str,
        variables: impl IntoIterator<Item = (String, String)>,
    ) -> Result<Self, ConfigError> {
        let mut problems = Vec::new();
        let mut tree = read_text(source, toml)?;
        for (name, text) in variables {
            let Some(path) = name.strip_prefix(VARIABLE_PREFIX) else { continue };
            match read_variable(&path.to_ascii_lowercase(), &text) {
                Ok(variable) => lay_over(&mut tree, variable),
                Err(fault) => problems.push(format!("{fault} (variable {name})")),
            }
        }
        let settings = loop {
            let fault = match deserialize(tree.clone()) {
                Ok(settings) => break settings,
                Err(fault) => fault,
            };
            problems.push(format!("{fault} ({source})"));
            // Without the value at fault, the next one comes to light.
            if remove(&mut tree, &fault).is_none() {
                return Err(ConfigError::new(problems));
            }
        };
        if !problems.is_empty() {
            return Err(ConfigError::new(problems));
        }
        settings.check(runtime)?;
        Ok(settings)
    }
}

fn deserialize(tree: Table) -> Result<Settings, Fault> {
    Settings::deserialize(Node(Value::Table(tree)))
}

/// The text as a table. Errors never quote it: it holds secrets.
fn read_text(source: &str, text: &str) -> Result<Table, ConfigError> {
    let parsed = DeTable::parse(text).map_err(|error| syntax(source, text, &error))?;
    let table = tree::table(parsed.into_inner())
        .map_err(|fault| ConfigError::new(vec![format!("{fault} ({source})")]))?;
    let mut dates = Vec::new();
    table.iter().for_each(|(name, value)| find_dates(name, value, &mut dates));
    let problem = |path: String| format!("{} ({source})", Fault::date(&path));
    if dates.is_empty() { Ok(table) } else { Err(ConfigError::new(dates.into_iter().map(problem).collect())) }
}

/// The paths of dates, which would be taken for text.
fn find_dates(path: &str, value: &Value, found: &mut Vec<String>) {
    match value {
        Value::Datetime(_) => found.push(path.to_owned()),
        Value::Table(table) => {
            table.iter().for_each(|(name, value)| find_dates(&format!("{path}.{name}"), value, found));
        }
        Value::Array(items) => items.iter().for_each(|item| find_dates(path, item, found)),
        _ => {}
    }
}

fn syntax(source: &str, text: &str, error: &Error) -> ConfigError {
    let before = error.span().and_then(|span| text.get(..span.start)).unwrap_or_default();
    let line = before.matches('\n').count() + 1;
    ConfigError::at(&format!("{source}, line {line}"), error.message())
}

/// One variable as a table with that one value, read by the type of the key: of the forms that its text can have, the
/// first that the key takes.
fn read_variable(path: &str, text: &str) -> Result<Table, Fault> {
    let mut closest: Option<Fault> = None;
    for value in forms(text) {
        let mut dates = Vec::new();
        find_dates(&path.replace("__", "."), &value, &mut dates);
        let is_empty_list = value.as_array().is_some_and(Vec::is_empty);
        let table = nested(path, value);
        match deserialize(table.clone()) {
            Ok(_) if is_empty_list && text.trim().is_empty() => return empty_list(path, table),
            Ok(_) => return dates.pop().map_or(Ok(table), |date| Err(Fault::date(&date))),
            // The form that came furthest is the one that was meant.
            Err(fault) if closest.as_ref().is_none_or(|other| fault.is_closer_than(other)) => {
                closest = Some(fault);
            }
            Err(_) => {}
        }
    }
    match closest {
        Some(fault) if fault.is_about_tables() => Err(fault.of_table_list()),
        Some(fault) => Err(fault),
        // There is always a fault here, since a text always is a text.
        None => Ok(Table::new()),
    }
}

/// The empty list of a variable without text. Texts have no other form between commas; tables have one, so that nothing
/// stands for none of them by mistake.
fn empty_list(path: &str, table: Table) -> Result<Table, Fault> {
    match deserialize(nested(path, Value::Array(vec![Value::from("")]))) {
        Err(fault) if fault.is_about_tables() => Err(fault.of_table_list()),
        _ => Ok(table),
    }
}

/// What a variable's text can mean. Text comes first: a secret of digits stays text.
fn forms(text: &str) -> impl Iterator<Item = Value> {
    let word = text.trim();
    let between_commas = text.split(',').map(str::trim).filter(|item| !item.is_empty());
    let toml = || tree::value(DeValue::parse(word).ok()?.into_inner()).ok().filter(Value::is_array);
    [
        Some(Value::from(text)),
        word.parse::<i64>().ok().map(Value::from),
        word.parse::<bool>().ok().map(Value::from),
        Some(Value::Array(between_commas.map(Value::from).collect())),
        toml(),
    ]
    .into_iter()
    .flatten()
}

/// A table with one value at a path of names between two underscores each.
fn nested(path: &str, value: Value) -> Table {
    let (name, value) = match path.split_once("__") {
        Some((section, rest)) => (section, Value::Table(nested(rest, value))),
        None => (path, value),
    };
    let mut table = Table::new();
    table.insert(name.to_owned(), value);
    table
}

/// Lays one tree over another: its values win, and tables are merged.
fn lay_over(below: &mut Table, above: Table) {
    for (name, value) in above {
        match (below.get_mut(&name), value) {
            (Some(Value::Table(below)), Value::Table(above)) => lay_over(below, above),
            (_, value) => {
                below.insert(name, value);
            }
        }
    }
}

/// Takes out the value at fault, or the list that holds it; `None` when there is none such.
fn remove(tree: &mut Table, fault: &Fault) -> Option<Value> {
    let mut keys = fault.keys().peekable();
    let mut table = tree;
    while let Some(key) = keys.next() {
        if keys.peek().is_none() {
            return table.remove(key);
        }
        table = table.get_mut(key)?.as_table_mut()?;
    }
    None
}
