//! What an isolate remembers: that an administrator's token was good a moment ago.
#![cfg_attr(
    not(target_arch = "wasm32"),
    allow(dead_code, reason = "used on the Workers runtime, tested on any")
)]

use std::{collections::HashMap, time::Duration};

use rollcall_core::{time::Timestamp, token::TokenHash};

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
}
