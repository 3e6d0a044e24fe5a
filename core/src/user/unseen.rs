//! Orders about users who were never seen (`docs/rules/message-center.md#unseen-users`).
//!
//! The user may turn up with a token from before the order, so the order is kept. A caller who may order can make up names, so the
//! store keeps such an order for a limited time, and a limited number of them.

use std::time::Duration;

use super::{Change, Loaded, NotLoaded, Rules};
use crate::{
    store::{Statement, Value},
    time::Timestamp,
};

/// The most such users that a store keeps. The one named the longest ago goes first.
pub const UNSEEN_USERS: u64 = 1_000_000;

/// Marks the row that an order writes as that of a user who was never seen: nothing is stored of it, or only orders.
pub(super) fn unseen(loaded: &Loaded, at: Timestamp) -> Result<Option<Change>, NotLoaded> {
    let profile = loaded.profile()?;
    let is_unseen = profile.is_unseen || !profile.is_known;
    let at = profile.denied.iter().map(|window| window.until).fold(at, Timestamp::max);
    Ok(is_unseen.then_some(Change::Unseen { at, is_new: !profile.is_known }))
}

/// A token has proved the user: what orders say of it is kept like anything else. The first time this makes a row, which says that
/// the user was seen.
pub(super) fn seen(loaded: &Loaded) -> Result<Option<Change>, NotLoaded> {
    let profile = loaded.profile()?;
    let is_news = profile.is_unseen || !profile.is_known;
    Ok(is_news.then_some(Change::Seen { is_new: !profile.is_known }))
}

impl Rules {
    /// How long an order about a user who was never seen is kept.
    pub fn unseen_for(&self) -> Duration {
        Duration::from_secs(u64::from(self.token_ttl_days) * 86_400)
    }
}

/// Forgets at most `limit` users who were never seen and last named by an order before `before`.
pub fn forget_unseen_before(before: Timestamp, limit: u32) -> Statement {
    Statement::new(
        "DELETE FROM user WHERE id IN (SELECT id FROM user INDEXED BY user_unseen \
         WHERE unseen_at IS NOT NULL AND unseen_at < ?1 ORDER BY unseen_at LIMIT ?2)",
        [before.millis().into(), Value::Int(limit.into())],
    )
}

/// Forgets the `count` users who were never seen and were named by an order the longest ago.
pub fn forget_oldest_unseen(count: u32) -> Statement {
    Statement::new(
        "DELETE FROM user WHERE id IN (SELECT id FROM user INDEXED BY user_unseen \
         WHERE unseen_at IS NOT NULL ORDER BY unseen_at LIMIT ?1)",
        [Value::Int(count.into())],
    )
}

/// Counts the users who were never seen; one row with one number.
pub fn count_unseen() -> Statement {
    Statement::new("SELECT count(*) FROM user INDEXED BY user_unseen WHERE unseen_at IS NOT NULL", [])
}
