//! What is remembered of an issuer's answers: bounded, and never for long.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use super::Introspected;
use crate::{time::Timestamp, token::TokenHash};

/// Tokens that are remembered at once.
const MOST: usize = 10_000;

/// The answers of an issuer, by the SHA-256 of the token. Revocations are looked at after it, every time.
#[derive(Debug, Default)]
pub struct Introspections {
    answers: Mutex<HashMap<TokenHash, (Timestamp, Introspected)>>,
}

impl Introspections {
    /// The answer about a token, if it may still be used.
    pub fn get(&self, token: &TokenHash, now: Timestamp) -> Option<Introspected> {
        let answers = self.answers.lock().unwrap_or_else(PoisonError::into_inner);
        answers.get(token).filter(|(until, _)| *until > now).map(|(_, answer)| answer.clone())
    }

    /// Remembers an answer that was asked for at `now`, an active one for `at_most` (`auth.introspection.cache_seconds`).
    pub fn keep(&self, token: TokenHash, answer: &Introspected, now: Timestamp, at_most: Duration) {
        let mut answers = self.answers.lock().unwrap_or_else(PoisonError::into_inner);
        if answers.len() >= MOST {
            answers.retain(|_, (until, _)| *until > now);
        }
        if answers.len() < MOST {
            answers.insert(token, (answer.keep_until(now, at_most), answer.clone()));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{id::UserId, message_center::Principal};

    const SPAN: Duration = Duration::from_secs(30);

    fn at(secs: i64) -> Timestamp {
        Timestamp::from_secs(secs)
    }

    #[test]
    fn an_answer_is_used_until_its_time_is_over() {
        let memory = Introspections::default();
        let active = Introspected::Active(Box::new(Principal::openim_admin(UserId::from(1))));
        let (one, other) = (TokenHash::of("1"), TokenHash::of("2"));
        memory.keep(one, &active, at(0), SPAN);
        memory.keep(other, &Introspected::Inactive, at(0), SPAN);
        assert_eq!(memory.get(&one, at(29)), Some(active));
        assert_eq!(memory.get(&one, at(30)), None);
        assert_eq!(memory.get(&other, at(4)), Some(Introspected::Inactive));
        assert_eq!(memory.get(&other, at(5)), None);
    }

    #[test]
    fn memory_is_bounded_and_makes_room_when_time_passes() {
        let memory = Introspections::default();
        let token = |n: usize| TokenHash::of(&n.to_string());
        (0..2 * MOST).for_each(|n| memory.keep(token(n), &Introspected::Inactive, at(0), SPAN));
        assert_eq!(memory.answers.lock().unwrap().len(), MOST);
        memory.keep(token(usize::MAX), &Introspected::Inactive, at(10), SPAN);
        assert!(memory.get(&token(usize::MAX), at(10)).is_some());
    }
}
