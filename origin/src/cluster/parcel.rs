//! What a process has for a socket of another one: frames and a close, as a row of the commit that says why.
//!
//! Only the process of a console knows what its client has said since it opened. So of a console a parcel has the notice, and not the
//! frames.

use base64::{Engine as _, engine::general_purpose::STANDARD_NO_PAD};
use rollcall_core::{
    gateway::{Close, Payload},
    id::{ConnId, UserId},
    json,
    store::{Statement, Value},
    user::{Action, User},
};
use serde::{Deserialize, Serialize};

use super::{Cluster, known::InHand};

/// A row.
#[derive(Clone, Debug)]
pub(crate) struct Parcel {
    pub(super) id: i64,
    pub(super) sender: i64,
    /// The user and the connection. One without reaches nobody.
    pub(crate) address: Option<(UserId, ConnId)>,
    /// Whether it closes its socket.
    pub(crate) closes: bool,
    body: String,
}

/// Its contents.
#[derive(Debug, Default, PartialEq, Serialize, Deserialize)]
struct Contents {
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    frames: Vec<Frame>,
    /// What a console gets before its close.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    notice: Option<String>,
    /// The reason of the close.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    close: Option<String>,
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Frame {
    Text(String),
    /// In Base64.
    Binary(String),
}

/// Every close, by its reason.
const CLOSES: [Close; 9] = [
    Close::Done,
    Close::Undecodable,
    Close::Policy,
    Close::TooBig,
    Close::Draining,
    Close::Kicked,
    Close::ForcedOffline,
    Close::TokenExpired,
    Close::TooSlow,
];

/// Rows that may wait for a socket.
const WAITING: i64 = 1_000;

/// A connection of another process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Elsewhere {
    pub(crate) connection: ConnId,
    pub(crate) node: i64,
    pub(crate) is_console: bool,
}

/// Rows that are to be written, and whom they are for.
#[derive(Default)]
pub(crate) struct Outgoing {
    pub(crate) statements: Vec<Statement>,
    pub(crate) nodes: Vec<i64>,
}

impl Cluster {
    /// What these actions have for sockets of other processes. `notice` is what consoles get before they are closed.
    pub(crate) fn outgoing(
        &self,
        user: &UserId,
        elsewhere: &[Elsewhere],
        actions: &[Action],
        notice: Option<&str>,
    ) -> Outgoing {
        let mut outgoing = Outgoing::default();
        for one in elsewhere {
            let mut contents = Contents::default();
            for action in actions {
                match action {
                    Action::Send { connection, payload }
                        if *connection == one.connection && !one.is_console =>
                    {
                        contents.frames.push(Frame::of(payload));
                    }
                    // The first one counts.
                    Action::Close { connection, close } if *connection == one.connection => {
                        contents.close.get_or_insert_with(|| close.reason().to_owned());
                    }
                    _ => {}
                }
            }
            if contents == Contents::default() {
                continue;
            }
            contents.notice = notice.filter(|_| one.is_console).map(str::to_owned);
            outgoing.statements.push(self.add(user, one, &contents));
            if !outgoing.nodes.contains(&one.node) {
                outgoing.nodes.push(one.node);
            }
        }
        outgoing
    }
}

impl Cluster {
    /// The row. Behind the most that may wait for a socket comes its close instead, and nothing more.
    fn add(&self, user: &UserId, one: &Elsewhere, contents: &Contents) -> Statement {
        let add = "INSERT INTO parcel (node, sender, user, connection, closes, body)";
        let body = as_json(contents);
        let row = [
            one.node.into(),
            self.node.into(),
            user.as_str().into(),
            one.connection.to_string().into(),
            body,
        ];
        if contents.close.is_some() {
            return Statement::new(format!("{add} VALUES (?1, ?2, ?3, ?4, 1, ?5)"), row);
        }
        let too_slow = Contents { close: Some(Close::TooSlow.reason().to_owned()), ..Contents::default() };
        let mut params = Vec::from(row);
        params.extend([WAITING.into(), as_json(&too_slow)]);
        let sql = format!(
            "{add} SELECT ?1, ?2, ?3, ?4, CASE WHEN waiting.number < ?6 THEN 0 ELSE 1 END, \
             CASE WHEN waiting.number < ?6 THEN ?5 ELSE ?7 END \
             FROM (SELECT count(*) AS number FROM parcel WHERE user = ?3 AND connection = ?4) AS waiting \
             WHERE waiting.number <= ?6"
        );
        Statement::new(sql, params)
    }
}

fn as_json(contents: &Contents) -> Value {
    serde_json::to_string(contents).map_or(Value::Null, Value::Text)
}

const COLUMNS: &str = "id, sender, user, connection, closes, body";

/// What is there for sockets of a process and is not in hand, the oldest first.
pub(super) fn waiting(node: i64, most: i64, in_hand: &InHand) -> Statement {
    let users: Vec<&str> = in_hand.users.iter().map(UserId::as_str).collect();
    let list = |json: serde_json::Result<String>| json.map_or(Value::Null, Value::Text);
    let (users, closing) =
        (list(serde_json::to_string(&users)), list(serde_json::to_string(&in_hand.closing)));
    let sql = format!(
        "SELECT {COLUMNS} FROM parcel WHERE node = ?1 AND CASE WHEN closes = 0 \
         THEN user NOT IN (SELECT CAST(value AS TEXT) FROM json_each(?3)) \
         ELSE id NOT IN (SELECT CAST(value AS INTEGER) FROM json_each(?4)) END ORDER BY id LIMIT ?2"
    );
    Statement::new(sql, [node.into(), most.into(), users, closing])
}

/// What is there for sockets of one user at a process, the oldest first.
pub(crate) fn waiting_of(user: &UserId, node: i64) -> Statement {
    let sql = format!("SELECT {COLUMNS} FROM parcel WHERE user = ?1 AND node = ?2 ORDER BY id");
    Statement::new(sql, [user.as_str().into(), node.into()])
}

/// The longest lease of the processes that serve and have not carried out every close of a user's sockets yet; NULL where there is none.
pub(super) fn unclosed(user: &UserId) -> Statement {
    let sql = "SELECT max(node.lease) FROM node WHERE node.state = 0 AND node.id IN (\
                 SELECT parcel.node FROM parcel WHERE parcel.user = ?1 AND parcel.closes = 1)";
    Statement::new(sql, [user.as_str().into()])
}

/// These have reached their sockets.
pub(super) fn arrived(ids: &[i64]) -> Statement {
    let ids = serde_json::to_string(ids).map_or(Value::Null, Value::Text);
    let sql = "DELETE FROM parcel WHERE id IN (SELECT CAST(value AS INTEGER) FROM json_each(?1))";
    Statement::new(sql, [ids])
}

/// Those that nobody will bring anywhere.
pub(super) fn forget_lost() -> Statement {
    Statement::new("DELETE FROM parcel WHERE node NOT IN (SELECT id FROM node WHERE state = 0)", [])
}

/// Reads the rows of [`waiting`] and [`waiting_of`].
pub(crate) fn read(rows: &[Vec<Value>]) -> Vec<Parcel> {
    let parcel = |row: &Vec<Value>| {
        let [Value::Int(id), Value::Int(sender), user, connection, closes, body] = row.as_slice() else {
            return None;
        };
        let text = |value: &Value| match value {
            Value::Text(text) => Some(text.clone()),
            _ => None,
        };
        let address = text(user)
            .and_then(|user| UserId::new(user.as_str()).ok())
            .zip(text(connection).and_then(|connection| connection.parse().ok()));
        let (closes, body) = (*closes != Value::Int(0), text(body).unwrap_or_default());
        Some(Parcel { id: *id, sender: *sender, address, closes, body })
    };
    rows.iter().filter_map(parcel).collect()
}

impl Frame {
    fn of(payload: &Payload) -> Self {
        match payload {
            Payload::Text(text) => Self::Text(text.clone()),
            Payload::Binary(bytes) => Self::Binary(STANDARD_NO_PAD.encode(bytes)),
        }
    }

    fn payload(self) -> Option<Payload> {
        match self {
            Self::Text(text) => Some(Payload::Text(text)),
            Self::Binary(text) => STANDARD_NO_PAD.decode(text).ok().map(Payload::Binary),
        }
    }
}

impl Parcel {
    /// One of that number.
    #[cfg(test)]
    pub(super) fn of_test(id: i64) -> Self {
        Self {
            id,
            sender: 1,
            address: Some((UserId::from(7), ConnId::from_bytes([1; 16]))),
            closes: false,
            body: "{}".into(),
        }
    }

    /// What it does to its socket. `user` is as this process knows it. One that does not read closes the socket: its client comes back
    /// and is judged anew.
    pub(crate) fn actions(&self, user: &User) -> Vec<Action> {
        let Some((_, connection)) = self.address else { return Vec::new() };
        let close = |close| Action::Close { connection, close };
        let Some((frames, close_as, notice)) = self.read() else {
            tracing::warn!(%connection, "what another version has for a socket does not read: the socket is closed");
            return vec![close(Close::Draining)];
        };
        let mut actions = Vec::new();
        // Who is too slow was ended by no commit yet: that is for its socket's own end.
        let is_ended = close_as.is_some_and(|close| close != Close::TooSlow);
        actions.extend(is_ended.then(|| Action::Retire(vec![connection])));
        let console = user.consoles().iter().find(|console| console.id == connection);
        match (console, close_as) {
            (Some(console), Some(close)) => actions.extend(console.farewell(notice.as_deref(), close)),
            (_, close_as) => {
                actions.extend(frames.into_iter().map(|payload| Action::Send { connection, payload }));
                actions.extend(close_as.map(close));
            }
        }
        actions
    }

    fn read(&self) -> Option<(Vec<Payload>, Option<Close>, Option<String>)> {
        let contents: Contents = json::read(&self.body).ok()?;
        // Nothing is ever sent: it is in a form that is not known here.
        let Contents { frames, notice, close } = Some(contents).filter(|one| *one != Contents::default())?;
        let frames = frames.into_iter().map(Frame::payload).collect::<Option<_>>()?;
        let close = match close {
            None => None,
            Some(reason) => Some(CLOSES.into_iter().find(|close| close.reason() == reason)?),
        };
        Some((frames, close, notice))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: ConnId = ConnId::from_bytes([1; 16]);

    fn parcel(body: &str) -> Parcel {
        Parcel { id: 1, sender: 2, address: Some((UserId::from(7), ID)), closes: false, body: body.into() }
    }

    fn actions(body: &str) -> Vec<Action> {
        parcel(body).actions(&User::new(UserId::from(7), Vec::new()))
    }

    /// What is stored is read by other versions: it stays as it is.
    #[test]
    fn the_stored_form_is_read_as_it_was_written() {
        let stored = r#"{"frames":[{"text":"a"},{"binary":"AP8"}],"notice":"off","close":"kicked"}"#;
        let contents = Contents {
            frames: vec![Frame::of(&Payload::Text("a".into())), Frame::of(&Payload::Binary(vec![0, 255]))],
            notice: Some("off".into()),
            close: Some(Close::Kicked.reason().into()),
        };
        assert_eq!(serde_json::to_string(&contents).unwrap(), stored);
        let send = |payload| Action::Send { connection: ID, payload };
        let wanted = [
            Action::Retire(vec![ID]),
            send(Payload::Text("a".into())),
            send(Payload::Binary(vec![0, 255])),
            Action::Close { connection: ID, close: Close::Kicked },
        ];
        assert_eq!(actions(stored), wanted);
        assert_eq!(actions(r#"{"frames":[{"text":"a"}]}"#), [send(Payload::Text("a".into()))]);
        for close in CLOSES {
            let body = format!(r#"{{"close":"{}"}}"#, close.reason());
            let mut actions = actions(&body);
            assert_eq!(actions.pop(), Some(Action::Close { connection: ID, close }));
            let ended = [Action::Retire(vec![ID])];
            assert_eq!(actions, if close == Close::TooSlow { &[] } else { ended.as_slice() });
        }
    }

    #[test]
    fn what_does_not_read_closes_its_socket() {
        for body in ["", "[]", "{}", r#"{"close":"of a later version"}"#, r#"{"frames":[{"binary":"*"}]}"#] {
            assert_eq!(actions(body), [Action::Close { connection: ID, close: Close::Draining }], "{body}");
        }
    }
}
