//! The two meanings of a filter are one.

use std::cell::Cell;

use proptest::{
    collection::vec,
    prelude::*,
    test_runner::{Config, TestRunner},
};

use super::{
    strategies,
    support::{Database, naive_list},
};
use crate::{
    directory::{
        holding::Holding,
        page::{Found, Question, ShardQuery},
        query::{Direction, ListQuery, Order, OrderBy, PageRequest, list, read_list},
        row::RowError,
        zone::Zone,
    },
    id::TenantId,
    ordered::distinct,
    size::sized,
    store::Statement,
};

/// Thousands of pairs of records and filters, and at least 30 % of them must tell records apart.
#[test]
fn sql_and_the_naive_evaluator_select_the_same_records() {
    let (pairs, telling) = (Cell::new(0_u32), Cell::new(0_u32));
    let question = (strategies::filters(), strategies::kind(), strategies::order(), strategies::view());
    let strategy = (strategies::records(20..60), vec(question, 100));
    let cases = sized(40, 220);
    let mut runner = TestRunner::new(Config { cases, ..Config::default() });
    runner
        .run(&strategy, |(records, questions)| {
            let database = Database::holding(&records);
            let tenant = TenantId(1);
            let of_tenant = records.iter().filter(|record| record.tenant == tenant).count() as u64;
            for (pairs_given, kind, order, view) in questions {
                let query = ListQuery::parse(kind, &pairs_given, &Zone::default())
                    .map_err(|error| TestCaseError::fail(error.to_string()))?;
                let query = ListQuery { order, page: PageRequest::new(1, 2_000).unwrap(), ..query };
                let expected = naive_list(&records, &query, tenant, &view);
                let statement = list(&query, tenant, &view);
                let listed = read_list(&database.run(&statement)).unwrap();
                prop_assert_eq!(&listed, &expected, "{:?} {:?}", pairs_given, statement);
                let order = Order { by: OrderBy::UserId, direction: Direction::Ascending };
                let questions = vec![Question::Users { limit: 9 }];
                let asked = ShardQuery { conditions: query.conditions, order, view, questions };
                let run = |statement: &Statement| Ok::<_, RowError>(Some(database.run(statement)));
                let found = asked.answer(tenant, &Holding::SHARED, run).unwrap();
                let mut users = distinct(expected.records.iter().map(|record| record.user));
                users.truncate(9);
                prop_assert_eq!(found, Some(vec![Found::Users(users)]), "{:?}", pairs_given);
                pairs.set(pairs.get() + 1);
                telling.set(telling.get() + u32::from(0 < listed.total && listed.total < of_tenant));
            }
            Ok(())
        })
        .unwrap_or_else(|error| panic!("{error}"));
    println!("{} pairs, {} of them select some records but not all", pairs.get(), telling.get());
    assert!(pairs.get() >= 90 * cases);
    assert!(telling.get() * 10 >= pairs.get() * 3, "{} of {}", telling.get(), pairs.get());
}

#[test]
fn pages_never_repeat_and_never_skip() {
    let question = (strategies::filters(), strategies::kind(), strategies::order(), strategies::view());
    let strategy = (strategies::records(1..60), vec((question, 1_i64..9), 10));
    let mut runner = TestRunner::new(Config { cases: sized(20, 60), ..Config::default() });
    runner
        .run(&strategy, |(records, questions)| {
            let database = Database::holding(&records);
            let tenant = TenantId(1);
            for ((pairs, kind, order, view), size) in questions {
                // Half of the questions go to the whole tenant: the longest lists.
                let pairs = if size % 2 == 0 { pairs } else { Vec::new() };
                let query = ListQuery::parse(kind, &pairs, &Zone::default()).unwrap();
                let whole = ListQuery { order, page: PageRequest::new(1, 2_000).unwrap(), ..query.clone() };
                let expected = naive_list(&records, &whole, tenant, &view);
                let mut seen = Vec::new();
                for number in 1.. {
                    let page =
                        ListQuery { order, page: PageRequest::new(number, size).unwrap(), ..query.clone() };
                    let listed = read_list(&database.run(&list(&page, tenant, &view))).unwrap();
                    prop_assert_eq!(listed.total, expected.total);
                    if listed.records.is_empty() {
                        break;
                    }
                    seen.extend(listed.records);
                }
                prop_assert_eq!(&seen, &expected.records);
            }
            Ok(())
        })
        .unwrap_or_else(|error| panic!("{error}"));
}

#[test]
fn detail_shows_the_best_record_of_a_user() {
    let strategy = (strategies::records(1..40), strategies::view());
    let mut runner = TestRunner::new(Config { cases: sized(60, 200), ..Config::default() });
    runner
        .run(&strategy, |(records, view)| {
            let database = Database::holding(&records);
            for user in 1..6 {
                let found = database.run(&crate::directory::query::detail(TenantId(1), user, &view));
                let found = crate::directory::query::read_records(&found).unwrap();
                let best = records
                    .iter()
                    .filter(|record| {
                        record.tenant == TenantId(1) && record.user == user && view.retains(record)
                    })
                    .max_by_key(|record| match view.ended_at(record) {
                        None => (true, record.online_at, record.id),
                        Some(end) => (false, end, record.id),
                    });
                prop_assert_eq!(found.first(), best);
            }
            Ok(())
        })
        .unwrap_or_else(|error| panic!("{error}"));
}
