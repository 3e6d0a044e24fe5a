//! SQL text with numbered parameters, shared by the statements of this module.

use std::borrow::Cow;

use crate::store::{Statement, Value};

/// Collects parameters while the text is written.
///
/// An equal value reuses its parameter, so that a statement with repeated values stays far below the 100 parameters of the
/// Workers runtime.
#[derive(Debug, Default)]
pub(super) struct Binder {
    params: Vec<Value>,
}

impl Binder {
    /// Binds `value` and returns its place, such as `?3`.
    pub(super) fn bind(&mut self, value: Value) -> String {
        let known = self.params.iter().position(|bound| *bound == value);
        let index = known.unwrap_or_else(|| {
            self.params.push(value);
            self.params.len() - 1
        });
        format!("?{}", index + 1)
    }

    /// A text, cleaned as it is when it is stored.
    pub(super) fn text(&mut self, text: &str) -> String {
        self.bind(Value::Text(clean(text).into_owned()))
    }

    /// A 64-bit number, exact on both runtimes.
    pub(super) fn wide(&mut self, number: i64) -> String {
        format!("CAST({} AS INTEGER)", self.bind(Value::wide(number)))
    }

    /// A set of 64-bit numbers as a subquery, whatever its length.
    pub(super) fn numbers(&mut self, numbers: impl IntoIterator<Item = i64>) -> String {
        let list: Vec<_> = numbers.into_iter().map(|number| number.to_string()).collect();
        let place = self.bind(Value::Text(format!("[{}]", list.join(","))));
        format!("(SELECT CAST(value AS INTEGER) FROM json_each({place}))")
    }

    /// A set of texts as a subquery, whatever its length.
    pub(super) fn texts<'a>(&mut self, texts: impl IntoIterator<Item = &'a String>) -> String {
        let list: serde_json::Value = texts.into_iter().map(|text| clean(text).into_owned()).collect();
        let place = self.bind(Value::Text(list.to_string()));
        format!("(SELECT CAST(value AS TEXT) FROM json_each({place}))")
    }

    /// The finished statement, with the parameters that its text names. Both runtimes reject a surplus parameter, and a
    /// piece of SQL may be dropped after it was written.
    pub(super) fn statement(self, sql: String) -> Statement {
        let mut named: Vec<usize> = Vec::new();
        let mut pieces = sql.split('?');
        let mut text = pieces.next().unwrap_or_default().to_owned();
        for piece in pieces {
            let rest = piece.trim_start_matches(|digit: char| digit.is_ascii_digit());
            let number = piece.strip_suffix(rest).and_then(|digits| digits.parse().ok()).unwrap_or(0);
            let place = named.iter().position(|known| *known == number).unwrap_or_else(|| {
                named.push(number);
                named.len() - 1
            });
            text.push_str(&format!("?{}{rest}", place + 1));
        }
        let params = named.iter().filter_map(|number| self.params.get(number.checked_sub(1)?).cloned());
        Statement::new(text, params.collect::<Vec<_>>())
    }
}

/// A text as the directory stores it. SQLite's JSON functions end a string at U+0000, so that character is replaced, in
/// records and in filter values alike.
pub(crate) fn clean(text: &str) -> Cow<'_, str> {
    if text.contains('\0') { Cow::Owned(text.replace('\0', "\u{fffd}")) } else { Cow::Borrowed(text) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_equal_value_is_bound_once() {
        let mut binder = Binder::default();
        assert_eq!(binder.text("a"), "?1");
        assert_eq!(binder.wide(7), "CAST(?2 AS INTEGER)");
        assert_eq!(binder.text("a"), "?1");
        assert_eq!(binder.statement("?1 ?2".into()).params.len(), 2);
    }

    #[test]
    fn a_nul_character_never_reaches_the_database() {
        let mut binder = Binder::default();
        binder.text("a\0b");
        assert_eq!(binder.statement("?1".into()).params, [Value::from("a\u{fffd}b")]);
    }

    #[test]
    fn a_parameter_that_the_text_does_not_name_is_not_bound() {
        let mut binder = Binder::default();
        let places: Vec<_> = ["a", "b", "c"].iter().map(|text| binder.text(text)).collect();
        let statement = binder.statement(format!("{} {} {}", places[2], places[0], places[2]));
        assert_eq!(statement, Statement::new("?1 ?2 ?1", ["c".into(), "a".into()]));
    }
}
