//! The state that a command loads from the user's store.
//!
//! A command loads only what it reads: never all kicked tokens, never all administrators' tokens.

use serde::{Deserialize, Serialize};

use super::{
    User,
    subscription::{
        DanglingSubscription, Follower, RegistrationVersion, Subscription, SubscriptionState, rows,
    },
};
use crate::{
    directory::view::Cutoff,
    id::{ConnId, RecordId, TenantId, UserId},
    json,
    platform::Platform,
    store::{Statement, Value},
    time::Timestamp,
    token::{
        TokenHash,
        store::{IssueClock, TokenRow, TokenState},
    },
};

/// The parts of the state that a command reads.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Needs {
    /// The user's own row.
    pub profile: bool,
    /// Every valid token that a login policy counts.
    pub valid_tokens: bool,
    /// The row of one token, whatever its state.
    pub presented: Option<TokenHash>,
    /// Held ends.
    pub held: bool,
    /// The tenant's cutoff. The profile holds the tenant; where no tenant has a cutoff, neither has to be loaded.
    pub cutoff: bool,
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

/// The loaded state. A part that was not loaded is `None`, which is not the same as a part that is empty: a rule that reads it
/// gets an error instead of an answer about a user that it knows nothing of.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Loaded {
    /// The user's own row, or the default of an unknown user.
    pub profile: Option<Profile>,
    /// Valid, unexpired tokens of platforms that a login policy counts.
    pub valid: Option<Vec<TokenRow>>,
    /// The presented token's row, if there is one.
    pub presented: Option<Option<TokenRow>>,
    /// Held ends.
    pub held: Option<Vec<HeldEnd>>,
    /// The cutoff of the command's tenant, if it has one; see [`super::Command::tenant`].
    pub cutoff: Option<Option<Cutoff>>,
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

/// A user's subscription state, and whether there is anybody to whom it matters.
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
    /// The [`TokenRow::order`] of the last token issued.
    pub last_order: i64,
    /// The count of tokens issued in this second, which keeps their texts apart.
    pub issue_clock: IssueClock,
    /// The user's own cutoff: opaque tokens issued at or before it are revoked.
    pub revoked_at: Option<Timestamp>,
    /// The last unlock: cutoffs of the tenant at or before it do not count for opaque tokens.
    pub unlocked_at: Option<Timestamp>,
    /// Cutoffs by tenant, set while the user's own tenant was unknown.
    pub revoked_in: Vec<(TenantId, Timestamp)>,
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

/// A part of [`Loaded`]. Each has one query, but the cutoff, which adapters keep elsewhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// [`Loaded::profile`]
    Profile,
    /// [`Loaded::valid`]
    Valid,
    /// [`Loaded::presented`]
    Presented,
    /// [`Loaded::held`]
    Held,
    /// [`Loaded::cutoff`]
    Cutoff,
    /// [`Loaded::subscription_state`]
    SubscriptionState,
    /// [`Loaded::subscriptions`]
    Subscriptions,
    /// [`Loaded::followers`]
    Followers,
    /// [`Loaded::dangling`]
    Dangling,
    /// [`Loaded::watcher`]
    Watcher,
    /// [`Loaded::watchers`]
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

const TOKEN_COLUMNS: &str = "hash, platform, ord, issued_at, expires_at, state";

impl Needs {
    /// The queries to run. Feed each one's rows to [`Loaded::absorb`].
    pub fn queries(&self, user: &User, now: Timestamp) -> Vec<(Part, Statement)> {
        let id = || Value::from(user.id().as_str());
        let mut queries = Vec::new();
        if self.profile {
            let sql = "SELECT CAST(tenant AS TEXT), last_order, issue_clock, revoked_at, unlocked_at, revoked_in FROM user \
                       WHERE id = ?1";
            queries.push((Part::Profile, Statement::new(sql, [id()])));
        }
        if self.valid_tokens {
            let sql = format!(
                "SELECT {TOKEN_COLUMNS} FROM token WHERE user = ?1 AND state = 0 AND platform <> ?2 AND expires_at > ?3"
            );
            let admin = i64::from(Platform::Admin.number());
            queries.push((Part::Valid, Statement::new(sql, [id(), admin.into(), now.millis().into()])));
        }
        if let Some(hash) = self.presented {
            let sql = format!("SELECT {TOKEN_COLUMNS} FROM token WHERE user = ?1 AND hash = ?2");
            queries.push((Part::Presented, Statement::new(sql, [id(), hash.to_string().into()])));
        }
        if self.held {
            let sql =
                "SELECT CAST(record AS TEXT), ended_at, until FROM held_end WHERE user = ?1 ORDER BY record";
            queries.push((Part::Held, Statement::new(sql, [id()])));
        }
        self.subscription_queries(user, &mut queries);
        queries
    }

    fn subscription_queries(&self, user: &User, queries: &mut Vec<(Part, Statement)>) {
        let live = || user.connections().iter().map(|connection| connection.id).collect::<Vec<_>>();
        let id = user.id();
        if self.subscription_state {
            queries.push((Part::SubscriptionState, rows::state(id)));
        }
        if let Some(connection) = self.subscriptions {
            queries.push((Part::Subscriptions, rows::subscriptions(id, connection)));
        }
        if let Some(watched) = &self.followers_of {
            queries.push((Part::Followers, rows::followers(id, watched, &live())));
        }
        if self.dangling {
            queries.push((Part::Dangling, rows::dangling(id, &live())));
        }
        if let Some(watcher) = &self.watcher {
            queries.push((Part::Watcher, rows::watcher(id, watcher)));
        }
        if self.watchers {
            queries.push((Part::Watchers, rows::page(id)));
        }
    }
}

/// The parts as rules read them.
impl Loaded {
    /// The user's own row.
    ///
    /// # Errors
    /// When it was not loaded.
    pub fn profile(&self) -> Result<&Profile, NotLoaded> {
        self.profile.as_ref().ok_or(NotLoaded(Part::Profile))
    }

    pub(super) fn valid(&self) -> Result<&[TokenRow], NotLoaded> {
        self.valid.as_deref().ok_or(NotLoaded(Part::Valid))
    }

    pub(super) fn presented(&self) -> Result<Option<&TokenRow>, NotLoaded> {
        self.presented.as_ref().map(Option::as_ref).ok_or(NotLoaded(Part::Presented))
    }

    pub(super) fn held(&self) -> Result<&[HeldEnd], NotLoaded> {
        self.held.as_deref().ok_or(NotLoaded(Part::Held))
    }

    pub(super) fn cutoff(&self) -> Result<Option<&Cutoff>, NotLoaded> {
        self.cutoff.as_ref().map(Option::as_ref).ok_or(NotLoaded(Part::Cutoff))
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
    /// Takes the rows of one query. Without rows the part is loaded too, and empty.
    ///
    /// # Errors
    /// When a row is not of the form that [`super::Change`] writes.
    pub fn absorb(&mut self, part: Part, rows: &[Vec<Value>]) -> Result<(), LoadError> {
        self.take_in(part, rows).ok_or(LoadError(part))
    }

    fn take_in(&mut self, part: Part, rows: &[Vec<Value>]) -> Option<()> {
        match part {
            Part::Profile => self.profile = Some(one(rows, read_profile)?.unwrap_or_default()),
            Part::Valid => self.valid = Some(all(rows, read_token)?),
            Part::Presented => self.presented = Some(one(rows, read_token)?),
            Part::Held => self.held = Some(all(rows, read_held)?),
            // No query brings it.
            Part::Cutoff => return None,
            Part::SubscriptionState => {
                self.subscription_state = Some(one(rows, rows::read_state)?.unwrap_or_default());
            }
            Part::Subscriptions => self.subscriptions = Some(all(rows, rows::read_subscription)?),
            Part::Followers => self.followers = Some(all(rows, rows::read_follower)?),
            Part::Dangling => self.dangling = Some(all(rows, rows::read_dangling)?),
            Part::Watcher => self.watcher = Some(one(rows, |row| rows::read_registration(row.first()?))?),
            Part::Watchers => self.watchers = Some(all(rows, rows::read_watcher)?),
        }
        Some(())
    }
}

/// The first row, if there is one; `None` when it does not read.
fn one<T>(rows: &[Vec<Value>], read: impl Fn(&[Value]) -> Option<T>) -> Option<Option<T>> {
    rows.first().map(|row| read(row).ok_or(())).transpose().ok()
}

/// Every row, or `None` when one does not read.
fn all<T>(rows: &[Vec<Value>], read: impl Fn(&[Value]) -> Option<T>) -> Option<Vec<T>> {
    rows.iter().map(|row| read(row)).collect()
}

fn read_profile(row: &[Value]) -> Option<Profile> {
    let [tenant, last_order, clock, revoked_at, unlocked_at, revoked_in] = row else { return None };
    Some(Profile {
        tenant: match tenant {
            Value::Null => None,
            tenant => Some(TenantId(wide(tenant)?)),
        },
        last_order: int(last_order)?,
        issue_clock: match text(clock)? {
            "" => IssueClock::default(),
            clock => json::read(clock).ok()?,
        },
        revoked_at: instant(revoked_at)?,
        unlocked_at: instant(unlocked_at)?,
        revoked_in: match text(revoked_in)? {
            "" => Vec::new(),
            orders => json::read(orders).ok()?,
        },
    })
}

fn read_token(row: &[Value]) -> Option<TokenRow> {
    let [hash, platform, order, issued_at, expires, state] = row else { return None };
    Some(TokenRow {
        hash: text(hash)?.parse().ok()?,
        platform: Platform::from_number(int(platform)?)?,
        order: int(order)?,
        issued_at: Timestamp::from_millis(int(issued_at)?),
        expires: Timestamp::from_millis(int(expires)?),
        state: if int(state)? == 0 { TokenState::Valid } else { TokenState::Kicked },
    })
}

fn read_held(row: &[Value]) -> Option<HeldEnd> {
    let [record, ended_at, until] = row else { return None };
    Some(HeldEnd {
        record: RecordId::from_number(wide(record)?)?,
        ended_at: Timestamp::from_millis(int(ended_at)?),
        until: Timestamp::from_millis(int(until)?),
    })
}

fn instant(value: &Value) -> Option<Option<Timestamp>> {
    match value {
        Value::Null => Some(None),
        value => int(value).map(|millis| Some(Timestamp::from_millis(millis))),
    }
}

fn int(value: &Value) -> Option<i64> {
    match value {
        Value::Int(number) => Some(*number),
        Value::Null | Value::Text(_) => None,
    }
}

fn text(value: &Value) -> Option<&str> {
    match value {
        Value::Text(text) => Some(text),
        Value::Null | Value::Int(_) => None,
    }
}

fn wide(value: &Value) -> Option<i64> {
    text(value)?.parse().ok()
}
