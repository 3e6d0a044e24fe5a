//! A tenant that is spread over shards answers as one that is not.

use proptest::{
    collection::vec,
    prelude::*,
    test_runner::{Config, TestRunner},
};

use super::{
    strategies,
    support::{Database, naive_list, pairs, sample},
};
use crate::{
    directory::{
        filter::Kind,
        holding::Holding,
        page::{Answer, Ask, Found, Limits, Merge, MergeError, Question, ShardQuery, Step},
        query::{Direction, ListQuery, Listed, Order, OrderBy, PageRequest, Stretch},
        record::Record,
        row::RowError,
        view::View,
        zone::Zone,
    },
    id::{RecordId, TenantId},
    shard::bucket,
    size::sized,
    store::Statement,
    time::Timestamp,
};

const TENANT: TenantId = TenantId(1);

/// Runs the merge, as if empty databases had never been written; returns the page, the rounds it took and the most rows that a statement returned.
fn merged(mut merge: Merge, shards: &[Database], hidden: &[u16]) -> (Listed, usize, usize) {
    let (mut answers, mut rounds, mut most) = (Vec::new(), 0, 0);
    loop {
        match merge.advance(answers).unwrap() {
            Step::Done(listed) => return (listed, rounds, most),
            Step::Ask(asks) => {
                rounds += 1;
                answers = Vec::new();
                for ask in asks {
                    let shard = &shards[ask.shard];
                    let answer = asked(&ask, (!shard.is_empty()).then_some(shard), hidden, &mut most);
                    answers.push(answer);
                }
            }
        }
    }
}

/// A shard's answer, and the most rows that a statement of it returned.
fn asked(ask: &Ask, shard: Option<&Database>, hidden: &[u16], most: &mut usize) -> Answer {
    let run = |statement: &Statement| {
        let rows = shard.map(|shard| shard.run(statement));
        *most = rows.as_ref().map_or(0, Vec::len).max(*most);
        Ok::<_, RowError>(rows)
    };
    let holding = shard.map_or(Holding::SHARED, |shard| shard.held(hidden));
    ask.query.answer(TENANT, &holding, run).unwrap()
}

fn spread(records: &[Record], shards: usize, place: impl Fn(usize) -> usize) -> Vec<Database> {
    let mut parts = vec![Vec::new(); shards];
    for (index, record) in records.iter().enumerate() {
        // A shard holds one tenant.
        if record.tenant == TENANT {
            parts[place(index) % shards].push(record.clone());
        }
    }
    parts.iter().map(|part| Database::shard(part)).collect()
}

#[test]
fn a_page_of_many_shards_is_the_page_of_one_list() {
    let limits = Limits { slack: 12, direct: 6, samples: 10 };
    let question = (strategies::filters(), strategies::kind(), strategies::order(), strategies::view());
    let cuts = (0_i64..160, 1_i64..12, any::<bool>(), any::<bool>());
    let strategy = (strategies::records(0..160), 1_usize..17, 1_usize..40, vec((question, cuts), 20));
    let mut runner = TestRunner::new(Config { cases: sized(20, 80), ..Config::default() });
    runner
        .run(&strategy, |(records, count, skew, questions)| {
            // From evenly spread to nearly all in one shard.
            let shards = spread(&records, count, |index| if index % skew == 0 { index / skew } else { 0 });
            for ((pairs, kind, order, view), (offset, size, filtered, hides)) in questions {
                let pairs = if filtered { pairs } else { Vec::new() };
                let query = ListQuery::parse(kind, &pairs, &Zone::default()).unwrap();
                let page = PageRequest::new(offset / size + 1, size).unwrap();
                let query = ListQuery { order, page, ..query };
                // Records of a bucket that is moving are in the database and in no answer.
                let hidden: Vec<u16> = if hides { vec![bucket(2), bucket(4)] } else { Vec::new() };
                let shown: Vec<_> =
                    records.iter().filter(|record| !hidden.contains(&bucket(record.user))).cloned().collect();
                let expected = naive_list(&shown, &query, TENANT, &view);
                let merge = Merge::with_limits(query.clone(), view, count, limits);
                let (listed, rounds, most) = merged(merge, &shards, &hidden);
                prop_assert_eq!(&listed, &expected, "{:?} in {} rounds", query, rounds);
                // A list that is not merged has its total in a row of its own when it is empty.
                prop_assert!(most as u64 <= (page.size() + limits.slack).max(1), "{} rows", most);
                prop_assert!(rounds <= 12);
            }
            Ok(())
        })
        .unwrap_or_else(|error| panic!("{error}"));
}

/// The real limits, on lists that are deep enough for them.
#[test]
fn a_deep_page_asks_no_shard_for_more_than_its_size_and_a_thousand_keys() {
    let count: i64 = sized(3_000, 24_000);
    let records: Vec<Record> = (0..count)
        .map(|index| Record {
            // Each once and in no order: the factor and the modulus have no divisor in common.
            id: RecordId::from_number(index * 7_919 % (count + 1) + 1).unwrap(),
            user: index % 97,
            full_name: format!("name {}", index % 13),
            online_at: Timestamp::from_millis(index / 50 * 1_000),
            offline_at: (index % 5 > 0).then(|| Timestamp::from_millis(index % 3_000 * 1_000)),
            ..sample(1)
        })
        .collect();
    let view = View::at(Timestamp::from_secs(10_000));
    for (shards, skewed) in [(16, false), (16, true), (3, false)] {
        let place = |index: usize| if skewed && !index.is_multiple_of(10) { 0 } else { index * 31 };
        let databases = spread(&records, shards, place);
        for by in OrderBy::ALL {
            for direction in [Direction::Ascending, Direction::Descending] {
                // The first pages, some inside, the last one and the one past it.
                for (number, size) in [
                    (1, 2_000),
                    (101, 10),
                    (count * 7 / 240, 20),
                    (count / 2_400 + 1, 1_900),
                    (count / 10, 10),
                    (count / 10 + 1, 10),
                ] {
                    let page = PageRequest::new(number, size).unwrap();
                    let query = ListQuery { order: Order { by, direction }, page, ..ListQuery::default() };
                    let expected = naive_list(&records, &query, TENANT, &view);
                    let merge = Merge::new(query, view.clone(), shards);
                    let (listed, rounds, most) = merged(merge, &databases, &[]);
                    assert!(listed == expected, "{by:?} {direction:?} {number} {size}");
                    assert!(most as u64 <= page.size() + 1_000, "{most} rows");
                    assert!(rounds <= 5, "{rounds} rounds for {by:?} {direction:?} {number} {size}");
                }
            }
        }
    }
}

#[test]
fn records_of_two_shards_with_one_id_stand_side_by_side() {
    let shards: Vec<_> = (0..4).map(|_| Database::shard(&[sample(1), sample(2), sample(3)])).collect();
    let limits = Limits { slack: 1, direct: 0, samples: 2 };
    let mut seen = Vec::new();
    for number in 1..=6 {
        let query = ListQuery { page: PageRequest::new(number, 2).unwrap(), ..ListQuery::default() };
        let view = View::at(Timestamp::default());
        let (listed, _, _) = merged(Merge::with_limits(query, view, 4, limits), &shards, &[]);
        assert_eq!(listed.total, 12);
        seen.extend(listed.records.iter().map(|record| record.id.number()));
    }
    assert_eq!(seen, [3, 3, 3, 3, 2, 2, 2, 2, 1, 1, 1, 1]);
}

#[test]
fn the_first_page_takes_one_round_and_a_page_past_the_end_too() {
    let shards: Vec<_> = (1..=3).map(|id| Database::shard(&[sample(id)])).collect();
    let run = |given: &[(&str, &str)]| {
        let query = ListQuery::parse(Kind::List, &pairs(given), &Zone::default()).unwrap();
        let merge = Merge::new(query, View::at(Timestamp::default()), 3);
        let (listed, rounds, _) = merged(merge, &shards, &[]);
        (listed.total, listed.records.len(), rounds)
    };
    assert_eq!(run(&[]), (3, 3, 1));
    assert_eq!(run(&[("pageNo", "100000"), ("pageSize", "2000")]), (3, 0, 1));
}

/// Answers that contradict each other, as when rows vanish between two rounds, end in a page all the same.
#[test]
fn data_that_moves_between_rounds_does_not_keep_the_merge_going() {
    let full: Vec<_> = (0..2).map(|_| Database::shard(&(1..=200).map(sample).collect::<Vec<_>>())).collect();
    let empty: Vec<_> = (0..2).map(|_| Database::shard(&[])).collect();
    let limits = Limits { slack: 2, direct: 0, samples: 3 };
    for change in 0..8 {
        let query = ListQuery { page: PageRequest::new(30, 10).unwrap(), ..ListQuery::default() };
        let mut merge = Merge::with_limits(query, View::at(Timestamp::default()), 2, limits);
        let mut answers = Vec::new();
        let mut rounds = 0;
        while let Step::Ask(asks) = merge.advance(answers).unwrap() {
            let shards = if rounds < change { &full } else { &empty };
            rounds += 1;
            assert!(rounds < 20);
            answers = asks.iter().map(|ask| asked(ask, Some(&shards[ask.shard]), &[], &mut 0)).collect();
        }
    }
}

#[test]
fn a_missing_answer_is_an_error_and_never_a_shorter_page() {
    let mut merge = Merge::new(ListQuery::default(), View::at(Timestamp::default()), 2);
    let Step::Ask(asks) = merge.advance(Vec::new()).unwrap() else { panic!("nothing was asked") };
    let shard = Database::shard(&[]);
    let one = asks.iter().take(1).map(|ask| asked(ask, Some(&shard), &[], &mut 0));
    assert_eq!(merge.advance(one.collect()), Err(MergeError::Missing));
}

#[test]
fn an_answer_to_another_question_is_an_error() {
    for wrong in [Found::Count(0), Found::Positions(vec![]), Found::Records(vec![])] {
        let mut merge = Merge::new(ListQuery::default(), View::at(Timestamp::default()), 1);
        merge.advance(Vec::new()).unwrap();
        assert_eq!(merge.advance(vec![Some(vec![wrong])]), Err(MergeError::AnotherQuestion));
    }
}

#[test]
fn every_question_arrives_as_it_was_asked() {
    let strategy = (strategies::filters(), strategies::kind(), strategies::order(), strategies::view());
    let mut runner = TestRunner::new(Config { cases: sized(60, 400), ..Config::default() });
    runner
        .run(&strategy, |(pairs, kind, order, view)| {
            let ListQuery { conditions, .. } = ListQuery::parse(kind, &pairs, &Zone::default()).unwrap();
            let position = order.position(&sample(7), &view);
            let stretch = Stretch { after: Some(position), upto: None };
            let questions = vec![
                Question::Window { offset: 3, limit: 10 },
                Question::Count(Stretch::default()),
                Question::Positions { stretch: stretch.clone(), limit: 5 },
                Question::Samples { stretch, reach: 100, step: 7 },
                Question::Records(vec![sample(1).id]),
            ];
            let query = ShardQuery { conditions, order, view, questions };
            let text = serde_json::to_string(&query).unwrap();
            let arrived: ShardQuery = serde_json::from_str(&text).unwrap();
            prop_assert_eq!(&arrived, &query, "{}", text);
            let shard = Database::holding(&[sample(1), sample(7), sample(9)]);
            let run = |statement: &Statement| Ok::<_, RowError>(Some(shard.run(statement)));
            let found = query.answer(TENANT, &Holding::SHARED, run).unwrap().unwrap();
            let text = serde_json::to_string(&found).unwrap();
            prop_assert_eq!(serde_json::from_str::<Vec<Found>>(&text).unwrap(), found, "{}", text);
            Ok(())
        })
        .unwrap_or_else(|error| panic!("{error}"));
}

#[test]
fn a_shard_that_was_never_written_holds_nothing() {
    let pages = [("1", "10"), ("20", "10"), ("3", "100"), ("2", "1000")];
    for (number, size) in pages {
        let given = [("pageNo", number), ("pageSize", size)];
        let query = ListQuery::parse(Kind::List, &pairs(&given), &Zone::default()).unwrap();
        let mut merge = Merge::new(query, View::at(Timestamp::default()), 3);
        let mut answers = Vec::new();
        let listed = loop {
            match merge.advance(answers).unwrap() {
                Step::Ask(asks) => answers = asks.iter().map(|_| None).collect(),
                Step::Done(listed) => break listed,
            }
        };
        assert_eq!(listed, Listed::default());
    }
}
