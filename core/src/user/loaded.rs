//! The state that a command loads from the user's store.
//!
//! A command loads only what it reads: never all kicked tokens, never all administrators' tokens.

use serde::{Deserialize, Serialize};

use super::{
    Account, rows,
    subscription::{DanglingSubscription, Follower, RegistrationVersion, Subscription, SubscriptionState},
};
use crate::{
    deny::DenyWindow,
    directory::view::Cutoff,
    id::{ConnId, RecordId, TenantId, UserId},
    serial::Serial,
    store::Value,
    time::Timestamp,
    token::{
        TokenHash,
        store::{IssueClock, TokenRow},
    },
};

/// The parts of the state that a command reads.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Needs {
    /// The user's own row.
    pub profile: bool,
    /// The user's account.
    pub account: bool,
    /// Every valid token that a login policy counts.
    pub valid_tokens: bool,
    /// Tokens of any state that have not expired.
    pub tokens: Option<TokenQuery>,
    /// The row of one token, whatever its state.
    pub presented: Option<TokenHash>,
    /// Held ends.
    pub held: bool,
    /// The orders to tenants. The profile holds the tenant; where no tenant has a cutoff, it does not have to be loaded.
    pub orders: bool,
    /// The subscription state, whether the user has watchers, and whether it follows other users.
    pub subscription_state: bool,
    /// The subscriptions of a connection.
    pub subscriptions: Option<ConnId>,
    /// The live connections that follow this user.
    pub followers_of: Option<UserId>,
    /// Subscriptions without a live connection.
    pub dangling: bool,
    /// The registration of this user as a watcher.
    pub watcher: Option<UserId>,
    /// The watchers that are next to be notified.
    pub watchers: bool,
}

impl Needs {
    /// Whether the queries may read more rows than other commands should wait for: all tokens of a user.
    pub fn reads_many(&self) -> bool {
        self.tokens == Some(TokenQuery::Newest)
    }
}

/// Which tokens of any state a command reads, [`super::TOKENS_AT_ONCE`] at most.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TokenQuery {
    /// The next ones behind a hash, by hash.
    After(Option<TokenHash>),
    /// Those that no order has kicked first, then the newest first.
    Newest,
    /// These.
    These(Vec<TokenHash>),
}

/// The loaded state. A part that was not loaded is `None`, which is not the same as a part that is empty: a rule that reads it
/// fails, since it would decide on a state that is not the user's.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Loaded {
    /// The user's own row, or the default of an unknown user.
    pub profile: Option<Profile>,
    /// The user's account, if it was registered.
    pub account: Option<Option<Account>>,
    /// Valid, unexpired tokens of platforms that a login policy counts.
    pub valid: Option<Vec<TokenRow>>,
    /// Those tokens of a [`TokenQuery`] that have not expired.
    pub tokens: Option<Vec<TokenRow>>,
    /// The number of all that have not expired, where they are the answer to [`TokenQuery::Newest`].
    pub token_count: i64,
    /// The presented token's row, if there is one.
    pub presented: Option<Option<TokenRow>>,
    /// Held ends.
    pub held: Option<Vec<HeldEnd>>,
    /// The orders to tenants that apply to the command.
    pub orders: Option<Orders>,
    /// The user's subscription state.
    pub subscription_state: Option<WatchedState>,
    /// The subscriptions of the connection in question.
    pub subscriptions: Option<Vec<Subscription>>,
    /// The live connections that follow the user in question.
    pub followers: Option<Vec<Follower>>,
    /// Some subscriptions without a live connection.
    pub dangling: Option<Vec<DanglingSubscription>>,
    /// The registration of the watcher in question, if it has one.
    pub watcher: Option<Option<RegistrationVersion>>,
    /// The watchers that are next to be notified.
    pub watchers: Option<Vec<(UserId, RegistrationVersion)>>,
}

/// The orders to tenants that apply to a command, as of one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Orders {
    /// The cutoff of the command's tenant, if it has one; see [`super::Command::tenant`].
    pub cutoff: Option<Cutoff>,
    /// The scoped cutoffs of the same tenant that name the user; see [`crate::directory::view::ScopedCutoff::of_one`].
    pub named: Vec<Cutoff>,
    /// The cutoff of the tenant that the user moves from, see [`super::Command::former_tenant`].
    pub former: Option<Cutoff>,
    /// The scoped cutoffs of that tenant that name the user.
    pub former_named: Vec<Cutoff>,
    /// The serial of what the command begins: no smaller than those of [`Self::cutoff`] and [`Self::named`], and smaller than that
    /// of the tenant's next order.
    pub under: Serial,
}

impl Orders {
    /// Whether no order applies.
    pub(super) const fn is_empty(&self) -> bool {
        self.cutoff.is_none()
            && self.named.is_empty()
            && self.former.is_none()
            && self.former_named.is_empty()
    }
}

/// A user's subscription state, and whether any other user depends on it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct WatchedState {
    /// Whether the user has watchers.
    pub is_watched: bool,
    /// Whether the user has subscriptions, dangling ones included.
    pub is_following: bool,
    /// The stored state.
    pub state: SubscriptionState,
}

/// A user's own row.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Profile {
    /// The tenant that introspection named last. A configured tenant wins over it.
    pub tenant: Option<TenantId>,
    /// The tenant whose orders the user's tokens are under; the present one where none is stored. It differs from the present
    /// one after another tenant was configured.
    pub home: Option<TenantId>,
    /// The [`TokenRow::order`] of the last token issued.
    pub last_order: i64,
    /// The count of tokens issued in this second, which keeps their texts apart.
    pub issue_clock: IssueClock,
    /// The user's own cutoff: opaque tokens issued at or before it are revoked.
    pub revoked_at: Option<Timestamp>,
    /// The last unlock by an earlier program: cutoffs without a serial, at or before it, do not count for opaque tokens.
    pub unlocked_at: Option<Timestamp>,
    /// Cutoffs by tenant, set while the user's own tenant was unknown.
    pub revoked_in: Vec<(TenantId, Timestamp)>,
    /// Unlocks by tenant: its cutoffs up to this serial do not count for opaque tokens.
    pub unlocked_in: Vec<(TenantId, Serial)>,
    /// Tenants that the user has left: what their orders to sets of users up to this serial said of it was written down then. Such an
    /// order may still be under delivery, and says no more of a user who comes back.
    pub settled_in: Vec<(TenantId, Serial)>,
    /// Deny windows, one a tenant. Those that are over may be among them.
    pub denied: Vec<DenyWindow>,
    /// The first expiry of the user's stored tokens, or an earlier instant. Only a store with one user keeps it up.
    pub first_expiry: Option<Timestamp>,
    /// Whether anything is stored of the user.
    pub is_known: bool,
    /// Whether only orders name the user.
    pub is_unseen: bool,
}

/// The end of a user's last connection, held back from the directory for the grace period
/// (`docs/rules/users.md#grace`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HeldEnd {
    /// The connection's record.
    pub record: RecordId,
    /// The true instant of the end.
    pub ended_at: Timestamp,
    /// The end of the grace period. A connection that opens before it releases the end.
    pub until: Timestamp,
}

/// A part of [`Loaded`]. Each has one query, but the orders, which adapters keep elsewhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// The user's own row.
    Profile,
    /// The user's account.
    Account,
    /// Valid tokens of platforms that a login policy counts.
    Valid,
    /// Tokens of any state.
    Tokens,
    /// The presented token's row.
    Presented,
    /// Held ends.
    Held,
    /// The orders to tenants.
    Orders,
    /// The user's subscription state.
    SubscriptionState,
    /// The subscriptions of a connection.
    Subscriptions,
    /// The live connections that follow a user.
    Followers,
    /// Subscriptions without a live connection.
    Dangling,
    /// The registration of a watcher.
    Watcher,
    /// The watchers that are next to be notified.
    Watchers,
}

/// A stored row does not have the form that it was written in. The store was damaged, or written by another program.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a stored {0:?} row does not read as one")]
pub struct LoadError(Part);

/// A rule read a part that was not loaded: [`super::Command::needs`] does not name it for the command. Nothing happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a rule reads {0:?}, which the command does not load")]
pub struct NotLoaded(Part);

/// The parts as rules read them.
impl Loaded {
    /// The user's own row.
    ///
    /// # Errors
    /// When it was not loaded.
    pub fn profile(&self) -> Result<&Profile, NotLoaded> {
        self.profile.as_ref().ok_or(NotLoaded(Part::Profile))
    }

    pub(super) fn account(&self) -> Result<Option<&Account>, NotLoaded> {
        self.account.as_ref().map(Option::as_ref).ok_or(NotLoaded(Part::Account))
    }

    pub(super) fn valid(&self) -> Result<&[TokenRow], NotLoaded> {
        self.valid.as_deref().ok_or(NotLoaded(Part::Valid))
    }

    pub(super) fn tokens(&self) -> Result<&[TokenRow], NotLoaded> {
        self.tokens.as_deref().ok_or(NotLoaded(Part::Tokens))
    }

    pub(super) fn presented(&self) -> Result<Option<&TokenRow>, NotLoaded> {
        self.presented.as_ref().map(Option::as_ref).ok_or(NotLoaded(Part::Presented))
    }

    pub(super) fn held(&self) -> Result<&[HeldEnd], NotLoaded> {
        self.held.as_deref().ok_or(NotLoaded(Part::Held))
    }

    pub(super) fn orders(&self) -> Result<&Orders, NotLoaded> {
        self.orders.as_ref().ok_or(NotLoaded(Part::Orders))
    }

    /// The cutoff of the command's tenant.
    pub(super) fn cutoff(&self) -> Result<Option<&Cutoff>, NotLoaded> {
        Ok(self.orders()?.cutoff.as_ref())
    }

    pub(super) fn subscription_state(&self) -> Result<&WatchedState, NotLoaded> {
        self.subscription_state.as_ref().ok_or(NotLoaded(Part::SubscriptionState))
    }

    pub(super) fn subscriptions(&self) -> Result<&[Subscription], NotLoaded> {
        self.subscriptions.as_deref().ok_or(NotLoaded(Part::Subscriptions))
    }

    pub(super) fn followers(&self) -> Result<&[Follower], NotLoaded> {
        self.followers.as_deref().ok_or(NotLoaded(Part::Followers))
    }

    pub(super) fn dangling(&self) -> Result<&[DanglingSubscription], NotLoaded> {
        self.dangling.as_deref().ok_or(NotLoaded(Part::Dangling))
    }

    pub(super) fn watcher(&self) -> Result<Option<RegistrationVersion>, NotLoaded> {
        self.watcher.ok_or(NotLoaded(Part::Watcher))
    }

    pub(super) fn watchers(&self) -> Result<&[(UserId, RegistrationVersion)], NotLoaded> {
        self.watchers.as_deref().ok_or(NotLoaded(Part::Watchers))
    }
}

impl Loaded {
    /// Since when, or from when on, loaded rows want a [`super::Command::Tick`]. A fan-out that has not begun has no date, and
    /// counts as due from the beginning of time.
    pub fn next_due(&self) -> Option<Timestamp> {
        let state = self.subscription_state.as_ref().map(|stored| &stored.state);
        let dates = state.into_iter().flat_map(|state| {
            let undated = state.due.then_some(Timestamp::from_millis(0));
            [undated, state.release_at, state.fan_out.as_ref().map(|fan_out| fan_out.next_at)]
        });
        let held = self.held.iter().flatten().map(|held| held.until);
        held.chain(dates.flatten()).min()
    }

    /// Takes the rows of one query. Without rows the part is loaded too, and empty.
    ///
    /// # Errors
    /// When a row is not of the form that [`super::Change`] writes.
    pub fn absorb(&mut self, part: Part, rows: &[Vec<Value>]) -> Result<(), LoadError> {
        self.take_in(part, rows).ok_or(LoadError(part))
    }

    fn take_in(&mut self, part: Part, rows: &[Vec<Value>]) -> Option<()> {
        match part {
            Part::Profile => self.profile = Some(rows::one(rows, rows::read_profile)?.unwrap_or_default()),
            Part::Account => self.account = Some(rows::one(rows, rows::read_account)?),
            Part::Valid => self.valid = Some(rows::all(rows, rows::read_token)?),
            Part::Tokens => {
                self.tokens = Some(rows::all(rows, rows::read_token)?);
                self.token_count = rows::token_count(rows);
            }
            Part::Presented => self.presented = Some(rows::one(rows, rows::read_token)?),
            Part::Held => self.held = Some(rows::all(rows, rows::read_held)?),
            // No query brings it.
            Part::Orders => return None,
            Part::SubscriptionState => {
                self.subscription_state = Some(rows::one(rows, rows::read_state)?.unwrap_or_default());
            }
            Part::Subscriptions => self.subscriptions = Some(rows::all(rows, rows::read_subscription)?),
            Part::Followers => self.followers = Some(rows::all(rows, rows::read_follower)?),
            Part::Dangling => self.dangling = Some(rows::all(rows, rows::read_dangling)?),
            Part::Watcher => {
                self.watcher = Some(rows::one(rows, |row| rows::read_registration(row.first()?))?)
            }
            Part::Watchers => self.watchers = Some(rows::all(rows, rows::read_watcher)?),
        }
        Some(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn work_is_due_from_the_earliest_date_that_was_loaded() {
        let at = Timestamp::from_secs;
        let mut loaded = Loaded::default();
        assert_eq!(loaded.next_due(), None);
        let record = RecordId::from_number(1).unwrap();
        loaded.held = Some(vec![HeldEnd { record, ended_at: at(1), until: at(31) }]);
        assert_eq!(loaded.next_due(), Some(at(31)));
        let mut stored = WatchedState::default();
        stored.state.release_at = Some(at(20));
        loaded.subscription_state = Some(stored.clone());
        assert_eq!(loaded.next_due(), Some(at(20)));
        stored.state.due = true;
        loaded.subscription_state = Some(stored);
        assert_eq!(loaded.next_due(), Some(at(0)), "a fan-out that has not begun");
    }
}
