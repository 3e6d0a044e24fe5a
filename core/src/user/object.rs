//! The store of one user (the edge), where its statements differ from those of a store with all users.
//!
//! Each row is billed there. So what the directory is not to hear of yet is a date on the record itself, and tables that few users
//! need are made by the first write that needs them.

use super::{Change, HeldEnd, Loaded, Needs, Part, User, outbox};
use crate::{
    directory::{record::Record, row::COLUMNS},
    id::{RecordId, UserId},
    store::{Statement, Value, migrations::Extra},
    time::Timestamp,
};

/// The statements that make all changes of one outcome durable, see [`statements`].
///
/// The entry of an order in the audit waits there for the directory. It costs no row where the order ends a record: it is written with
/// the end, into the same row.
pub fn all_statements(changes: &[Change], user: &UserId, now: Timestamp) -> Vec<Statement> {
    let part = changes.iter().find_map(|change| match change {
        Change::Audited(part) => Some(part.as_ref()),
        _ => None,
    });
    let ends = changes.iter().enumerate().rev();
    // Those of the order follow the ends that it releases.
    let mut ends = ends.filter_map(|(at, change)| match change {
        Change::RecordEnded { record, .. } => Some((at, *record)),
        _ => None,
    });
    let carrier = part.and(ends.next());
    let mut all = Vec::new();
    for (at, change) in changes.iter().enumerate() {
        match (change, part, carrier) {
            (Change::RecordEnded { record, at: end }, Some(part), Some((carrier, _))) if carrier == at => {
                all.push(outbox::ended_with(*record, *end, part));
            }
            (Change::Audited(part), ..) => all.push(outbox::untold_part(part, carrier.map(|(_, id)| id))),
            _ => all.extend(statements(change, user, now)),
        }
    }
    all
}

/// The statements that make the change durable, to be run in order after the tables of [`extra`] are there.
///
/// A held end is final, and only the directory is not to hear of it until it is released. So it is the end of its record at once, and
/// time alone releases it; what releases it earlier writes.
pub fn statements(change: &Change, user: &UserId, now: Timestamp) -> Vec<Statement> {
    match change {
        Change::EndHeld(HeldEnd { record, ended_at, until }) => vec![Statement::new(
            "UPDATE record SET offline_at = max(online_at, ?2), generation = generation + 1, held_until = ?3 \
             WHERE id = CAST(?1 AS INTEGER) AND offline_at IS NULL",
            [Value::wide(record.number()), ended_at.millis().into(), until.millis().into()],
        )],
        Change::HeldReleased => vec![Statement::new(
            "UPDATE record SET held_until = NULL WHERE id > 0 AND held_until > ?1",
            [now.millis().into()],
        )],
        change => change.statements(user),
    }
}

/// The tables beside those of every user that the change is written to.
pub const fn extra(change: &Change) -> Option<Extra> {
    match change {
        Change::Account(_) => Some(Extra::Account),
        Change::Subscribed { .. }
        | Change::Unsubscribed { .. }
        | Change::TakenBack(_)
        | Change::Released(_)
        | Change::Acknowledged { .. }
        | Change::Watched { .. }
        | Change::Unwatched(_)
        | Change::SubscriptionState(_) => Some(Extra::Subscriptions),
        _ => None,
    }
}

/// The queries of [`Needs::queries`] with the tables that they read beside those of every user. Where these were never made,
/// the part is empty.
pub fn queries(needs: &Needs, user: &User, now: Timestamp) -> Vec<(Part, Option<Extra>, Statement)> {
    let of = |(part, statement)| match part {
        Part::Held => (part, None, held()),
        Part::Account => (part, Some(Extra::Account), statement),
        Part::SubscriptionState
        | Part::Subscriptions
        | Part::Followers
        | Part::Dangling
        | Part::Watcher
        | Part::Watchers => (part, Some(Extra::Subscriptions), statement),
        Part::Profile | Part::Valid | Part::Tokens | Part::Presented | Part::Orders => {
            (part, None, statement)
        }
    };
    needs.queries(user, now).into_iter().map(of).collect()
}

fn held() -> Statement {
    Statement::new(
        "SELECT CAST(id AS TEXT), offline_at, held_until FROM record \
         WHERE id > 0 AND held_until IS NOT NULL ORDER BY id",
        [],
    )
}

/// Leaves out held ends that were released by time. Their records are in the outbox, which has an alarm of its own.
pub fn forget_released(loaded: &mut Loaded, now: Timestamp) {
    if let Some(held) = &mut loaded.held {
        held.retain(|held| held.until > now);
    }
}

/// Those of these records that the store has, as the directory is to show them; read by [`read_shown`].
pub fn shown(ids: impl IntoIterator<Item = RecordId>) -> Statement {
    let ids: Vec<String> = ids.into_iter().map(|id| id.number().to_string()).collect();
    Statement::new(
        format!(
            "SELECT {COLUMNS}, held_until FROM record \
             WHERE id IN (SELECT CAST(value AS INTEGER) FROM json_each(?1))"
        ),
        [Value::json(&ids)],
    )
}

/// Reads the rows of [`shown`]. A record whose end is still held is shown as it was.
///
/// # Errors
/// When a row is not of that form.
pub fn read_shown(
    rows: &[Vec<Value>],
    now: Timestamp,
) -> Result<Vec<Record>, crate::directory::row::RowError> {
    let mut records = crate::directory::query::read_records(rows)?;
    for (record, row) in records.iter_mut().zip(rows) {
        if matches!(row.last(), Some(Value::Int(until)) if *until > now.millis()) {
            record.offline_at = None;
            record.generation -= 1;
        }
    }
    Ok(records)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::{
        audit::{Entry, EntryId, Operation, Part},
        directory::tests::support::Database,
        id::TenantId,
        serial::{Began, Serial},
        store::migrations::StoreKind,
        user::outbox::{self, Look},
    };

    const ID: i64 = 7_001;

    fn at(secs: i64) -> Timestamp {
        Timestamp::from_secs(secs)
    }

    fn id() -> RecordId {
        RecordId::from_number(ID).unwrap()
    }

    fn opened() -> Change {
        let began = Began { under: Serial::NONE, at: at(10) };
        Change::RecordOpened(Box::new(Record::opened(id(), TenantId(0), 7, began)))
    }

    fn held(ended: i64, until: i64) -> Change {
        Change::EndHeld(HeldEnd { record: id(), ended_at: at(ended), until: at(until) })
    }

    struct Store(Database);

    impl Store {
        fn with(changes: &[Change]) -> Self {
            let store = Self(Database::of(StoreKind::User));
            changes.iter().for_each(|change| store.commit(change, at(0)));
            store
        }

        fn commit(&self, change: &Change, now: Timestamp) {
            let user = UserId::from(7);
            statements(change, &user, now).iter().for_each(|statement| drop(self.0.run(statement)));
        }

        /// The ends that the directory hears of, the openings of this instance included.
        fn told(&self, openings: &[RecordId], now: Timestamp) -> Vec<(Option<Timestamp>, i64)> {
            let rows = self.0.run(&outbox::unpublished(openings, now));
            let records = read_shown(&rows, now).unwrap();
            let told = records.iter().map(|record| (record.offline_at, record.generation)).collect();
            let floor = outbox::read_look(&self.0.run(&outbox::look(now))).floor;
            let answered = records.iter().filter_map(|record| outbox::acknowledged(record, openings, floor));
            answered.for_each(|statement| drop(self.0.run(&statement)));
            told
        }

        /// The floor, where nothing else is left.
        fn floor(&self) -> Option<Timestamp> {
            let Look { open, is_queued, floor, .. } =
                outbox::read_look(&self.0.run(&outbox::look(at(1_000))));
            let rows = self.0.run(&Statement::new("SELECT 1 FROM record", [])).len();
            (open.is_empty() && !is_queued && rows == 1).then_some(floor)
        }

        fn loaded(&self, now: Timestamp) -> Loaded {
            let user = User::new(UserId::from(7), Vec::new());
            let mut loaded = Loaded::default();
            for (part, extra, statement) in queries(&Needs { held: true, ..Needs::default() }, &user, now) {
                assert_eq!(extra, None);
                loaded.absorb(part, &self.0.run(&statement)).unwrap();
            }
            loaded
        }

        fn shown(&self, now: Timestamp) -> Vec<(Option<Timestamp>, i64)> {
            let records = read_shown(&self.0.run(&shown([id()])), now).unwrap();
            records.iter().map(|record| (record.offline_at, record.generation)).collect()
        }
    }

    #[test]
    fn a_held_end_is_told_by_time_alone() {
        let store = Store::with(&[opened(), held(20, 50)]);
        assert_eq!(store.shown(at(49)), [(None, 1)]);
        assert_eq!(store.told(&[], at(49)), []);
        assert_eq!(store.loaded(at(49)).held.unwrap().len(), 1);
        let mut loaded = store.loaded(at(50));
        assert_eq!(loaded.next_due(), Some(at(50)));
        forget_released(&mut loaded, at(50));
        assert_eq!(loaded.next_due(), None, "the outbox has an alarm of its own");
        assert_eq!(store.shown(at(50)), [(Some(at(20)), 2)]);
        assert_eq!(store.told(&[], at(50)), [(Some(at(20)), 2)]);
        assert_eq!(store.told(&[], at(50)), []);
        assert_eq!(store.floor(), Some(at(20)));
    }

    #[test]
    fn a_held_end_that_is_released_is_told_before_its_time() {
        let store = Store::with(&[opened(), held(20, 50)]);
        store.commit(&Change::RecordEnded { record: id(), at: at(99) }, at(30));
        store.commit(&Change::HeldReleased, at(30));
        assert_eq!(store.loaded(at(30)).held.unwrap(), []);
        assert_eq!(store.told(&[], at(30)), [(Some(at(20)), 2)], "with its own date");
        assert_eq!(store.floor(), Some(at(20)));
    }

    #[test]
    fn an_opening_that_was_told_costs_nothing() {
        let store = Store::with(&[opened()]);
        assert_eq!(store.told(&[], at(11)), [], "the instance tells it");
        assert_eq!(store.told(&[id()], at(11)), [(None, 1)]);
        assert_eq!(store.told(&[], at(11)), []);
        store.commit(&Change::RecordEnded { record: id(), at: at(20) }, at(20));
        assert_eq!(store.told(&[], at(20)), [(Some(at(20)), 2)]);
        assert_eq!(store.floor(), Some(at(20)));
    }

    #[test]
    fn an_opening_that_could_not_be_told_is_told_later() {
        let store = Store::with(&[opened()]);
        store.0.run(&outbox::untold(&[id()]));
        store.commit(&held(20, 50), at(20));
        assert_eq!(store.told(&[], at(30)), [(None, 1)], "its end is held");
        assert_eq!(store.told(&[], at(31)), []);
        assert_eq!(store.told(&[], at(31) + Duration::from_secs(20)), [(Some(at(20)), 2)]);
        assert_eq!(store.floor(), Some(at(20)));
    }

    #[test]
    fn no_end_lies_before_its_beginning() {
        let store = Store::with(&[opened(), held(5, 50)]);
        assert_eq!(store.told(&[], at(50)), [(Some(at(10)), 2)]);
    }

    #[test]
    fn the_floor_of_dates_never_falls_and_holds_nothing_of_the_record() {
        let other = RecordId::from_number(ID + 1).unwrap();
        let store = Store::with(&[opened(), held(20, 50)]);
        let Change::RecordOpened(later) = opened() else { unreachable!() };
        store.commit(
            &Change::RecordOpened(Box::new(Record { id: other, online_at: at(15), ..*later })),
            at(15),
        );
        assert_eq!(store.told(&[other], at(50)), [(Some(at(20)), 2), (None, 1)]);
        let Look { open, is_queued, floor, .. } = outbox::read_look(&store.0.run(&outbox::look(at(50))));
        assert_eq!((open.as_slice(), is_queued, floor), ([other].as_slice(), false, at(20)));
        // The clock was set back meanwhile.
        store.commit(&Change::RecordEnded { record: other, at: at(3) }, at(3));
        assert_eq!(store.told(&[], at(3)), [(Some(at(15)), 2)]);
        assert_eq!(store.floor(), Some(at(20)));
        assert_eq!(store.loaded(at(3)).held.unwrap(), []);
        let texts = "SELECT full_name || user_agent || device_id || remote_address, user, avatar, member_of FROM record";
        assert_eq!(
            store.0.run(&Statement::new(texts, [])),
            [vec!["".into(), Value::Int(0), Value::Null, Value::Null]]
        );
    }

    fn part(secs: i64) -> Part {
        part_of(EntryId::draw(at(secs), 7))
    }

    fn part_of(id: EntryId) -> Part {
        let (tenant, by) = (TenantId(0), UserId::from(1));
        let entry =
            Entry { id, tenant: None, by, operation: Operation::ForceLogout, details: "{}".to_owned() };
        Part::of_user(entry, tenant, UserId::from(7), 1)
    }

    impl Store {
        /// Commits an order with these other changes, and returns how many rows it wrote.
        fn order(&self, changes: Vec<Change>, part: &Part) -> usize {
            let changes: Vec<_> =
                changes.into_iter().chain([Change::Audited(Box::new(part.clone()))]).collect();
            let written = |statement: &Statement| {
                self.0.run(statement);
                let rows = self.0.run(&Statement::new("SELECT changes()", []));
                match rows[0][0] {
                    Value::Int(rows) => usize::try_from(rows).unwrap(),
                    _ => panic!("{rows:?}"),
                }
            };
            all_statements(&changes, &UserId::from(7), at(0)).iter().map(written).sum()
        }

        /// What the directory hears of the audit, and the rows that it comes in.
        fn told_parts(&self) -> Vec<(i64, Part)> {
            let rows = self.0.run(&outbox::unpublished(&[], at(100)));
            let alone = self.0.run(&outbox::parts_alone());
            outbox::read_parts(&rows).into_iter().chain(outbox::read_parts(&alone)).collect()
        }

        fn is_queued(&self) -> bool {
            let look = outbox::read_look(&self.0.run(&outbox::look(at(100))));
            look.is_queued || look.has_parts
        }
    }

    #[test]
    fn the_entry_of_an_order_that_ends_a_record_costs_no_row() {
        let store = Store::with(&[opened()]);
        let (order, ended) = (part(20), Change::RecordEnded { record: id(), at: at(20) });
        assert_eq!(store.order(vec![ended], &order), 1);
        assert!(store.is_queued());
        assert_eq!(store.told_parts(), [(ID, order)]);
        assert_eq!(store.told(&[], at(100)), [(Some(at(20)), 2)], "its record is told as any other");
        assert_eq!(store.told_parts(), []);
        assert!(!store.is_queued());
        assert_eq!(store.floor(), Some(at(20)));
    }

    #[test]
    fn an_entry_stays_until_the_directory_has_it_whatever_becomes_of_the_record() {
        // The end is held, or told by an earlier answer: the record is one that ended before, or is gone.
        let (store, order) = (Store::with(&[opened(), held(20, 50)]), part(30));
        let changes = vec![Change::RecordEnded { record: id(), at: at(20) }, Change::HeldReleased];
        store.order(changes, &order);
        assert_eq!(store.told_parts(), [(ID, order.clone())]);
        assert_eq!(store.shown(at(30)), [(Some(at(20)), 3)], "with its own date, at once");

        let store = Store::with(&[]);
        store.order(vec![Change::RecordEnded { record: id(), at: at(20) }], &order);
        assert!(matches!(store.told_parts().as_slice(), [(row, part)] if *row < -1 && *part == order));
    }

    #[test]
    fn an_entry_alone_is_told_and_gone() {
        let store = Store::with(&[]);
        let orders = [part(20), part(30)];
        for order in &orders {
            assert_eq!(store.order(vec![], order), 1);
        }
        assert!(store.is_queued());
        assert_eq!(store.told(&[], at(100)), [], "they are no records");
        let told = store.told_parts();
        assert_eq!(told.iter().map(|(_, part)| part.clone()).collect::<Vec<_>>(), orders, "the oldest first");
        store.0.run(&outbox::told_parts(&[told[0].0]));
        assert_eq!(store.told_parts(), told[1..]);
        assert_eq!(outbox::retry_at(&[], &[part(20)], at(90)), Some(at(150)));
        assert_eq!(outbox::retry_at(&[], &[], at(90)), None);
    }

    /// A call whose answer was lost is repeated: its order is carried out again, with the same entry.
    #[test]
    fn a_repeated_order_leaves_one_entry_as_long_as_the_first_waits() {
        let store = Store::with(&[]);
        let order = part(20);
        assert_eq!(store.order(vec![], &order), 1);
        assert_eq!(store.order(vec![], &order), 0);
        assert_eq!(store.told_parts().len(), 1, "alone");

        let store = Store::with(&[opened()]);
        store.order(vec![Change::RecordEnded { record: id(), at: at(20) }], &order);
        assert_eq!(store.order(vec![], &order), 0);
        assert_eq!(store.told_parts(), [(ID, order)], "with a record");
    }

    #[test]
    fn orders_of_one_millisecond_keep_their_entries() {
        let store = Store::with(&[opened()]);
        let orders = [0, 1, 2].map(|low| part_of(EntryId::draw(at(20), (7 << 65) | low)));
        assert_eq!(
            orders
                .each_ref()
                .map(|part| part.entry.id.below_floor())
                .map(|id| id - orders[0].entry.id.below_floor()),
            [0; 3]
        );
        let (first, rest) = orders.split_first().unwrap();
        store.order(vec![], first);
        for order in rest {
            assert_eq!(store.order(vec![], order), 1);
        }
        assert_eq!(store.told_parts().into_iter().map(|(_, part)| part).collect::<Vec<_>>(), orders);

        // A record that waits with the entry of its order keeps it.
        let (one, other) = (part(30), part(40));
        for order in [&one, &other] {
            store.order(vec![Change::RecordEnded { record: id(), at: at(30) }], order);
        }
        let told: Vec<Part> = store.told_parts().into_iter().map(|(_, part)| part).collect();
        assert!(told.contains(&one) && told.contains(&other) && told.len() == 5, "{told:?}");
    }

    #[test]
    fn a_part_alone_says_so_and_one_with_a_record_does_not() {
        let store = Store::with(&[opened()]);
        let ended = Change::RecordEnded { record: id(), at: at(20) };
        for (changes, is_alone) in [(vec![ended], false), (vec![], true)] {
            let order = part(if is_alone { 30 } else { 20 });
            let changes: Vec<_> = changes.into_iter().chain([Change::Audited(Box::new(order))]).collect();
            let run = |statement: &Statement| store.0.run(statement);
            let answers: Vec<_> = all_statements(&changes, &UserId::from(7), at(0)).iter().map(run).collect();
            assert_eq!(outbox::is_alone(&answers), is_alone);
        }
    }
}
