//! The queries that load a user's state, and the reading of their rows. What writes the rows is in [`super::change`].

use serde::de::DeserializeOwned;
use serde_json::json;

use super::{
    Account, HeldEnd, Needs, Part, Profile, TOKENS_AT_ONCE, TokenQuery, User, WatchedState,
    subscription::{
        DanglingSubscription, FanOut, Follower, PresenceVersion, RELEASED_AT_ONCE, RegistrationVersion,
        Subscription, SubscriptionState, WATCHERS_AT_ONCE,
    },
};
use crate::{
    id::{ConnId, RecordId, TenantId, UserId},
    json,
    platform::{Platform, PlatformSet},
    serial::Serial,
    store::{Statement, Value},
    time::Timestamp,
    token::store::{IssueClock, TokenRow, TokenState},
};

const TOKEN_COLUMNS: &str = "hash, platform, ord, issued_at, expires_at, state, CAST(under AS TEXT)";

impl Needs {
    /// The queries to run. Feed each one's rows to [`super::Loaded::absorb`].
    pub fn queries(&self, user: &User, now: Timestamp) -> Vec<(Part, Statement)> {
        let id = || Value::from(user.id().as_str());
        let mut queries = Vec::new();
        if self.profile {
            let sql = "SELECT CAST(tenant AS TEXT), last_order, issue_clock, revoked_at, unlocked_at, revoked_in, \
                       CAST(home AS TEXT), unlocked_in, unseen_at IS NOT NULL, first_expiry, settled_in, denied \
                       FROM user WHERE id = ?1";
            queries.push((Part::Profile, Statement::new(sql, [id()])));
        }
        if self.account {
            let sql = "SELECT nickname, face_url FROM account WHERE user = ?1";
            queries.push((Part::Account, Statement::new(sql, [id()])));
        }
        if self.valid_tokens {
            let sql = format!(
                "SELECT {TOKEN_COLUMNS} FROM token WHERE user = ?1 AND state = 0 AND platform <> ?2 AND expires_at > ?3"
            );
            let admin = i64::from(Platform::Admin.number());
            queries.push((Part::Valid, Statement::new(sql, [id(), admin.into(), now.millis().into()])));
        }
        if let Some(query) = &self.tokens {
            let (columns, condition, order, bound) = match query {
                TokenQuery::After(after) => {
                    let after = after.map(|hash| hash.to_string()).unwrap_or_default();
                    ("", "hash > ?4", "hash", after.into())
                }
                // A window would put all of them aside before the first is answered; a limit keeps its rows alone.
                TokenQuery::Newest => (
                    ", (SELECT count(*) FROM token WHERE user = ?1 AND expires_at > ?2)",
                    "hash > ?4",
                    "state, ord DESC",
                    "".into(),
                ),
                TokenQuery::These(hashes) => {
                    let listed =
                        "state IN (0, 1) AND hash IN (SELECT CAST(value AS TEXT) FROM json_each(?4))";
                    ("", listed, "hash", Value::json(hashes))
                }
            };
            let sql = format!(
                "SELECT {TOKEN_COLUMNS}{columns} FROM token \
                 WHERE user = ?1 AND expires_at > ?2 AND {condition} ORDER BY {order} LIMIT ?3"
            );
            let most = i64::try_from(TOKENS_AT_ONCE).unwrap_or(i64::MAX);
            let bound = [id(), now.millis().into(), most.into(), bound];
            queries.push((Part::Tokens, Statement::new(sql, bound)));
        }
        if let Some(hash) = self.presented {
            // The state is part of the key where each user has a store, and valid tokens are few beside kicked ones.
            let sql = format!(
                "SELECT {TOKEN_COLUMNS} FROM token WHERE user = ?1 AND state IN (0, 1) AND hash = ?2"
            );
            queries.push((Part::Presented, Statement::new(sql, [id(), hash.to_string().into()])));
        }
        if self.held {
            let sql = "SELECT CAST(record AS TEXT), ended_at, until FROM held_end WHERE user = ?1 ORDER BY held_end.record";
            queries.push((Part::Held, Statement::new(sql, [id()])));
        }
        self.subscription_queries(user, &mut queries);
        queries
    }

    fn subscription_queries(&self, user: &User, queries: &mut Vec<(Part, Statement)>) {
        let live = || user.connections().iter().map(|connection| connection.id).collect::<Vec<_>>();
        let id = user.id();
        if self.subscription_state {
            queries.push((Part::SubscriptionState, state(id)));
        }
        if let Some(connection) = self.subscriptions {
            queries.push((Part::Subscriptions, subscriptions(id, connection)));
        }
        if let Some(watched) = &self.followers_of {
            queries.push((Part::Followers, followers(id, watched, &live())));
        }
        if self.dangling {
            queries.push((Part::Dangling, dangling(id, &live())));
        }
        if let Some(watcher) = &self.watcher {
            queries.push((Part::Watcher, registration(id, watcher)));
        }
        if self.watchers {
            queries.push((Part::Watchers, page(id)));
        }
    }
}

/// The first row, if there is one; `None` when it does not read.
pub(super) fn one<T>(rows: &[Vec<Value>], read: impl Fn(&[Value]) -> Option<T>) -> Option<Option<T>> {
    rows.first().map(|row| read(row).ok_or(())).transpose().ok()
}

/// Every row, or `None` when one does not read.
pub(super) fn all<T>(rows: &[Vec<Value>], read: impl Fn(&[Value]) -> Option<T>) -> Option<Vec<T>> {
    rows.iter().map(|row| read(row)).collect()
}

pub(super) fn read_profile(row: &[Value]) -> Option<Profile> {
    let [
        tenant,
        last_order,
        clock,
        revoked_at,
        unlocked_at,
        revoked_in,
        home,
        unlocked_in,
        is_unseen,
        first_expiry,
        settled_in,
        denied,
    ] = row
    else {
        return None;
    };
    let tenant_id = |value: &Value| match value {
        Value::Null => Some(None),
        tenant => Some(Some(TenantId(wide(tenant)?))),
    };
    Some(Profile {
        tenant: tenant_id(tenant)?,
        home: tenant_id(home)?,
        last_order: int(last_order)?,
        issue_clock: match text(clock)? {
            "" => IssueClock::default(),
            clock => json::read(clock).ok()?,
        },
        revoked_at: instant(revoked_at)?,
        unlocked_at: instant(unlocked_at)?,
        revoked_in: listed(revoked_in)?,
        unlocked_in: listed(unlocked_in)?,
        settled_in: listed(settled_in)?,
        denied: listed(denied)?,
        first_expiry: instant(first_expiry)?,
        is_known: true,
        is_unseen: int(is_unseen)? != 0,
    })
}

/// JSON, or nothing.
fn listed<T: DeserializeOwned>(value: &Value) -> Option<Vec<T>> {
    match text(value)? {
        "" => Some(Vec::new()),
        list => json::read(list).ok(),
    }
}

pub(super) fn read_account(row: &[Value]) -> Option<Account> {
    let [nickname, face_url] = row else { return None };
    Some(Account { nickname: text(nickname)?.to_owned(), face_url: text(face_url)?.to_owned() })
}

pub(super) fn read_token(row: &[Value]) -> Option<TokenRow> {
    let [hash, platform, order, issued_at, expires, state, under, ..] = row else { return None };
    Some(TokenRow {
        hash: text(hash)?.parse().ok()?,
        platform: Platform::from_number(int(platform)?)?,
        order: int(order)?,
        issued_at: Timestamp::from_millis(int(issued_at)?),
        under: Serial::from_number(wide(under)?),
        expires: Timestamp::from_millis(int(expires)?),
        state: if int(state)? == 0 { TokenState::Valid } else { TokenState::Kicked },
    })
}

/// The count behind the columns of a token.
pub(super) fn token_count(rows: &[Vec<Value>]) -> i64 {
    rows.first().and_then(|row| int(row.get(7)?)).unwrap_or_default()
}

pub(super) fn read_held(row: &[Value]) -> Option<HeldEnd> {
    let [record, ended_at, until] = row else { return None };
    Some(HeldEnd {
        record: RecordId::from_number(wide(record)?)?,
        ended_at: Timestamp::from_millis(int(ended_at)?),
        until: Timestamp::from_millis(int(until)?),
    })
}

fn instant(value: &Value) -> Option<Option<Timestamp>> {
    Some(optional(value)?.map(Timestamp::from_millis))
}

fn wide(value: &Value) -> Option<i64> {
    text(value)?.parse().ok()
}

/// The names of the connections that have rows, one step each through the key, however many rows they have.
const OWN: &str = "WITH RECURSIVE own (id) AS (\
    SELECT min(connection) FROM subscription WHERE user = ?1 \
    UNION ALL SELECT (SELECT min(connection) FROM subscription WHERE user = ?1 AND connection > own.id) \
    FROM own WHERE own.id IS NOT NULL)";

fn state(user: &UserId) -> Statement {
    let sql = "SELECT EXISTS (SELECT 1 FROM watcher WHERE user = ?1), \
         EXISTS (SELECT 1 FROM subscription WHERE user = ?1), \
         sequence, told, due, after, wave, release_at, CAST(registered AS TEXT) \
         FROM (SELECT 1) AS one LEFT JOIN ties ON ties.user = ?1";
    Statement::new(sql, [user.as_str().into()])
}

pub(super) fn read_state(row: &[Value]) -> Option<WatchedState> {
    let [watched, following, sequence, told, due, after, wave, release_at, registered] = row else {
        return None;
    };
    let mut state = SubscriptionState::default();
    if *sequence != Value::Null {
        state = SubscriptionState {
            sequence: int(sequence)?,
            notified: optional(told)?
                .map(PlatformSet::from_bits)
                .map(|set| set.ok_or(()))
                .transpose()
                .ok()?,
            due: int(due)? != 0,
            fan_out: match text(wave)? {
                "" => None,
                wave => {
                    let fan_out: FanOut = json::read(wave).ok()?;
                    Some(FanOut { after: UserId::new(text(after)?).ok(), ..fan_out })
                }
            },
            release_at: optional(release_at)?.map(Timestamp::from_millis),
            registered: read_registration(registered)?,
        };
    }
    Some(WatchedState { is_watched: int(watched)? != 0, is_following: int(following)? != 0, state })
}

fn subscriptions(user: &UserId, connection: ConnId) -> Statement {
    let sql = "SELECT watched, CAST(stamp AS TEXT), sequence, platforms FROM subscription \
               WHERE user = ?1 AND connection = ?2";
    Statement::new(sql, [user.as_str().into(), connection.to_string().into()])
}

pub(super) fn read_subscription(row: &[Value]) -> Option<Subscription> {
    let [watched, registration, sequence, platforms] = row else { return None };
    Some(Subscription {
        watched: UserId::new(text(watched)?).ok()?,
        registration: read_registration(registration)?,
        acknowledged: read_presence(sequence, platforms)?,
    })
}

/// The live connections that follow a user.
fn followers(user: &UserId, watched: &UserId, live: &[ConnId]) -> Statement {
    let sql = "SELECT connection, sequence, platforms FROM json_each(?2) AS live \
               CROSS JOIN subscription ON user = ?1 AND connection = CAST(live.value AS TEXT) AND watched = ?3";
    Statement::new(sql, [user.as_str().into(), json!(live).to_string().into(), watched.as_str().into()])
}

pub(super) fn read_follower(row: &[Value]) -> Option<Follower> {
    let [connection, sequence, platforms] = row else { return None };
    Some((text(connection)?.parse().ok()?, read_presence(sequence, platforms)?))
}

/// Some rows of connections that are not live.
fn dangling(user: &UserId, live: &[ConnId]) -> Statement {
    let sql = format!(
        "{OWN} SELECT connection, watched, EXISTS (SELECT 1 FROM json_each(?2) AS live \
         CROSS JOIN subscription AS other ON other.user = ?1 AND other.connection = CAST(live.value AS TEXT) \
         AND other.watched = row.watched) \
         FROM own CROSS JOIN subscription AS row ON row.user = ?1 AND row.connection = own.id \
         WHERE own.id IS NOT NULL AND own.id NOT IN (SELECT CAST(value AS TEXT) FROM json_each(?2)) LIMIT ?3"
    );
    let most = i64::try_from(RELEASED_AT_ONCE).unwrap_or(i64::MAX);
    Statement::new(sql, [user.as_str().into(), json!(live).to_string().into(), most.into()])
}

pub(super) fn read_dangling(row: &[Value]) -> Option<DanglingSubscription> {
    let [connection, watched, is_followed] = row else { return None };
    Some(DanglingSubscription {
        connection: text(connection)?.to_owned(),
        watched: UserId::new(text(watched)?).ok()?,
        is_followed: int(is_followed)? != 0,
    })
}

fn registration(user: &UserId, watcher: &UserId) -> Statement {
    let sql = "SELECT CAST(stamp AS TEXT) FROM watcher WHERE user = ?1 AND watcher = ?2";
    Statement::new(sql, [user.as_str().into(), watcher.as_str().into()])
}

pub(super) fn read_registration(value: &Value) -> Option<RegistrationVersion> {
    text(value)?.parse().ok().map(RegistrationVersion::from_number)
}

/// The next watchers after the cursor.
fn page(user: &UserId) -> Statement {
    let sql = "SELECT watcher, CAST(stamp AS TEXT) FROM watcher WHERE user = ?1 \
               AND watcher > coalesce((SELECT after FROM ties WHERE user = ?1), '') ORDER BY watcher LIMIT ?2";
    let most = i64::try_from(WATCHERS_AT_ONCE).unwrap_or(i64::MAX);
    Statement::new(sql, [user.as_str().into(), most.into()])
}

pub(super) fn read_watcher(row: &[Value]) -> Option<(UserId, RegistrationVersion)> {
    let [watcher, registration] = row else { return None };
    Some((UserId::new(text(watcher)?).ok()?, read_registration(registration)?))
}

fn read_presence(sequence: &Value, platforms: &Value) -> Option<PresenceVersion> {
    Some(PresenceVersion { sequence: int(sequence)?, platforms: PlatformSet::from_bits(int(platforms)?)? })
}

fn optional(value: &Value) -> Option<Option<i64>> {
    match value {
        Value::Null => Some(None),
        value => int(value).map(Some),
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
