//! The rows, and the SQL that reads and writes them.

use serde_json::json;

use super::{
    DanglingSubscription, FanOut, Follower, PresenceVersion, RELEASED_AT_ONCE, RegistrationVersion,
    Subscription, SubscriptionState, WATCHERS_AT_ONCE,
};
use crate::{
    id::{ConnId, UserId},
    json,
    platform::PlatformSet,
    store::{Statement, Value},
    time::Timestamp,
    user::WatchedState,
};

/// Forgets all of it, for a store whose users are all gone.
pub fn forget_all_subscriptions() -> [Statement; 3] {
    ["DELETE FROM subscription", "DELETE FROM watcher", "DELETE FROM ties"].map(|sql| Statement::new(sql, []))
}

/// Stands for the connection in the rows of subscriptions that were cancelled.
const NO_CONNECTION: &str = "";

/// The names of the connections that have rows, one step each through the key, however many rows they have.
const OWN: &str = "WITH RECURSIVE own (id) AS (\
    SELECT min(connection) FROM subscription WHERE user = ?1 \
    UNION ALL SELECT (SELECT min(connection) FROM subscription WHERE user = ?1 AND connection > own.id) \
    FROM own WHERE own.id IS NOT NULL)";

pub(in crate::user) fn state(user: &UserId) -> Statement {
    let sql = "SELECT EXISTS (SELECT 1 FROM watcher WHERE user = ?1), \
         EXISTS (SELECT 1 FROM subscription WHERE user = ?1), \
         sequence, told, due, after, wave, release_at \
         FROM (SELECT 1) LEFT JOIN ties ON ties.user = ?1";
    Statement::new(sql, [user.as_str().into()])
}

pub(in crate::user) fn read_state(row: &[Value]) -> Option<WatchedState> {
    let [watched, following, sequence, told, due, after, wave, release_at] = row else { return None };
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
        };
    }
    Some(WatchedState { is_watched: int(watched)? != 0, is_following: int(following)? != 0, state })
}

pub(in crate::user) fn set_state(user: &UserId, state: &SubscriptionState) -> Statement {
    let fan_out = state.fan_out.as_ref();
    let sql = "INSERT OR REPLACE INTO ties (user, sequence, told, due, after, wave, release_at) \
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)";
    Statement::new(
        sql,
        [
            user.as_str().into(),
            state.sequence.into(),
            state.notified.map(|set| i64::from(set.bits())).into(),
            Value::Int(state.due.into()),
            fan_out.and_then(|fan_out| fan_out.after.as_ref()).map_or("", UserId::as_str).into(),
            fan_out.map_or_else(|| "".into(), Value::json),
            state.release_at.map(Timestamp::millis).into(),
        ],
    )
}

pub(in crate::user) fn subscriptions(user: &UserId, connection: ConnId) -> Statement {
    let sql = "SELECT watched, CAST(stamp AS TEXT), sequence, platforms FROM subscription \
               WHERE user = ?1 AND connection = ?2";
    Statement::new(sql, [user.as_str().into(), connection.to_string().into()])
}

pub(in crate::user) fn read_subscription(row: &[Value]) -> Option<Subscription> {
    let [watched, registration, sequence, platforms] = row else { return None };
    Some(Subscription {
        watched: UserId::new(text(watched)?).ok()?,
        registration: read_registration(registration)?,
        acknowledged: read_presence(sequence, platforms)?,
    })
}

/// The live connections that follow a user.
pub(in crate::user) fn followers(user: &UserId, watched: &UserId, live: &[ConnId]) -> Statement {
    let sql = "SELECT connection, sequence, platforms FROM json_each(?2) AS live \
               CROSS JOIN subscription ON user = ?1 AND connection = live.value AND watched = ?3";
    Statement::new(sql, [user.as_str().into(), json!(live).to_string().into(), watched.as_str().into()])
}

pub(in crate::user) fn read_follower(row: &[Value]) -> Option<Follower> {
    let [connection, sequence, platforms] = row else { return None };
    Some((text(connection)?.parse().ok()?, read_presence(sequence, platforms)?))
}

/// Some rows of connections that are not live.
pub(in crate::user) fn dangling(user: &UserId, live: &[ConnId]) -> Statement {
    let sql = format!(
        "{OWN} SELECT connection, watched, EXISTS (SELECT 1 FROM json_each(?2) AS live \
         CROSS JOIN subscription AS other ON other.user = ?1 AND other.connection = live.value \
         AND other.watched = row.watched) \
         FROM own CROSS JOIN subscription AS row ON row.user = ?1 AND row.connection = own.id \
         WHERE own.id IS NOT NULL AND own.id NOT IN (SELECT value FROM json_each(?2)) LIMIT ?3"
    );
    let most = i64::try_from(RELEASED_AT_ONCE).unwrap_or(i64::MAX);
    Statement::new(sql, [user.as_str().into(), json!(live).to_string().into(), most.into()])
}

pub(in crate::user) fn read_dangling(row: &[Value]) -> Option<DanglingSubscription> {
    let [connection, watched, is_followed] = row else { return None };
    Some(DanglingSubscription {
        connection: text(connection)?.to_owned(),
        watched: UserId::new(text(watched)?).ok()?,
        is_followed: int(is_followed)? != 0,
    })
}

pub(in crate::user) fn watcher(user: &UserId, watcher: &UserId) -> Statement {
    let sql = "SELECT CAST(stamp AS TEXT) FROM watcher WHERE user = ?1 AND watcher = ?2";
    Statement::new(sql, [user.as_str().into(), watcher.as_str().into()])
}

pub(in crate::user) fn read_registration(value: &Value) -> Option<RegistrationVersion> {
    text(value)?.parse().ok().map(RegistrationVersion::from_number)
}

/// The next watchers after the cursor.
pub(in crate::user) fn page(user: &UserId) -> Statement {
    let sql = "SELECT watcher, CAST(stamp AS TEXT) FROM watcher WHERE user = ?1 \
               AND watcher > coalesce((SELECT after FROM ties WHERE user = ?1), '') ORDER BY watcher LIMIT ?2";
    let most = i64::try_from(WATCHERS_AT_ONCE).unwrap_or(i64::MAX);
    Statement::new(sql, [user.as_str().into(), most.into()])
}

pub(in crate::user) fn read_watcher(row: &[Value]) -> Option<(UserId, RegistrationVersion)> {
    let [watcher, registration] = row else { return None };
    Some((UserId::new(text(watcher)?).ok()?, read_registration(registration)?))
}

pub(in crate::user) fn subscribe(
    user: &UserId,
    connection: ConnId,
    watched: &[(UserId, RegistrationVersion)],
) -> Statement {
    let sql = "INSERT INTO subscription (user, connection, watched, stamp, sequence) \
         SELECT ?1, ?2, value ->> 0, value ->> 1, ?4 FROM json_each(?3) WHERE true \
         ON CONFLICT (user, connection, watched) DO UPDATE SET stamp = excluded.stamp";
    let list = json!(watched).to_string();
    let unanswered = PresenceVersion::unanswered().sequence;
    Statement::new(sql, [user.as_str().into(), connection.to_string().into(), list.into(), unanswered.into()])
}

/// The rows stay until the followed users have been told, without a connection.
pub(in crate::user) fn unsubscribe(user: &UserId, connection: ConnId, watched: &[UserId]) -> Statement {
    let sql = "UPDATE OR REPLACE subscription SET connection = ?4 \
         WHERE user = ?1 AND connection = ?2 AND watched IN (SELECT value FROM json_each(?3))";
    let list = json!(watched).to_string();
    Statement::new(
        sql,
        [user.as_str().into(), connection.to_string().into(), list.into(), NO_CONNECTION.into()],
    )
}

pub(in crate::user) fn release(user: &UserId, dangling: &[DanglingSubscription]) -> Statement {
    let sql = "DELETE FROM subscription WHERE user = ?1 AND (connection, watched) IN \
               (SELECT value ->> 0, value ->> 1 FROM json_each(?2))";
    let list: Vec<_> = dangling.iter().map(|row| json!([row.connection, row.watched])).collect();
    Statement::new(sql, [user.as_str().into(), json!(list).to_string().into()])
}

/// Rows that are not there any more are not made again.
pub(in crate::user) fn acknowledge(
    user: &UserId,
    connection: ConnId,
    presences: &[(UserId, PresenceVersion)],
) -> Statement {
    let sql = "UPDATE subscription SET sequence = known.value ->> 1, platforms = known.value ->> 2 \
         FROM json_each(?3) AS known \
         WHERE user = ?1 AND connection = ?2 AND watched = known.value ->> 0";
    let known: Vec<_> = presences
        .iter()
        .map(|(watched, presence)| json!([watched, presence.sequence, presence.platforms]))
        .collect();
    Statement::new(
        sql,
        [user.as_str().into(), connection.to_string().into(), json!(known).to_string().into()],
    )
}

pub(in crate::user) fn watch(
    user: &UserId,
    watcher: &UserId,
    registration: RegistrationVersion,
) -> Statement {
    let sql = "INSERT INTO watcher (user, watcher, stamp) VALUES (?1, ?2, CAST(?3 AS INTEGER)) \
         ON CONFLICT (user, watcher) DO UPDATE SET stamp = max(stamp, excluded.stamp)";
    Statement::new(sql, [user.as_str().into(), watcher.as_str().into(), Value::wide(registration.number())])
}

/// A watcher that registered again since stays.
pub(in crate::user) fn unwatch(user: &UserId, watcher: &UserId, by: RegistrationVersion) -> Statement {
    let sql = "DELETE FROM watcher WHERE user = ?1 AND watcher = ?2 AND stamp <= CAST(?3 AS INTEGER)";
    Statement::new(sql, [user.as_str().into(), watcher.as_str().into(), Value::wide(by.number())])
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
