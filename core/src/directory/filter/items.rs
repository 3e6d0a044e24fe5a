//! Parsing of the pairs of a query string into conditions.

use std::collections::BTreeMap;

use super::{
    Key, Operator,
    condition::{Comparison, Condition, DateColumn, Second, TextColumns, TextTest},
    error::QueryError,
    name::{self, Form, Member, Name},
    value::{self, Given},
};
use crate::directory::zone::Zone;

/// The most items of `filters` in one query, those that are dropped later included.
pub const FILTERS_LIMIT: usize = 20;

/// What the filters are of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// `GET /online`: a match filter looks into the field it names.
    List,
    /// `GET /online/search`: a match filter on name or address looks into both.
    Search,
    /// An order: as [`Kind::List`], and a blank value is refused. A list passes everything by it, or takes it out of an `IN` or `NOT_IN`.
    Order,
}

/// Reads the conditions of a decoded query string, in its order and with repeated names kept.
///
/// `filters[i].key/op/value` come first, by index; a top-level parameter is an `EQUAL` of its own unless a
/// filter says `EQUAL` of the same key. Other names are ignored, unless they begin with `filter`.
///
/// # Errors
/// The first [`QueryError`]: of what an item may be, then of the items in force, then of the parameters.
pub fn conditions(kind: Kind, pairs: &[(String, String)], zone: &Zone) -> Result<Vec<Condition>, QueryError> {
    let items = in_force(read_items(pairs)?);
    let mut conditions = Vec::new();
    for item in &items {
        let key = Key::from_name(&item.key).ok_or_else(|| QueryError::UnsupportedField(item.key.clone()))?;
        let has_value = item.operator.needs_value();
        if kind == Kind::Order && has_value && item.given.is_blank(item.operator.takes_list()) {
            return Err(QueryError::Blank(key.name()));
        }
        conditions.push(condition(kind, key, item, zone)?);
    }
    for key in Key::ALL {
        let Some(text) = parameter(pairs, key.name()) else { continue };
        if kind == Kind::Order && text.trim().is_empty() {
            return Err(QueryError::Blank(key.name()));
        }
        let condition = top_level(key, text, zone)?;
        let overruled = items.iter().any(|item| item.key == key.name() && item.operator == Operator::Equal);
        if !overruled {
            conditions.push(condition);
        }
    }
    Ok(conditions)
}

/// The first value of a parameter; an empty one counts as absent.
pub(crate) fn parameter<'a>(pairs: &'a [(String, String)], name: &str) -> Option<&'a str> {
    pairs
        .iter()
        .find(|(given, _)| given == name)
        .map(|(_, value)| value.as_str())
        .filter(|value| !value.is_empty())
}

/// A 64-bit number, blanks around it allowed.
pub(crate) fn number(text: &str) -> Option<i64> {
    text.trim().parse().ok()
}

struct Item {
    key: String,
    operator: Operator,
    given: Given,
    index: usize,
}

#[derive(Default)]
struct RawItem {
    form: Option<Form>,
    key: Vec<String>,
    operator: Vec<String>,
    values: Vec<String>,
    listed: Vec<String>,
}

impl RawItem {
    /// Takes a member; `None` when it is not written as those before it.
    fn take(&mut self, name: Name, value: String) -> Option<()> {
        let form = *self.form.get_or_insert(name.form);
        match name.member {
            Member::Key => self.key.push(value),
            Member::Operator => self.operator.push(value),
            Member::Value => self.values.push(value),
            Member::Listed => self.listed.push(value),
        }
        (form == name.form && (self.values.is_empty() || self.listed.is_empty())).then_some(())
    }
}

fn read_items(pairs: &[(String, String)]) -> Result<Vec<Item>, QueryError> {
    let mut raw: BTreeMap<usize, RawItem> = BTreeMap::new();
    for (name, value) in pairs.iter().filter(|(name, _)| name::is_filter(name)) {
        // A filter that is not understood must not be ignored: the list would show more records than the caller meant.
        let unknown = || QueryError::FilterForm { field: name.clone(), rejected: value.clone() };
        let read = name::read(name).ok_or_else(unknown)?;
        raw.entry(read.index).or_default().take(read, value.clone()).ok_or_else(unknown)?;
    }
    if raw.len() > FILTERS_LIMIT {
        return Err(QueryError::TooMany(FILTERS_LIMIT));
    }
    let mut items = Vec::new();
    for (index, RawItem { key, operator, values, listed, .. }) in raw {
        // A member that is given twice is one text with a comma, as form binding has it: no key and no operator.
        let (key, operator) = (key.join(","), operator.join(","));
        if operator.is_empty() {
            continue;
        }
        let operator = Operator::from_name(&operator)
            .ok_or_else(|| QueryError::unreadable(format!("filters[{index}].op"), &operator))?;
        let given = if listed.is_empty() { Given::values(values) } else { Given::listed(listed) };
        let lacks_value = given.is_empty() && operator.needs_value();
        if !key.is_empty() && !lacks_value {
            items.push(Item { key, operator, given, index });
        }
    }
    Ok(items)
}

/// Of items with the same key, whatever its case, and the same operator, the first is in force.
fn in_force(items: Vec<Item>) -> Vec<Item> {
    let mut kept: Vec<Item> = Vec::new();
    for item in items {
        let duplicate = kept
            .iter()
            .any(|first| first.operator == item.operator && first.key.eq_ignore_ascii_case(&item.key));
        if !duplicate {
            kept.push(item);
        }
    }
    kept
}

fn condition(kind: Kind, key: Key, item: &Item, zone: &Zone) -> Result<Condition, QueryError> {
    match key {
        Key::UserId => comparison(key, item, number).map(Condition::User),
        Key::OnlineDate => {
            comparison(key, item, second(zone)).map(|test| Condition::Date(DateColumn::Online, test))
        }
        Key::OfflineDate => {
            comparison(key, item, second(zone)).map(|test| Condition::Date(DateColumn::Offline, test))
        }
        Key::Online => online(item),
        Key::FullName => text(TextColumns::FullName, kind, key, item),
        Key::DeviceId => text(TextColumns::DeviceId, kind, key, item),
        Key::RemoteAddress => text(TextColumns::RemoteAddress, kind, key, item),
    }
}

fn second(zone: &Zone) -> impl Fn(&str) -> Option<Second> {
    // Quotes may stand inside a date as well: the original's console wraps each half of it.
    |text| zone.parse(text.replace('"', "").trim()).map(Second::of)
}

fn comparison<T>(
    key: Key,
    item: &Item,
    read: impl Fn(&str) -> Option<T>,
) -> Result<Comparison<T>, QueryError> {
    let one = || item.given.one(item.index).and_then(|text| value::typed(key, text, &read));
    let list = || item.given.list(key, &read);
    Ok(match item.operator {
        Operator::Equal => Comparison::Equal(one()?),
        Operator::NotEqual => Comparison::NotEqual(one()?),
        Operator::GreaterThan => Comparison::Greater(one()?),
        Operator::GreaterThanEqual => Comparison::GreaterOrEqual(one()?),
        Operator::LessThan => Comparison::Less(one()?),
        Operator::LessThanEqual => Comparison::LessOrEqual(one()?),
        Operator::In => Comparison::In(list()?),
        Operator::NotIn => Comparison::NotIn(list()?),
        Operator::IsNull => Comparison::Null,
        Operator::IsNotNull => Comparison::NotNull,
        Operator::Match | Operator::MatchEnd | Operator::NotMatch | Operator::NotMatchEnd => {
            return Err(QueryError::UnsupportedMatch(key.name()));
        }
    })
}

fn online(item: &Item) -> Result<Condition, QueryError> {
    let key = Key::Online;
    let passes: Box<dyn Fn(bool) -> bool> = match item.operator {
        Operator::Equal | Operator::NotEqual => {
            let bound = value::typed(key, item.given.one(item.index)?, boolean)?;
            let equal = item.operator == Operator::Equal;
            Box::new(move |online| (online == bound) == equal)
        }
        Operator::In | Operator::NotIn => {
            let members = item.given.list(key, boolean)?;
            let inside = item.operator == Operator::In;
            Box::new(move |online| members.contains(&online) == inside)
        }
        Operator::IsNull => Box::new(|_| false),
        Operator::IsNotNull => Box::new(|_| true),
        Operator::GreaterThan | Operator::GreaterThanEqual | Operator::LessThan | Operator::LessThanEqual => {
            return Err(QueryError::UnsupportedRange(key.name()));
        }
        Operator::Match | Operator::MatchEnd | Operator::NotMatch | Operator::NotMatchEnd => {
            return Err(QueryError::UnsupportedMatch(key.name()));
        }
    };
    Ok(Condition::Online { online: passes(true), offline: passes(false) })
}

fn text(columns: TextColumns, kind: Kind, key: Key, item: &Item) -> Result<Condition, QueryError> {
    let one = || item.given.one(item.index).map(value::text);
    let list = || item.given.texts();
    let searched = match (kind, columns) {
        (Kind::Search, TextColumns::FullName | TextColumns::RemoteAddress) => TextColumns::NameAndAddress,
        _ => columns,
    };
    let (columns, test) = match item.operator {
        Operator::Equal => (columns, TextTest::Equal(one()?)),
        Operator::NotEqual => (columns, TextTest::NotEqual(one()?)),
        Operator::In => (columns, TextTest::In(list()?)),
        Operator::NotIn => (columns, TextTest::NotIn(list()?)),
        Operator::Match | Operator::MatchEnd if columns == TextColumns::DeviceId => {
            return Err(QueryError::UnsupportedMatch(key.name()));
        }
        Operator::Match => (searched, TextTest::Contains(one()?)),
        Operator::MatchEnd => (searched, TextTest::StartsWith(one()?)),
        Operator::NotMatch => (searched, TextTest::NotContains(one()?)),
        Operator::NotMatchEnd => (searched, TextTest::NotStartsWith(one()?)),
        Operator::IsNull => (columns, TextTest::Null),
        Operator::IsNotNull => (columns, TextTest::NotNull),
        Operator::GreaterThan | Operator::GreaterThanEqual | Operator::LessThan | Operator::LessThanEqual => {
            return Err(QueryError::UnsupportedRange(key.name()));
        }
    };
    Ok(Condition::Text(columns, test))
}

fn top_level(key: Key, text: &str, zone: &Zone) -> Result<Condition, QueryError> {
    let unreadable = || QueryError::unreadable(key.name(), text);
    Ok(match key {
        Key::UserId => Condition::User(Comparison::Equal(number(text).ok_or_else(unreadable)?)),
        Key::FullName => Condition::Text(TextColumns::FullName, TextTest::Equal(value::text(text))),
        Key::DeviceId => Condition::Text(TextColumns::DeviceId, TextTest::Equal(value::text(text))),
        Key::RemoteAddress => Condition::Text(TextColumns::RemoteAddress, TextTest::Equal(value::text(text))),
        Key::Online => {
            let online = boolean(text).ok_or_else(unreadable)?;
            Condition::Online { online, offline: !online }
        }
        Key::OnlineDate | Key::OfflineDate => {
            let column = if key == Key::OnlineDate { DateColumn::Online } else { DateColumn::Offline };
            let second = zone.parse(text.trim()).map(Second::of).ok_or_else(unreadable)?;
            Condition::Date(column, Comparison::Equal(second))
        }
    })
}

/// The words for true and false, whatever their case.
fn boolean(text: &str) -> Option<bool> {
    match text.trim().to_ascii_lowercase().as_str() {
        "true" | "on" | "yes" | "1" => Some(true),
        "false" | "off" | "no" | "0" => Some(false),
        _ => None,
    }
}
