//! The live set as rows: who is connected, at which process.
//!
//! A row holds what the edge keeps with a socket: the connection as JSON. Its columns say the rest of what an order needs, so that a
//! row of another version of this program, whose JSON does not read, is a connection all the same: shown, and ended by orders.

use std::sync::atomic::Ordering::Relaxed;

use rollcall_core::{
    gateway::{Encoding, Wire},
    id::{ConnId, RecordId, UserId},
    json,
    platform::Platform,
    secret::Secret,
    serial::Serial,
    store::{Statement, Value},
    time::Timestamp,
    token::Verified,
    user::{Action, Connection, Console, User},
};

use super::{Cluster, Elsewhere};
use crate::store::{StoreError, rows_at};

const CONNECTION: i64 = 0;
const CONSOLE: i64 = 1;

/// The rows of one user.
#[derive(Default)]
pub(crate) struct LiveRows {
    connections: Vec<(i64, Connection)>,
    consoles: Vec<(i64, Console)>,
}

/// A row does not have the columns of its statement: the store is damaged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a row of a live connection does not read as one")]
pub struct LiveRowError;

/// The rows of a user, of processes that serve; read by [`Cluster::read_live`].
pub(crate) fn of_user(user: &UserId) -> Statement {
    Statement::new(
        "SELECT connection, CAST(node AS TEXT), kind, CAST(record AS TEXT), platform, token_hash, opened_at, CAST(under AS TEXT), \
         body FROM live WHERE user = ?1 \
         AND EXISTS (SELECT 1 FROM node WHERE node.id = live.node AND node.state = 0)",
        [user.as_str().into()],
    )
}

/// Forgets every connection, for a store whose processes have all ended.
pub(crate) fn forget_all() -> Statement {
    Statement::new("DELETE FROM live", [])
}

impl LiveRows {
    /// The connections and consoles of this process.
    pub(crate) fn of(&self, node: i64) -> Vec<ConnId> {
        let connections = self.connections.iter().filter(|(of, _)| *of == node).map(|(_, one)| one.id);
        let consoles = self.consoles.iter().filter(|(of, _)| *of == node).map(|(_, one)| one.id);
        connections.chain(consoles).collect()
    }

    /// The connections and consoles of other processes.
    pub(crate) fn elsewhere(&self, node: i64) -> Vec<Elsewhere> {
        let connections = self.connections.iter().map(|(of, one)| (*of, one.id, false));
        let all = connections.chain(self.consoles.iter().map(|(of, one)| (*of, one.id, true)));
        all.filter(|(of, ..)| *of != node)
            .map(|(node, connection, is_console)| Elsewhere { connection, node, is_console })
            .collect()
    }

    /// The user with these connections, but for those of this process that are `lost`. `own` is the user with the connections that have
    /// a socket here: memory knows more of them.
    pub(crate) fn user(self, node: i64, own: &User, is_lost: impl Fn(ConnId) -> bool) -> User {
        let is_live = |of: i64, id: ConnId| of != node || !is_lost(id);
        let connections =
            self.connections.into_iter().filter(|(of, one)| is_live(*of, one.id)).map(|(_, one)| {
                // The engine may have lost the last flag.
                let known = own.connections().iter().find(|own| own.id == one.id);
                Connection { background: known.map_or(one.background, |own| own.background), ..one }
            });
        let consoles = self.consoles.into_iter().filter(|(of, one)| is_live(*of, one.id)).map(|(_, one)| {
            // What a console has said since it opened is known where its socket is.
            let session = own.consoles().iter().find(|own| own.id == one.id).map(|own| own.session.clone());
            Console { session: session.unwrap_or_else(|| one.session.clone()), ..one }
        });
        User::new(own.id().clone(), connections.collect())
            .with_consoles(consoles.collect())
            .with_pace(own.pace())
            .with_last_opened(own.last_opened())
    }
}

impl Cluster {
    /// Reads the rows of [`of_user`].
    ///
    /// # Errors
    /// When a row has other columns.
    pub(crate) fn read_live(&self, user: &UserId, rows: &[Vec<Value>]) -> Result<LiveRows, LiveRowError> {
        let mut live = LiveRows::default();
        for row in rows {
            let row = Row::read(row).ok_or(LiveRowError)?;
            if row.is_console {
                live.consoles.push((row.node, row.console()));
            } else {
                // One whose columns another version wrote too is nothing that can be shown here.
                live.connections.extend(self.connection(user, &row).map(|one| (row.node, one)));
            }
        }
        Ok(live)
    }

    /// The connections of this process that have a row, with their users.
    ///
    /// # Errors
    /// When the store fails.
    pub(crate) async fn own_rows(&self) -> Result<Vec<(UserId, ConnId)>, StoreError> {
        let own = Statement::new("SELECT user, connection FROM live WHERE node = ?1", [self.node.into()]);
        let answers = self.store.query(vec![own]).await?;
        let address = |row: &Vec<Value>| match row.as_slice() {
            [Value::Text(user), Value::Text(connection)] => {
                Some((UserId::new(user.as_str()).ok()?, connection.parse().ok()?))
            }
            _ => None,
        };
        Ok(rows_at(&answers, 0)?.iter().filter_map(address).collect())
    }

    fn connection(&self, user: &UserId, row: &Row<'_>) -> Option<Connection> {
        let Ok(stored) = json::read::<Connection>(row.body) else {
            // Each read of the row would say so.
            if !self.has_met_other_form.swap(true, Relaxed) {
                tracing::warn!(
                    connection = %row.id,
                    "live connections are shown without what another version wrote of them"
                );
            }
            return row.connection(user);
        };
        let text = self.seal.open(row.id, stored.token.text.expose()).unwrap_or_default();
        Some(Connection { id: row.id, token: Verified { text, ..stored.token }, under: row.under, ..stored })
    }

    fn body(&self, connection: &Connection) -> Value {
        let sealed = Secret::new(self.seal.close(connection.id, &connection.token.text));
        let token = Verified { text: sealed, ..connection.token.clone() };
        as_json(&Connection { token, ..connection.clone() })
    }

    /// The statement by which rows follow an action. `user` is as it was before the action.
    pub(crate) fn statement(&self, user: &User, action: &Action) -> Option<Statement> {
        match action {
            Action::Admit(one) => Some(self.insert(
                user.id(),
                one.id,
                CONNECTION,
                one.record,
                Some((one.token.platform, one.token.hash.to_string())),
                (one.opened_at, one.under),
                self.body(one),
            )),
            Action::AdmitConsole(one) => Some(self.insert(
                user.id(),
                one.id,
                CONSOLE,
                one.record,
                None,
                (one.opened_at, one.under),
                as_json(one.as_ref()),
            )),
            Action::Retire(ids) => Some(forget(user.id(), ids)),
            // A row that is left of a connection which an order has ended stays under that order.
            Action::SetUnder(serial) => Some(Statement::new(
                "UPDATE live SET under = CAST(?2 AS INTEGER) WHERE user = ?1 \
                 AND connection IN (SELECT CAST(value AS TEXT) FROM json_each(?3))",
                [
                    user.id().as_str().into(),
                    Value::wide(serial.number()),
                    as_json(&user.ids().collect::<Vec<_>>()),
                ],
            )),
            Action::SetBackground { connection, background } => {
                let one = user.connections().iter().find(|one| one.id == *connection)?;
                let one = Connection { background: *background, ..one.clone() };
                Some(Statement::new(
                    "UPDATE live SET body = ?2 WHERE connection = ?1",
                    [connection.to_string().into(), self.body(&one)],
                ))
            }
            // What a console says stays with its socket.
            Action::KeepConsole(_)
            | Action::KeepPace(_)
            | Action::Publish { .. }
            | Action::Send { .. }
            | Action::Close { .. } => None,
        }
    }

    #[allow(clippy::too_many_arguments, reason = "one for each column")]
    fn insert(
        &self,
        user: &UserId,
        id: ConnId,
        kind: i64,
        record: Option<RecordId>,
        token: Option<(Platform, String)>,
        (opened_at, under): (Timestamp, Serial),
        body: Value,
    ) -> Statement {
        let (platform, hash) = token.unzip();
        Statement::new(
            "INSERT INTO live (connection, user, node, kind, record, platform, token_hash, opened_at, under, body) \
             VALUES (?1, ?2, CAST(?3 AS INTEGER), ?4, CAST(?5 AS INTEGER), ?6, ?7, ?8, CAST(?9 AS INTEGER), ?10)",
            [
                id.to_string().into(),
                user.as_str().into(),
                Value::wide(self.node),
                kind.into(),
                record.map(|record| Value::wide(record.number())).into(),
                platform.map(|platform| i64::from(platform.number())).into(),
                hash.into(),
                opened_at.millis().into(),
                Value::wide(under.number()),
                body,
            ],
        )
    }
}

/// The deletion of these rows of a user.
fn forget(user: &UserId, ids: &[ConnId]) -> Statement {
    Statement::new(
        "DELETE FROM live WHERE user = ?1 AND connection IN (SELECT CAST(value AS TEXT) FROM json_each(?2))",
        [user.as_str().into(), as_json(&ids)],
    )
}

fn as_json<T: serde::Serialize>(value: &T) -> Value {
    // NULL, which the column refuses, where it cannot be written.
    serde_json::to_string(value).map_or(Value::Null, Value::Text)
}

/// The columns of a row.
struct Row<'a> {
    id: ConnId,
    node: i64,
    is_console: bool,
    record: Option<RecordId>,
    platform: Option<Platform>,
    hash: Option<&'a str>,
    opened_at: Timestamp,
    under: Serial,
    body: &'a str,
}

impl<'a> Row<'a> {
    fn read(row: &'a [Value]) -> Option<Self> {
        let [id, node, kind, record, platform, hash, opened_at, under, body] = row else { return None };
        let wide = |value: &Value| text(value)?.parse().ok();
        Some(Self {
            id: text(id)?.parse().ok()?,
            node: wide(node)?,
            // One of a kind that is not known here is of no platform, as a console is, and ends like it.
            is_console: *kind != Value::Int(CONNECTION),
            record: wide(record).and_then(RecordId::from_number),
            platform: int(platform).and_then(Platform::from_number),
            hash: text(hash),
            opened_at: Timestamp::from_millis(int(opened_at)?),
            under: Serial::from_number(wide(under)?),
            body: text(body)?,
        })
    }

    fn console(&self) -> Console {
        match json::read::<Console>(self.body) {
            Ok(stored) => Console { id: self.id, under: self.under, ..stored },
            Err(_) => Console {
                id: self.id,
                opened_at: self.opened_at,
                under: self.under,
                expires: None,
                record: self.record,
                session: None,
            },
        }
    }

    /// What the columns say of a connection.
    fn connection(&self, user: &UserId) -> Option<Connection> {
        Some(Connection {
            id: self.id,
            token: Verified {
                user: user.clone(),
                platform: self.platform?,
                expires: Timestamp::from_millis(i64::MAX),
                hash: self.hash?.parse().ok()?,
                text: Secret::default(),
            },
            background: false,
            order: 0,
            opened_at: self.opened_at,
            under: self.under,
            wire: Wire { encoding: Encoding::Json, gzip: false },
            record: self.record,
            replacements: Vec::new(),
        })
    }
}

fn text(value: &Value) -> Option<&str> {
    match value {
        Value::Text(text) => Some(text),
        Value::Null | Value::Int(_) => None,
    }
}

fn int(value: &Value) -> Option<i64> {
    match value {
        Value::Int(number) => Some(*number),
        Value::Null | Value::Text(_) => None,
    }
}
