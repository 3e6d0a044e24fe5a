//! What an isolate remembers: that an administrator's token was good a moment ago, and which rows were checked.
#![cfg_attr(
    not(target_arch = "wasm32"),
    allow(dead_code, reason = "used on the Workers runtime, tested on any")
)]

use std::{collections::HashMap, time::Duration};

use rollcall_core::{id::RecordId, time::Timestamp, token::TokenHash};

/// How long an answer is believed, counted from before it was asked for. Orders that it could outlive answer no
/// earlier than this after they are durable.
pub(crate) const BELIEVED: Duration = Duration::from_secs(1);
/// Tokens that are remembered at once.
const MOST: usize = 1_000;

/// Tokens that were good, and when they were asked about.
#[derive(Default)]
pub(crate) struct Good {
    tokens: HashMap<TokenHash, Timestamp>,
}

impl Good {
    /// Whether the token was good within the last second.
    pub(crate) fn has(&self, token: &TokenHash, now: Timestamp) -> bool {
        // A clock that went back proves nothing.
        self.tokens.get(token).is_some_and(|asked| *asked <= now && now.since(*asked) < BELIEVED)
    }

    /// Remembers that the token was good when it was asked about at `asked`.
    pub(crate) fn remember(&mut self, token: TokenHash, asked: Timestamp) {
        if self.tokens.len() >= MOST {
            self.tokens.retain(|_, other| asked.since(*other) < BELIEVED);
        }
        if self.tokens.len() < MOST {
            self.tokens.insert(token, asked);
        }
    }
}

/// For how long a row of the directory that its user's object has confirmed is not held against it again.
const CONFIRMED: Duration = Duration::from_secs(60);
/// Rows that are remembered at once.
const MOST_ROWS: usize = 10_000;

/// Rows of the directory that were held against their users' objects, and when.
#[derive(Default)]
pub(crate) struct Checked {
    rows: HashMap<(i64, RecordId), Timestamp>,
}

impl Checked {
    /// Whether this row of this user was checked lately.
    pub(crate) fn has(&self, user: i64, row: RecordId, now: Timestamp) -> bool {
        let checked = self.rows.get(&(user, row));
        checked.is_some_and(|checked| *checked <= now && now.since(*checked) < CONFIRMED)
    }

    /// Remembers that the row was checked at `now`.
    pub(crate) fn remember(&mut self, user: i64, row: RecordId, now: Timestamp) {
        if self.rows.len() >= MOST_ROWS {
            self.rows.retain(|_, checked| now.since(*checked) < CONFIRMED);
        }
        if self.rows.len() < MOST_ROWS {
            self.rows.insert((user, row), now);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn at(millis: i64) -> Timestamp {
        Timestamp::from_millis(millis)
    }

    #[test]
    fn nothing_is_believed_for_longer_than_its_span() {
        let mut good = Good::default();
        let token = TokenHash::of("t");
        assert!(!good.has(&token, at(0)));
        good.remember(token, at(1_000));
        assert!(good.has(&token, at(1_000)) && good.has(&token, at(1_999)));
        assert!(!good.has(&token, at(2_000)) && !good.has(&token, at(999)));
    }

    #[test]
    fn memory_is_bounded_and_makes_room_when_time_passes() {
        let mut good = Good::default();
        for n in 0..2 * MOST {
            good.remember(TokenHash::of(&n.to_string()), at(0));
        }
        assert_eq!(good.tokens.len(), MOST);
        good.remember(TokenHash::of("later"), at(5_000));
        assert!(good.has(&TokenHash::of("later"), at(5_000)));
        assert_eq!(good.tokens.len(), 1);
    }

    #[test]
    fn a_row_is_checked_again_after_a_minute_and_those_of_others_on_their_own() {
        let mut checked = Checked::default();
        let row = |number| RecordId::from_number(number).unwrap();
        checked.remember(7, row(1), at(0));
        assert!(checked.has(7, row(1), at(59_999)) && !checked.has(7, row(1), at(60_000)));
        assert!(!checked.has(8, row(1), at(0)) && !checked.has(7, row(2), at(0)));
        for number in 1..=i64::try_from(MOST_ROWS).unwrap() + 1 {
            checked.remember(9, row(number), at(30_000));
        }
        assert_eq!(checked.rows.len(), MOST_ROWS);
        checked.remember(9, row(1), at(90_000));
        assert_eq!(checked.rows.len(), 1);
    }
}
