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
mod part;
mod queue;

use std::{fmt, time::Duration};

use serde::{Deserialize, Serialize};

use crate::{
    id::{ConnId, UserId},
    ordered::distinct,
    platform::PlatformSet,
    store::Statement,
    time::Timestamp,
    user::{Action, Change, Loaded, NotLoaded, Outcome, PendingRequest, User},
};

pub use self::{
    fan_out::FanOut,
    part::PART,
    queue::{SubscriptionQueue, Turn},
};

/// The most users that a connection follows. Each one more drops the oldest.
pub const SUBSCRIPTIONS: usize = 3000;
/// Watchers on one page of a fan-out. Each may be a call to another object.
pub const WATCHERS_AT_ONCE: usize = 400;
/// Subscriptions released in one step. Each may be a call to another object.
pub(super) const RELEASED_AT_ONCE: usize = 100;
/// How long the subscriptions of a connection outlive it. A client that reconnects within it follows the same users, which
/// saves two calls to each of them.
pub(super) const LINGER: Duration = Duration::from_secs(10);

/// The version of a follower's registration as a watcher: a later one of the same follower is greater, whatever its clock shows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct RegistrationVersion(i64);

/// Bits of a [`RegistrationVersion`] below its milliseconds: more than a request has registrations.
const PLACE_BITS: u32 = 20;

impl RegistrationVersion {
    /// The version before the first one of a request, when `self` is the last one that the follower gave.
    pub(super) fn advanced(self, at: Timestamp) -> Self {
        self.max(Self::before(at))
    }

    /// The version of the `place`-th registration after this version.
    pub(super) fn after(self, place: usize) -> Self {
        Self(self.0.saturating_add(1).saturating_add(i64::try_from(place).unwrap_or(i64::MAX)))
    }

    /// Greater than every version that an earlier program gave before this millisecond: those began with it.
    const fn before(at: Timestamp) -> Self {
        Self((at.millis() << PLACE_BITS) - 1)
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

/// A client's request to follow users, decoded. Never printed whole: a client may have put a token into it.
#[derive(Clone, PartialEq, Eq)]
pub struct SubscriptionRequest {
    /// `operationID`, copied into the answer.
    pub operation_id: String,
    /// `msgIncr`, copied into the answer.
    pub msg_incr: String,
    /// Users to follow, as the client gave them; at most [`SUBSCRIPTIONS`].
    pub subscribe: Vec<String>,
    /// Users to follow no longer; as many at most.
    pub unsubscribe: Vec<String>,
    /// Whether a further part of the same request follows, see [`SubscriptionRequest::parts`]: the last one brings the answer.
    pub more: bool,
}

impl fmt::Debug for SubscriptionRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} to follow, {} to cancel", self.subscribe.len(), self.unsubscribe.len())
    }
}

/// Calls to other users that a request leaves to the adapter: give each a [`super::Command::Watch`], and come back with
/// [`super::Command::Answered`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Subscribing {
    /// The users to follow, with the registrations.
    pub watches: Vec<(UserId, RegistrationVersion)>,
    /// The request that waits for their presence.
    pub pending: PendingRequest,
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
    /// The greatest version of a registration that the user has given as a follower.
    pub registered: RegistrationVersion,
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

/// Effects of opened and ended connections on the user's watchers and on its own subscriptions.
impl User {
    /// Adds the effects of the connections that an outcome admits and retires. An outcome without any, which most are, needs
    /// no subscription state.
    pub(in crate::user) fn track_subscriptions(
        &self,
        mut outcome: Outcome,
        loaded: &Loaded,
        now: Timestamp,
    ) -> Result<Outcome, NotLoaded> {
        let (platforms, has_left) = self.platforms_after(&outcome.actions);
        let has_moved = platforms != self.platforms();
        if !has_moved && !has_left {
            return Ok(outcome);
        }
        let stored = loaded.subscription_state()?;
        // The state is written whole: what the outcome changes of it already must not be lost.
        let changed = outcome.changes.iter().rev().find_map(|change| match change {
            Change::SubscriptionState(state) => Some(state),
            _ => None,
        });
        let before = changed.unwrap_or(&stored.state).clone();
        let mut state = before.clone();
        let mut wishes = Vec::from_iter(outcome.wake_at);
        if stored.is_watched && has_moved {
            state.due = true;
            wishes.push(now);
        }
        if has_left && stored.is_following {
            wishes.push(*state.release_at.get_or_insert(now + LINGER));
        }
        outcome.wake_at = wishes.into_iter().min();
        if state != before {
            outcome.changes.push(Change::SubscriptionState(state));
        }
        Ok(outcome)
    }

    /// Resumes what a crash left undone: watchers that still show ended connections, and subscriptions of such
    /// connections.
    ///
    /// # Errors
    /// When the subscription state or the dangling subscriptions are not loaded.
    pub fn resume_subscriptions(&self, loaded: &Loaded, now: Timestamp) -> Result<Option<Change>, NotLoaded> {
        let stored = loaded.subscription_state()?;
        let mut state = stored.state.clone();
        state.due |= stored.is_watched && state.notified.is_some_and(|notified| notified != self.platforms());
        if !loaded.dangling()?.is_empty() {
            state.release_at.get_or_insert(now + LINGER);
        }
        Ok((state != stored.state).then_some(Change::SubscriptionState(state)))
    }

    /// Releases the subscriptions of ended connections. Returns what else is to be done, and when.
    pub(in crate::user) fn pending_subscription_work(
        &self,
        loaded: &Loaded,
        now: Timestamp,
    ) -> Result<(Vec<Change>, PendingWork, Option<Timestamp>), NotLoaded> {
        let (stored, dangling) = (&loaded.subscription_state()?.state, loaded.dangling()?);
        let mut changes = Vec::new();
        let mut work = PendingWork::default();
        let mut wishes = Vec::new();
        let mut state = stored.clone();
        if state.release_at.is_some_and(|release_at| release_at.is_due(now, LINGER)) {
            let others =
                distinct(dangling.iter().filter(|row| !row.is_followed).map(|row| row.watched.clone()));
            // A registration that is made from here on is greater, and stays.
            state.registered = state.registered.advanced(now);
            if !others.is_empty() {
                work.release = Some((others, state.registered));
            }
            state.release_at = (dangling.len() >= RELEASED_AT_ONCE).then_some(now);
            if !dangling.is_empty() {
                changes.push(Change::Released(dangling.to_vec()));
            }
        }
        wishes.extend(state.release_at);
        match state.fan_out.as_ref().filter(|_| !state.due) {
            Some(fan_out) if !fan_out.is_due(now) => wishes.push(fan_out.next_at),
            fan_out => work.fan_out = state.due || fan_out.is_some(),
        }
        if state != *stored {
            changes.push(Change::SubscriptionState(state));
        }
        Ok((changes, work, wishes.into_iter().min()))
    }

    fn platforms(&self) -> PlatformSet {
        self.connections.iter().map(|connection| connection.token.platform).collect()
    }

    /// The platforms once the actions are carried out, and whether they take out a connection.
    fn platforms_after(&self, actions: &[Action]) -> (PlatformSet, bool) {
        let leaves =
            |id| actions.iter().any(|action| matches!(action, Action::Retire(ids) if ids.contains(&id)));
        let staying: Vec<_> = self.connections.iter().filter(|connection| !leaves(connection.id)).collect();
        let has_left = staying.len() < self.connections.len();
        let comes = actions.iter().filter_map(|action| match action {
            Action::Admit(connection) => Some(connection.token.platform),
            _ => None,
        });
        let platforms = staying.iter().map(|connection| connection.token.platform).chain(comes).collect();
        (platforms, has_left)
    }
}

/// Forgets all of it, for a store whose users are all gone.
pub fn forget_all_subscriptions() -> [Statement; 3] {
    ["DELETE FROM subscription", "DELETE FROM watcher", "DELETE FROM ties"].map(|sql| Statement::new(sql, []))
}
