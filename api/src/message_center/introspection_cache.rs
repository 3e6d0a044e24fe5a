//! The answers of the issuer of tokens, for a short time (`auth.introspection.cache_seconds`).

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use rollcall_core::{message_center::Introspected, time::Timestamp, token::TokenHash};

/// The most answers in the cache; further ones are asked for each time.
const MOST: usize = 10_000;

/// An issuer's answers by the SHA-256 of the token. Revocations are checked after it, every time.
#[derive(Debug, Default)]
pub struct IntrospectionCache {
    answers: Mutex<HashMap<TokenHash, Kept>>,
}

#[derive(Debug)]
struct Kept {
    asked: Timestamp,
    until: Timestamp,
    answer: Introspected,
}

impl Kept {
    /// A clock that went back proves nothing.
    fn is_good(&self, now: Timestamp) -> bool {
        self.asked <= now && now < self.until
    }
}

impl IntrospectionCache {
    /// The answer about a token, unless it is too old.
    pub fn get(&self, token: &TokenHash, now: Timestamp) -> Option<Introspected> {
        let answers = self.answers.lock().unwrap_or_else(PoisonError::into_inner);
        answers.get(token).filter(|kept| kept.is_good(now)).map(|kept| kept.answer.clone())
    }

    /// Keeps an answer of `now`, an active one for `at_most` (`auth.introspection.cache_seconds`).
    pub fn keep(&self, token: TokenHash, answer: &Introspected, now: Timestamp, at_most: Duration) {
        let mut answers = self.answers.lock().unwrap_or_else(PoisonError::into_inner);
        if answers.len() >= MOST {
            answers.retain(|_, kept| kept.is_good(now));
        }
        if answers.len() < MOST {
            let until = answer.keep_until(now, at_most);
            answers.insert(token, Kept { asked: now, until, answer: answer.clone() });
        }
    }
}

#[cfg(test)]
mod tests {
    use rollcall_core::{id::UserId, message_center::Principal};

    use super::*;

    const SPAN: Duration = Duration::from_secs(30);

    fn at(secs: i64) -> Timestamp {
        Timestamp::from_secs(secs)
    }

    #[test]
    fn an_answer_is_used_until_its_time_is_over() {
        let cache = IntrospectionCache::default();
        let active = Introspected::Active(Box::new(Principal::openim_admin(UserId::from(1))));
        let (one, other) = (TokenHash::of("1"), TokenHash::of("2"));
        cache.keep(one, &active, at(0), SPAN);
        cache.keep(other, &Introspected::Inactive, at(0), SPAN);
        assert_eq!(cache.get(&one, at(29)), Some(active));
        assert_eq!(cache.get(&one, at(30)), None);
        assert_eq!(cache.get(&one, at(-1)), None, "the clock was set back");
        assert_eq!(cache.get(&other, at(4)), Some(Introspected::Inactive));
        assert_eq!(cache.get(&other, at(5)), None);
    }

    #[test]
    fn the_cache_is_bounded_and_makes_room_when_time_passes() {
        let cache = IntrospectionCache::default();
        let token = |n: usize| TokenHash::of(&n.to_string());
        (0..2 * MOST).for_each(|n| cache.keep(token(n), &Introspected::Inactive, at(0), SPAN));
        assert_eq!(cache.answers.lock().unwrap().len(), MOST);
        cache.keep(token(usize::MAX), &Introspected::Inactive, at(10), SPAN);
        assert!(cache.get(&token(usize::MAX), at(10)).is_some());
    }
}
