//! Who follows whom (`docs/rules/openim.md#subscriptions`).
//!
//! A *subscription* is a row of the user who follows, kept for one of its connections; a *watcher* is a row of the user
//! who is followed, one for each user that follows it, whatever the number of connections. Neither is a lease: nothing
//! is renewed, and nothing happens while nothing changes.
//!
//! Each set of platforms that a user was told to its watchers as has a number that only grows. Whoever is told keeps the
//! number, so that what comes late changes nothing.

mod fan_out;
mod follow;
mod hear;
pub(super) mod rows;
mod tie;
mod wave;

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::{
    id::{ConnId, UserId},
    platform::PlatformSet,
    time::{Moment, Timestamp},
};

pub use self::{rows::forget_all_subscriptions, wave::Wave};

/// The most users that a connection follows; for each one more, the oldest is let go.
pub const SUBSCRIPTIONS: usize = 3000;
/// Watchers that are told in one go. Each may be a call to another object.
pub const WATCHERS_AT_ONCE: usize = 400;
/// Users that are told in one go that they are not followed any more.
pub(super) const RELEASED_AT_ONCE: usize = 100;
/// How long the subscriptions of a connection outlive it: a client that comes back soon follows the same users, who then
/// need not be told twice.
pub(super) const LINGER: Duration = Duration::from_secs(10);

/// Tells the registrations of one follower apart: a later one is greater.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Stamp(i64);

/// Bits of a [`Stamp`] below its milliseconds: 8 of the moment, then the place within a request.
const STAMP_BITS: u32 = 20;
const PLACE_BITS: u32 = 12;

impl Stamp {
    /// That of the `place`-th registration of a request.
    pub(super) fn new(at: Moment, place: usize) -> Self {
        let apart = i64::try_from(at.entropy & 0xff).unwrap_or_default() << PLACE_BITS;
        let place = i64::try_from(place).unwrap_or_default() & ((1 << PLACE_BITS) - 1);
        Self(at.now.millis() << STAMP_BITS | apart | place)
    }

    /// Greater than all of earlier milliseconds, and than none of this one.
    pub(super) const fn before(at: Timestamp) -> Self {
        Self((at.millis() << STAMP_BITS) - 1)
    }

    /// As it is stored.
    pub const fn number(self) -> i64 {
        self.0
    }

    pub(super) const fn from_number(number: i64) -> Self {
        Self(number)
    }
}

/// Where a user is, as its watchers are told.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Seen {
    /// Of two the greater is the newer; 0 before anything was ever told, and -1 in what a client knows before it was
    /// answered.
    pub sequence: i64,
    /// Its platforms.
    pub platforms: PlatformSet,
}

impl Seen {
    /// What the client of a new subscription knows.
    pub fn unanswered() -> Self {
        Self { sequence: -1, platforms: PlatformSet::default() }
    }

    /// Whether the client still waits for its answer, which will show whatever has become known by then.
    pub const fn is_unanswered(&self) -> bool {
        self.sequence < 0
    }
}

/// What a user's watchers are told.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Notice {
    /// About whom.
    pub watched: UserId,
    /// What.
    pub seen: Seen,
}

/// A notice, and the next ones whom it is for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Page {
    /// What they are told.
    pub notice: Notice,
    /// Who, and as what they are registered.
    pub watchers: Vec<(UserId, Stamp)>,
    /// Whether there may be more behind them.
    pub more: bool,
}

/// What became of a [`Page`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// The number of what was told.
    pub sequence: i64,
    /// The last who was on the page.
    pub last: Option<UserId>,
    /// Whether there may be more behind it.
    pub more: bool,
    /// Those that do not follow the user any more, as they were registered.
    pub gone: Vec<(UserId, Stamp)>,
    /// Whether somebody could not be told.
    pub missed: bool,
}

impl Page {
    /// What became of it, once each watcher was told: whether it follows the user, or `None` when it could not be told.
    pub fn report(&self, follows: impl IntoIterator<Item = Option<bool>>) -> Report {
        let mut report = Report {
            sequence: self.notice.seen.sequence,
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

/// What a tick leaves to be done by calls to other users.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Chores {
    /// There is something to tell to watchers: give [`super::Command::Spread`].
    pub spread: bool,
    /// Give these a [`super::Command::Unwatch`] with this stamp. One that cannot be told finds out by itself.
    pub release: Option<(Vec<UserId>, Stamp)>,
}

impl Chores {
    /// Whether there are none.
    pub const fn is_empty(&self) -> bool {
        !self.spread && self.release.is_none()
    }
}

/// What a user keeps of its followers, and of what it follows itself.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ties {
    /// The number of what was last told to watchers.
    pub sequence: i64,
    /// What was last told; `None` when nothing ever was.
    pub told: Option<PlatformSet>,
    /// Whether connections came or went since that may have changed the platforms.
    pub due: bool,
    /// How far watchers have been told.
    pub wave: Option<Wave>,
    /// When subscriptions of connections that are gone are let go.
    pub release_at: Option<Timestamp>,
}

/// A row of a connection that follows somebody.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subscription {
    /// Whom.
    pub watched: UserId,
    /// As what it was last registered there.
    pub stamp: Stamp,
    /// What its client knows.
    pub heard: Seen,
}

/// A subscription of a connection that is gone, or that was taken back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Orphan {
    /// Whose it was, in the row's own words.
    pub connection: String,
    /// Who was followed.
    pub watched: UserId,
    /// Whether a live connection follows the same user.
    pub is_followed: bool,
}

/// A live connection that follows a certain user, and what its client knows.
pub type Follower = (ConnId, Seen);
