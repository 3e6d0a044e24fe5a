//! Orders to sets of users (`docs/rules/message-center.md#scoped-cutoffs`), and the rows of a store whose users are its own.
//!
//! An order is one row with its set. It is in force from the commit of that row on, and each user's own rows take over when the
//! delivery has come to the user. Nothing of it lies in the shards of a directory: views bring it along.

use std::sync::Arc;

use crate::{
    deny::{self, DenyWindow},
    directory::view::{Cutoff, ScopedCutoff},
    id::{TenantId, UserId},
    ordered::distinct,
    serial::Serial,
    store::{Statement, Value},
    time::Timestamp,
};

/// The most scoped cutoffs of a tenant whose delivery is under way; a further order is refused.
pub const UNDELIVERED: usize = 16;
/// Users whose rows one statement inserts.
pub const USERS_AT_ONCE: usize = 10_000;

/// A row of a scoped cutoff does not have the form of its statement: the store is damaged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a scoped cutoff does not read as one")]
pub struct ScopedError;

/// An order under delivery.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScopedOrder {
    /// Its number, among those of the tenant.
    pub serial: Serial,
    /// The tenant whose users it is about.
    pub tenant: TenantId,
    /// Its date.
    pub at: Timestamp,
    /// The message that consoles get before they are closed.
    pub notice: String,
    /// The number of its users.
    pub users: u64,
    /// The deny window that it opens for each of them.
    pub deny: Option<DenyWindow>,
}

impl ScopedCutoff {
    /// The cutoff of a new order to these users, `newest` being the serial in force.
    pub fn next(newest: Serial, users: impl IntoIterator<Item = i64>, now: Timestamp) -> Self {
        Self { serial: newest.next(), at: now, users: distinct(users).into() }
    }
}

/// Puts an order in force; all statements belong into one transaction.
pub fn keep(
    tenant: TenantId,
    cutoff: &ScopedCutoff,
    notice: &str,
    deny: Option<&DenyWindow>,
) -> Vec<Statement> {
    keep_users(cutoff, USERS_AT_ONCE).chain(keep_order(tenant, cutoff, notice, deny)).collect()
}

/// Stores the users of an order, at most so many with a statement. Without its order's row nobody reads them, so that the statements may
/// be commits of their own before that of [`keep_order`], after [`forget_users`] has left none of the serial. An order that is in force keeps
/// its users: one whose last commit was taken for failed may be.
pub fn keep_users(cutoff: &ScopedCutoff, at_once: usize) -> impl Iterator<Item = Statement> {
    cutoff.users.chunks(at_once.max(1)).map(|some| {
        let ids: Vec<String> = some.iter().map(i64::to_string).collect();
        let sql = "INSERT INTO scoped_user (\"user\", serial) \
                   SELECT CAST(value AS TEXT), CAST(?1 AS INTEGER) FROM json_each(?2) \
                   WHERE NOT EXISTS (SELECT 1 FROM scoped_cutoff WHERE serial = CAST(?1 AS INTEGER))";
        Statement::new(sql, [Value::wide(cutoff.serial.number()), Value::json(&ids)])
    })
}

/// Puts an order in force whose users are stored; both statements belong into one transaction.
pub fn keep_order(
    tenant: TenantId,
    cutoff: &ScopedCutoff,
    notice: &str,
    deny: Option<&DenyWindow>,
) -> [Statement; 2] {
    let order = Statement::new(
        "INSERT INTO scoped_cutoff (serial, tenant, at, notice, users, deny) \
         VALUES (CAST(?1 AS INTEGER), CAST(?2 AS INTEGER), CAST(?3 AS INTEGER), ?4, ?5, ?6)",
        [
            Value::wide(cutoff.serial.number()),
            Value::wide(tenant.0),
            Value::wide(cutoff.at.millis()),
            notice.into(),
            Value::Int(i64::try_from(cutoff.users.len()).unwrap_or(i64::MAX)),
            deny::column(deny),
        ],
    );
    [keep_last_serial(cutoff.serial), order]
}

/// Forgets at most `limit` users of an order of this serial that never came into force.
pub fn forget_users(serial: Serial, limit: u32) -> Statement {
    Statement::new(
        "DELETE FROM scoped_user WHERE serial = CAST(?1 AS INTEGER) AND \"user\" IN \
         (SELECT \"user\" FROM scoped_user WHERE serial = CAST(?1 AS INTEGER) ORDER BY \"user\" LIMIT ?2) \
         AND NOT EXISTS (SELECT 1 FROM scoped_cutoff WHERE serial = CAST(?1 AS INTEGER))",
        [Value::wide(serial.number()), Value::Int(limit.into())],
    )
}

/// Forgets at most `limit` users of orders that never came into force, at a start: a process may have died between its commits.
pub fn forget_users_without_order(limit: u32) -> Statement {
    Statement::new(
        "DELETE FROM scoped_user WHERE (\"user\", serial) IN (SELECT \"user\", serial FROM scoped_user \
         WHERE serial NOT IN (SELECT serial FROM scoped_cutoff) LIMIT ?1)",
        [Value::Int(limit.into())],
    )
}

/// Stores the serial of the latest order. The row of an order goes when it is delivered, and its number is never given again.
pub fn keep_last_serial(serial: Serial) -> Statement {
    Statement::new(
        "INSERT INTO last_serial (id, serial) VALUES (1, CAST(?1 AS INTEGER)) \
         ON CONFLICT (id) DO UPDATE SET serial = excluded.serial",
        [Value::wide(serial.number())],
    )
}

/// The serial of the latest order to a set of users; read by [`read_last_serial`].
pub fn last_serial() -> Statement {
    Statement::new("SELECT CAST(serial AS TEXT) FROM last_serial", [])
}

/// Reads the rows of [`last_serial`].
///
/// # Errors
/// When a row does not have the form of its statement.
pub fn read_last_serial(rows: &[Vec<Value>]) -> Result<Serial, ScopedError> {
    match rows.first().map(Vec::as_slice) {
        None => Ok(Serial::NONE),
        Some([serial]) => number(serial).map(Serial::from_number),
        Some(_) => Err(ScopedError),
    }
}

/// The orders under delivery, in their order; read by [`read_all`].
pub fn all() -> Statement {
    Statement::new(
        "SELECT CAST(serial AS TEXT), CAST(tenant AS TEXT), CAST(at AS TEXT), notice, users, deny FROM scoped_cutoff \
         ORDER BY scoped_cutoff.serial",
        [],
    )
}

/// Reads the rows of [`all`].
///
/// # Errors
/// When a row does not have the form of its statement.
pub fn read_all(rows: &[Vec<Value>]) -> Result<Vec<ScopedOrder>, ScopedError> {
    let one = |row: &Vec<Value>| match row.as_slice() {
        [serial, tenant, at, Value::Text(notice), Value::Int(users), deny] => Ok(ScopedOrder {
            serial: Serial::from_number(number(serial)?),
            tenant: TenantId(number(tenant)?),
            at: Timestamp::from_millis(number(at)?),
            notice: notice.clone(),
            users: u64::try_from(*users).map_err(|_| ScopedError)?,
            deny: deny::read_column(deny).ok_or(ScopedError)?,
        }),
        _ => Err(ScopedError),
    };
    rows.iter().map(one).collect()
}

/// The orders that name a user and whose delivery has not come to it; read by [`read_of_user`].
pub fn of_user(user: &UserId) -> Statement {
    Statement::new(
        "SELECT CAST(named.tenant AS TEXT), CAST(named.serial AS TEXT), CAST(named.at AS TEXT), named.deny \
         FROM scoped_user AS of_user JOIN scoped_cutoff AS named ON named.serial = of_user.serial \
         WHERE of_user.\"user\" = ?1 ORDER BY named.serial",
        [user.as_str().into()],
    )
}

/// Reads the rows of [`of_user`]: cutoffs with their tenants.
///
/// # Errors
/// When a row does not have the form of its statement.
pub fn read_of_user(rows: &[Vec<Value>]) -> Result<Vec<(TenantId, Cutoff)>, ScopedError> {
    let one = |row: &Vec<Value>| match row.as_slice() {
        [tenant, serial, at, deny] => {
            let cutoff = ScopedCutoff {
                serial: Serial::from_number(number(serial)?),
                at: Timestamp::from_millis(number(at)?),
                users: Arc::new([]),
            };
            let deny = deny::read_column(deny).ok_or(ScopedError)?.map(Box::new);
            Ok((TenantId(number(tenant)?), Cutoff { deny, ..cutoff.of_one() }))
        }
        _ => Err(ScopedError),
    };
    rows.iter().map(one).collect()
}

/// The users that the delivery of an order has not reached, at most `limit` of them; read by [`read_users`].
pub fn unreached(serial: Serial, limit: u32) -> Statement {
    Statement::new(
        "SELECT \"user\" FROM scoped_user WHERE serial = CAST(?1 AS INTEGER) ORDER BY \"user\" LIMIT ?2",
        [Value::wide(serial.number()), Value::Int(limit.into())],
    )
}

/// Reads the rows of [`unreached`]. Users whose name is no number are in no view.
///
/// # Errors
/// When a row does not have the form of its statement.
pub fn read_users(rows: &[Vec<Value>]) -> Result<Vec<UserId>, ScopedError> {
    let one = |row: &Vec<Value>| match row.as_slice() {
        [Value::Text(user)] => UserId::new(user.as_str()).map_err(|_| ScopedError),
        _ => Err(ScopedError),
    };
    rows.iter().map(one).collect()
}

/// How many users the delivery of an order has not reached; one row with one number.
pub fn count_unreached(serial: Serial) -> Statement {
    Statement::new(
        "SELECT count(*) FROM scoped_user WHERE serial = CAST(?1 AS INTEGER)",
        [Value::wide(serial.number())],
    )
}

/// The delivery of an order has reached these users: what it took of them is in their own rows.
pub fn reached(serial: Serial, users: &[UserId]) -> Statement {
    let users: Vec<&str> = users.iter().map(UserId::as_str).collect();
    Statement::new(
        "DELETE FROM scoped_user WHERE serial = CAST(?1 AS INTEGER) AND \"user\" IN (SELECT CAST(value AS TEXT) FROM json_each(?2))",
        [Value::wide(serial.number()), Value::json(&users)],
    )
}

/// Ends an order whose delivery has reached every user.
pub fn delivered(serial: Serial) -> Statement {
    Statement::new(
        "DELETE FROM scoped_cutoff WHERE serial = CAST(?1 AS INTEGER)",
        [Value::wide(serial.number())],
    )
}

pub(crate) fn number(value: &Value) -> Result<i64, ScopedError> {
    match value {
        Value::Text(text) => text.parse().map_err(|_| ScopedError),
        Value::Int(number) => Ok(*number),
        Value::Null => Err(ScopedError),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{directory::tests::support::Database, store::migrations::StoreKind};

    fn at(millis: i64) -> Timestamp {
        Timestamp::from_millis(millis)
    }

    #[test]
    fn an_order_is_in_force_for_each_of_its_users_until_its_delivery_has_come_to_it() {
        let store = Database::of(StoreKind::Origin);
        assert_eq!(read_last_serial(&store.run(&last_serial())), Ok(Serial::NONE));
        let first = ScopedCutoff::next(Serial::from_number(4), [7, i64::MAX, 7, -3], at(1_000));
        assert_eq!(*first.users, [-3, 7, i64::MAX]);
        let second = ScopedCutoff::next(first.serial, [7], at(500));
        for (tenant, cutoff) in [(5, &first), (i64::MIN, &second)] {
            keep(TenantId(tenant), cutoff, "it's", None).iter().for_each(|one| drop(store.run(one)));
        }
        assert_eq!(read_last_serial(&store.run(&last_serial())), Ok(second.serial));
        let orders = read_all(&store.run(&all())).unwrap();
        let shown: Vec<_> = orders.iter().map(|one| (one.serial.number(), one.tenant.0, one.users)).collect();
        assert_eq!((shown, orders[0].notice.as_str()), (vec![(5, 5, 3), (6, i64::MIN, 1)], "it's"));

        let of = |user: i64| read_of_user(&store.run(&of_user(&UserId::from(user)))).unwrap();
        assert_eq!(of(7), [(TenantId(5), first.of_one()), (TenantId(i64::MIN), second.of_one())]);
        assert_eq!((of(-3).len(), of(8).len()), (1, 0));
        let left = |limit| read_users(&store.run(&unreached(first.serial, limit))).unwrap();
        assert_eq!((left(2).len(), left(9).len()), (2, 3));
        store.run(&reached(first.serial, &[UserId::from(7), UserId::from(8)]));
        assert_eq!(of(7), [(TenantId(i64::MIN), second.of_one())], "the other order is not delivered");
        assert_eq!(store.run(&count_unreached(first.serial)), [[Value::Int(2)]]);
        store.run(&reached(first.serial, &left(9)));
        store.run(&delivered(first.serial));
        assert_eq!(read_all(&store.run(&all())).unwrap().len(), 1);
        assert_eq!(read_last_serial(&store.run(&last_serial())), Ok(second.serial), "never given again");
    }

    #[test]
    fn users_who_are_stored_before_their_order_are_in_force_with_it_and_go_without_it() {
        let store = Database::of(StoreKind::Origin);
        let all_of = |cutoff: &ScopedCutoff| keep_users(cutoff, 2).for_each(|one| drop(store.run(&one)));
        let of = |user: i64| read_of_user(&store.run(&of_user(&UserId::from(user)))).unwrap().len();
        let rows = || store.run(&Statement::new("SELECT count(*) FROM scoped_user", []));
        let repeat = |statement: &Statement| {
            while rows() != [[Value::Int(0)]] {
                let before = rows();
                store.run(statement);
                assert_ne!(rows(), before);
            }
        };
        let first = ScopedCutoff::next(Serial::NONE, 1..=5, at(1_000));
        all_of(&first);
        assert_eq!((of(1), rows()), (0, vec![vec![Value::Int(5)]]));
        repeat(&forget_users(first.serial, 2));
        all_of(&first);
        repeat(&forget_users_without_order(2));
        all_of(&first);
        keep_order(TenantId(5), &first, "", None).iter().for_each(|one| drop(store.run(one)));
        store.run(&forget_users_without_order(2));
        assert_eq!((of(1), of(5), rows()), (1, 1, vec![vec![Value::Int(5)]]));
    }
}
