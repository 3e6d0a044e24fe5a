//! The rows of orders to selections and of dry runs. Each list of statements is one transaction, and its answers say what became of it.

use super::{ABANDONED, KEPT_FOR, NewOrder, Order, Progress, SHOWN_ORDERS, Scope, State, Taken};
use crate::{
    audit::EntryId,
    id::TenantId,
    json,
    serial::Serial,
    shard::scoped::{ScopedError, number},
    store::{Statement, Value},
    time::Timestamp,
};

/// What became of an order that was given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Opened {
    /// It is stored, and is carried out.
    New,
    /// Its receipt was carried out by this order.
    Earlier(EntryId),
    /// Its receipt is of another caller or body, or over.
    Conflict,
}

/// Forgets selections that are over. The receipt of an order is kept as long as the order: a repetition has the same answer by it.
pub fn sweep(now: Timestamp) -> [Statement; 2] {
    let due = || [Value::wide(now.millis())];
    [
        Statement::new(
            "DELETE FROM selected WHERE id IN \
             (SELECT id FROM dry_run WHERE until <= CAST(?1 AS INTEGER) AND ordered IS NULL)",
            due(),
        ),
        Statement::new("DELETE FROM dry_run WHERE until <= CAST(?1 AS INTEGER) AND ordered IS NULL", due()),
    ]
}

/// How many dry runs of a tenant are open; one row with one number, read by [`read_count`].
pub fn open_dry_runs(tenant: TenantId, now: Timestamp) -> Statement {
    Statement::new(
        "SELECT count(*) FROM dry_run WHERE tenant = CAST(?1 AS INTEGER) AND until > CAST(?2 AS INTEGER) \
         AND ordered IS NULL",
        [Value::wide(tenant.0), Value::wide(now.millis())],
    )
}

/// A dry run, as it is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeptRun {
    /// How many users it selected.
    pub users: u64,
    /// Whether an order has carried its selection out.
    pub is_carried_out: bool,
}

/// A dry run by its receipt; read by [`read_dry_run`].
pub fn dry_run(receipt: EntryId) -> Statement {
    Statement::new("SELECT users, ordered FROM dry_run WHERE id = ?1", [id(receipt)])
}

/// Reads the rows of [`dry_run`].
pub fn read_dry_run(rows: &[Vec<Value>]) -> Option<KeptRun> {
    match rows.first()?.as_slice() {
        [Value::Int(users), ordered] => {
            let users = u64::try_from(*users).ok()?;
            Some(KeptRun { users, is_carried_out: !matches!(ordered, Value::Null) })
        }
        _ => None,
    }
}

/// Lets every order that is not cut off be taken up at once.
pub fn abandon_all() -> Statement {
    Statement::new("UPDATE force_off SET next_at = 0 WHERE state = 'ordered'", [])
}

/// Reads one number.
pub fn read_count(rows: &[Vec<Value>]) -> Option<u64> {
    match rows.first()?.as_slice() {
        [Value::Int(count)] => u64::try_from(*count).ok(),
        _ => None,
    }
}

/// Keeps the selection of a dry run, without its entry in the audit.
pub fn keep_dry_run(run: &NewOrder, now: Timestamp) -> Vec<Statement> {
    let mut statements = Vec::from(sweep(now));
    statements.push(Statement::new(
        "INSERT INTO dry_run (id, tenant, body, until, users, connections) \
         VALUES (?1, CAST(?2 AS INTEGER), ?3, CAST(?4 AS INTEGER), ?5, ?6)",
        [
            id(run.order.entry.id),
            Value::wide(run.order.tenant.0),
            run.body.to_string().into(),
            Value::wide((now + KEPT_FOR).millis()),
            count(run.users.len()),
            Value::Int(i64::try_from(run.connections).unwrap_or(i64::MAX)),
        ],
    ));
    statements.extend(keep_parts(run.order.entry.id, run.parts()));
    statements
}

fn keep_parts<'a>(
    selection: EntryId,
    parts: impl Iterator<Item = &'a [Taken]>,
) -> impl Iterator<Item = Statement> {
    parts.zip(1_i64..).map(move |(users, part)| {
        Statement::new(
            "INSERT INTO selected (id, part, users) VALUES (?1, ?2, ?3)",
            [id(selection), Value::Int(part), Value::json(&users)],
        )
    })
}

/// Puts an order down, which nobody carries out yet. What becomes of it says the answer to the last statement, read by [`opened`].
pub fn begin(new: &NewOrder, now: Timestamp) -> Vec<Statement> {
    let Order { tenant, scope, reason, deny, notice, entry } = &new.order;
    let row = [
        id(entry.id),
        Value::wide(tenant.0),
        scope.name().into(),
        Value::wide((now + ABANDONED).millis()),
        notice.as_str().into(),
        Value::json(entry),
        reason.as_deref().unwrap_or_default().into(),
        deny.map(|seconds| Value::wide(seconds.into())).into(),
    ];
    let columns = "INSERT INTO force_off \
                   (id, tenant, scope, state, reached, next_at, notice, entry, reason, deny, selection, users, connections)";
    let values =
        "?1, CAST(?2 AS INTEGER), ?3, 'ordered', 0, CAST(?4 AS INTEGER), ?5, ?6, ?7, CAST(?8 AS INTEGER)";
    let mut statements = Vec::new();
    if let Some(receipt) = new.receipt {
        let mine =
            || [id(receipt), Value::wide(tenant.0), new.body.to_string().into(), Value::wide(now.millis())];
        let is_mine = "id = ?1 AND tenant = CAST(?2 AS INTEGER) AND body = ?3 \
                       AND (ordered IS NOT NULL OR until > CAST(?4 AS INTEGER))";
        let mut claim = Vec::from(mine());
        claim.push(id(entry.id));
        statements.push(Statement::new(
            format!("UPDATE dry_run SET ordered = ?5 WHERE {is_mine} AND ordered IS NULL"),
            claim,
        ));
        let mut row = Vec::from(row);
        row.push(id(receipt));
        statements.push(Statement::new(
            format!(
                "{columns} SELECT {values}, ?9, users, connections FROM dry_run WHERE id = ?9 AND ordered = ?1"
            ),
            row,
        ));
        statements.extend(forget_old(*tenant));
        statements.push(Statement::new(format!("SELECT ordered FROM dry_run WHERE {is_mine}"), mine()));
    } else {
        let mut row = Vec::from(row);
        row.extend([
            id(entry.id),
            count(new.users.len()),
            Value::Int(i64::try_from(new.connections).unwrap_or(i64::MAX)),
        ]);
        statements.push(Statement::new(format!("{columns} VALUES ({values}, ?9, ?10, ?11)"), row));
        statements.extend(keep_parts(entry.id, new.parts()));
        statements.extend(forget_old(*tenant));
        statements.push(Statement::new("SELECT id FROM force_off WHERE id = ?1", [id(entry.id)]));
    }
    statements
}

/// Reads the answers of [`begin`].
pub fn opened(order: EntryId, answers: &[Vec<Vec<Value>>]) -> Opened {
    match answers.last().and_then(|rows| rows.first()).map(Vec::as_slice) {
        Some([Value::Text(found)]) => match found.parse() {
            Ok(found) if found == order => Opened::New,
            Ok(found) => Opened::Earlier(found),
            Err(_) => Opened::Conflict,
        },
        _ => Opened::Conflict,
    }
}

/// Orders that are cut off go when so many later ones are there, each with its receipt.
fn forget_old(tenant: TenantId) -> [Statement; 2] {
    let old =
        "SELECT id FROM force_off WHERE tenant = CAST(?1 AS INTEGER) ORDER BY id DESC LIMIT 100 OFFSET ?2";
    let params = || [Value::wide(tenant.0), Value::Int(SHOWN_ORDERS.into())];
    [
        Statement::new(
            format!(
                "DELETE FROM dry_run WHERE id IN \
                 (SELECT selection FROM force_off WHERE state = 'cutOff' AND id IN ({old}))"
            ),
            params(),
        ),
        Statement::new(format!("DELETE FROM force_off WHERE state = 'cutOff' AND id IN ({old})"), params()),
    ]
}

/// An order; read by [`read_order`].
pub fn get(order: EntryId) -> Statement {
    Statement::new(format!("{COLUMNS} FROM force_off WHERE id = ?1"), [id(order)])
}

/// The first order that is not cut off, by the moment from which somebody takes it up; read by [`read_order`].
pub fn next_due() -> Statement {
    Statement::new(
        format!("{COLUMNS} FROM force_off WHERE state = 'ordered' ORDER BY force_off.next_at, id LIMIT 1"),
        [],
    )
}

/// The orders of a tenant before this one, the newest first; read by [`read_orders`].
pub fn list(tenant: TenantId, before: Option<EntryId>, limit: u32) -> Statement {
    let mut params = vec![Value::wide(tenant.0), Value::Int(limit.into())];
    let mut sql = format!("{COLUMNS} FROM force_off WHERE tenant = CAST(?1 AS INTEGER)");
    if let Some(before) = before {
        params.push(id(before));
        sql.push_str(" AND id < ?3");
    }
    sql.push_str(" ORDER BY id DESC LIMIT ?2");
    Statement::new(sql, params)
}

const COLUMNS: &str = "SELECT CAST(tenant AS TEXT), scope, state, users, connections, reached, CAST(serial AS TEXT), \
                       selection, CAST(next_at AS TEXT), notice, entry, reason, deny";

/// Reads the rows of [`get`] and [`next_due`].
///
/// # Errors
/// When a row does not have the form of its statement.
pub fn read_order(rows: &[Vec<Value>]) -> Result<Option<Progress>, ScopedError> {
    rows.first().map(|row| read_row(row)).transpose()
}

/// Reads the rows of [`list`].
///
/// # Errors
/// When a row does not have the form of its statement.
pub fn read_orders(rows: &[Vec<Value>]) -> Result<Vec<Progress>, ScopedError> {
    rows.iter().map(|row| read_row(row)).collect()
}

fn read_row(row: &[Value]) -> Result<Progress, ScopedError> {
    let [
        tenant,
        Value::Text(scope),
        Value::Text(state),
        Value::Int(users),
        Value::Int(connections),
        Value::Int(reached),
        serial,
        Value::Text(selection),
        next_at,
        Value::Text(notice),
        Value::Text(entry),
        Value::Text(reason),
        deny,
    ] = row
    else {
        return Err(ScopedError);
    };
    let count = |count: i64| u64::try_from(count).map_err(|_| ScopedError);
    let serial = match serial {
        Value::Null => None,
        serial => Some(Serial::from_number(number(serial)?)),
    };
    let order = Order {
        tenant: TenantId(number(tenant)?),
        scope: if scope == Scope::User.name() { Scope::User } else { Scope::Connection },
        reason: (!reason.is_empty()).then(|| reason.clone()),
        deny: match deny {
            Value::Int(seconds) => Some(u32::try_from(*seconds).map_err(|_| ScopedError)?),
            _ => None,
        },
        notice: notice.clone(),
        entry: json::read(entry).map_err(|_| ScopedError)?,
    };
    Ok(Progress {
        order,
        state: if state == State::CutOff.name() { State::CutOff } else { State::Ordered },
        users: count(*users)?,
        connections: count(*connections)?,
        reached: count(*reached)?,
        serial,
        selection: selection.parse().map_err(|_| ScopedError)?,
        next_at: Timestamp::from_millis(number(next_at)?),
    })
}

/// The first moment at which an order that is not cut off is taken up, or the selection of a dry run is over; read by [`read_due`].
pub fn earliest() -> Statement {
    Statement::new(
        "SELECT CAST(min(at) AS TEXT) FROM (SELECT next_at AS at FROM force_off WHERE state = 'ordered' \
         UNION ALL SELECT until FROM dry_run WHERE ordered IS NULL) AS due",
        [],
    )
}

/// Reads the rows of [`earliest`].
pub fn read_due(rows: &[Vec<Value>]) -> Option<Timestamp> {
    match rows.first()?.as_slice() {
        [Value::Text(at)] => at.parse().ok().map(Timestamp::from_millis),
        [Value::Int(at)] => Some(Timestamp::from_millis(*at)),
        _ => None,
    }
}

/// The first part of a selection behind this one; read by [`read_part`].
pub fn next_part(selection: EntryId, after: i64) -> Statement {
    Statement::new(
        "SELECT part, users FROM selected WHERE id = ?1 AND part > ?2 ORDER BY part LIMIT 1",
        [id(selection), Value::Int(after)],
    )
}

/// Reads the rows of [`next_part`].
///
/// # Errors
/// When a row does not have the form of its statement.
pub fn read_part(rows: &[Vec<Value>]) -> Result<Option<(i64, Vec<Taken>)>, ScopedError> {
    match rows.first().map(Vec::as_slice) {
        None => Ok(None),
        Some([Value::Int(part), Value::Text(users)]) => {
            Ok(Some((*part, json::read(users).map_err(|_| ScopedError)?)))
        }
        Some(_) => Err(ScopedError),
    }
}

/// All parts of a selection; read by [`read_selected`].
pub fn whole_selection(selection: EntryId) -> Statement {
    Statement::new("SELECT part, users FROM selected WHERE id = ?1 ORDER BY part", [id(selection)])
}

/// Reads the users in the rows of [`whole_selection`].
///
/// # Errors
/// When a row does not have the form of its statement.
pub fn read_selected(rows: &[Vec<Value>]) -> Result<Vec<i64>, ScopedError> {
    let mut users = Vec::new();
    for row in rows {
        let (_, part) = read_part(std::slice::from_ref(row))?.ok_or(ScopedError)?;
        users.extend(part.into_iter().map(|(user, _)| user));
    }
    Ok(users)
}

/// An order has come to the users of a part, as it was `taken` from the store, but those that are `left`. Without any it goes; with the
/// last part the order is cut off. Where somebody else has written the part meanwhile, only that one's users count.
pub fn forget_part(
    order: &Progress,
    part: i64,
    taken: &[Taken],
    left: &[Taken],
    now: Timestamp,
) -> [Statement; 4] {
    let selection = id(order.selection);
    let reached = count(taken.len().saturating_sub(left.len()));
    let as_taken = [selection.clone(), Value::Int(part), Value::json(&taken)];
    let kept = if left.is_empty() {
        Statement::new("DELETE FROM selected WHERE id = ?1 AND part = ?2 AND users = ?3", as_taken.clone())
    } else {
        let mut params = Vec::from(as_taken.clone());
        params.push(Value::json(&left));
        Statement::new("UPDATE selected SET users = ?4 WHERE id = ?1 AND part = ?2 AND users = ?3", params)
    };
    let own = id(order.order.entry.id);
    let [selected, number, users] = as_taken;
    [
        // The first, so that those who write a part of the same order come one after the other.
        Statement::new(
            "UPDATE force_off SET next_at = CAST(?2 AS INTEGER) WHERE id = ?1",
            [own.clone(), Value::wide((now + ABANDONED).millis())],
        ),
        Statement::new(
            "UPDATE force_off SET reached = reached + ?2 WHERE id = ?1 AND EXISTS \
             (SELECT 1 FROM selected WHERE id = ?3 AND part = ?4 AND users = ?5)",
            [own.clone(), reached, selected, number, users],
        ),
        kept,
        Statement::new(
            "UPDATE force_off SET state = 'cutOff' WHERE id = ?1 AND NOT EXISTS (SELECT 1 FROM selected WHERE id = ?2)",
            [own, selection],
        ),
    ]
}

/// Takes an order up, unless somebody else has done so since it was read: then it changes no row.
pub fn take_up(order: &Progress, now: Timestamp) -> Statement {
    Statement::new(
        "UPDATE force_off SET next_at = CAST(?3 AS INTEGER) \
         WHERE id = ?1 AND state = 'ordered' AND next_at = CAST(?2 AS INTEGER)",
        [
            id(order.order.entry.id),
            Value::wide(order.next_at.millis()),
            Value::wide((now + ABANDONED).millis()),
        ],
    )
}

/// Nobody carries the order on before this moment.
pub fn put_off(order: EntryId, until: Timestamp) -> Statement {
    Statement::new(
        "UPDATE force_off SET next_at = CAST(?2 AS INTEGER) WHERE id = ?1",
        [id(order), Value::wide(until.millis())],
    )
}

/// The order is the scoped cutoff of this number, in the commit of that: the cutoff has its users from here on.
pub fn cut_off(order: EntryId, serial: Serial) -> [Statement; 2] {
    [
        Statement::new(
            "DELETE FROM selected WHERE id IN (SELECT selection FROM force_off WHERE id = ?1)",
            [id(order)],
        ),
        Statement::new(
            "UPDATE force_off SET state = 'cutOff', serial = CAST(?2 AS INTEGER) WHERE id = ?1",
            [id(order), Value::wide(serial.number())],
        ),
    ]
}

fn id(id: EntryId) -> Value {
    id.to_string().into()
}

fn count(count: usize) -> Value {
    Value::Int(i64::try_from(count).unwrap_or(i64::MAX))
}
