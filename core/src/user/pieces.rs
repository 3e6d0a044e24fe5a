//! Kicks of all tokens of a set, in pieces where one writer serves all users.
//!
//! Login policies bound the good tokens of other platforms. Those of administrators have no bound: a back end may ask for one at each call.

use super::Change;
use crate::{
    id::UserId,
    platform::Platform,
    store::{Statement, Value},
    token::store::TokenSet,
};

/// Tokens of one piece.
const TOKENS: u32 = 1_000;

/// The hash of the last token of the next piece; no row where no more are left than one commit may change.
pub fn end_of_piece(user: &UserId, after: &str) -> Statement {
    Statement::new(
        "SELECT hash FROM token WHERE user = ?1 AND hash > ?2 ORDER BY hash LIMIT 1 OFFSET ?3",
        [user.as_str().into(), after.into(), Value::Int(TOKENS.into())],
    )
}

/// Reads the rows of [`end_of_piece`].
pub fn read_end_of_piece(rows: &[Vec<Value>]) -> Option<String> {
    match rows.first()?.first()? {
        Value::Text(hash) => Some(hash.clone()),
        Value::Null | Value::Int(_) => None,
    }
}

impl Change {
    /// Whether the change may kick more tokens than one commit should.
    pub fn is_long(&self) -> bool {
        let Self::TokensKicked(set) = self else { return false };
        matches!(set, TokenSet::All | TokenSet::Platform { platform: Platform::Admin, except: None })
    }

    /// A piece of a change that [is long](Self::is_long): what it kicks behind one hash and up to another. A kick is final and commutes with
    /// every other change, so that pieces may be durable before the rest of an outcome; all of the change belongs into that.
    pub fn piece(&self, user: &UserId, after: &str, to: &str) -> Option<Statement> {
        let platform = match self {
            Self::TokensKicked(TokenSet::All) => None,
            Self::TokensKicked(TokenSet::Platform { platform, except: None }) => Some(*platform),
            _ => return None,
        };
        let number = platform.map(|platform| Value::Int(i64::from(platform.number())));
        let condition = if number.is_some() { " AND platform = ?4" } else { "" };
        let sql = format!(
            "UPDATE token SET state = 1 WHERE user = ?1 AND hash > ?2 AND hash <= ?3 AND state = 0{condition}"
        );
        let params = [user.as_str().into(), after.into(), to.into()].into_iter().chain(number);
        Some(Statement::new(sql, params.collect::<Vec<_>>()))
    }
}
