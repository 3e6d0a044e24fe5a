//! Tokens whose signature was found good, so that whoever asks often is not read anew each time.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

use super::{Claims, Keys, TokenError, TokenHash, TokenText, Verified};
use crate::time::Timestamp;

/// The most that are remembered. Back ends ask with a few; beyond it the memory starts anew.
const MOST: usize = 1024;

/// By their texts, whose comparison takes constant time: their hashes cost more than all the rest.
type Tokens = HashMap<TokenText, (TokenHash, Claims)>;

/// What the keys once found good. Times are judged at each use, and so is what the user's book says.
#[derive(Debug, Default)]
pub struct Proven {
    tokens: Mutex<Tokens>,
}

impl Proven {
    /// As [`Keys::verify`]. The keys must be the same at every call.
    ///
    /// # Errors
    /// As [`Keys::verify`].
    pub fn verify(&self, keys: &Keys, text: &str, now: Timestamp) -> Result<Verified, TokenError> {
        let text = TokenText::from(text);
        let known = self.lock().get(&text).cloned();
        let (hash, claims) = match known {
            Some(known) => known,
            None => {
                let claims = keys.read(text.expose())?;
                let found = (TokenHash::of(text.expose()), claims);
                let mut all = self.lock();
                if all.len() >= MOST {
                    all.clear();
                }
                all.insert(text.clone(), found.clone());
                found
            }
        };
        claims.judged(text, hash, now)
    }

    fn lock(&self) -> MutexGuard<'_, Tokens> {
        self.tokens.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{id::UserId, platform::Platform, secret::Secret};

    const NOW: Timestamp = Timestamp::from_secs(1_800_000_000);

    fn token(keys: &Keys, days: u32, nonce: u32) -> String {
        let claims = Claims::new(&UserId::from(7), Platform::Web, NOW, days, nonce);
        keys.sign(&claims).unwrap().expose().clone()
    }

    #[test]
    fn the_second_answer_is_the_first_one_until_the_token_expires() {
        let keys = Keys::new(&Secret::from("openIM123"), &[]);
        let (proven, text) = (Proven::default(), token(&keys, 1, 0));
        for _ in 0..2 {
            assert_eq!(proven.verify(&keys, &text, NOW), keys.verify(&text, NOW));
        }
        let later = Timestamp::from_secs(NOW.secs() + 86_400);
        assert_eq!(proven.verify(&keys, &text, later), Err(TokenError::Expired));
        let before = Timestamp::from_secs(NOW.secs() - 86_400);
        assert_eq!(proven.verify(&keys, &text, before), keys.verify(&text, before));
    }

    #[test]
    fn what_was_refused_is_refused_again_beside_one_that_is_known() {
        let keys = Keys::new(&Secret::from("openIM123"), &[]);
        let proven = Proven::default();
        let good = token(&keys, 1, 0);
        proven.verify(&keys, &good, NOW).unwrap();
        let forged = token(&Keys::new(&Secret::from("another"), &[]), 1, 0);
        for text in [forged.as_str(), "", &good[1..], "abc"] {
            for _ in 0..2 {
                assert_eq!(proven.verify(&keys, text, NOW).unwrap_err(), keys.verify(text, NOW).unwrap_err());
            }
        }
    }

    #[test]
    fn the_memory_is_bounded() {
        let keys = Keys::new(&Secret::from("openIM123"), &[]);
        let proven = Proven::default();
        for nonce in 0..2_500 {
            proven.verify(&keys, &token(&keys, 1, nonce), NOW).unwrap();
            assert!(proven.lock().len() <= MOST);
        }
    }
}
