//! Orders to sets of users where every user has a store of its own, as at the edge: the rows of the object that keeps a tenant's
//! orders (`docs/rules/edge.md#cutoffs`).
//!
//! A set lies in parts, and one step of a delivery visits the users of one part. A part goes when each of its users has written down
//! what the order took; until the last one is gone, the order is in force for its whole set.

use std::time::Duration;

use super::scoped::{ScopedError, number};
use crate::{
    deny::{self, DenyWindow},
    directory::view::ScopedCutoff,
    json,
    serial::Serial,
    store::{Statement, Value},
    time::Timestamp,
};

/// Users of one part. Each user is a call to another object.
pub const PART: usize = 480;
/// The longest pause before a round that retries users that the previous one did not reach.
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// The progress of an order under delivery.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PartDelivery {
    /// The number of the order.
    pub serial: Serial,
    /// Its date.
    pub at: Timestamp,
    /// The message that consoles get before they are closed.
    pub notice: String,
    /// The deny window that it opens for each of its users.
    pub deny: Option<DenyWindow>,
    /// The number of its users.
    pub users: u64,
    /// How many of them it has reached.
    pub reached: u64,
    /// Whether the imported records of its users are ended.
    pub has_ended_imports: bool,
    /// The last part that this round visited; 0 at its beginning.
    pub visited: i64,
    /// Rounds that ended.
    pub rounds: u32,
    /// When the next step is due.
    pub next_at: Timestamp,
}

impl PartDelivery {
    /// The delivery of a new order, whose first step is due when no more covered connection can open.
    pub fn new(cutoff: &ScopedCutoff, notice: String, begins_at: Timestamp) -> Self {
        Self {
            serial: cutoff.serial,
            at: cutoff.at,
            notice,
            deny: None,
            users: u64::try_from(cutoff.users.len()).unwrap_or(u64::MAX),
            reached: 0,
            has_ended_imports: false,
            visited: 0,
            rounds: 0,
            next_at: begins_at,
        }
    }

    /// After a visit to a part. The next step follows at once.
    #[must_use]
    pub fn after_part(self, part: i64, reached: usize) -> Self {
        let reached = self.reached.saturating_add(u64::try_from(reached).unwrap_or(u64::MAX));
        Self { visited: part, reached, ..self }
    }

    /// After the last part of a round, or after a step that failed as a whole: the users that are left are tried again, less and less often.
    #[must_use]
    pub fn again(self, now: Timestamp) -> Self {
        let pause = Duration::from_secs(1 << self.rounds.min(16)).min(LONGEST_PAUSE);
        Self { visited: 0, rounds: self.rounds.saturating_add(1), next_at: now + pause, ..self }
    }
}

/// Puts an order in force; all statements belong into one transaction with [`super::scoped::keep_last_serial`].
pub fn keep(delivery: &PartDelivery, users: &[i64]) -> Vec<Statement> {
    let parts = users.chunks(PART).zip(1_i64..).map(|(some, part)| {
        Statement::new(
            "INSERT INTO scoped_part (serial, part, users) VALUES (CAST(?1 AS INTEGER), ?2, ?3)",
            [Value::wide(delivery.serial.number()), Value::Int(part), of_part(some)],
        )
    });
    std::iter::once(put(delivery)).chain(parts).collect()
}

/// Numbers above 2^53 are texts, as they leave everywhere.
fn of_part(users: &[i64]) -> Value {
    Value::json(&users.iter().map(i64::to_string).collect::<Vec<_>>())
}

/// Stores how far a delivery is.
pub fn put(delivery: &PartDelivery) -> Statement {
    let count = |number: u64| Value::Int(i64::try_from(number).unwrap_or(i64::MAX));
    Statement::new(
        "INSERT INTO scoped_delivery (serial, at, notice, users, reached, has_ended_imports, visited, rounds, next_at, \
         deny) VALUES (CAST(?1 AS INTEGER), CAST(?2 AS INTEGER), ?3, ?4, ?5, ?6, ?7, ?8, CAST(?9 AS INTEGER), ?10) \
         ON CONFLICT (serial) DO UPDATE SET reached = excluded.reached, \
         has_ended_imports = excluded.has_ended_imports, visited = excluded.visited, rounds = excluded.rounds, \
         next_at = excluded.next_at",
        [
            Value::wide(delivery.serial.number()),
            Value::wide(delivery.at.millis()),
            delivery.notice.as_str().into(),
            count(delivery.users),
            count(delivery.reached),
            Value::Int(delivery.has_ended_imports.into()),
            Value::Int(delivery.visited),
            Value::Int(delivery.rounds.into()),
            Value::wide(delivery.next_at.millis()),
            deny::column(delivery.deny.as_ref()),
        ],
    )
}

/// Stores the users that the visit to a part has not reached; without any the part goes.
pub fn visited(serial: Serial, part: i64, left: &[i64]) -> Statement {
    let serial = Value::wide(serial.number());
    if left.is_empty() {
        let sql = "DELETE FROM scoped_part WHERE serial = CAST(?1 AS INTEGER) AND part = ?2";
        return Statement::new(sql, [serial, Value::Int(part)]);
    }
    let sql = "UPDATE scoped_part SET users = ?3 WHERE serial = CAST(?1 AS INTEGER) AND part = ?2";
    Statement::new(sql, [serial, Value::Int(part), of_part(left)])
}

/// Ends an order whose delivery has reached every user.
pub fn delivered(serial: Serial) -> Statement {
    Statement::new(
        "DELETE FROM scoped_delivery WHERE serial = CAST(?1 AS INTEGER)",
        [Value::wide(serial.number())],
    )
}

/// The orders under delivery, in their order; read by [`read_all`].
pub fn all() -> Statement {
    Statement::new(
        "SELECT CAST(serial AS TEXT), CAST(at AS TEXT), notice, users, reached, has_ended_imports, visited, rounds, \
         CAST(next_at AS TEXT), deny FROM scoped_delivery ORDER BY serial",
        [],
    )
}

/// Reads the rows of [`all`].
///
/// # Errors
/// When a row does not have the form of its statement.
pub fn read_all(rows: &[Vec<Value>]) -> Result<Vec<PartDelivery>, ScopedError> {
    let count = |number: i64| u64::try_from(number).map_err(|_| ScopedError);
    let one = |row: &Vec<Value>| match row.as_slice() {
        [
            serial,
            at,
            Value::Text(notice),
            Value::Int(users),
            Value::Int(reached),
            Value::Int(has_ended_imports),
            Value::Int(visited),
            Value::Int(rounds),
            next_at,
            deny,
        ] => Ok(PartDelivery {
            serial: Serial::from_number(number(serial)?),
            at: Timestamp::from_millis(number(at)?),
            notice: notice.clone(),
            deny: deny::read_column(deny).ok_or(ScopedError)?,
            users: count(*users)?,
            reached: count(*reached)?,
            has_ended_imports: *has_ended_imports != 0,
            visited: *visited,
            rounds: u32::try_from(*rounds).map_err(|_| ScopedError)?,
            next_at: Timestamp::from_millis(number(next_at)?),
        }),
        _ => Err(ScopedError),
    };
    rows.iter().map(one).collect()
}

/// The parts of an order behind `after`, at most `limit` of them; read by [`read_parts`].
pub fn parts(serial: Serial, after: i64, limit: u32) -> Statement {
    Statement::new(
        "SELECT part, users FROM scoped_part WHERE serial = CAST(?1 AS INTEGER) AND part > ?2 ORDER BY part LIMIT ?3",
        [Value::wide(serial.number()), Value::Int(after), Value::Int(limit.into())],
    )
}

/// Reads the rows of [`parts`]: the users of each part by its number, ascending.
///
/// # Errors
/// When a row does not have the form of its statement.
pub fn read_parts(rows: &[Vec<Value>]) -> Result<Vec<(i64, Vec<i64>)>, ScopedError> {
    let one = |row: &Vec<Value>| match row.as_slice() {
        [Value::Int(part), Value::Text(users)] => {
            let users: Vec<String> = json::read(users).map_err(|_| ScopedError)?;
            let numbers: Result<Vec<i64>, _> = users.iter().map(|user| user.parse()).collect();
            Ok((*part, numbers.map_err(|_| ScopedError)?))
        }
        _ => Err(ScopedError),
    };
    rows.iter().map(one).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{directory::tests::support::Database, store::migrations::StoreKind};

    const AT: Timestamp = Timestamp::from_secs(1_000);

    fn in_force(store: &Database, serial: Serial) -> Vec<(i64, Vec<i64>)> {
        read_parts(&store.run(&parts(serial, 0, u32::MAX))).unwrap()
    }

    #[test]
    fn a_set_goes_part_by_part_and_users_who_were_missed_stay() {
        let store = Database::of(StoreKind::Cutoff);
        let count = i64::try_from(PART).unwrap() + 2;
        let cutoff = ScopedCutoff::next(Serial::from_number(6), (i64::MAX - count)..i64::MAX, AT);
        let mut delivery = PartDelivery::new(&cutoff, "it's".to_owned(), AT);
        keep(&delivery, &cutoff.users).iter().for_each(|one| drop(store.run(one)));
        assert_eq!(read_all(&store.run(&all())), Ok(vec![delivery.clone()]));
        let set: Vec<i64> =
            in_force(&store, cutoff.serial).into_iter().flat_map(|(_, users)| users).collect();
        assert_eq!(set, *cutoff.users);

        let [(first, users)] = &read_parts(&store.run(&parts(cutoff.serial, 0, 1))).unwrap()[..] else {
            panic!()
        };
        store.run(&visited(cutoff.serial, *first, &users[3..5]));
        delivery = delivery.after_part(*first, users.len() - 2);
        store.run(&put(&delivery));
        let [(last, users)] = &read_parts(&store.run(&parts(cutoff.serial, *first, 9))).unwrap()[..] else {
            panic!()
        };
        store.run(&visited(cutoff.serial, *last, &[]));
        delivery = delivery.after_part(*last, users.len()).again(AT);
        store.run(&put(&delivery));
        assert_eq!(read_all(&store.run(&all())), Ok(vec![delivery.clone()]));
        assert_eq!((delivery.users - delivery.reached, delivery.visited), (2, 0));
        assert_eq!(in_force(&store, cutoff.serial), [(1, cutoff.users[3..5].to_vec())]);
        store.run(&visited(cutoff.serial, 1, &[]));
        store.run(&delivered(cutoff.serial));
        assert!(in_force(&store, cutoff.serial).is_empty() && store.run(&all()).is_empty());
    }

    #[test]
    fn users_who_cannot_be_reached_are_tried_less_and_less_often() {
        let mut delivery = PartDelivery::new(&ScopedCutoff::next(Serial::NONE, [1], AT), String::new(), AT);
        let mut pauses = Vec::new();
        for _ in 0..40 {
            delivery = delivery.again(AT);
            pauses.push(delivery.next_at.since(AT).as_secs());
        }
        assert_eq!((&pauses[..7], pauses[39]), (&[1, 2, 4, 8, 16, 32, 60][..], 60));
    }
}
