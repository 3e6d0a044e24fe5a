//! Tokens with a good signature, so that a back end that calls often does not cost a signature check each time.

use std::collections::HashMap;

use parking_lot::Mutex;
use rollcall_core::{
    time::Timestamp,
    token::{Claims, Keys, TokenError, TokenHash, TokenText, Verified},
};

/// The most tokens in the cache. Back ends call with a few; beyond this the cache starts empty again.
const MOST: usize = 1024;

/// By their texts, whose comparison takes constant time: their hashes cost more than all the rest.
type Tokens = HashMap<TokenText, (TokenHash, Claims)>;

/// Claims whose signature is good. Times are judged at each use, and so is the token's entry in the store.
#[derive(Debug, Default)]
pub(crate) struct VerificationCache {
    tokens: Mutex<Tokens>,
}

impl VerificationCache {
    /// As [`Keys::verify`]. The keys must be the same at every call.
    ///
    /// # Errors
    /// As [`Keys::verify`].
    pub(crate) fn verify(&self, keys: &Keys, text: &str, now: Timestamp) -> Result<Verified, TokenError> {
        let text = TokenText::from(text);
        let known = self.tokens.lock().get(&text).cloned();
        let (hash, claims) = match known {
            Some(known) => known,
            None => {
                let claims = keys.claims(text.expose())?;
                let found = (TokenHash::of(text.expose()), claims);
                let mut all = self.tokens.lock();
                if all.len() >= MOST {
                    all.clear();
                }
                all.insert(text.clone(), found.clone());
                found
            }
        };
        claims.at(text, hash, now)
    }
}

#[cfg(test)]
mod tests {
    use rollcall_core::{id::UserId, platform::Platform, secret::Secret};

    use super::*;

    const NOW: Timestamp = Timestamp::from_secs(1_800_000_000);

    fn token(keys: &Keys, days: u32, nonce: u32) -> String {
        let claims = Claims::new(&UserId::from(7), Platform::Web, NOW, days, nonce);
        keys.sign(&claims).unwrap().expose().clone()
    }

    #[test]
    fn the_second_answer_is_the_first_one_until_the_token_expires() {
        let keys = Keys::new(&Secret::from("openIM123"), &[]);
        let (cache, text) = (VerificationCache::default(), token(&keys, 1, 0));
        for _ in 0..2 {
            assert_eq!(cache.verify(&keys, &text, NOW), keys.verify(&text, NOW));
        }
        let later = Timestamp::from_secs(NOW.secs() + 86_400);
        assert_eq!(cache.verify(&keys, &text, later), Err(TokenError::Expired));
        let before = Timestamp::from_secs(NOW.secs() - 86_400);
        assert_eq!(cache.verify(&keys, &text, before), keys.verify(&text, before));
    }

    #[test]
    fn what_was_refused_is_refused_again_beside_one_that_is_known() {
        let keys = Keys::new(&Secret::from("openIM123"), &[]);
        let cache = VerificationCache::default();
        let good = token(&keys, 1, 0);
        cache.verify(&keys, &good, NOW).unwrap();
        let forged = token(&Keys::new(&Secret::from("another"), &[]), 1, 0);
        for text in [forged.as_str(), "", &good[1..], "abc"] {
            for _ in 0..2 {
                assert_eq!(cache.verify(&keys, text, NOW).unwrap_err(), keys.verify(text, NOW).unwrap_err());
            }
        }
    }

    #[test]
    fn the_cache_is_bounded() {
        let keys = Keys::new(&Secret::from("openIM123"), &[]);
        let cache = VerificationCache::default();
        for nonce in 0..2_500 {
            cache.verify(&keys, &token(&keys, 1, nonce), NOW).unwrap();
            assert!(cache.tokens.lock().len() <= MOST);
        }
    }
}
