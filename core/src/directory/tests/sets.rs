//! Scoped cutoffs whose sets are rows of the database that is asked.

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
        query::{ListQuery, PageRequest, detail, list, read_list, read_records},
        view::{ScopedCutoff, View},
        zone::Zone,
    },
    id::TenantId,
    serial::Serial,
    shard::scoped,
    size::sized,
    store::Statement,
    time::Timestamp,
};

const TENANT: TenantId = TenantId(1);

fn keep(database: &Database, cutoffs: &[ScopedCutoff]) {
    for statement in cutoffs.iter().flat_map(|cutoff| scoped::keep(TENANT, cutoff, "", None)) {
        database.run(&statement);
    }
}

#[test]
fn a_set_in_rows_takes_the_same_records_as_one_that_the_question_brings() {
    let question = (strategies::filters(), strategies::kind(), strategies::order(), strategies::view());
    let strategy = (strategies::records(20..40), vec(question, 20));
    let mut runner = TestRunner::new(Config { cases: sized(20, 200), ..Config::default() });
    runner
        .run(&strategy, |(records, questions)| {
            let database = Database::holding(&records);
            for (given, kind, order, mut view) in questions {
                view.scoped.sort_by_key(|one| one.serial);
                view.scoped.dedup_by_key(|one| one.serial);
                for table in ["scoped_user", "scoped_cutoff"] {
                    database.run(&Statement::new(format!("DELETE FROM {table}"), []));
                }
                keep(&database, &view.scoped);
                let in_rows = View { has_rows_of_sets: true, ..view.clone() };
                let query = ListQuery::parse(kind, &given, &Zone::default()).unwrap();
                let query = ListQuery { order, page: PageRequest::new(1, 2_000).unwrap(), ..query };
                let listed = read_list(&database.run(&list(&query, TENANT, &in_rows))).unwrap();
                prop_assert_eq!(&listed, &naive_list(&records, &query, TENANT, &view), "{:?}", given);
                for user in records.iter().map(|record| record.user).take(5) {
                    let shown =
                        |view: &View| read_records(&database.run(&detail(TENANT, user, view))).unwrap();
                    prop_assert_eq!(shown(&in_rows), shown(&view));
                }
            }
            Ok(())
        })
        .unwrap_or_else(|error| panic!("{error}"));
}

/// The known-wrong way was to bind the whole set at every question while its order was under delivery.
#[test]
fn a_question_costs_the_same_beside_a_set_of_a_hundred_thousand_as_beside_a_small_one() {
    let records: Vec<_> = (1..=200).map(sample).collect();
    let given = pairs(&[("online", "true")]);
    let query = ListQuery::parse(Kind::List, &given, &Zone::default()).unwrap();
    let cost = |users: i64| {
        let database = Database::holding(&records);
        let at = Timestamp::from_secs(2_000_000_000);
        let named = ScopedCutoff::next(Serial::NONE, (1..=users).chain([i64::MAX]), at);
        let now = Timestamp::from_secs(2_000_000_001);
        let view = View { scoped: vec![named], has_rows_of_sets: true, ..View::at(now) };
        keep(&database, &view.scoped);
        let questions = [list(&query, TENANT, &view), detail(TENANT, 1, &view)];
        let bound: usize = questions.iter().map(|question| format!("{:?}", question.params).len()).sum();
        let plan = database.plan(&questions[0]);
        assert!(plan.contains("SEARCH named USING PRIMARY KEY (user=? AND serial=?)"), "{plan}");
        assert_eq!(read_list(&database.run(&questions[0])).unwrap().total, 0, "all of them are taken");
        (bound, questions.each_ref().map(|question| database.steps(question)))
    };
    assert_eq!(cost(100_000), cost(1));
}
