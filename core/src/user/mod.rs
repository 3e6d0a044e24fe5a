//! The user: the unit of truth.
//!
//! Everything that happens to a user is a [`Command`]. [`User::apply`] takes the live set, what was [`Loaded`] for the
//! command and the [`Moment`], changes nothing, and returns an [`Outcome`]. The adapter commits its changes, then carries
//! out its actions in order, then gives the reply. Rules: `docs/rules/users.md`.
//!
//! That order is the promise of the product. A change that is not committed must not be visible in any action; an action
//! that is visible to readers (out of the live set, into the directory) comes before the frame and the close; the reply
//! comes last. So after the reply to a force-off no reader shows the connection, and a crash in between loses frames only.

mod account;
mod change;
mod command;
mod console;
mod dates;
mod deny;
mod end;
pub mod expiry;
mod loaded;
mod message;
pub mod object;
mod open;
pub mod outbox;
mod outcome;
mod pace;
mod pieces;
pub mod request;
mod rows;
mod snapshot;
mod subscription;
mod tenancy;
mod tokens;
mod unseen;

pub use account::{Account, AccountUpdate, FACE_URL_BYTES, TooLong};
pub use change::{Change, release_all_held};
pub use command::{Claimed, Client, Command, ForceOff, NamedOrder, Opening, PendingRequest};
pub use console::{Console, ConsoleMessage, ConsoleOpening};
pub use dates::{last_opening, newest_opening, read_opening};
pub use loaded::{
    HeldEnd, LoadError, Loaded, Needs, NotLoaded, Orders, Part, Profile, TokenQuery, WatchedState,
};
pub use message::ClientMessage;
pub use open::{Connection, Presence, UNKNOWN};
pub use outcome::{Action, Issued, LiveSocket, OpenError, Outcome, Overview, Reply, Revoked, UserDetails};
pub use pace::Pace;
pub use pieces::{end_of_piece, read_end_of_piece};
pub use request::{ReplyError, Request};
pub use snapshot::{TOKENS_AT_ONCE, UserFacts, UserSnapshot};
pub use subscription::{
    DanglingSubscription, FanOut, Follower, PART, PendingWork, PresenceNotice, PresenceVersion,
    RegistrationVersion, SUBSCRIPTIONS, Subscribing, Subscription, SubscriptionQueue, SubscriptionRequest,
    SubscriptionState, Turn, WATCHERS_AT_ONCE, WatcherPage, WatcherReport, forget_all_subscriptions,
};
pub use tokens::Bearer;
pub use unseen::{UNSEEN_USERS, count_unseen, forget_oldest_unseen, forget_unseen_before};

use std::{borrow::Cow, time::Duration};

use crate::{
    audit::{self, Entry},
    id::{ConnId, RecordId, TenantId, UserId},
    policy::LoginPolicy,
    time::{Moment, Timestamp},
    token::Keys,
};

/// The part of the configuration that [`User::apply`] reads.
#[derive(Clone, Debug)]
pub struct Rules {
    /// `auth.secret` and `auth.previous_secrets`.
    pub keys: Keys,
    /// `auth.token_ttl_days`.
    pub token_ttl_days: u32,
    /// `presence.multi_login_policy`.
    pub policy: LoginPolicy,
    /// `presence.max_connections_per_user`.
    pub max_connections: usize,
    /// `presence.grace_seconds`.
    pub grace: Duration,
    /// The tenants of `[[auth.tokens]]`, by user.
    pub tenants: Vec<(UserId, TenantId)>,
    /// `auth.admin_user_ids`: exempt from every tenant order.
    pub admins: Vec<UserId>,
    /// `message_center.revoke_pat`.
    pub revoke_pat: bool,
}

impl Rules {
    /// The configured tenant of a user.
    pub fn configured_tenant(&self, user: &UserId) -> Option<TenantId> {
        self.tenants.iter().find(|(other, _)| other == user).map(|(_, tenant)| *tenant)
    }

    /// The tenant of a user: the configured one, else the one that its issuer named last, else 0.
    pub fn tenant(&self, user: &UserId, profile: &Profile) -> TenantId {
        self.configured_tenant(user).or(profile.tenant).unwrap_or_default()
    }

    /// The tenant whose orders the user's tokens are under.
    pub fn home(&self, user: &UserId, profile: &Profile) -> TenantId {
        profile.home.unwrap_or_else(|| self.tenant(user, profile))
    }
}

/// The live part of a user: the state that exists only while it has sockets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct User {
    id: UserId,
    /// In the order in which they opened.
    connections: Vec<Connection>,
    /// Sockets of the message center, in no order.
    consoles: Vec<Console>,
    /// The latest opening that is known: what opens next is dated after it, however the clock runs.
    last_opened: Timestamp,
    /// What recent connects have used up.
    pace: Pace,
}

impl User {
    /// A user with these live connections.
    pub fn new(id: UserId, mut connections: Vec<Connection>) -> Self {
        connections.sort_by_key(|connection| connection.order);
        let last_opened = connections.iter().map(|connection| connection.opened_at).max().unwrap_or_default();
        Self { id, connections, consoles: Vec::new(), last_opened, pace: Pace::default() }
    }

    /// The same user with these live sockets of the message center.
    #[must_use]
    pub fn with_consoles(mut self, mut consoles: Vec<Console>) -> Self {
        consoles.sort_by_key(|console| console.id);
        let opened = consoles.iter().map(|console| console.opened_at);
        self.last_opened = opened.fold(self.last_opened, Timestamp::max);
        self.consoles = consoles;
        self
    }

    /// The same user after an opening.
    #[must_use]
    pub fn with_last_opened(mut self, at: Timestamp) -> Self {
        self.recall_opening(at);
        self
    }

    /// The same user after recent connects.
    #[must_use]
    pub fn with_pace(mut self, pace: Pace) -> Self {
        self.pace = pace;
        self
    }

    /// The same user with only those live connections and consoles that stay.
    pub fn only(&self, stays: impl Fn(ConnId) -> bool) -> Cow<'_, Self> {
        if self.ids().all(&stays) {
            return Cow::Borrowed(self);
        }
        let mut user = self.clone();
        user.connections.retain(|connection| stays(connection.id));
        user.consoles.retain(|console| stays(console.id));
        Cow::Owned(user)
    }

    /// The user's id.
    pub fn id(&self) -> &UserId {
        &self.id
    }

    /// What recent connects have used up.
    pub const fn pace(&self) -> Pace {
        self.pace
    }

    /// The live connections, in the order in which they opened.
    pub fn connections(&self) -> &[Connection] {
        &self.connections
    }

    /// The live sockets of the message center.
    pub fn consoles(&self) -> &[Console] {
        &self.consoles
    }

    /// The ids of all that is live.
    pub fn ids(&self) -> impl Iterator<Item = ConnId> + '_ {
        self.connections.iter().map(|one| one.id).chain(self.consoles.iter().map(|one| one.id))
    }

    /// Whether anything of the user is live.
    pub fn is_connected(&self) -> bool {
        !(self.connections.is_empty() && self.consoles.is_empty())
    }

    /// Whether this is one of the live connections or consoles.
    pub fn has(&self, id: ConnId) -> bool {
        self.connection(id).is_some() || self.console(id).is_some()
    }

    /// The outcome of `command`. Pure: the same arguments give the same outcome, and nothing is changed.
    ///
    /// Which connections come and go shows in the actions. What follows from that for watchers and subscriptions is added
    /// here for every command, so that no rule can forget it.
    ///
    /// # Errors
    /// When a rule reads a part that `loaded` does not hold: [`Command::needs`] names too little. Nothing happened.
    pub fn apply(
        &self,
        command: &Command,
        loaded: &Loaded,
        rules: &Rules,
        at: Moment,
    ) -> Result<Outcome, NotLoaded> {
        let mut outcome = self.decide(command.alone(), loaded, rules, at)?;
        if let Command::Audited { entry, .. } = command
            && !self.is_no_order(entry, &outcome.reply)
        {
            self.audit(entry, &mut outcome, loaded, rules)?;
        }
        self.track_subscriptions(outcome, loaded, at.now)
    }

    /// Whether a user revoked tokens of its own, and none was good. Everybody may do that, as often as they like.
    fn is_no_order(&self, entry: &Entry, reply: &Reply) -> bool {
        let is_own = entry.operation == audit::Operation::TokensRevoke && entry.by == self.id;
        is_own && matches!(reply, Reply::Revoked(revoked) if revoked.good == 0 && revoked.connections == 0)
    }

    /// Adds the entry of an order to what it changes. The entry is published like a record, and the answer waits for that: who reads the
    /// audit then finds it.
    fn audit(
        &self,
        entry: &Entry,
        outcome: &mut Outcome,
        loaded: &Loaded,
        rules: &Rules,
    ) -> Result<(), NotLoaded> {
        let tenant = match entry.tenant {
            Some(tenant) => tenant,
            None => rules.tenant(&self.id, loaded.profile()?),
        };
        let ended = outcome.actions.iter().map(|action| match action {
            Action::Retire(ids) => ids.len(),
            _ => 0,
        });
        let part = audit::Part::of_user(entry.clone(), tenant, self.id.clone(), ended.sum());
        outcome.changes.push(Change::Audited(Box::new(part)));
        let is_published = |action: &Action| *action == Action::Publish { awaited: true };
        if !outcome.actions.iter().any(is_published) {
            outcome.actions.push(Action::Publish { awaited: true });
        }
        Ok(())
    }

    /// The outcome of `command` for its own sake.
    fn decide(
        &self,
        command: &Command,
        loaded: &Loaded,
        rules: &Rules,
        at: Moment,
    ) -> Result<Outcome, NotLoaded> {
        match command {
            Command::IssueToken { platform } => self.issue(*platform, loaded, rules, at),
            Command::VerifyToken { .. } => {
                Ok(Outcome::of(Reply::TokenStatus(self.token_status(loaded, rules)?.map(|_| ()))))
            }
            Command::Open(opening) => self.open(opening, loaded, rules, at),
            Command::OpenConsole(opening) => self.open_console(opening, loaded, rules, at),
            Command::CanOpen(opening) => Ok(Outcome::of(self.open(opening, loaded, rules, at)?.reply)),
            Command::CanOpenConsole(opening) => {
                Ok(Outcome::of(self.open_console(opening, loaded, rules, at)?.reply))
            }
            Command::VerifyBearer(bearer) => self.verify_bearer(bearer, loaded, rules, at),
            Command::Unlock { within } => self.unlock(*within, loaded, rules, at),
            Command::Close { connection } => Ok(self.close(*connection, rules, at)),
            Command::SetBackground { connection, background } => {
                Ok(self.set_background(*connection, *background))
            }
            Command::Receive { connection, message } => {
                Ok(self.on_console_message(*connection, message, rules, at))
            }
            Command::Decoded { connection, message } => {
                self.on_message(*connection, message, loaded, rules, at)
            }
            Command::Register(account) => self.register(account, loaded, rules),
            Command::UpdateAccount(update) => self.update_account(update, loaded, rules),
            Command::Account => {
                let account = self.account(loaded, rules)?.map(std::borrow::Cow::into_owned);
                Ok(Outcome::of(Reply::Account(account)))
            }
            Command::Status => Ok(Outcome::of(Reply::Presence(self.presence(loaded, rules)?))),
            Command::Overview { within, details } => {
                Ok(Outcome::of(Reply::Overview(self.overview(*within, *details, loaded, rules, at)?)))
            }
            Command::Snapshot { after } => self.snapshot(*after, loaded, rules),
            Command::Restore(snapshot) => self.restore(snapshot, loaded, rules, at),
            Command::ForceOff(what) => self.force_off(what, loaded, rules, at),
            Command::Tick => self.tick(loaded, rules, at),
            // Its order is decided, and no order has two entries.
            Command::Audited { .. } => Ok(Outcome::of(Reply::Broken)),
            Command::Watch { watcher, registration } => {
                self.watch(watcher, *registration, loaded, rules, at.now)
            }
            Command::Unwatch { watcher, by } => {
                let changes = vec![Change::Unwatched(vec![(watcher.clone(), *by)])];
                Ok(Outcome { changes, ..Outcome::of(Reply::Done) })
            }
            Command::Acknowledge { connection, presences } => {
                self.acknowledged(*connection, presences, loaded, at.now)
            }
            Command::Answered { pending, presences } => {
                self.answered(pending, presences.as_deref(), loaded, at.now)
            }
            Command::Notified(notice) => self.notified(notice, loaded),
            Command::FanOut => self.fan_out(loaded, rules, at.now),
            Command::WatchersNotified(report) => self.watchers_notified(report, loaded, at.now),
        }
    }

    /// Applies an action to the live set. Call it once the outcome's changes are durable, before the action's own effect.
    pub fn settle(&mut self, action: &Action) {
        match action {
            Action::Admit(connection) => {
                self.recall_opening(connection.opened_at);
                let place = self.connections.partition_point(|other| other.order <= connection.order);
                // Most users have one connection, and there may be very many users.
                self.connections.reserve_exact(1);
                self.connections.insert(place, connection.as_ref().clone());
            }
            Action::AdmitConsole(console) => {
                self.recall_opening(console.opened_at);
                let place = self.consoles.partition_point(|other| other.id <= console.id);
                self.consoles.insert(place, console.as_ref().clone());
            }
            Action::KeepConsole(console) => {
                if let Some(kept) = self.consoles.iter_mut().find(|other| other.id == console.id) {
                    kept.clone_from(console);
                }
            }
            Action::SetUnder(serial) => {
                self.connections.iter_mut().for_each(|connection| connection.under = *serial);
                self.consoles.iter_mut().for_each(|console| console.under = *serial);
            }
            Action::Retire(ids) => {
                self.connections.retain(|connection| !ids.contains(&connection.id));
                self.consoles.retain(|console| !ids.contains(&console.id));
            }
            Action::SetBackground { connection, background } => {
                if let Some(connection) = self.connections.iter_mut().find(|other| other.id == *connection) {
                    connection.background = *background;
                }
            }
            Action::KeepPace(pace) => self.pace = *pace,
            Action::Publish { .. } | Action::Send { .. } | Action::Close { .. } => {}
        }
    }

    /// The record of this connection or console, if it has one, and the date of its opening.
    pub fn began(&self, id: ConnId) -> Option<(Option<RecordId>, Timestamp)> {
        let connection = self.connection(id).map(|one| (one.record, one.opened_at));
        connection.or_else(|| self.console(id).map(|one| (one.record, one.opened_at)))
    }

    fn connection(&self, id: ConnId) -> Option<&Connection> {
        self.connections.iter().find(|connection| connection.id == id)
    }

    fn console(&self, id: ConnId) -> Option<&Console> {
        self.consoles.iter().find(|console| console.id == id)
    }
}
