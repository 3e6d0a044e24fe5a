//! The claims of a token (`docs/rules/openim.md#claims`).

use serde::{Deserialize, Deserializer, Serialize, de::Error as _};

use super::{TokenError, TokenHash, TokenText, Verified};
use crate::{id::UserId, json::Number, platform::Platform, time::Timestamp};

/// How far `iat` lies before the instant of issue, in seconds, for verifiers whose clocks are behind.
const ISSUED_BEFORE_SECS: i64 = 5;
/// How far `nbf` lies before `iat`, in seconds.
const NOT_BEFORE_SECS: i64 = 300;
/// The seconds of a day, the unit of a token's lifetime.
const DAY_SECS: i64 = 86_400;
/// The tolerated difference between the clocks of issuer and verifier, in seconds.
pub const SKEW_SECS: i64 = 60;

/// The claims, in the byte order of the documents' samples. Times are whole seconds since the epoch.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claims {
    /// The owner, as the token spells it.
    #[serde(rename = "UserID")]
    pub user_id: String,
    /// The platform's number, as the token spells it.
    #[serde(rename = "PlatformID", deserialize_with = "whole")]
    pub platform_id: i64,
    /// The expiry: the token is invalid from this second on.
    #[serde(deserialize_with = "whole")]
    pub exp: i64,
    /// The first second at which the token is valid.
    #[serde(default, deserialize_with = "whole_if_any", skip_serializing_if = "Option::is_none")]
    pub nbf: Option<i64>,
    /// The claimed second of issue.
    #[serde(default, deserialize_with = "whole_if_any", skip_serializing_if = "Option::is_none")]
    pub iat: Option<i64>,
}

impl Claims {
    /// The claims of a new token that lives `ttl_days`.
    ///
    /// `nth` counts the tokens already issued to this user and platform in this second. It moves `iat` (and with it
    /// `nbf`) back, so that no two of them are the same text.
    pub fn new(user: &UserId, platform: Platform, now: Timestamp, ttl_days: u32, nth: u32) -> Self {
        let issued = now.secs() - ISSUED_BEFORE_SECS - i64::from(nth);
        Self {
            user_id: user.as_str().to_owned(),
            platform_id: i64::from(platform.number()),
            exp: now.secs() + lifetime_secs(ttl_days),
            nbf: Some(issued - NOT_BEFORE_SECS),
            iat: Some(issued),
        }
    }

    /// The verified token with this text and hash, if its times hold at `now`. The text's signature must have been
    /// [verified](super::Keys::claims) before.
    ///
    /// # Errors
    /// The first of `exp`, `nbf`, `iat` that does not hold; then a user or platform that does not exist.
    pub fn at(self, text: TokenText, hash: TokenHash, now: Timestamp) -> Result<Verified, TokenError> {
        let now = now.secs();
        if self.exp <= now {
            return Err(TokenError::Expired);
        }
        if self.nbf.is_some_and(|not_before| not_before > now) {
            return Err(TokenError::NotValidYet);
        }
        if self.iat.is_some_and(|issued| issued > now.saturating_add(SKEW_SECS)) {
            return Err(TokenError::IssuedInFuture);
        }
        Ok(Verified {
            // We issue only for users and platforms that exist, so anything else was not issued here.
            user: UserId::new(self.user_id).map_err(|_| TokenError::NotIssued)?,
            platform: Platform::from_number(self.platform_id).ok_or(TokenError::NotIssued)?,
            expires: Timestamp::from_secs(self.exp),
            hash,
            text,
        })
    }
}

/// A token's lifetime in seconds: `expireTimeSeconds` of the two issuing endpoints.
pub const fn lifetime_secs(ttl_days: u32) -> i64 {
    ttl_days as i64 * DAY_SECS
}

/// A number that other encoders may have written as a float.
fn whole<'de, D: Deserializer<'de>>(deserializer: D) -> Result<i64, D::Error> {
    match Number::deserialize(deserializer)? {
        Number::Whole(number) => Ok(number),
        Number::Fraction(number) => Ok(saturate(number)),
        Number::Text(_) => Err(D::Error::custom("not a number")),
    }
}

fn whole_if_any<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<i64>, D::Error> {
    whole(deserializer).map(Some)
}

/// `as` saturates at the ends of `i64`, which is what a time beyond any calendar means.
#[allow(clippy::cast_possible_truncation, reason = "saturating is the meaning")]
fn saturate(number: f64) -> i64 {
    number.floor() as i64
}
