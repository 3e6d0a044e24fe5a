//! Subscriptions to the presence of other users (`docs/rules/openim.md#subscriptions`).
//!
//! A *subscription* is a row of the following user, kept for one of its connections. A *watcher* is a row of the followed
//! user, one for each user that follows it, whatever the number of connections. Neither is a lease: rows are not renewed,
//! and nothing runs while no presence changes.
//!
//! Every platform set sent to watchers carries an increasing version. A subscription keeps the version that its client
//! knows, so that a late notice changes nothing.

mod fan_out;
mod follow;
mod notify;
mod progress;
pub(super) mod rows;
mod state;

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::{
    id::{ConnId, UserId},
    platform::PlatformSet,
    time::{Moment, Timestamp},
};

pub use self::{progress::FanOut, rows::forget_all_subscriptions};

/// The most users that a connection follows. Each one more drops the oldest.
pub const SUBSCRIPTIONS: usize = 3000;
/// Watchers on one page of a fan-out. Each may be a call to another object.
pub const WATCHERS_AT_ONCE: usize = 400;
/// Subscriptions released in one step. Each may be a call to another object.
pub(super) const RELEASED_AT_ONCE: usize = 100;
/// How long the subscriptions of a connection outlive it. A client that reconnects within it follows the same users, which
/// saves two calls to each of them.
pub(super) const LINGER: Duration = Duration::from_secs(10);

/// The version of a follower's registration as a watcher: a later one is greater.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct RegistrationVersion(i64);

/// Bits of a [`RegistrationVersion`] below its milliseconds: 8 of the moment, then the place within a request.
const STAMP_BITS: u32 = 20;
const PLACE_BITS: u32 = 12;

impl RegistrationVersion {
    /// The version of the `place`-th registration of a request.
    pub(super) fn new(at: Moment, place: usize) -> Self {
        let apart = i64::try_from(at.entropy & 0xff).unwrap_or_default() << PLACE_BITS;
        let place = i64::try_from(place).unwrap_or_default() & ((1 << PLACE_BITS) - 1);
        Self(at.now.millis() << STAMP_BITS | apart | place)
    }

    /// Greater than every version of an earlier millisecond, and than none of this one.
    pub(super) const fn before(at: Timestamp) -> Self {
        Self((at.millis() << STAMP_BITS) - 1)
    }

    /// The number as it is stored.
    pub const fn number(self) -> i64 {
        self.0
    }

    pub(super) const fn from_number(number: i64) -> Self {
        Self(number)
    }
}

/// A version of a user's presence, as its watchers see it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PresenceVersion {
    /// Grows with every change. 0 before the first notice, and -1 in a subscription whose request is unanswered.
    pub sequence: i64,
    /// The platforms with a connection; none is offline.
    pub platforms: PlatformSet,
}

impl PresenceVersion {
    /// The version of a new subscription, whose client knows nothing yet.
    pub fn unanswered() -> Self {
        Self { sequence: -1, platforms: PlatformSet::default() }
    }

    /// Whether the client still waits for its answer, which will show the newest version by then.
    pub const fn is_unanswered(&self) -> bool {
        self.sequence < 0
    }
}

/// A notice to the watchers of a user.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PresenceNotice {
    /// The followed user.
    pub watched: UserId,
    /// Its newest presence.
    pub presence: PresenceVersion,
}

/// A notice and the next watchers that get it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WatcherPage {
    /// What they get.
    pub notice: PresenceNotice,
    /// The watchers with their registrations.
    pub watchers: Vec<(UserId, RegistrationVersion)>,
    /// Whether more watchers may follow.
    pub more: bool,
}

/// The result of a [`WatcherPage`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WatcherReport {
    /// The version that was sent.
    pub sequence: i64,
    /// The last watcher of the page.
    pub last: Option<UserId>,
    /// Whether more watchers may follow.
    pub more: bool,
    /// Watchers that do not follow the user any more, with the registrations that they had.
    pub gone: Vec<(UserId, RegistrationVersion)>,
    /// Whether a watcher could not be notified.
    pub missed: bool,
}

impl WatcherPage {
    /// The result once each watcher was notified: whether it follows the user, or `None` when it could not be notified.
    pub fn report(&self, follows: impl IntoIterator<Item = Option<bool>>) -> WatcherReport {
        let mut report = WatcherReport {
            sequence: self.notice.presence.sequence,
            last: self.watchers.last().map(|(user, _)| user.clone()),
            more: self.more,
            gone: Vec::new(),
            missed: false,
        };
        for (watcher, follows) in self.watchers.iter().zip(follows) {
            match follows {
                Some(true) => {}
                Some(false) => report.gone.push(watcher.clone()),
                None => report.missed = true,
            }
        }
        report
    }
}

/// Calls to other users that a tick leaves to the adapter.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PendingWork {
    /// Watchers are to be notified: give [`super::Command::FanOut`].
    pub fan_out: bool,
    /// Give these a [`super::Command::Unwatch`] with this registration. A user that misses it drops the watcher at its next notice.
    pub release: Option<(Vec<UserId>, RegistrationVersion)>,
}

impl PendingWork {
    /// Whether nothing is pending.
    pub const fn is_empty(&self) -> bool {
        !self.fan_out && self.release.is_none()
    }
}

/// A user's state as a followed and as a following user: one row.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SubscriptionState {
    /// The newest version that watchers are notified of.
    pub sequence: i64,
    /// The platforms of that version; `None` before the first.
    pub notified: Option<PlatformSet>,
    /// Whether connections opened or ended since that may have changed the platforms.
    pub due: bool,
    /// The fan-out under way.
    pub fan_out: Option<FanOut>,
    /// When the subscriptions of ended connections are released.
    pub release_at: Option<Timestamp>,
}

/// A subscription of one connection to one user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subscription {
    /// The followed user.
    pub watched: UserId,
    /// The last registration as a watcher there.
    pub registration: RegistrationVersion,
    /// The version that the client knows.
    pub acknowledged: PresenceVersion,
}

/// A subscription that was cancelled, or whose connection has ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DanglingSubscription {
    /// The connection as the row names it; empty when the subscription was cancelled.
    pub connection: String,
    /// The followed user.
    pub watched: UserId,
    /// Whether a live connection follows the same user.
    pub is_followed: bool,
}

/// A live connection that follows a certain user, and the version that its client knows.
pub type Follower = (ConnId, PresenceVersion);
