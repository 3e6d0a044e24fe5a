//! A condition as SQL, equal to its naive meaning.
//!
//! Liveness is no column, so a condition on it is rendered for two sets of rows: those with a stored end and those without
//! one. In each set most such conditions are a constant or a plain column, so that an index can answer.

use super::condition::{Comparison, Condition, DateColumn, Second, TextColumns, TextTest};
use crate::directory::sql::Binder;

/// Which rows a piece of SQL is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::directory) enum RowSet {
    /// All of them; used when nothing depends on liveness.
    Whole,
    /// `offline_at` is set.
    Ended,
    /// `offline_at` is NULL.
    Open,
}

/// A condition over one set of rows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::directory) enum Clause {
    /// Every row passes.
    Always,
    /// No row passes.
    Never,
    /// This decides.
    Test(String),
}

impl Condition {
    /// Whether the condition depends on liveness.
    pub(in crate::directory) const fn is_about_liveness(&self) -> bool {
        matches!(self, Self::Online { .. } | Self::Date(DateColumn::Offline, _))
    }

    /// The condition over the rows of `row_set`; `end` is the SQL of their end in it.
    pub(in crate::directory) fn render(&self, row_set: RowSet, end: &str, binder: &mut Binder) -> Clause {
        match self {
            Self::User(test) => numbers(test, "user", binder),
            Self::Text(columns, test) => texts(*columns, test, binder),
            Self::Online { online: true, offline: true } => Clause::Always,
            Self::Online { online: false, offline: false } => Clause::Never,
            Self::Online { online, .. } => match (row_set, online) {
                (RowSet::Ended, true) => Clause::Never,
                (RowSet::Ended, false) => Clause::Always,
                (_, true) => Clause::Test(format!("{end} IS NULL")),
                (_, false) => Clause::Test(format!("{end} IS NOT NULL")),
            },
            Self::Date(DateColumn::Online, test) => dates(test, "online_at", Nulls::None, binder),
            Self::Date(DateColumn::Offline, test) => match row_set {
                RowSet::Ended => dates(test, "offline_at", Nulls::None, binder),
                RowSet::Open | RowSet::Whole => dates(test, end, Nulls::Some, binder),
            },
        }
    }
}

/// Whether an expression can be NULL.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Nulls {
    None,
    Some,
}

fn numbers(test: &Comparison<i64>, column: &str, binder: &mut Binder) -> Clause {
    let mut compare = |operator: &str, bound: &i64| format!("{column} {operator} {}", binder.wide(*bound));
    Clause::Test(match test {
        Comparison::Equal(bound) => compare("=", bound),
        Comparison::NotEqual(bound) => compare("<>", bound),
        Comparison::Greater(bound) => compare(">", bound),
        Comparison::GreaterOrEqual(bound) => compare(">=", bound),
        Comparison::Less(bound) => compare("<", bound),
        Comparison::LessOrEqual(bound) => compare("<=", bound),
        Comparison::In(members) => format!("{column} IN {}", binder.numbers(members.iter().copied())),
        Comparison::NotIn(members) => format!("{column} NOT IN {}", binder.numbers(members.iter().copied())),
        Comparison::Null => return Clause::Never,
        Comparison::NotNull => return Clause::Always,
    })
}

/// Dates compare by the second: every bound becomes one on milliseconds, so that an index on them serves.
fn dates(test: &Comparison<Second>, date: &str, nulls: Nulls, binder: &mut Binder) -> Clause {
    let start = |second: &Second, binder: &mut Binder| binder.wide(second.start().millis());
    let end = |second: &Second, binder: &mut Binder| binder.wide(second.end().millis());
    Clause::Test(match test {
        Comparison::Equal(second) => {
            format!("{date} >= {} AND {date} < {}", start(second, binder), end(second, binder))
        }
        Comparison::NotEqual(second) => {
            format!("({date} < {} OR {date} >= {})", start(second, binder), end(second, binder))
        }
        Comparison::Greater(second) => format!("{date} >= {}", end(second, binder)),
        Comparison::GreaterOrEqual(second) => format!("{date} >= {}", start(second, binder)),
        Comparison::Less(second) => format!("{date} < {}", start(second, binder)),
        Comparison::LessOrEqual(second) => format!("{date} < {}", end(second, binder)),
        Comparison::In(seconds) => format!("{} IN {}", floored(date), starts(seconds, binder)),
        Comparison::NotIn(seconds) => {
            // NULL is not in an empty set either, which SQL takes for a pass.
            format!("{date} IS NOT NULL AND {} NOT IN {}", floored(date), starts(seconds, binder))
        }
        Comparison::Null => match nulls {
            Nulls::None => return Clause::Never,
            Nulls::Some => format!("{date} IS NULL"),
        },
        Comparison::NotNull => match nulls {
            Nulls::None => return Clause::Always,
            Nulls::Some => format!("{date} IS NOT NULL"),
        },
    })
}

/// Milliseconds of the second's start; SQL's remainder has the sign of the dividend.
fn floored(date: &str) -> String {
    format!("{date} - (({date}) % 1000 + 1000) % 1000")
}

fn starts(seconds: &[Second], binder: &mut Binder) -> String {
    binder.numbers(seconds.iter().map(|second| second.start().millis()))
}

fn texts(columns: TextColumns, test: &TextTest, binder: &mut Binder) -> Clause {
    let column = match columns {
        TextColumns::FullName => "full_name",
        TextColumns::DeviceId => "device_id",
        TextColumns::RemoteAddress => "remote_address",
        TextColumns::NameAndAddress => {
            let both = [text("full_name", test, binder), text("remote_address", test, binder)];
            let [Clause::Test(name), Clause::Test(address)] = &both else {
                let [either, _] = both;
                return either;
            };
            let joint = if test.is_negative() { "AND" } else { "OR" };
            return Clause::Test(format!("(({name}) {joint} ({address}))"));
        }
    };
    text(column, test, binder)
}

fn text(column: &str, test: &TextTest, binder: &mut Binder) -> Clause {
    Clause::Test(match test {
        TextTest::Equal(bound) => format!("{column} = {}", binder.text(bound)),
        TextTest::NotEqual(bound) => format!("{column} <> {}", binder.text(bound)),
        TextTest::In(members) => format!("{column} IN {}", binder.texts(members)),
        TextTest::NotIn(members) => format!("{column} NOT IN {}", binder.texts(members)),
        TextTest::Contains(part) | TextTest::StartsWith(part) if part.is_empty() => return Clause::Always,
        TextTest::NotContains(part) | TextTest::NotStartsWith(part) if part.is_empty() => {
            return Clause::Never;
        }
        // Not LIKE: it knows wildcards, folds case and takes 50 bytes at the edge.
        TextTest::Contains(part) => format!("instr({column}, {}) > 0", binder.text(part)),
        TextTest::NotContains(part) => format!("instr({column}, {}) = 0", binder.text(part)),
        TextTest::StartsWith(part) => {
            let from = binder.text(part);
            successor(part).map_or_else(
                || format!("{column} >= {from}"),
                |beyond| format!("{column} >= {from} AND {column} < {}", binder.text(&beyond)),
            )
        }
        TextTest::NotStartsWith(part) => {
            let from = binder.text(part);
            successor(part).map_or_else(
                || format!("{column} < {from}"),
                |beyond| format!("({column} < {from} OR {column} >= {})", binder.text(&beyond)),
            )
        }
        TextTest::Null => return Clause::Never,
        TextTest::NotNull => return Clause::Always,
    })
}

/// The least text that is greater than every text which begins with `prefix`; `None` when there is none.
///
/// SQLite's binary collation orders UTF-8 by bytes, which is the order of code points.
fn successor(prefix: &str) -> Option<String> {
    let mut rest = prefix.chars();
    while let Some(last) = rest.next_back() {
        // A range of characters steps over the surrogates.
        if let Some(next) = (last..=char::MAX).nth(1) {
            return Some(format!("{}{next}", rest.as_str()));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_successor_is_above_every_text_with_the_prefix_and_nothing_lies_between() {
        assert_eq!(successor("ab").as_deref(), Some("ac"));
        assert_eq!(successor("a\u{d7ff}").as_deref(), Some("a\u{e000}"));
        assert_eq!(successor("a\u{10ffff}").as_deref(), Some("b"));
        assert_eq!(successor("\u{10ffff}\u{10ffff}"), None);
        assert_eq!(successor(""), None);
    }
}
