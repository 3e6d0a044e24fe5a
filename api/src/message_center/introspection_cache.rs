//! The answers of the issuer of tokens, for a short time (`auth.introspection.cache_seconds`).

use std::{
    collections::{HashMap, HashSet},
    mem,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use rollcall_core::{message_center::Introspected, time::Timestamp, token::TokenHash};

/// The most active answers in the cache, and the most inactive ones; further ones are asked for each time.
const MOST: usize = 10_000;

/// The tokens that are known to have been good, at least; twice as many at most.
const KNOWN: usize = 100_000;

/// An issuer's answers by the SHA-256 of the token. Revocations are checked after it, every time.
///
/// Inactive answers have memory of their own: any client can cause them.
#[derive(Debug, Default)]
pub struct IntrospectionCache {
    answers: Mutex<Answers>,
}

#[derive(Debug, Default)]
struct Answers {
    active: Kept<Introspected>,
    inactive: Kept<()>,
    good: Known,
}

/// Tokens whose last answer was active, whether the answer is kept or not. A part of each hash is enough: it decides about
/// nothing but the place in which the token is asked about.
#[derive(Debug)]
struct Known {
    /// The most of each.
    most: usize,
    recent: HashSet<u64>,
    /// Those from before, which go when the recent ones are as many as may be.
    older: HashSet<u64>,
}

impl Known {
    fn has(&self, token: &TokenHash) -> bool {
        let token = token.prefix();
        self.recent.contains(&token) || self.older.contains(&token)
    }

    fn insert(&mut self, token: &TokenHash) {
        let token = token.prefix();
        if self.recent.len() >= self.most && !self.recent.contains(&token) {
            self.older = mem::take(&mut self.recent);
        }
        self.recent.insert(token);
    }

    fn remove(&mut self, token: &TokenHash) {
        self.recent.remove(&token.prefix());
        self.older.remove(&token.prefix());
    }
}

/// Answers, each with its time.
#[derive(Debug)]
struct Kept<A> {
    answers: HashMap<TokenHash, (Span, A)>,
    /// In which none of them makes room.
    full: Option<Span>,
}

/// The time in which an answer is good.
#[derive(Clone, Copy, Debug)]
struct Span {
    asked: Timestamp,
    until: Timestamp,
}

impl Span {
    /// A clock that went back proves nothing.
    fn has(&self, now: Timestamp) -> bool {
        self.asked <= now && now < self.until
    }
}

impl IntrospectionCache {
    /// The answer about a token, unless it is too old.
    pub fn get(&self, token: &TokenHash, now: Timestamp) -> Option<Introspected> {
        let answers = self.answers.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((span, answer)) = answers.active.answers.get(token) {
            return Some(answer).filter(|_| span.has(now)).cloned();
        }
        answers.inactive.answers.get(token).filter(|(span, ())| span.has(now)).map(|_| Introspected::Inactive)
    }

    /// Whether the last answer about a token was active, however old it is. Of very many tokens those are known that were asked
    /// about last.
    pub fn knows(&self, token: &TokenHash) -> bool {
        let answers = self.answers.lock().unwrap_or_else(PoisonError::into_inner);
        answers.good.has(token)
    }

    /// Keeps an answer of `now`, an active one for `at_most` (`auth.introspection.cache_seconds`).
    pub fn keep(&self, token: TokenHash, answer: &Introspected, now: Timestamp, at_most: Duration) {
        let mut answers = self.answers.lock().unwrap_or_else(PoisonError::into_inner);
        let span = Span { asked: now, until: answer.keep_until(now, at_most) };
        if *answer == Introspected::Inactive {
            answers.good.remove(&token);
            answers.active.answers.remove(&token);
            answers.inactive.insert(token, (span, ()), now);
        } else {
            answers.good.insert(&token);
            answers.inactive.answers.remove(&token);
            answers.active.insert(token, (span, answer.clone()), now);
        }
    }
}

impl<A> Kept<A> {
    /// Where there is no room, answers that are too old make it.
    fn insert(&mut self, token: TokenHash, answer: (Span, A), now: Timestamp) {
        if self.answers.len() >= MOST && !self.answers.contains_key(&token) {
            if self.full.is_some_and(|full| full.has(now)) {
                return;
            }
            self.answers.retain(|_, (span, _)| span.has(now));
            if self.answers.len() >= MOST {
                let first = self.answers.values().map(|(span, _)| span.until).min();
                self.full = first.map(|until| Span { asked: now, until });
                return;
            }
        }
        self.answers.insert(token, answer);
    }
}

impl Default for Known {
    fn default() -> Self {
        Self { most: KNOWN, recent: HashSet::new(), older: HashSet::new() }
    }
}

impl<A> Default for Kept<A> {
    fn default() -> Self {
        Self { answers: HashMap::new(), full: None }
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

    fn active() -> Introspected {
        Introspected::Active(Box::new(Principal::openim_admin(UserId::from(1))))
    }

    #[test]
    fn an_answer_is_used_until_its_time_is_over() {
        let cache = IntrospectionCache::default();
        let active = active();
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
    fn a_token_is_known_from_its_first_active_answer_to_its_first_inactive_one() {
        let cache = IntrospectionCache::default();
        let (token, active) = (TokenHash::of("1"), active());
        assert!(!cache.knows(&token));
        cache.keep(token, &Introspected::Inactive, at(0), SPAN);
        assert!(!cache.knows(&token));
        cache.keep(token, &active, at(0), SPAN);
        assert_eq!(cache.get(&token, at(1)), Some(active));
        assert_eq!(cache.get(&token, at(99)), None);
        assert!(cache.knows(&token));
        cache.keep(token, &Introspected::Inactive, at(99), SPAN);
        assert_eq!(cache.get(&token, at(100)), Some(Introspected::Inactive));
        assert!(!cache.knows(&token));
    }

    #[test]
    fn good_tokens_are_known_although_their_answers_find_no_room() {
        let cache = IntrospectionCache::default();
        let token = |n: usize| TokenHash::of(&n.to_string());
        (0..=MOST).for_each(|n| cache.keep(token(n), &active(), at(0), SPAN));
        assert_eq!(cache.get(&token(MOST), at(1)), None);
        assert!((0..=MOST).all(|n| cache.knows(&token(n))));
    }

    #[test]
    fn of_many_tokens_those_are_known_that_were_asked_about_last() {
        const FEW: usize = 100;
        let token = |n: usize| TokenHash::of(&n.to_string());
        let mut known = Known { most: FEW, ..Known::default() };
        for n in 0..4 * FEW {
            known.insert(&token(n));
            if n % (FEW / 2) == 0 {
                // Its console asks again and again.
                known.insert(&token(0));
            }
        }
        assert!(known.has(&token(0)));
        assert!((3 * FEW..4 * FEW).all(|n| known.has(&token(n))));
        assert!(known.recent.len() + known.older.len() <= 2 * FEW);
        assert!(!known.has(&token(1)));
        known.remove(&token(0));
        assert!(!known.has(&token(0)));
    }

    #[test]
    fn inactive_answers_take_no_place_of_active_ones() {
        let cache = IntrospectionCache::default();
        let token = |n: usize| TokenHash::of(&n.to_string());
        (0..2 * MOST).for_each(|n| cache.keep(token(n), &Introspected::Inactive, at(0), SPAN));
        cache.keep(token(usize::MAX), &active(), at(0), SPAN);
        assert_eq!(cache.get(&token(usize::MAX), at(1)), Some(active()));
    }

    #[test]
    fn the_cache_is_bounded_and_makes_room_when_time_passes() {
        let cache = IntrospectionCache::default();
        let token = |n: usize| TokenHash::of(&n.to_string());
        (0..2 * MOST).for_each(|n| cache.keep(token(n), &Introspected::Inactive, at(0), SPAN));
        assert_eq!(cache.answers.lock().unwrap().inactive.answers.len(), MOST);
        cache.keep(token(usize::MAX), &Introspected::Inactive, at(10), SPAN);
        assert!(cache.get(&token(usize::MAX), at(10)).is_some());
    }
}
