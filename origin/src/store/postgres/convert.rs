//! Conversions between core's values and PostgreSQL's.
//!
//! PostgreSQL's texts have no U+0000, and userIDs may. U+FDD0, a noncharacter that Unicode leaves to the inside of programs, escapes
//! it: `U+FDD0 0` is U+0000, and U+FDD0 twice is itself. Texts without U+0000 keep their order, and whether one contains another; no
//! text in a list or a record has it, since SQLite's lists end a text there.

use std::{borrow::Cow, error::Error, fmt};

use bytes::{BufMut as _, BytesMut};
use rollcall_core::store::Value;
use tokio_postgres::types::{FromSql, IsNull, ToSql, Type, to_sql_checked};

const ESCAPE: char = '\u{fdd0}';
const NUL: char = '0';

/// The type that a parameter is declared with. Texts and numbers look alike to the engine otherwise.
pub(super) const fn type_of(value: &Value) -> Type {
    match value {
        Value::Null => Type::UNKNOWN,
        Value::Int(_) => Type::INT8,
        Value::Text(_) => Type::TEXT,
    }
}

/// A parameter, declared by [`type_of`].
pub(super) struct Bound<'a>(pub(super) &'a Value);

/// What is bound is never shown: the client's library logs it.
impl fmt::Debug for Bound<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("?")
    }
}

impl ToSql for Bound<'_> {
    fn to_sql(&self, _: &Type, out: &mut BytesMut) -> Result<IsNull, Box<dyn Error + Sync + Send>> {
        match self.0 {
            Value::Null => return Ok(IsNull::Yes),
            Value::Int(number) => out.put_i64(*number),
            Value::Text(text) => out.put_slice(escape(text).as_bytes()),
        }
        Ok(IsNull::No)
    }

    fn accepts(_: &Type) -> bool {
        true
    }

    to_sql_checked!();
}

/// A column that was read. Truth is 0 or 1, as in SQLite.
pub(super) struct Read(pub(super) Value);

impl<'a> FromSql<'a> for Read {
    fn from_sql(of: &Type, raw: &'a [u8]) -> Result<Self, Box<dyn Error + Sync + Send>> {
        Ok(Self(match *of {
            Type::BOOL => Value::Int(bool::from_sql(of, raw)?.into()),
            Type::INT2 => Value::Int(i16::from_sql(of, raw)?.into()),
            Type::INT4 => Value::Int(i32::from_sql(of, raw)?.into()),
            Type::INT8 => Value::Int(i64::from_sql(of, raw)?),
            _ => Value::Text(unescape(<&str>::from_sql(of, raw)?)?),
        }))
    }

    fn from_sql_null(_: &Type) -> Result<Self, Box<dyn Error + Sync + Send>> {
        Ok(Self(Value::Null))
    }

    fn accepts(of: &Type) -> bool {
        [Type::BOOL, Type::INT2, Type::INT4, Type::INT8, Type::TEXT].contains(of)
    }
}

fn escape(text: &str) -> Cow<'_, str> {
    if !text.contains([ESCAPE, '\0']) {
        return Cow::Borrowed(text);
    }
    let mut escaped = String::with_capacity(text.len() + 8);
    for character in text.chars() {
        match character {
            '\0' => escaped.extend([ESCAPE, NUL]),
            ESCAPE => escaped.extend([ESCAPE; 2]),
            other => escaped.push(other),
        }
    }
    Cow::Owned(escaped)
}

fn unescape(text: &str) -> Result<String, NotEscaped> {
    if !text.contains(ESCAPE) {
        return Ok(text.to_owned());
    }
    let mut read = String::with_capacity(text.len());
    let mut characters = text.chars();
    while let Some(character) = characters.next() {
        read.push(match character {
            ESCAPE => match characters.next() {
                Some(ESCAPE) => ESCAPE,
                Some(NUL) => '\0',
                _ => return Err(NotEscaped),
            },
            other => other,
        });
    }
    Ok(read)
}

#[derive(Debug, thiserror::Error)]
#[error("a stored text has an escape that this program does not write")]
struct NotEscaped;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_text_comes_back_and_none_holds_a_nul_on_the_way() {
        for text in
            ["", "a", "\0", "a\0b\0", "\u{fdd0}", "\u{fdd0}0", "\0\u{fdd0}\u{fdd0}", "\u{10ffff}\u{e000}'\\"]
        {
            let escaped = escape(text);
            assert!(!escaped.contains('\0'));
            assert_eq!(unescape(&escaped).unwrap(), text);
        }
        assert!(unescape("a\u{fdd0}").is_err() && unescape("\u{fdd0}1").is_err());
    }

    #[test]
    fn order_and_containment_survive() {
        let texts =
            ["", "a", "\u{fdcf}", "\u{fdd0}", "\u{fdd0}a", "\u{fdd0}\u{fdd0}", "\u{fdd1}", "a\u{fdd0}", "b"];
        for one in texts {
            for other in texts {
                assert_eq!(one.cmp(other), escape(one).cmp(&escape(other)), "{one:?} {other:?}");
                assert_eq!(
                    one.contains(other),
                    escape(one).contains(escape(other).as_ref()),
                    "{one:?} {other:?}"
                );
            }
        }
    }

    #[test]
    fn a_bound_value_is_not_shown() {
        assert_eq!(format!("{:?}", Bound(&Value::from("hunter2"))), "?");
    }
}
