//! A naive model of filters, which the answers of a server are compared with.

use super::fixture::Row;

/// A name that `filters[i].key` may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "each is its name")]
pub enum Key {
    UserId,
    FullName,
    DeviceId,
    RemoteAddress,
    Online,
    OnlineDate,
    OfflineDate,
}

impl Key {
    /// Every key.
    pub const ALL: [Self; 7] = [
        Self::UserId,
        Self::FullName,
        Self::DeviceId,
        Self::RemoteAddress,
        Self::Online,
        Self::OnlineDate,
        Self::OfflineDate,
    ];

    /// Its spelling.
    pub fn name(self) -> &'static str {
        match self {
            Self::UserId => "userId",
            Self::FullName => "fullName",
            Self::DeviceId => "deviceId",
            Self::RemoteAddress => "remoteAddress",
            Self::Online => "online",
            Self::OnlineDate => "onlineDate",
            Self::OfflineDate => "offlineDate",
        }
    }

    fn is_text(self) -> bool {
        matches!(self, Self::FullName | Self::DeviceId | Self::RemoteAddress)
    }

    fn has_ranges(self) -> bool {
        matches!(self, Self::UserId | Self::OnlineDate | Self::OfflineDate)
    }

    /// The value of a record, if it has one.
    fn of(self, row: &Row) -> Option<Value> {
        Some(match self {
            Self::UserId => Value::Number(row.user),
            Self::FullName => Value::Text(row.name.clone()),
            Self::DeviceId => Value::Text(row.device.clone()),
            Self::RemoteAddress => Value::Text(row.address.clone()),
            Self::Online => Value::Flag(row.online()),
            Self::OnlineDate => Value::Date(row.online_at),
            Self::OfflineDate => Value::Date(row.offline_at?),
        })
    }
}

/// A word that `filters[i].op` may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "each is its name")]
pub enum Op {
    Equal,
    NotEqual,
    GreaterThan,
    GreaterThanEqual,
    LessThan,
    LessThanEqual,
    Match,
    MatchEnd,
    NotMatch,
    NotMatchEnd,
    In,
    NotIn,
    IsNull,
    IsNotNull,
}

impl Op {
    /// Every operator of the published page.
    pub const ALL: [Self; 14] = [
        Self::GreaterThan,
        Self::LessThan,
        Self::GreaterThanEqual,
        Self::LessThanEqual,
        Self::Equal,
        Self::NotEqual,
        Self::Match,
        Self::MatchEnd,
        Self::NotMatch,
        Self::NotMatchEnd,
        Self::In,
        Self::NotIn,
        Self::IsNull,
        Self::IsNotNull,
    ];

    /// Its spelling.
    pub fn name(self) -> &'static str {
        match self {
            Self::Equal => "EQUAL",
            Self::NotEqual => "NOT_EQUAL",
            Self::GreaterThan => "GREATER_THAN",
            Self::GreaterThanEqual => "GREATER_THAN_EQUAL",
            Self::LessThan => "LESS_THAN",
            Self::LessThanEqual => "LESS_THAN_EQUAL",
            Self::Match => "MATCH",
            Self::MatchEnd => "MATCH_END",
            Self::NotMatch => "NOT_MATCH",
            Self::NotMatchEnd => "NOT_MATCH_END",
            Self::In => "IN",
            Self::NotIn => "NOT_IN",
            Self::IsNull => "IS_NULL",
            Self::IsNotNull => "IS_NOT_NULL",
        }
    }

    /// Whether its value is a list.
    pub fn takes_list(self) -> bool {
        matches!(self, Self::In | Self::NotIn)
    }

    /// Whether it looks at no value.
    pub fn takes_nothing(self) -> bool {
        matches!(self, Self::IsNull | Self::IsNotNull)
    }

    /// Whether it looks for a piece of a text.
    pub fn matches_text(self) -> bool {
        matches!(self, Self::Match | Self::MatchEnd | Self::NotMatch | Self::NotMatchEnd)
    }

    fn is_range(self) -> bool {
        matches!(self, Self::GreaterThan | Self::GreaterThanEqual | Self::LessThan | Self::LessThanEqual)
    }
}

/// A value of a record, and what a filter compares it with.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd)]
#[expect(missing_docs, reason = "each is its type")]
pub enum Value {
    Number(i64),
    Text(String),
    Flag(bool),
    /// Unix seconds.
    Date(i64),
}

/// The machine key with which a key refuses an operator, if it does: the table of the documents.
pub fn refusal(key: Key, op: Op) -> Option<&'static str> {
    if op.is_range() && !key.has_ranges() {
        return Some("unsupported_range_filter");
    }
    if op.matches_text() {
        let positive = matches!(op, Op::Match | Op::MatchEnd);
        let allowed = key.is_text() && !(positive && key == Key::DeviceId);
        return (!allowed).then_some("unsupported_match_filter");
    }
    None
}

/// Whether a record passes one filter; `search` looks for pieces in name and address alike.
pub fn passes(row: &Row, key: Key, op: Op, values: &[Value], search: bool) -> bool {
    let both = search && op.matches_text() && matches!(key, Key::FullName | Key::RemoteAddress);
    if both {
        let sides = [Key::FullName, Key::RemoteAddress].map(|side| tested(side.of(row).as_ref(), op, values));
        return match op {
            Op::Match | Op::MatchEnd => sides.contains(&true),
            _ => !sides.contains(&false),
        };
    }
    tested(key.of(row).as_ref(), op, values)
}

fn tested(has: Option<&Value>, op: Op, values: &[Value]) -> bool {
    let Some(has) = has else { return op == Op::IsNull };
    let one = values.first();
    match op {
        Op::Equal => one == Some(has),
        Op::NotEqual => one.is_some_and(|value| has != value),
        Op::GreaterThan => one.is_some_and(|value| has > value),
        Op::GreaterThanEqual => one.is_some_and(|value| has >= value),
        Op::LessThan => one.is_some_and(|value| has < value),
        Op::LessThanEqual => one.is_some_and(|value| has <= value),
        Op::Match => piece(has, one, |text, piece| text.contains(piece)),
        Op::MatchEnd => piece(has, one, |text, piece| text.starts_with(piece)),
        Op::NotMatch => piece(has, one, |text, piece| !text.contains(piece)),
        Op::NotMatchEnd => piece(has, one, |text, piece| !text.starts_with(piece)),
        Op::In => values.contains(has),
        Op::NotIn => !values.contains(has),
        Op::IsNull => false,
        Op::IsNotNull => true,
    }
}

fn piece(has: &Value, one: Option<&Value>, test: impl Fn(&str, &str) -> bool) -> bool {
    matches!((has, one), (Value::Text(text), Some(Value::Text(piece))) if test(text, piece))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::console::fixture::crowd;

    fn text(text: &str) -> Vec<Value> {
        vec![Value::Text(text.to_owned())]
    }

    #[test]
    fn a_missing_date_passes_is_null_only() {
        let crowd = crowd();
        let online = crowd.iter().find(|row| row.online()).unwrap();
        for op in Op::ALL.into_iter().filter(|op| refusal(Key::OfflineDate, *op).is_none()) {
            let passed = passes(online, Key::OfflineDate, op, &[Value::Date(0)], false);
            assert_eq!(passed, op == Op::IsNull, "{op:?}");
        }
    }

    #[test]
    fn a_search_looks_into_name_and_address() {
        let crowd = crowd();
        let by_address =
            crowd.iter().find(|row| row.address == "192.168.7.1" && !row.name.contains("192")).unwrap();
        let ask = |op, search| passes(by_address, Key::FullName, op, &text("192.168"), search);
        assert_eq!((ask(Op::Match, false), ask(Op::Match, true)), (false, true));
        assert_eq!((ask(Op::MatchEnd, false), ask(Op::MatchEnd, true)), (false, true));
        assert_eq!((ask(Op::NotMatch, false), ask(Op::NotMatch, true)), (true, false));
        assert_eq!((ask(Op::NotMatchEnd, false), ask(Op::NotMatchEnd, true)), (true, false));
        assert!(!passes(by_address, Key::FullName, Op::Equal, &text("192.168.7.1"), true));
    }

    #[test]
    fn the_table_of_what_is_refused() {
        let allowed = |key| Op::ALL.into_iter().filter(|op| refusal(key, *op).is_none()).count();
        assert_eq!(Key::ALL.map(allowed), [10, 10, 8, 10, 6, 10, 10]);
        assert_eq!(refusal(Key::DeviceId, Op::Match), Some("unsupported_match_filter"));
        assert_eq!(refusal(Key::DeviceId, Op::NotMatchEnd), None);
        assert_eq!(refusal(Key::Online, Op::LessThan), Some("unsupported_range_filter"));
    }

    #[test]
    fn percent_and_underscore_are_characters() {
        let crowd = crowd();
        let found = |piece| {
            crowd.iter().filter(|row| passes(row, Key::FullName, Op::Match, &text(piece), false)).count()
        };
        assert!(found("%") > 0 && found("%") < crowd.len());
        assert!(found("_") > 0 && found("_") < crowd.len());
        assert_eq!(found("100%sure"), 0);
    }
}
