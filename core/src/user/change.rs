//! Durable facts and the SQL that writes them.

use serde::{Deserialize, Serialize};
use serde_json::json;

use super::{
    Account, HeldEnd, Profile,
    subscription::{DanglingSubscription, PresenceVersion, RegistrationVersion, SubscriptionState},
};
use crate::{
    audit,
    deny::DenyWindow,
    directory::record::Record,
    id::{ConnId, RecordId, TenantId, UserId},
    serial::Serial,
    store::{Statement, Value},
    time::Timestamp,
    token::store::{TokenRow, TokenSet, TokenState},
};

/// A fact to be made durable. All of one outcome are committed together or not at all.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Change {
    /// The user's own row is this from now on.
    Profile(Profile),
    /// The user's account is this from now on.
    Account(Account),
    /// The user's tenant, as its issuer named it. Its tokens are under the orders of this one from now on.
    Tenant(TenantId),
    /// The user's tokens are under the orders of this tenant from now on.
    Home(TenantId),
    /// The user's own cutoff for opaque tokens. A stored later one stays.
    Revoked {
        /// Opaque tokens issued at or before this instant are revoked.
        at: Timestamp,
    },
    /// The cutoffs for opaque tokens of a user whose tenant is unknown, by tenant.
    RevokedIn(Vec<(TenantId, Timestamp)>),
    /// Only orders name the user so far.
    Unseen {
        /// The instant of the latest of them.
        at: Timestamp,
        /// Whether nothing was stored of the user before.
        is_new: bool,
    },
    /// A token has proved the user.
    Seen {
        /// Whether nothing was stored of the user before, not even orders.
        is_new: bool,
    },
    /// The user's own cutoffs for opaque tokens are lifted, and those of tenants up to these serials.
    Unlocked(Vec<(TenantId, Serial)>),
    /// What these tenants' orders to sets of users up to these serials say of the user is written down.
    Settled(Vec<(TenantId, Serial)>),
    /// The user's deny windows are these from now on.
    Denied(Vec<DenyWindow>),
    /// A token was issued. It deletes no other: the clock may be wrong.
    TokenIssued(TokenRow),
    /// A token came from another server. One that is there stays as it is.
    TokenRestored(TokenRow),
    /// The valid ones of these tokens are kicked.
    TokensKicked(TokenSet),
    /// The tokens that an order to the tenant came after are kicked.
    TokensTaken {
        /// The order's serial.
        by: Serial,
        /// Its date, which counts where the order has no serial.
        at: Timestamp,
    },
    /// Tokens issued at or before an instant are kicked: those of a user who was under the orders of another tenant.
    TokensOutdated {
        /// The instant.
        by: Timestamp,
    },
    /// Valid tokens are under this serial from now on: their user has moved to another tenant.
    TokensUnder(Serial),
    /// A connection opened.
    RecordOpened(Box<Record>),
    /// A connection ended. Ends are final: only the first counts.
    RecordEnded {
        /// The connection's record.
        record: RecordId,
        /// The instant of the end.
        at: Timestamp,
    },
    /// A connection ended, and its end is held back for the grace period.
    EndHeld(HeldEnd),
    /// Every held end is released.
    HeldReleased,
    /// A connection follows these users, with these registrations from now on.
    Subscribed {
        /// The following connection.
        connection: ConnId,
        /// The followed users.
        watched: Vec<(UserId, RegistrationVersion)>,
    },
    /// A connection cancelled these subscriptions. The followed users are told later.
    Unsubscribed {
        /// The connection that followed.
        connection: ConnId,
        /// The users that were followed.
        watched: Vec<UserId>,
    },
    /// Registrations with these users outlived their subscriptions. The followed users are told later.
    TakenBack(Vec<UserId>),
    /// Dangling subscriptions are deleted.
    Released(Vec<DanglingSubscription>),
    /// A connection's client knows these versions of the users that it follows.
    Acknowledged {
        /// The following connection.
        connection: ConnId,
        /// The versions by followed user.
        presences: Vec<(UserId, PresenceVersion)>,
    },
    /// Another user watches this one.
    Watched {
        /// The following user.
        watcher: UserId,
        /// Its registration; a stored later one stays.
        registration: RegistrationVersion,
    },
    /// These users watch no longer, unless they registered again since.
    Unwatched(Vec<(UserId, RegistrationVersion)>),
    /// The user's subscription state is this from now on.
    SubscriptionState(SubscriptionState),
    /// An order was given to the user.
    Audited(Box<audit::Part>),
}

/// Gives every held end of every user its true date, for a store whose users are all gone.
pub fn release_all_held() -> [Statement; 2] {
    [
        "UPDATE record SET generation = generation + 1, \
         offline_at = max(online_at, (SELECT max(ended_at) FROM held_end WHERE held_end.record = record.id)) \
         WHERE offline_at IS NULL AND id IN (SELECT record FROM held_end)",
        "DELETE FROM held_end",
    ]
    .map(|sql| Statement::new(sql, []))
}

/// Stands for the connection in the rows of subscriptions that were cancelled.
const NO_CONNECTION: &str = "";

/// Hashes in one statement; each is one bound parameter, and there are at most 100.
const HASHES: usize = 90;

impl Change {
    /// Whether this change commutes with later changes that were committed first.
    pub fn may_come_late(&self) -> bool {
        matches!(self, Self::TokensTaken { .. } | Self::RecordEnded { .. })
    }

    /// The statements that make the change durable, to be run in order.
    pub fn statements(&self, user: &UserId) -> Vec<Statement> {
        let id = || Value::from(user.as_str());
        match self {
            Self::Profile(profile) => vec![Statement::new(
                "INSERT INTO user (id, tenant, last_order, issue_clock, home, first_expiry) \
                 VALUES (?1, CAST(?2 AS INTEGER), ?3, ?4, CAST(?5 AS INTEGER), ?6) \
                 ON CONFLICT (id) DO UPDATE SET tenant = excluded.tenant, last_order = excluded.last_order, \
                 issue_clock = excluded.issue_clock, home = excluded.home, first_expiry = excluded.first_expiry",
                [
                    id(),
                    profile.tenant.map(|tenant| Value::wide(tenant.0)).into(),
                    profile.last_order.into(),
                    Value::json(&profile.issue_clock),
                    profile.home.map(|tenant| Value::wide(tenant.0)).into(),
                    profile.first_expiry.map(Timestamp::millis).into(),
                ],
            )],
            Self::Account(account) => vec![Statement::new(
                "INSERT INTO account (user, nickname, face_url) VALUES (?1, ?2, ?3) ON CONFLICT (user) \
                 DO UPDATE SET nickname = excluded.nickname, face_url = excluded.face_url",
                [id(), account.nickname.as_str().into(), account.face_url.as_str().into()],
            )],
            Self::Tenant(tenant) => vec![Statement::new(
                "INSERT INTO user (id, tenant, home) VALUES (?1, CAST(?2 AS INTEGER), CAST(?2 AS INTEGER)) \
                 ON CONFLICT (id) DO UPDATE SET tenant = excluded.tenant, home = excluded.home",
                [id(), Value::wide(tenant.0)],
            )],
            Self::Home(tenant) => vec![Statement::new(
                "INSERT INTO user (id, home) VALUES (?1, CAST(?2 AS INTEGER)) \
                 ON CONFLICT (id) DO UPDATE SET home = excluded.home",
                [id(), Value::wide(tenant.0)],
            )],
            // Cutoffs never go back.
            Self::Revoked { at } => vec![Statement::new(
                "INSERT INTO user (id, revoked_at) VALUES (?1, ?2) ON CONFLICT (id) \
                 DO UPDATE SET revoked_at = max(coalesce(user.revoked_at, excluded.revoked_at), excluded.revoked_at)",
                [id(), at.millis().into()],
            )],
            Self::RevokedIn(orders) => vec![Statement::new(
                "INSERT INTO user (id, revoked_in) VALUES (?1, ?2) \
                 ON CONFLICT (id) DO UPDATE SET revoked_in = excluded.revoked_in",
                [id(), Value::json(orders)],
            )],
            Self::Unlocked(serials) => vec![Statement::new(
                "INSERT INTO user (id, unlocked_in) VALUES (?1, ?2) ON CONFLICT (id) \
                 DO UPDATE SET revoked_at = NULL, revoked_in = '', unlocked_in = excluded.unlocked_in",
                [id(), Value::json(serials)],
            )],
            Self::Settled(serials) => vec![Statement::new(
                "INSERT INTO user (id, settled_in) VALUES (?1, ?2) \
                 ON CONFLICT (id) DO UPDATE SET settled_in = excluded.settled_in",
                [id(), Value::json(serials)],
            )],
            Self::Denied(windows) => vec![Statement::new(
                "INSERT INTO user (id, denied) VALUES (?1, ?2) ON CONFLICT (id) DO UPDATE SET denied = excluded.denied",
                [id(), Value::json(windows)],
            )],
            Self::TokenIssued(row) => vec![insert_token(&id, row, "")],
            Self::TokenRestored(row) => vec![insert_token(
                &id,
                row,
                "WHERE NOT EXISTS (SELECT 1 FROM token WHERE user = ?1 AND state IN (0, 1) AND hash = ?2)",
            )],
            Self::TokensKicked(set) => kick(&id, set),
            Self::Unseen { at, .. } => vec![Statement::new(
                "UPDATE user SET unseen_at = ?2 WHERE id = ?1",
                [id(), at.millis().into()],
            )],
            Self::Seen { .. } => vec![Statement::new(
                "INSERT INTO user (id) VALUES (?1) ON CONFLICT (id) DO UPDATE SET unseen_at = NULL",
                [id()],
            )],
            // Both arms are the rule of `Cutoff::follows`.
            Self::TokensTaken { by: Serial::NONE, at } => vec![Statement::new(
                "UPDATE token SET state = 1 WHERE user = ?1 AND state = 0 AND under < 0 AND issued_at <= ?2",
                [id(), at.millis().into()],
            )],
            Self::TokensTaken { by, .. } => vec![Statement::new(
                "UPDATE token SET state = 1 WHERE user = ?1 AND state = 0 AND under < CAST(?2 AS INTEGER)",
                [id(), Value::wide(by.number())],
            )],
            Self::TokensOutdated { by } => vec![Statement::new(
                "UPDATE token SET state = 1 WHERE user = ?1 AND state = 0 AND issued_at <= ?2",
                [id(), by.millis().into()],
            )],
            Self::TokensUnder(serial) => vec![Statement::new(
                "UPDATE token SET under = CAST(?2 AS INTEGER) WHERE user = ?1 AND state = 0",
                [id(), Value::wide(serial.number())],
            )],
            Self::RecordOpened(record) => vec![crate::directory::upsert::opened(record)],
            Self::RecordEnded { record, at } => vec![crate::directory::upsert::ended(*record, *at)],
            Self::EndHeld(held) => vec![Statement::new(
                "INSERT INTO held_end (user, record, ended_at, until) VALUES (?1, CAST(?2 AS INTEGER), ?3, ?4) \
                 ON CONFLICT (user, record) DO UPDATE SET ended_at = excluded.ended_at, until = excluded.until",
                [
                    id(),
                    Value::wide(held.record.number()),
                    held.ended_at.millis().into(),
                    held.until.millis().into(),
                ],
            )],
            Self::HeldReleased => vec![Statement::new("DELETE FROM held_end WHERE user = ?1", [id()])],
            Self::Subscribed { connection, watched } => vec![subscribe(user, *connection, watched)],
            Self::Unsubscribed { connection, watched } => unsubscribe(user, *connection, watched).into(),
            Self::TakenBack(watched) => vec![take_back(user, watched)],
            Self::Released(dangling) => vec![release(user, dangling)],
            Self::Acknowledged { connection, presences } => {
                vec![acknowledge(user, *connection, presences)]
            }
            Self::Watched { watcher, registration } => vec![watch(user, watcher, *registration)],
            Self::Unwatched(watchers) => {
                watchers.iter().map(|(watcher, by)| unwatch(user, watcher, *by)).collect()
            }
            Self::SubscriptionState(state) => vec![set_state(user, state)],
            Self::Audited(part) => vec![audit::keep(part)],
        }
    }
}

fn insert_token(id: &impl Fn() -> Value, row: &TokenRow, unless: &str) -> Statement {
    Statement::new(
        format!(
            "INSERT INTO token (user, hash, platform, ord, issued_at, expires_at, state, under) \
             SELECT ?1, ?2, ?3, ?4, ?5, ?6, ?7, CAST(?8 AS INTEGER) {unless}"
        ),
        [
            id(),
            row.hash.to_string().into(),
            i64::from(row.platform.number()).into(),
            row.order.into(),
            row.issued_at.millis().into(),
            row.expires.millis().into(),
            Value::Int(i64::from(row.state == TokenState::Kicked)),
            Value::wide(row.under.number()),
        ],
    )
}

/// Tombstones are left alone: each row written costs time on one runtime and money on the other.
fn kick(id: &impl Fn() -> Value, set: &TokenSet) -> Vec<Statement> {
    match set {
        TokenSet::These(hashes) => hashes
            .chunks(HASHES)
            .map(|chunk| {
                let places: Vec<String> = (2..chunk.len() + 2).map(|n| format!("?{n}")).collect();
                let sql = format!(
                    "UPDATE token SET state = 1 WHERE user = ?1 AND hash IN ({}) AND state = 0",
                    places.join(", ")
                );
                let hashes = chunk.iter().map(|hash| Value::from(hash.to_string()));
                Statement::new(sql, std::iter::once(id()).chain(hashes).collect::<Vec<_>>())
            })
            .collect(),
        TokenSet::Platform { platform, except } => vec![Statement::new(
            "UPDATE token SET state = 1 WHERE user = ?1 AND platform = ?2 AND hash <> ?3 AND state = 0",
            [
                id(),
                i64::from(platform.number()).into(),
                except.map(|hash| hash.to_string()).unwrap_or_default().into(),
            ],
        )],
        TokenSet::All => {
            vec![Statement::new("UPDATE token SET state = 1 WHERE user = ?1 AND state = 0", [id()])]
        }
    }
}

fn set_state(user: &UserId, state: &SubscriptionState) -> Statement {
    let fan_out = state.fan_out.as_ref();
    let sql = "INSERT INTO ties (user, sequence, told, due, after, wave, release_at, registered) \
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, CAST(?8 AS INTEGER)) ON CONFLICT (user) \
         DO UPDATE SET sequence = excluded.sequence, told = excluded.told, due = excluded.due, after = excluded.after, \
         wave = excluded.wave, release_at = excluded.release_at, registered = excluded.registered";
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
            Value::wide(state.registered.number()),
        ],
    )
}

fn subscribe(user: &UserId, connection: ConnId, watched: &[(UserId, RegistrationVersion)]) -> Statement {
    let sql = "INSERT INTO subscription (user, connection, watched, stamp, sequence) \
         SELECT ?1, ?2, value ->> 0, CAST(value ->> 1 AS INTEGER), ?4 FROM json_each(?3) WHERE true \
         ON CONFLICT (user, connection, watched) DO UPDATE SET stamp = excluded.stamp";
    let list = json!(watched).to_string();
    let unanswered = PresenceVersion::unanswered().sequence;
    Statement::new(sql, [user.as_str().into(), connection.to_string().into(), list.into(), unanswered.into()])
}

/// The rows stay until the followed users have been told, without a connection.
fn unsubscribe(user: &UserId, connection: ConnId, watched: &[UserId]) -> [Statement; 2] {
    let list = json!(watched).to_string();
    // The first makes room for the second: an earlier cancel may have left a row of the same user.
    [
        "DELETE FROM subscription \
         WHERE user = ?1 AND connection = ?4 AND watched IN (SELECT CAST(value AS TEXT) FROM json_each(?3)) \
         AND EXISTS (SELECT 1 FROM subscription AS own \
         WHERE own.user = ?1 AND own.connection = ?2 AND own.watched = subscription.watched)",
        "UPDATE subscription SET connection = ?4 \
         WHERE user = ?1 AND connection = ?2 AND watched IN (SELECT CAST(value AS TEXT) FROM json_each(?3))",
    ]
    .map(|sql| {
        let (connection, list) = (connection.to_string().into(), list.as_str().into());
        Statement::new(sql, [user.as_str().into(), connection, list, NO_CONNECTION.into()])
    })
}

fn take_back(user: &UserId, watched: &[UserId]) -> Statement {
    let sql = "INSERT INTO subscription (user, connection, watched, stamp) \
         SELECT ?1, ?3, CAST(value AS TEXT), 0 FROM json_each(?2) WHERE true ON CONFLICT DO NOTHING";
    Statement::new(sql, [user.as_str().into(), json!(watched).to_string().into(), NO_CONNECTION.into()])
}

fn release(user: &UserId, dangling: &[DanglingSubscription]) -> Statement {
    let sql = "DELETE FROM subscription WHERE user = ?1 AND (connection, watched) IN \
               (SELECT value ->> 0, value ->> 1 FROM json_each(?2))";
    let list: Vec<_> = dangling.iter().map(|row| json!([row.connection, row.watched])).collect();
    Statement::new(sql, [user.as_str().into(), json!(list).to_string().into()])
}

/// Rows that are not there any more are not made again.
fn acknowledge(user: &UserId, connection: ConnId, presences: &[(UserId, PresenceVersion)]) -> Statement {
    // The list is the outer loop, and each of its rows one step through the key. UPDATE ... FROM leaves that order to the
    // planner, which reads the whole list for each subscription.
    let sql = "INSERT INTO subscription (user, connection, watched, stamp, sequence, platforms) \
         SELECT kept.user, kept.connection, kept.watched, kept.stamp, CAST(known.value ->> 1 AS INTEGER), \
         CAST(known.value ->> 2 AS INTEGER) \
         FROM json_each(?3) AS known CROSS JOIN subscription AS kept \
         ON kept.user = ?1 AND kept.connection = ?2 AND kept.watched = known.value ->> 0 WHERE true \
         ON CONFLICT (user, connection, watched) \
         DO UPDATE SET sequence = excluded.sequence, platforms = excluded.platforms";
    let known: Vec<_> = presences
        .iter()
        .map(|(watched, presence)| json!([watched, presence.sequence, presence.platforms]))
        .collect();
    Statement::new(
        sql,
        [user.as_str().into(), connection.to_string().into(), json!(known).to_string().into()],
    )
}

fn watch(user: &UserId, watcher: &UserId, registration: RegistrationVersion) -> Statement {
    let sql = "INSERT INTO watcher (user, watcher, stamp) VALUES (?1, ?2, CAST(?3 AS INTEGER)) \
         ON CONFLICT (user, watcher) DO UPDATE SET stamp = excluded.stamp WHERE watcher.stamp < excluded.stamp";
    Statement::new(sql, [user.as_str().into(), watcher.as_str().into(), Value::wide(registration.number())])
}

/// A watcher that registered again since stays.
fn unwatch(user: &UserId, watcher: &UserId, by: RegistrationVersion) -> Statement {
    let sql = "DELETE FROM watcher WHERE user = ?1 AND watcher = ?2 AND stamp <= CAST(?3 AS INTEGER)";
    Statement::new(sql, [user.as_str().into(), watcher.as_str().into(), Value::wide(by.number())])
}
