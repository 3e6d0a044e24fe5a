//! Core's SQL text, which is SQLite's, as PostgreSQL's. A text is rewritten once.
//!
//! Core writes what both engines take wherever both have it. What is left is rewritten here, word by word:
//!
//! | core | here |
//! |---|---|
//! | `?1` | `$1` |
//! | `user` | `"user"`: without quotes it is the name of the role, silently |
//! | `CAST(… AS INTEGER)` | `CAST(… AS bigint)` |
//! | `INDEXED BY name`, `NOT INDEXED` | nothing: this planner has statistics |
//! | `CROSS JOIN … ON` | `JOIN … ON`: SQLite's word for an order that its planner keeps |
//! | `instr(a, b)` | `strpos(a, b)` |
//! | `max(a, b)`, `min(a, b)`, or more | `greatest(a, b)`, `least(a, b)`; none of ours has an argument that may be NULL |
//! | `json_each(?1) AS name` | `jsonb_array_elements($1::jsonb) AS name(value)` |
//! | `json_each(a, '$.b') AS name` | `jsonb_array_elements(a::jsonb -> 'b') AS name(value)` |
//! | `CAST(value AS TEXT)` | `(value #>> '{}')`: an element's text, without its quotes |
//!
//! A word that is in no list of this file is an error, so that a statement with a function of SQLite alone fails in its first test.

use std::fmt::Write as _;

/// A statement has something that is not known here.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the statement has {what:?}, which has no known form in PostgreSQL: {sql}")]
pub(super) struct Untranslatable {
    what: String,
    sql: String,
}

/// Functions that both engines have, with one meaning.
const SHARED_FUNCTIONS: [&str; 5] = ["coalesce", "count", "nullif", "row_number", "sum"];

/// Functions of the schema, or of this engine, for statements that the other one never gets.
const OWN_FUNCTIONS: [&str; 5] = ["clock", "declare_dead", "leave", "pg_notify", "set_config"];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Token<'a> {
    Space,
    /// A keyword, a name or a function.
    Word(&'a str),
    /// A name in double quotes, or a text in single ones, with its quotes.
    Quoted(&'a str),
    Number(&'a str),
    /// The place of a parameter, from 1.
    Parameter(usize),
    Symbol(&'a str),
}

/// The text as PostgreSQL takes it.
///
/// # Errors
/// When it has a part that has no known form.
pub(super) fn rewrite(sql: &str) -> Result<String, Untranslatable> {
    let unknown = |what: &str| Untranslatable { what: what.to_owned(), sql: sql.to_owned() };
    let tokens = tokens(sql).map_err(unknown)?;
    if let Some(word) = ordered_as_text(&tokens) {
        return Err(unknown(word));
    }
    let mut writer = Writer { tokens: &tokens, at: 0, sql: String::with_capacity(sql.len() + 32) };
    writer.all().map_err(unknown)?;
    Ok(writer.sql)
}

fn is_word(token: &Token<'_>, word: &str) -> bool {
    matches!(token, Token::Word(found) if found.eq_ignore_ascii_case(word))
}

fn tokens(sql: &str) -> Result<Vec<Token<'_>>, &str> {
    let mut tokens = Vec::new();
    let mut rest = sql;
    while let Some(first) = rest.chars().next() {
        let (token, length) = match first {
            _ if first.is_ascii_whitespace() => (Token::Space, length_of(rest, |c| c.is_ascii_whitespace())),
            'a'..='z' | 'A'..='Z' | '_' => {
                let length = length_of(rest, |c| c.is_ascii_alphanumeric() || c == '_');
                (Token::Word(part(rest, length)), length)
            }
            '0'..='9' => {
                let length = length_of(rest, |c| c.is_ascii_digit());
                (Token::Number(part(rest, length)), length)
            }
            '?' => {
                let digits = length_of(part_after(rest, 1), |c| c.is_ascii_digit());
                let place =
                    part(part_after(rest, 1), digits).parse().ok().filter(|place| *place > 0).ok_or(rest)?;
                (Token::Parameter(place), 1 + digits)
            }
            '\'' | '"' => {
                // A doubled quote is two tokens, which are written one behind the other.
                let inside = part_after(rest, 1).find(first).ok_or(rest)?;
                (Token::Quoted(part(rest, inside + 2)), inside + 2)
            }
            _ => {
                let symbols = ["->>", "||", "<=", ">=", "<>"];
                let length = symbols.into_iter().find(|symbol| rest.starts_with(symbol)).map_or(1, str::len);
                if length == 1 && !"(),.=<>+-*%".contains(first) {
                    return Err(rest);
                }
                (Token::Symbol(part(rest, length)), length)
            }
        };
        tokens.push(token);
        rest = part_after(rest, length);
    }
    Ok(tokens)
}

fn length_of(text: &str, belongs: impl Fn(char) -> bool) -> usize {
    text.find(|c: char| !belongs(c)).unwrap_or(text.len())
}

fn part(text: &str, length: usize) -> &str {
    text.get(..length).unwrap_or(text)
}

fn part_after(text: &str, length: usize) -> &str {
    text.get(length..).unwrap_or_default()
}

/// A column that rows are ordered by, and that the same query casts to text: the order is then of the text here, whose name is the
/// column's, and of the column in SQLite. With its table's name it is the column in both.
fn ordered_as_text<'s>(tokens: &[Token<'s>]) -> Option<&'s str> {
    let words: Vec<_> = tokens.iter().copied().filter(|token| *token != Token::Space).collect();
    let (mut depth, mut casts, mut orders, mut ordered_at) = (0_usize, Vec::new(), Vec::new(), None);
    for (at, token) in words.iter().enumerate() {
        let behind = |count: usize| words.get(at + count);
        match token {
            Token::Symbol("(") => depth += 1,
            Token::Symbol(")") => {
                depth = depth.saturating_sub(1);
                ordered_at = ordered_at.filter(|of| *of <= depth);
            }
            Token::Word(_) if is_word(token, "CAST") => {
                let is_text = |count| {
                    behind(count).is_some_and(|token| is_word(token, "AS"))
                        && behind(count + 1).is_some_and(|token| is_word(token, "TEXT"))
                };
                let place = [2, 4].into_iter().find(|place| is_text(place + 1));
                if let Some(Token::Word(column)) = place.and_then(behind) {
                    casts.push((depth, *column));
                }
            }
            Token::Word(_) if is_word(token, "BY") => ordered_at = Some(depth),
            Token::Word(_)
                if ["LIMIT", "UNION"].into_iter().any(|word| is_word(token, word))
                    && ordered_at == Some(depth) =>
            {
                ordered_at = None;
            }
            Token::Word(column) if ordered_at == Some(depth) => {
                let begins = at
                    .checked_sub(1)
                    .and_then(|before| words.get(before))
                    .is_some_and(|token| is_word(token, "BY") || *token == Token::Symbol(","));
                let ends = behind(1).is_none_or(|token| match token {
                    Token::Symbol(symbol) => [",", ")"].contains(symbol),
                    Token::Word(_) => {
                        ["ASC", "DESC", "NULLS", "LIMIT"].into_iter().any(|word| is_word(token, word))
                    }
                    _ => false,
                });
                if begins && ends {
                    orders.push((depth, *column));
                }
            }
            _ => {}
        }
    }
    orders.into_iter().find(|order| casts.contains(order)).map(|(_, column)| column)
}

struct Writer<'t, 's> {
    tokens: &'t [Token<'s>],
    at: usize,
    sql: String,
}

impl<'s> Writer<'_, 's> {
    fn all(&mut self) -> Result<(), &'s str> {
        while let Some(token) = self.tokens.get(self.at).copied() {
            match token {
                Token::Word(word) => self.word(word)?,
                token => {
                    self.push(token);
                    self.at += 1;
                }
            }
        }
        Ok(())
    }

    fn push(&mut self, token: Token<'_>) {
        match token {
            Token::Space => self.sql.push(' '),
            Token::Word(text) | Token::Quoted(text) | Token::Number(text) | Token::Symbol(text) => {
                self.sql.push_str(text);
            }
            Token::Parameter(place) => {
                // Writing to a text does not fail.
                let _ = write!(self.sql, "${place}");
            }
        }
    }

    /// The tokens that are not space, from the present one on.
    fn ahead(&self) -> impl Iterator<Item = (usize, Token<'s>)> + '_ {
        let all = self.tokens.iter().copied().enumerate().skip(self.at);
        all.filter(|(_, token)| *token != Token::Space)
    }

    fn word(&mut self, word: &'s str) -> Result<(), &'s str> {
        let next: Vec<_> = self.ahead().take(8).collect();
        let token = |nth: usize| next.get(nth).map(|(_, token)| *token);
        let is = |nth: usize, word: &str| token(nth).is_some_and(|token| is_word(&token, word));
        let symbol = |nth: usize, symbol: &str| token(nth) == Some(Token::Symbol(symbol));
        let is_call = symbol(1, "(");
        let lower = word.to_ascii_lowercase();
        match lower.as_str() {
            "indexed" if is(1, "BY") && matches!(token(2), Some(Token::Word(_))) => {
                self.skip_to(next.get(2).map(|(at, _)| at + 1));
            }
            "not" if is(1, "INDEXED") => self.skip_to(next.get(1).map(|(at, _)| at + 1)),
            "cross" if is(1, "JOIN") => self.skip_to(next.get(1).map(|(at, _)| *at)),
            "integer" => self.replace("bigint"),
            "user" => self.replace("\"user\""),
            "instr" if is_call => self.replace("strpos"),
            "json_each" if is_call => return self.list(word),
            "max" | "min" if is_call => {
                let name = match (self.arguments()?, lower.as_str()) {
                    (1, _) => word,
                    (_, "max") => "greatest",
                    _ => "least",
                };
                self.replace(name);
            }
            "cast" if is_call => match next.as_slice() {
                [_, _, (_, Token::Word(value)), (_, by), (_, to), (last, Token::Symbol(")")), ..]
                    if is_element(value) && is_word(by, "AS") && is_word(to, "TEXT") =>
                {
                    let _ = write!(self.sql, "({value} #>> '{{}}')");
                    self.at = last + 1;
                }
                [
                    _,
                    _,
                    (_, Token::Word(list)),
                    (_, Token::Symbol(".")),
                    (_, Token::Word(value)),
                    (_, by),
                    (_, to),
                    (last, Token::Symbol(")")),
                ] if is_element(value) && is_word(by, "AS") && is_word(to, "TEXT") => {
                    let _ = write!(self.sql, "({list}.{value} #>> '{{}}')");
                    self.at = last + 1;
                }
                _ => self.replace("CAST"),
            },
            // An element is read by its place, or cast: what it is by itself, each engine says otherwise.
            "value" if !symbol(1, "->>") && !self.is_cast() => return Err(word),
            name if is_call
                && !SHARED_FUNCTIONS.contains(&name)
                && !OWN_FUNCTIONS.contains(&name)
                && !may_precede_parenthesis(&lower)
                && !self.is_name() =>
            {
                return Err(word);
            }
            _ => self.replace(word),
        }
        Ok(())
    }

    fn replace(&mut self, by: &str) {
        self.sql.push_str(by);
        self.at += 1;
    }

    fn skip_to(&mut self, at: Option<usize>) {
        self.at = at.unwrap_or(self.tokens.len());
        // One space is enough.
        if self.sql.ends_with(' ') && self.tokens.get(self.at) == Some(&Token::Space) {
            self.at += 1;
        }
    }

    /// The number of arguments of the call of the present word.
    fn arguments(&self) -> Result<usize, &'s str> {
        let (mut depth, mut arguments) = (0_usize, 1);
        for (_, token) in self.ahead() {
            match token {
                Token::Symbol("(") => depth += 1,
                Token::Symbol(")") if depth == 1 => return Ok(arguments),
                Token::Symbol(")") => depth = depth.saturating_sub(1),
                Token::Symbol(",") if depth == 1 => arguments += 1,
                _ => {}
            }
        }
        Err("(")
    }

    /// Whether the present word stands alone in a `CAST`, behind a name of its list or not.
    fn is_cast(&self) -> bool {
        let before: Vec<_> =
            self.tokens.iter().take(self.at).rev().filter(|token| **token != Token::Space).take(4).collect();
        let is_open = |nth: usize| {
            before.get(nth) == Some(&&Token::Symbol("("))
                && before.get(nth + 1).is_some_and(|token| is_word(token, "CAST"))
        };
        let is_alone = is_open(0) || (before.first() == Some(&&Token::Symbol(".")) && is_open(2));
        is_alone && self.ahead().nth(1).is_some_and(|(_, token)| is_word(&token, "AS"))
    }

    /// Whether the present word is the name of a table or of a common table expression, whose columns follow.
    fn is_name(&self) -> bool {
        let mut before = self.tokens.iter().take(self.at).rev().filter(|token| **token != Token::Space);
        let last = before.next();
        last.is_some_and(|token| ["INTO", "WITH", "RECURSIVE"].into_iter().any(|word| is_word(token, word)))
    }

    /// `json_each(…)` with the name of its rows.
    fn list(&mut self, word: &'s str) -> Result<(), &'s str> {
        let next: Vec<_> = self.ahead().take(8).collect();
        let tokens: Vec<_> = next.iter().map(|(_, token)| *token).collect();
        let end = match tokens.as_slice() {
            [_, _, Token::Parameter(place), Token::Symbol(")"), ..] => {
                let _ = write!(self.sql, "jsonb_array_elements(${place}::jsonb)");
                3
            }
            [_, _, Token::Word(column), Token::Symbol(","), Token::Quoted(path), Token::Symbol(")"), ..] => {
                let key = path.strip_prefix("'$.").and_then(|key| key.strip_suffix('\'')).ok_or(*path)?;
                let _ = write!(self.sql, "jsonb_array_elements({column}::jsonb -> '{key}')");
                5
            }
            _ => return Err(word),
        };
        let is_named = tokens.get(end + 1).is_some_and(|token| is_word(token, "AS"));
        match tokens.get(end + 2) {
            Some(Token::Word(name)) if is_named => {
                let _ = write!(self.sql, " AS {name}(value)");
                self.at = next.get(end + 2).map_or(self.tokens.len(), |(at, _)| at + 1);
            }
            _ => {
                self.sql.push_str(" AS list(value)");
                self.at = next.get(end).map_or(self.tokens.len(), |(at, _)| at + 1);
            }
        }
        Ok(())
    }
}

fn is_element(word: &str) -> bool {
    word == "value"
}

/// Words that are no functions and may stand before a parenthesis.
fn may_precede_parenthesis(lower: &str) -> bool {
    const WORDS: [&str; 19] = [
        "and",
        "as",
        "conflict",
        "else",
        "exists",
        "from",
        "in",
        "join",
        "materialized",
        "not",
        "on",
        "or",
        "over",
        "select",
        "then",
        "values",
        "when",
        "where",
        "set",
    ];
    WORDS.contains(&lower)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rewritten(sql: &str) -> String {
        rewrite(sql).unwrap()
    }

    #[test]
    fn what_both_engines_take_stays() {
        for sql in [
            "SELECT hash, platform FROM token WHERE state IN (0, 1) AND hash <> '' ORDER BY hash LIMIT 5",
            "WITH RECURSIVE own (id) AS (SELECT min(connection) FROM subscription) SELECT count(*) FROM own",
            "WITH hit (k, id) AS MATERIALIZED (SELECT id AS k, id FROM record) SELECT k, id FROM hit",
            "SELECT row_number() OVER (ORDER BY k DESC, id DESC) AS place FROM record WHERE (k % 1000 + 1000) % 1000 = 0",
            "INSERT INTO lease (id, renewed_at) VALUES (1, 2) ON CONFLICT (id) DO UPDATE SET renewed_at = excluded.renewed_at",
            "SELECT CAST(id AS TEXT) FROM (SELECT id FROM record ORDER BY id LIMIT 5) AS page ORDER BY page.id",
            "SELECT coalesce(offline_at, CASE WHEN (true) THEN (1) END) FROM record WHERE a = 'it''s user'",
        ] {
            assert_eq!(rewritten(sql), sql);
        }
    }

    #[test]
    fn each_difference_has_its_form() {
        for (sql, expected) in [
            ("WHERE user = ?12 AND t.user = ?1", "WHERE \"user\" = $12 AND t.\"user\" = $1"),
            ("CAST(?1 AS INTEGER)", "CAST($1 AS bigint)"),
            ("CAST(tenant AS TEXT)", "CAST(tenant AS TEXT)"),
            ("FROM record INDEXED BY record_open WHERE", "FROM record WHERE"),
            ("FROM record NOT INDEXED WHERE id NOT IN (1)", "FROM record WHERE id NOT IN (1)"),
            ("FROM a CROSS JOIN b AS c INDEXED BY d ON true", "FROM a JOIN b AS c ON true"),
            ("instr(full_name, ?1) > 0", "strpos(full_name, $1) > 0"),
            ("max(online_at, CAST(?1 AS INTEGER))", "greatest(online_at, CAST($1 AS bigint))"),
            ("min(a, max(b, (SELECT min(c) FROM d)))", "least(a, greatest(b, (SELECT min(c) FROM d)))"),
            ("nullif(min(a, 9, b), 9)", "nullif(least(a, 9, b), 9)"),
            ("FROM json_each(?2) AS live", "FROM jsonb_array_elements($2::jsonb) AS live(value)"),
            (
                "FROM json_each(?2) WHERE true",
                "FROM jsonb_array_elements($2::jsonb) AS list(value) WHERE true",
            ),
            (
                "FROM json_each(member_of, '$.groups') AS body)",
                "FROM jsonb_array_elements(member_of::jsonb -> 'groups') AS body(value))",
            ),
            ("CAST(value AS TEXT), CAST(live.value AS TEXT)", "(value #>> '{}'), (live.value #>> '{}')"),
            (
                "CAST(body.value AS INTEGER), CAST(value AS INTEGER)",
                "CAST(body.value AS bigint), CAST(value AS bigint)",
            ),
            (
                "CAST(value ->> 3 AS INTEGER), known.value ->> 0",
                "CAST(value ->> 3 AS bigint), known.value ->> 0",
            ),
        ] {
            assert_eq!(rewritten(sql), expected);
        }
    }

    #[test]
    fn what_is_not_known_is_an_error() {
        for sql in [
            "SELECT changes()",
            "SELECT group_concat(id) FROM record",
            "SELECT value FROM json_each(?1)",
            "SELECT CAST(value + 1 AS INTEGER) FROM json_each(?1)",
            "SELECT CAST(x.value AS INTEGER) + y.value FROM json_each(?1) AS x",
            "SELECT id FROM json_each(a, ?1)",
            "SELECT ? FROM a",
            "SELECT x'00'; SELECT 1",
            "SELECT 'open",
            "SELECT CAST(record.id AS TEXT) FROM record ORDER BY online_at DESC, id DESC LIMIT 5",
            "SELECT CAST(id AS TEXT) FROM record ORDER BY id",
        ] {
            assert!(rewrite(sql).is_err(), "{sql}");
        }
    }
}
