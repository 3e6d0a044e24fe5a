//! Random records and questions, from small domains so that they meet.

use proptest::{collection::vec, option, prelude::*, sample::select};

use crate::{
    directory::{
        filter::{Key, Kind, Operator},
        membership::Membership,
        query::{Direction, Order, OrderBy},
        record::{Record, Source},
        view::{Cutoff, ScopedCutoff, View},
    },
    id::{RecordId, TenantId},
    serial::Serial,
    time::Timestamp,
};

const START: i64 = 1_752_631_200_000;
const WIDE: i64 = i64::MAX - 3;

const PIECES: [&str; 12] =
    ["a", "A", "ab", "%", "_", "b c", "é", "李", "\u{10ffff}", "\u{d7ff}", "\u{e000}", "'"];

fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        6 => vec(select(&PIECES[..]), 1..4).prop_map(|pieces| pieces.concat()),
        1 => Just(String::new()),
    ]
}

fn instant() -> impl Strategy<Value = Timestamp> {
    prop_oneof![
        8 => (START..START + 6_000).prop_map(Timestamp::from_millis),
        1 => (-2_500_i64..2_500).prop_map(Timestamp::from_millis),
    ]
}

fn user() -> impl Strategy<Value = i64> {
    prop_oneof![6 => 1_i64..6, 1 => select(vec![WIDE, WIDE - 1, -WIDE, 0])]
}

fn serial() -> impl Strategy<Value = Serial> {
    (-1..4_i64).prop_map(Serial::from_number)
}

fn record() -> impl Strategy<Value = Record> {
    let who = (1_i64..3, user(), text(), text(), text(), option::of(text()));
    let when = (instant(), option::weighted(0.5, instant()), option::weighted(0.3, instant()));
    (who, when, any::<bool>(), 1_i64..4, serial()).prop_map(
        |(
            (tenant, user, full_name, device_id, remote_address, avatar),
            (online_at, offline_at, lease_until),
            live,
            generation,
            under,
        )| Record {
            id: RecordId::from_number(1).unwrap(),
            tenant: TenantId(tenant),
            user,
            full_name,
            avatar,
            user_agent: "agent".into(),
            device_id,
            remote_address,
            online_at,
            offline_at,
            lease_until,
            source: if live { Source::Live } else { Source::Import },
            generation,
            member_of: Membership::new(&[user], &[]).filter(|_| live),
            under: if live { under } else { Serial::UNKNOWN },
        },
    )
}

/// Records with ids of their own, some of them wider than a double.
pub(super) fn records(count: std::ops::Range<usize>) -> impl Strategy<Value = Vec<Record>> {
    vec((record(), any::<bool>()), count).prop_map(|records| {
        let numbered = records.into_iter().enumerate().map(|(index, (record, wide))| {
            let number = index as i64 + 1;
            let id = RecordId::from_number(if wide { WIDE - 10_000 + number } else { number }).unwrap();
            Record { id, ..record }
        });
        numbered.collect()
    })
}

pub(super) fn view() -> impl Strategy<Value = View> {
    let cutoff = (0..4_i64, instant(), vec(user(), 0..3)).prop_map(|(serial, at, exempt)| Cutoff {
        serial: Serial::from_number(serial),
        at,
        exempt,
        lifted: false,
        deny: None,
    });
    let scoped = (1..4_i64, vec(user(), 1..4), instant())
        .prop_map(|(newest, users, at)| ScopedCutoff::next(Serial::from_number(newest - 1), users, at));
    let scoped = prop_oneof![3 => Just(Vec::new()), 2 => vec(scoped, 1..3)];
    (instant(), option::weighted(0.4, cutoff), scoped, option::weighted(0.3, instant())).prop_map(
        |(now, cutoff, scoped, retained_from)| View { cutoff, scoped, retained_from, ..View::at(now) },
    )
}

pub(super) fn order() -> impl Strategy<Value = Order> {
    (select(&OrderBy::ALL[..]), any::<bool>()).prop_map(|(by, ascending)| Order {
        by,
        direction: if ascending { Direction::Ascending } else { Direction::Descending },
    })
}

pub(super) fn kind() -> impl Strategy<Value = Kind> {
    any::<bool>().prop_map(|search| if search { Kind::Search } else { Kind::List })
}

fn value_of(key: Key) -> BoxedStrategy<String> {
    match key {
        Key::UserId => user().prop_map(|user| user.to_string()).boxed(),
        Key::Online => select(vec!["true", "FALSE", "on", "0"]).prop_map(str::to_owned).boxed(),
        Key::OnlineDate | Key::OfflineDate => {
            instant().prop_map(|instant| crate::directory::zone::Zone::default().format(instant)).boxed()
        }
        Key::FullName | Key::DeviceId | Key::RemoteAddress => text().boxed(),
    }
}

/// One filter that its key allows.
fn filter() -> impl Strategy<Value = (Key, Operator, Vec<String>)> {
    let allowed = |(key, operator): &(Key, Operator)| match operator {
        Operator::GreaterThan | Operator::GreaterThanEqual | Operator::LessThan | Operator::LessThanEqual => {
            matches!(key, Key::UserId | Key::OnlineDate | Key::OfflineDate)
        }
        Operator::Match | Operator::MatchEnd => matches!(key, Key::FullName | Key::RemoteAddress),
        Operator::NotMatch | Operator::NotMatchEnd => {
            matches!(key, Key::FullName | Key::RemoteAddress | Key::DeviceId)
        }
        _ => true,
    };
    let all = Key::ALL.into_iter().flat_map(|key| Operator::ALL.map(|operator| (key, operator)));
    select(all.filter(allowed).collect::<Vec<_>>()).prop_flat_map(|(key, operator)| {
        // An empty list is written as an empty value.
        let count = if operator.takes_list() { 0..5 } else { 1..2 };
        let values = vec(value_of(key), count);
        let values = values.prop_map(|values| if values.is_empty() { vec![String::new()] } else { values });
        (Just(key), Just(operator), values)
    })
}

/// A query string of one to three filters and sometimes a parameter.
pub(super) fn filters() -> impl Strategy<Value = Vec<(String, String)>> {
    let parameter = select(&Key::ALL[..]).prop_flat_map(|key| (Just(key.name().to_owned()), value_of(key)));
    let count = prop_oneof![5 => Just(1_usize), 3 => Just(2), 1 => Just(3)];
    let filters = count.prop_flat_map(|count| vec(filter(), count));
    (filters, option::weighted(0.1, parameter)).prop_map(|(filters, parameter)| {
        let mut pairs = Vec::new();
        for (index, (key, operator, values)) in filters.into_iter().enumerate() {
            pairs.push((format!("filters[{index}].key"), key.name().to_owned()));
            pairs.push((format!("filters[{index}].op"), operator.name().to_owned()));
            pairs.extend(values.into_iter().map(|value| (format!("filters[{index}].value"), value)));
        }
        pairs.extend(parameter);
        pairs
    })
}
