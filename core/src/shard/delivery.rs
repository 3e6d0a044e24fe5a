//! The delivery of a tenant order to the sockets of a shard's users, and its progress (`docs/rules/edge.md#orders`).
//!
//! The [cutoff](super::cutoff) is in force by itself. A delivery sends the frames and closes, and has the ends stored. It
//! walks the shard's live records in steps, by alarm, and is over when one round has reached every user.
//!
//! The row that [`keep`] writes and [`end`] deletes is there exactly while the shard has an undelivered order: [`get`] finds it. Its
//! cursor is a record of the shard, so records do not leave the shard meanwhile. A later order replaces the row, and begins anew.
//! Orders to sets of users leave nothing in a shard (`crate::shard::parts`): views bring their sets along, and their deliveries
//! go from the object of the tenant's orders to the users.

use std::time::Duration;

use crate::{
    directory::{
        record::{Record, Source},
        view::Cutoff,
    },
    id::RecordId,
    json,
    ordered::distinct,
    serial::Serial,
    store::{Statement, Value},
    time::Timestamp,
};

/// Records that one step visits. Each may be a call to another object.
pub const STEP: u32 = 500;
/// The longest time between the opening of a connection and the arrival of its record: one more round follows it.
const LATE: Duration = Duration::from_secs(15);
/// The longest pause before a round that retries users whom the previous one did not reach.
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// The row of a delivery does not have the form of its statement: the store is damaged.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DeliveryError {
    /// Its columns are of another number or of other types.
    #[error("a delivery does not read as one")]
    Form,
    /// Its serial is no number.
    #[error("the serial of a delivery is no number")]
    Serial,
    /// Its exempt users do not read.
    #[error("the exempt users of a delivery do not read")]
    Exempt(#[source] json::JsonError),
}

/// What a step leaves to later ones.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Left {
    /// A user was not reached.
    pub users: bool,
    /// More imported records have to be ended.
    pub imports: bool,
}

/// An order under delivery.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delivery {
    /// The cutoff that the order set.
    pub cutoff: Cutoff,
    /// The message that consoles get before they are closed.
    pub notice: String,
    /// The instant from which no more covered connection can open.
    pub begun_at: Timestamp,
    /// The last record that this round visited; `None` at its beginning.
    pub visited: Option<RecordId>,
    /// Whether this round left anything to the next one.
    pub missed: bool,
    /// Rounds that ended.
    pub rounds: u32,
    /// How many users it has reached.
    pub reached: u64,
    /// When the next step is due.
    pub next_at: Timestamp,
}

impl Delivery {
    /// A new delivery. Its first step is due at `begun_at`, from which no more covered connection can open.
    pub const fn new(cutoff: Cutoff, notice: String, begun_at: Timestamp) -> Self {
        Self {
            cutoff,
            notice,
            begun_at,
            visited: None,
            missed: false,
            rounds: 0,
            reached: 0,
            next_at: begun_at,
        }
    }

    /// Whether this delivery replaces `other`, which is under way: unless that is of the same order or of a later one.
    pub fn replaces(&self, other: &Self) -> bool {
        self.order() > other.order()
    }

    /// Whether both deliver one order.
    pub fn is_of_order_of(&self, other: &Self) -> bool {
        self.order() == other.order()
    }

    /// What tells orders of a tenant apart. Those from before there were serials have the same one, and go by their dates.
    const fn order(&self) -> (Serial, Timestamp) {
        (self.cutoff.serial, self.cutoff.at)
    }

    /// The users of those records that the order ends.
    pub fn covered_users(&self, records: &[Record]) -> Vec<i64> {
        let covered = |record: &&Record| record.source == Source::Live && self.cutoff.covers(record);
        distinct(records.iter().filter(covered).map(|record| record.user))
    }

    /// The delivery after a step that visited these records; `None` when it is over. Imported records are looked for at the beginning
    /// of each round.
    #[must_use]
    pub fn after(mut self, visited: &[Record], left: Left, now: Timestamp) -> Option<Self> {
        self.missed |= left.users || left.imports;
        if visited.len() >= usize::try_from(STEP).unwrap_or(usize::MAX) {
            self.visited = visited.last().map(|record| record.id);
            self.next_at = now;
            return Some(self);
        }
        let late = self.begun_at + LATE;
        if !self.missed && now >= late {
            return None;
        }
        // Users that were reached have no open record any more, so another round visits the others only.
        let pause = Duration::from_secs(1 << self.rounds.min(16)).min(LONGEST_PAUSE);
        let next = Self { visited: None, missed: false, ..self };
        if left.imports {
            // No failure: there is just more to do.
            return Some(Self { next_at: now, ..next });
        }
        let next_at = if self.missed { now + pause } else { late };
        Some(Self { next_at, rounds: self.rounds.saturating_add(1), ..next })
    }
}

/// Stores the delivery in place of any other.
pub fn keep(delivery: &Delivery) -> Statement {
    Statement::new(
        "INSERT OR REPLACE INTO wave (id, at, exempt, notice, visited, missed, rounds, next_at, serial, \
         begun_at, reached) VALUES (1, ?1, ?2, ?3, CAST(?4 AS INTEGER), ?5, ?6, ?7, CAST(?8 AS INTEGER), ?9, ?10)",
        [
            delivery.cutoff.at.millis().into(),
            exempt(delivery),
            delivery.notice.clone().into(),
            Value::wide(delivery.visited.map_or(0, RecordId::number)),
            Value::Int(delivery.missed.into()),
            Value::Int(delivery.rounds.into()),
            delivery.next_at.millis().into(),
            Value::wide(delivery.cutoff.serial.number()),
            delivery.begun_at.millis().into(),
            Value::Int(i64::try_from(delivery.reached).unwrap_or(i64::MAX)),
        ],
    )
}

/// Ends the delivery, if it is the one under way.
pub fn end(delivery: &Delivery) -> Statement {
    let sql = "DELETE FROM wave WHERE serial = CAST(?1 AS INTEGER) AND at = CAST(?2 AS INTEGER)";
    Statement::new(sql, order(delivery))
}

fn order(delivery: &Delivery) -> [Value; 2] {
    let (serial, at) = delivery.order();
    [Value::wide(serial.number()), Value::wide(at.millis())]
}

fn exempt(delivery: &Delivery) -> Value {
    Value::json(&delivery.cutoff.exempt)
}

/// The delivery under way; no row without one.
pub fn get() -> Statement {
    Statement::new(
        "SELECT at, exempt, notice, CAST(visited AS TEXT), missed, rounds, next_at, \
         CAST(serial AS TEXT), begun_at, reached FROM wave",
        [],
    )
}

/// Reads the rows of [`get`].
///
/// # Errors
/// When the row does not have the form of its statement.
pub fn read(rows: &[Vec<Value>]) -> Result<Option<Delivery>, DeliveryError> {
    let Some(row) = rows.first() else { return Ok(None) };
    let [
        Value::Int(at),
        Value::Text(exempt),
        Value::Text(notice),
        Value::Text(visited),
        Value::Int(missed),
        Value::Int(rounds),
        Value::Int(next_at),
        Value::Text(serial),
        Value::Int(begun_at),
        Value::Int(reached),
    ] = row.as_slice()
    else {
        return Err(DeliveryError::Form);
    };
    let exempt = json::read(exempt).map_err(DeliveryError::Exempt)?;
    let serial = serial.parse().map_err(|_| DeliveryError::Serial)?;
    Ok(Some(Delivery {
        cutoff: Cutoff {
            serial: Serial::from_number(serial),
            at: Timestamp::from_millis(*at),
            exempt,
            lifted: false,
            deny: None,
        },
        notice: notice.clone(),
        begun_at: Timestamp::from_millis(*begun_at),
        visited: visited.parse().ok().and_then(RecordId::from_number),
        missed: *missed != 0,
        rounds: u32::try_from(*rounds).unwrap_or(u32::MAX),
        reached: u64::try_from(*reached).unwrap_or(0),
        next_at: Timestamp::from_millis(*next_at),
    }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        directory::tests::support::{Database, sample},
        store::migrations::StoreKind,
    };

    const AT: Timestamp = Timestamp::from_secs(1_000);
    const NOTHING: Left = Left { users: false, imports: false };
    const USERS: Left = Left { users: true, imports: false };
    const IMPORTS: Left = Left { users: false, imports: true };

    fn delivery(serial: i64, notice: &str) -> Delivery {
        let cutoff = Cutoff {
            serial: Serial::from_number(serial),
            at: AT,
            exempt: vec![7],
            lifted: false,
            deny: None,
        };
        Delivery::new(cutoff, notice.to_owned(), AT)
    }

    fn records(count: i64) -> Vec<Record> {
        (1..=count).map(sample).collect()
    }

    #[test]
    fn a_round_goes_on_where_the_last_step_ended_and_another_follows_for_late_records() {
        let all = records(i64::from(STEP) + 1);
        let full = &all[..all.len() - 1];
        let first = delivery(1, "n").after(full, NOTHING, AT).unwrap();
        assert_eq!((first.visited, first.next_at, first.rounds), (Some(full.last().unwrap().id), AT, 0));
        let second = first.after(&all[..1], NOTHING, AT).unwrap();
        assert_eq!((second.visited, second.next_at, second.rounds), (None, AT + LATE, 1));
        assert_eq!(second.after(&[], NOTHING, AT + LATE), None);
    }

    #[test]
    fn whoever_was_missed_is_tried_again_less_and_less_often() {
        let now = AT + LATE;
        let mut pauses = Vec::new();
        let mut under_way = delivery(1, "n").after(&records(i64::from(STEP)), USERS, now).unwrap();
        assert!(under_way.missed, "it is kept to the end of the round");
        for _ in 0..40 {
            under_way = under_way.after(&records(1), USERS, now).unwrap();
            pauses.push(under_way.next_at.since(now).as_secs());
        }
        assert_eq!(pauses[..8], [1, 2, 4, 8, 16, 32, 60, 60]);
        assert_eq!(pauses[39], 60);
        assert_eq!(under_way.after(&records(1), NOTHING, now), None);
    }

    #[test]
    fn imported_records_that_a_step_left_follow_at_once_and_are_never_left_for_good() {
        let now = AT + LATE;
        let mut under_way = delivery(1, "n");
        for _ in 0..3 {
            under_way = under_way.after(&records(1), IMPORTS, now).unwrap();
            assert_eq!((under_way.next_at, under_way.visited, under_way.rounds), (now, None, 0));
        }
        // The end of a round that began with them.
        let step = under_way.clone().after(&records(i64::from(STEP)), IMPORTS, now).unwrap();
        let again = step.after(&records(1), NOTHING, now).unwrap();
        assert_eq!((again.visited, again.next_at), (None, now + Duration::from_secs(1)));
        assert_eq!(under_way.after(&[], NOTHING, now), None);
    }

    #[test]
    fn it_reaches_the_users_of_live_records_whom_the_cutoff_covers_once_each() {
        let opened = |user, under| Record { user, under: Serial::from_number(under), ..sample(1) };
        let import = Record { source: Source::Import, ..opened(5, 0) };
        let all = [opened(3, 0), opened(1, 0), opened(3, 0), opened(7, 0), opened(4, 1), import];
        assert_eq!(delivery(1, "n").covered_users(&all), [1, 3]);
    }

    #[test]
    fn a_later_order_takes_its_place_and_the_same_one_does_not_begin_again() {
        let (first, second) = (delivery(1, "first"), delivery(2, "second"));
        let stepped = first.clone().after(&records(1), USERS, AT).unwrap();
        assert!(second.replaces(&first) && !first.replaces(&first) && !first.replaces(&stepped));
        assert!(!first.replaces(&delivery(3, "third")));
    }

    /// The known-wrong way was to compare serials alone: orders of earlier programs have none.
    #[test]
    fn a_later_order_without_a_serial_takes_the_place_of_an_earlier_one() {
        let (first, mut second) = (delivery(0, "first"), delivery(0, "second"));
        second.cutoff.at = AT + Duration::from_secs(1);
        assert!(second.replaces(&first) && !first.replaces(&second) && !second.replaces(&second));
        let store = Database::of(StoreKind::Shard);
        store.run(&keep(&second));
        store.run(&end(&first));
        assert_eq!(read(&store.run(&get())), Ok(Some(second)));
    }

    #[test]
    fn what_is_kept_is_read_back_and_only_that_is_ended() {
        let store = Database::of(StoreKind::Shard);
        assert_eq!(read(&store.run(&get())), Ok(None));
        let mut kept = delivery(2, "it's").after(&records(i64::from(STEP)), USERS, AT).unwrap();
        kept.visited = RecordId::from_number(i64::MAX);
        kept.reached = 7;
        store.run(&keep(&delivery(1, "before")));
        store.run(&keep(&kept));
        assert_eq!(read(&store.run(&get())), Ok(Some(kept.clone())));
        store.run(&end(&delivery(1, "before")));
        assert_eq!(read(&store.run(&get())), Ok(Some(kept.clone())));
        store.run(&end(&kept));
        assert_eq!(read(&store.run(&get())), Ok(None));
        assert!(read(&[vec![Value::Null]]).is_err());
    }
}
