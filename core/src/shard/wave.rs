//! How far a tenant-wide order has reached the sockets of a shard's users (`docs/rules/edge.md#orders`).
//!
//! The [mark](super::mark) is in force by itself; a wave only brings frames and closes, and has the ends written down.
//! It walks the shard's live records in steps, by alarm, and is over when a round has reached everybody.

use std::time::Duration;

use crate::{
    directory::{
        record::{Record, Source},
        view::Mark,
    },
    id::RecordId,
    json, sorted,
    store::{Statement, Value},
    time::Timestamp,
};

/// Records that one step visits. Each may be a call to another object.
pub const STEP: u32 = 500;
/// A record may come so late after its connection opened: there is a round after that.
const LATE: Duration = Duration::from_secs(15);
/// The longest pause before a round for those whom the one before has not reached.
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// An order on its way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wave {
    /// What it brings about.
    pub mark: Mark,
    /// What sockets of the message center are told before they are closed.
    pub notice: String,
    /// Whether every other shard has it too; shard 0 sees to that.
    pub is_spread: bool,
    /// The last record that this round visited; `None` at its beginning.
    pub visited: Option<RecordId>,
    /// Whether somebody could not be reached in this round.
    pub missed: bool,
    /// Rounds that ended.
    pub rounds: u32,
    /// When it goes on.
    pub next_at: Timestamp,
}

impl Wave {
    /// A new one. It begins when nothing can open any more that it is about.
    pub const fn new(mark: Mark, notice: String) -> Self {
        let next_at = mark.at;
        Self { mark, notice, is_spread: false, visited: None, missed: false, rounds: 0, next_at }
    }

    /// Whether it takes the place of what is under way: it does, unless that is itself or a later one.
    pub fn replaces(&self, other: &Self) -> bool {
        self.mark.at >= other.mark.at && (&self.mark, &self.notice) != (&other.mark, &other.notice)
    }

    /// Of these records, the users whom the order takes off.
    pub fn reached(&self, records: &[Record]) -> Vec<i64> {
        let covered = |record: &&Record| record.source == Source::Live && self.mark.covers(record);
        sorted::set(records.iter().filter(covered).map(|record| record.user))
    }

    /// The wave after a step that visited these records and `missed` somebody; `None` when it is over.
    #[must_use]
    pub fn after(mut self, visited: &[Record], missed: bool, now: Timestamp) -> Option<Self> {
        self.missed |= missed;
        if visited.len() >= usize::try_from(STEP).unwrap_or(usize::MAX) {
            self.visited = visited.last().map(|record| record.id);
            self.next_at = now;
            return Some(self);
        }
        let late = self.mark.at + LATE;
        if !self.missed && now >= late {
            return None;
        }
        // Whoever was reached has no open record any more, so another round visits the others only.
        let pause = Duration::from_secs(1 << self.rounds.min(16)).min(LONGEST_PAUSE);
        self.next_at = if self.missed { now + pause } else { late };
        Some(Self { visited: None, missed: false, rounds: self.rounds.saturating_add(1), ..self })
    }
}

/// Keeps the wave, in the place of any other.
pub fn keep(wave: &Wave) -> Statement {
    Statement::new(
        "INSERT OR REPLACE INTO wave (id, at, exempt, notice, is_spread, visited, missed, rounds, next_at) \
         VALUES (1, ?1, ?2, ?3, ?4, CAST(?5 AS INTEGER), ?6, ?7, ?8)",
        [
            wave.mark.at.millis().into(),
            exempt(wave),
            wave.notice.clone().into(),
            Value::Int(wave.is_spread.into()),
            Value::wide(wave.visited.map_or(0, RecordId::number)),
            Value::Int(wave.missed.into()),
            Value::Int(wave.rounds.into()),
            wave.next_at.millis().into(),
        ],
    )
}

/// Writes down that every other shard has the wave, if it is this one that is under way.
pub fn spread(wave: &Wave) -> Statement {
    Statement::new("UPDATE wave SET is_spread = 1 WHERE at = ?1 AND notice = ?2", identity(wave))
}

/// Ends the wave, if it is this one that is under way.
pub fn end(wave: &Wave) -> Statement {
    Statement::new("DELETE FROM wave WHERE at = ?1 AND notice = ?2", identity(wave))
}

fn identity(wave: &Wave) -> [Value; 2] {
    [wave.mark.at.millis().into(), wave.notice.clone().into()]
}

fn exempt(wave: &Wave) -> Value {
    serde_json::to_string(&wave.mark.exempt).unwrap_or_default().into()
}

/// The wave under way; no row without one.
pub fn get() -> Statement {
    Statement::new(
        "SELECT at, exempt, notice, is_spread, CAST(visited AS TEXT), missed, rounds, next_at FROM wave",
        [],
    )
}

/// Reads the rows of [`get`].
///
/// # Errors
/// The name of what does not read.
pub fn read(rows: &[Vec<Value>]) -> Result<Option<Wave>, &'static str> {
    let Some(row) = rows.first() else { return Ok(None) };
    let [
        Value::Int(at),
        Value::Text(exempt),
        Value::Text(notice),
        Value::Int(is_spread),
        Value::Text(visited),
        Value::Int(missed),
        Value::Int(rounds),
        Value::Int(next_at),
    ] = row.as_slice()
    else {
        return Err("a wave does not read as one");
    };
    let exempt = json::read(exempt).map_err(|_| "the exempt users of a wave do not read")?;
    Ok(Some(Wave {
        mark: Mark { at: Timestamp::from_millis(*at), exempt, lifted: false },
        notice: notice.clone(),
        is_spread: *is_spread != 0,
        visited: visited.parse().ok().and_then(RecordId::from_number),
        missed: *missed != 0,
        rounds: u32::try_from(*rounds).unwrap_or(u32::MAX),
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

    fn wave(at: Timestamp, notice: &str) -> Wave {
        Wave::new(Mark { at, exempt: vec![7], lifted: false }, notice.to_owned())
    }

    fn records(count: i64) -> Vec<Record> {
        (1..=count).map(sample).collect()
    }

    #[test]
    fn a_round_goes_on_where_the_last_step_ended_and_another_follows_for_late_records() {
        let all = records(i64::from(STEP) + 1);
        let full = &all[..all.len() - 1];
        let first = wave(AT, "n").after(full, false, AT).unwrap();
        assert_eq!((first.visited, first.next_at, first.rounds), (Some(full.last().unwrap().id), AT, 0));
        let second = first.after(&all[..1], false, AT).unwrap();
        assert_eq!((second.visited, second.next_at, second.rounds), (None, AT + LATE, 1));
        assert_eq!(second.after(&[], false, AT + LATE), None);
    }

    #[test]
    fn whoever_was_missed_is_tried_again_less_and_less_often() {
        let now = AT + LATE;
        let mut pauses = Vec::new();
        let mut under_way = wave(AT, "n").after(&records(i64::from(STEP)), true, now).unwrap();
        assert!(under_way.missed, "it is kept to the end of the round");
        for _ in 0..40 {
            under_way = under_way.after(&records(1), true, now).unwrap();
            pauses.push(under_way.next_at.since(now).as_secs());
        }
        assert_eq!(pauses[..8], [1, 2, 4, 8, 16, 32, 60, 60]);
        assert_eq!(pauses[39], 60);
        assert_eq!(under_way.after(&records(1), false, now), None);
    }

    #[test]
    fn it_reaches_the_users_of_live_records_whom_the_mark_covers_once_each() {
        let opened = |user, at| Record { user, online_at: at, ..sample(1) };
        let later = AT + Duration::from_millis(1);
        let import = Record { source: Source::Import, ..opened(5, AT) };
        let all = [opened(3, AT), opened(1, AT), opened(3, AT), opened(7, AT), opened(4, later), import];
        assert_eq!(wave(AT, "n").reached(&all), [1, 3]);
    }

    #[test]
    fn a_later_order_takes_its_place_and_the_same_one_does_not_begin_again() {
        let (first, second) = (wave(AT, "first"), wave(AT, "second"));
        let stepped = first.clone().after(&records(1), true, AT).unwrap();
        assert!(second.replaces(&first) && !first.replaces(&first) && !first.replaces(&stepped));
        assert!(!first.replaces(&wave(AT + LATE, "third")));
    }

    #[test]
    fn what_is_kept_is_read_back_and_only_that_is_ended() {
        let store = Database::of(StoreKind::Shard);
        assert_eq!(read(&store.run(&get())), Ok(None));
        let mut kept = wave(AT, "it's").after(&records(i64::from(STEP)), true, AT).unwrap();
        kept.visited = RecordId::from_number(i64::MAX);
        store.run(&keep(&wave(AT, "before")));
        store.run(&keep(&kept));
        assert_eq!(read(&store.run(&get())), Ok(Some(kept.clone())));
        store.run(&spread(&wave(AT, "before")));
        store.run(&end(&wave(AT, "before")));
        assert_eq!(read(&store.run(&get())), Ok(Some(kept.clone())));
        store.run(&spread(&kept));
        assert_eq!(read(&store.run(&get())), Ok(Some(Wave { is_spread: true, ..kept.clone() })));
        store.run(&end(&kept));
        assert_eq!(read(&store.run(&get())), Ok(None));
        assert!(read(&[vec![Value::Null]]).is_err());
    }
}
