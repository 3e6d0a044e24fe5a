//! The token store of a user: its issued tokens and their states (`docs/rules/openim.md#token-states`).
//!
//! A row keeps the hash, never the text. A kicked token keeps its row until it expires, so that it stays *kicked*
//! and never turns into *never issued*.

use serde::{Deserialize, Serialize};

use super::{TokenError, TokenHash};
use crate::{
    platform::Platform,
    serial::{Began, Serial},
    store::{Statement, Value},
    time::Timestamp,
};

/// The state of an issued token. Expiry is not a state: the token itself holds its time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum TokenState {
    /// Valid until it expires.
    Valid,
    /// Revoked by a login or by an operator.
    Kicked,
}

/// One issued token.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TokenRow {
    /// Its key in the store.
    pub hash: TokenHash,
    /// The platform that it was issued for.
    pub platform: Platform,
    /// The order of issue, which grows with every token of the user. `iat` cannot tell: it is moved back to keep texts apart.
    pub order: i64,
    /// The instant of issue by the store's own clock.
    pub issued_at: Timestamp,
    /// The serial that its issue had loaded.
    pub under: Serial,
    /// The expiry of the token, after which the row may be deleted.
    pub expires: Timestamp,
    /// Its state.
    pub state: TokenState,
}

impl TokenRow {
    /// Its beginning.
    pub const fn began(&self) -> Began {
        Began { under: self.under, at: self.issued_at }
    }
}

/// The status of a presented token: its row, if the token is valid.
///
/// # Errors
/// [`TokenError::NotIssued`] without a row, [`TokenError::Kicked`] for a tombstone.
pub fn status(row: Option<&TokenRow>) -> Result<&TokenRow, TokenError> {
    match row {
        None => Err(TokenError::NotIssued),
        Some(TokenRow { state: TokenState::Kicked, .. }) => Err(TokenError::Kicked),
        Some(row) => Ok(row),
    }
}

/// Deletes at most `limit` rows of tokens of any user that expired by `at`. Repeat it until it deletes fewer.
pub fn delete_expired(at: Timestamp, limit: u32) -> Statement {
    Statement::new(
        "DELETE FROM token WHERE (user, hash) IN (SELECT user, hash FROM token INDEXED BY token_by_expiry \
         WHERE expires_at <= ?1 ORDER BY expires_at LIMIT ?2)",
        [at.millis().into(), Value::Int(limit.into())],
    )
}

/// Some of one user's tokens, named so that the store can find them without loading any.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum TokenSet {
    /// Exactly these.
    These(Vec<TokenHash>),
    /// Every token of a platform, one perhaps excepted.
    Platform {
        /// Which platform.
        platform: Platform,
        /// The token that stays.
        except: Option<TokenHash>,
    },
    /// Every token of the user.
    All,
}

impl TokenSet {
    /// Whether a token is one of them.
    pub fn contains(&self, hash: &TokenHash, platform: Platform) -> bool {
        match self {
            Self::These(hashes) => hashes.contains(hash),
            Self::Platform { platform: only, except } => *only == platform && except.as_ref() != Some(hash),
            Self::All => true,
        }
    }
}

/// How many tokens each platform was given in the current second.
///
/// Two tokens of one user, platform and second would be the same text; the count moves the later one's `iat` back.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct IssueClock {
    second: i64,
    given: Vec<(Platform, u32)>,
    /// The largest count ever returned.
    #[serde(default)]
    most: u32,
}

impl IssueClock {
    /// Counts one more token for `platform` at `now`; returns how many it had before in this second.
    ///
    /// After the clock was set back, it counts beyond every count there was until the clock has caught up: the counts of
    /// those seconds are forgotten.
    pub fn tick(&mut self, platform: Platform, now: Timestamp) -> u32 {
        let nth = if now.secs() < self.second { self.most + 1 } else { self.count(platform, now) };
        self.most = self.most.max(nth);
        nth
    }

    /// Leaves out what another server gave: a token of the order `order` was issued there at `issued`, and in one second it gave fewer
    /// than that. Until that second has passed here, the counts begin beyond.
    pub fn leave_out(&mut self, issued: Timestamp, order: i64) {
        if issued.secs() >= self.second {
            self.second = issued.secs() + 1;
            self.given.clear();
        }
        self.most = self.most.max(u32::try_from(order.min(LEFT_OUT)).unwrap_or(0));
    }

    fn count(&mut self, platform: Platform, now: Timestamp) -> u32 {
        if now.secs() > self.second {
            self.second = now.secs();
            self.given.clear();
        }
        match self.given.iter_mut().find(|(of, _)| *of == platform) {
            Some((_, count)) => {
                *count += 1;
                *count
            }
            None => {
                self.given.push((platform, 0));
                0
            }
        }
    }
}

/// The largest count that is left out: `iat` moves back by as many seconds.
const LEFT_OUT: i64 = 1_000_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_clock_leaves_out_what_another_server_gave_in_its_last_second() {
        let mut clock = IssueClock::default();
        let at = |millis| Timestamp::from_millis(millis);
        clock.leave_out(at(5500), 7);
        let once = clock.clone();
        clock.leave_out(at(5500), 7);
        clock.leave_out(at(4000), 6);
        assert_eq!(clock, once, "again");
        assert_eq!(clock.tick(Platform::Web, at(5900)), 8);
        assert_eq!(clock.tick(Platform::Web, at(5900)), 9);
        assert_eq!(clock.tick(Platform::Web, at(6000)), 0);
    }

    #[test]
    fn the_clock_counts_within_a_second_and_forgets_it_after() {
        let mut clock = IssueClock::default();
        let at = |millis| Timestamp::from_millis(millis);
        assert_eq!(clock.tick(Platform::Web, at(1000)), 0);
        assert_eq!(clock.tick(Platform::Web, at(1999)), 1);
        assert_eq!(clock.tick(Platform::Ios, at(1999)), 0);
        assert_eq!(clock.tick(Platform::Web, at(500)), 2, "a clock set back must not repeat a text");
        assert_eq!(clock.tick(Platform::Web, at(2000)), 0);
    }
}
