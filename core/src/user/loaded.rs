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

/// The loaded state. Parts that [`Needs`] did not name keep their defaults.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Loaded {
    /// The user's own row, or the default of an unknown user.
    pub profile: Profile,
    /// Valid, unexpired tokens of platforms that a login policy counts.
    pub valid: Vec<TokenRow>,
    /// The presented token's row.
    pub presented: Option<TokenRow>,
    /// Held ends.
    pub held: Vec<HeldEnd>,
    /// The cutoff of the command's tenant, see [`super::Command::tenant`].
    pub cutoff: Option<Cutoff>,
    /// Whether the user has watchers.
    pub is_watched: bool,
    /// Whether the user has subscriptions, dangling ones included.
    pub is_following: bool,
    /// The user's subscription state.
    pub subscription_state: SubscriptionState,
    /// The subscriptions of the connection in question.
    pub subscriptions: Vec<Subscription>,
    /// The live connections that follow the user in question.
    pub followers: Vec<Follower>,
    /// Some subscriptions without a live connection.
    pub dangling: Vec<DanglingSubscription>,
    /// The registration of the watcher in question.
    pub watcher: Option<RegistrationVersion>,
    /// The watchers that are next to be notified.
    pub watchers: Vec<(UserId, RegistrationVersion)>,
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

/// One of the queries that fill [`Loaded`].
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

impl Loaded {
    /// Takes the rows of one query.
    ///
    /// # Errors
    /// When a row is not of the form that [`super::Change`] writes.
    pub fn absorb(&mut self, part: Part, rows: &[Vec<Value>]) -> Result<(), LoadError> {
        self.take_in(part, rows).ok_or(LoadError(part))
    }

    fn take_in(&mut self, part: Part, rows: &[Vec<Value>]) -> Option<()> {
        match part {
            Part::Profile => {
                if let Some(row) = rows.first() {
                    self.profile = read_profile(row)?;
                }
            }
            Part::Valid => self.valid = all(rows, read_token)?,
            Part::Presented => self.presented = all(rows, read_token)?.pop(),
            Part::Held => self.held = all(rows, read_held)?,
            Part::SubscriptionState => {
                if let Some(row) = rows.first() {
                    (self.is_watched, self.is_following, self.subscription_state) = rows::read_state(row)?;
                }
            }
            Part::Subscriptions => self.subscriptions = all(rows, rows::read_subscription)?,
            Part::Followers => self.followers = all(rows, rows::read_follower)?,
            Part::Dangling => self.dangling = all(rows, rows::read_dangling)?,
            Part::Watcher => self.watcher = all(rows, |row| rows::read_registration(row.first()?))?.pop(),
            Part::Watchers => self.watchers = all(rows, rows::read_watcher)?,
        }
        Some(())
    }
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
