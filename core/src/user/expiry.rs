//! The rows of a user's own store that are over at some time, where each user has a store (the edge): expired tokens, and an
//! order about a user who was never seen. Where users share a store, a sweep looks for them.

use std::time::Duration;

use super::{Change, Loaded};
use crate::{
    store::{Statement, Value},
    time::Timestamp,
};

/// The moments at which rows are over, in the rows of this question; read by [`read_next_expiry`].
pub fn next_expiry(unseen_for: Duration) -> Statement {
    Statement::new("SELECT first_expiry, unseen_at + CAST(?1 AS INTEGER) FROM user", [millis(unseen_for)])
}

/// Reads the rows of [`next_expiry`]: the first of them.
pub fn read_next_expiry(rows: &[Vec<Value>]) -> Option<Timestamp> {
    let at = |value: &Value| match value {
        Value::Int(at) => Some(Timestamp::from_millis(*at)),
        Value::Null | Value::Text(_) => None,
    };
    rows.iter().flatten().filter_map(at).min()
}

/// Tokens that are deleted at once. Where more are over, [`next_expiry`] is still due afterwards.
const TOKENS: i64 = 1_000;

/// Deletes what is over by now, or a part of it.
pub fn forget_expired(now: Timestamp, unseen_for: Duration) -> [Statement; 3] {
    [
        Statement::new(
            "DELETE FROM token WHERE (user, state, hash) IN \
             (SELECT user, state, hash FROM token WHERE expires_at <= ?1 LIMIT ?2)",
            [now.millis().into(), TOKENS.into()],
        ),
        Statement::new(
            "UPDATE user SET first_expiry = (SELECT min(expires_at) FROM token) WHERE first_expiry <= ?1",
            [now.millis().into()],
        ),
        Statement::new(
            "DELETE FROM user WHERE unseen_at + CAST(?2 AS INTEGER) <= ?1",
            [now.millis().into(), millis(unseen_for)],
        ),
    ]
}

/// The first of these changes' expiries, unless a row of the store has an earlier one that is waited for already.
pub fn first_expiry(changes: &[Change], loaded: &Loaded, unseen_for: Duration) -> Option<Timestamp> {
    let waited_for = loaded.profile.as_ref().and_then(|profile| profile.first_expiry);
    let expiry = |change: &Change| match change {
        Change::TokenIssued(row) | Change::TokenRestored(row) => {
            Some(row.expires).filter(|expires| waited_for.is_none_or(|at| *expires < at))
        }
        Change::Unseen { at, .. } => Some(*at + unseen_for),
        _ => None,
    };
    changes.iter().filter_map(expiry).min()
}

fn millis(span: Duration) -> Value {
    Value::Int(i64::try_from(span.as_millis()).unwrap_or(i64::MAX))
}

#[cfg(test)]
mod tests {
    use super::{super::Profile, *};
    use crate::{
        directory::tests::support::Database,
        id::UserId,
        platform::Platform,
        serial::Serial,
        store::migrations::StoreKind,
        token::{
            TokenHash,
            store::{TokenRow, TokenState},
        },
    };

    const DAY: Duration = Duration::from_secs(86_400);

    fn at(secs: i64) -> Timestamp {
        Timestamp::from_secs(secs)
    }

    fn token(text: &str, expires: Timestamp) -> Change {
        Change::TokenIssued(TokenRow {
            hash: TokenHash::of(text),
            platform: Platform::Web,
            order: 1,
            issued_at: at(1),
            under: Serial::NONE,
            expires,
            state: TokenState::Valid,
        })
    }

    #[test]
    fn a_users_store_is_empty_once_everything_in_it_is_over() {
        let (database, user) = (Database::of(StoreKind::User), UserId::from(7));
        let commit = |change: &Change| {
            change.statements(&user).iter().for_each(|statement| drop(database.run(statement)));
        };
        let next = || read_next_expiry(&database.run(&next_expiry(DAY)));
        let forget =
            |now| forget_expired(now, DAY).iter().for_each(|statement| drop(database.run(statement)));
        assert_eq!(next(), None);
        commit(&token("a", at(500)));
        commit(&token("b", at(300)));
        commit(&Change::Profile(Profile { first_expiry: Some(at(300)), ..Profile::default() }));
        commit(&Change::Revoked { at: at(100) });
        commit(&Change::Unseen { at: at(100), is_new: true });
        assert_eq!(next(), Some(at(300)));
        forget(at(299));
        assert_eq!(next(), Some(at(300)));
        forget(at(300));
        assert_eq!(next(), Some(at(500)));
        forget(at(500));
        assert_eq!(next(), Some(at(100) + DAY), "the order is kept for longer");
        forget(at(100) + DAY);
        assert_eq!(next(), None);
    }

    /// The known-wrong way was one statement that deleted all there was.
    #[test]
    fn tokens_that_are_over_go_in_pieces_and_are_waited_for_until_the_last() {
        let (database, user) = (Database::of(StoreKind::User), UserId::from(7));
        let (many, of_piece) = (2_500, 1_000);
        for number in 0..many {
            token(&number.to_string(), at(300))
                .statements(&user)
                .iter()
                .for_each(|one| drop(database.run(one)));
        }
        let profile = Change::Profile(Profile { first_expiry: Some(at(300)), ..Profile::default() });
        profile.statements(&user).iter().for_each(|one| drop(database.run(one)));
        let mut left = many;
        while let Some(due) = read_next_expiry(&database.run(&next_expiry(DAY))) {
            assert_eq!(due, at(300));
            forget_expired(at(400), DAY).iter().for_each(|statement| drop(database.run(statement)));
            left = (left - of_piece).max(0);
            let count = Statement::new("SELECT count(*) FROM token", []);
            assert_eq!(database.run(&count), [[Value::Int(left)]]);
        }
        assert_eq!(left, 0);
    }

    #[test]
    fn the_first_token_is_waited_for_and_those_after_it_cost_nothing() {
        let before = |first_expiry| Loaded {
            profile: Some(Profile { first_expiry, ..Profile::default() }),
            ..Loaded::default()
        };
        let of = |change, before| first_expiry(&[change], &before, DAY);
        assert_eq!(of(token("a", at(500)), before(None)), Some(at(500)));
        assert_eq!(of(token("b", at(600)), before(Some(at(500)))), None);
        assert_eq!(of(token("c", at(400)), before(Some(at(500)))), Some(at(400)), "one that lives for less");
    }
}
