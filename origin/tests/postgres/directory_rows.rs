//! Records, and every question about them.

use proptest::{
    collection::vec,
    prelude::*,
    test_runner::{Config, TestRunner},
};
use rollcall_conformance::size::size;
use rollcall_core::{
    directory::{
        holding::Holding,
        membership::{self, Body},
        page::{Question, ShardQuery},
        query::{self, Direction, ListQuery, Order, OrderBy, PageRequest},
        record::{Record, Source},
        upsert::{self, CrowdedUsers},
        view::View,
        zone::Zone,
    },
    id::{RecordId, TenantId},
    population,
    shard::scoped,
    store::Statement,
    time::Timestamp,
    user::{last_opening, newest_opening},
};

use crate::{engines::Engines, strategies};

const TENANT: TenantId = TenantId(1);
/// Questions about one set of records.
const QUESTIONS: usize = 40;

fn runner(cases: u32) -> TestRunner {
    TestRunner::new(Config { cases, max_shrink_iters: 64, failure_persistence: None, ..Config::default() })
}

fn insert(engines: &Engines, records: &[Record]) {
    engines.clear();
    engines.commit(records.iter().map(upsert::opened).collect()).unwrap();
}

/// The same view, whose sets of users are rows. `None` where it has no set, or two of one serial.
fn with_rows(engines: &Engines, view: &View) -> Option<View> {
    let [first, rest @ ..] = view.scoped.as_slice() else { return None };
    if rest.iter().any(|one| one.serial == first.serial) {
        return None;
    }
    let delete = |table| Statement::new(format!("DELETE FROM {table}"), []);
    let mut kept = vec![delete("scoped_user"), delete("scoped_cutoff")];
    kept.extend(view.scoped.iter().flat_map(|cutoff| scoped::keep(TENANT, cutoff, "", None)));
    engines.commit(kept).unwrap();
    Some(View { has_rows_of_sets: true, ..view.clone() })
}

#[test]
fn every_list_and_every_detail_has_the_rows_of_the_embedded_store() {
    let engines = Engines::open();
    let question = (
        strategies::filters(),
        strategies::kind(),
        strategies::order(),
        strategies::view(),
        1_i64..30,
        1_i64..3,
    );
    let strategy = (strategies::records(20..50), vec(question, QUESTIONS));
    runner(size(20, 2_400))
        .run(&strategy, |(records, questions)| {
            insert(&engines, &records);
            for (pairs, kind, order, view, page, number) in questions {
                let query = ListQuery::parse(kind, &pairs, &Zone::default())
                    .map_err(|error| TestCaseError::fail(error.to_string()))?;
                let query = ListQuery { order, page: PageRequest::new(number, page).unwrap(), ..query };
                let rows = engines.rows(query::list(&query, TENANT, &view));
                engines.rows(query::list(&ListQuery { order, ..ListQuery::default() }, TENANT, &view));
                let shown = engines.rows(query::detail(TENANT, number, &view));
                if let Some(in_rows) = with_rows(&engines, &view) {
                    prop_assert_eq!(engines.rows(query::list(&query, TENANT, &in_rows)), rows);
                    prop_assert_eq!(engines.rows(query::detail(TENANT, number, &in_rows)), shown);
                }
                let order = Order { by: OrderBy::UserId, direction: Direction::Ascending };
                let questions = vec![Question::Users { limit: 7 }];
                let asked = ShardQuery { conditions: query.conditions, order, view, questions };
                asked.questions.iter().for_each(|question| {
                    engines.rows(asked.statement(question, TENANT, &Holding::SHARED));
                });
            }
            Ok(())
        })
        .unwrap_or_else(|error| panic!("{error}"));
}

#[test]
fn every_other_question_and_change_about_records_has_the_same_result() {
    let engines = Engines::open();
    let strategy = (strategies::records(10..60), strategies::view(), 1_i64..6, 0_u32..6);
    runner(size(20, 400))
        .run(&strategy, |(records, view, user, few)| {
            insert(&engines, &records);
            let now = view.now;
            let ids = records.iter().map(|record| record.id).chain(RecordId::from_number(77_777));
            engines.set(query::by_ids(ids.clone()));
            engines.rows(query::open_records(TENANT, records.first().map(|record| record.id), few));
            engines.set(query::imported_in(1..6));
            engines.set(membership::members(
                TENANT,
                Body::Department,
                [user, user + 1, i64::MAX],
                &Holding::SHARED,
            ));
            engines.set(membership::members(TENANT, Body::Group, [], &Holding::SHARED));
            engines.rows(population::records_after(None));
            engines.rows(population::records_after(records.last().map(|record| record.id)));
            engines.rows(last_opening(user));
            engines.rows(newest_opening());
            let mut walks = [CrowdedUsers::new(few, 7); 2];
            while let Some(question) = walks[0].question() {
                let rows = engines.rows(question);
                walks[0].advance(&rows).unwrap();
            }

            // A line twice, of another tenant, and over a live one.
            let again = records.iter().enumerate().map(|(at, record)| Record {
                full_name: format!("{} again", record.full_name),
                tenant: TenantId(record.tenant.0 + i64::from(at % 5 == 0)),
                source: Source::Import,
                ..record.clone()
            });
            let lines: Vec<_> = again.clone().chain(again.take(3)).collect();
            let written = engines.commit(upsert::import(&lines)).unwrap();
            prop_assert!(written.iter().all(|rows| upsert::imported(rows).is_ok()));
            engines.agree();

            // A limit of all, since without an order each engine takes others.
            let all = 1_000;
            for statement in [
                upsert::end_imports_of_users(TENANT, &[user], now, all),
                upsert::end_cut_off_imports_of_users(TENANT, &[1, 2, user], now, all),
                upsert::end_imports_of_tenant(TENANT, &[user], now, all, &Holding::SHARED),
                upsert::settle_leases(now, all),
                upsert::ended(records[0].id, now),
                upsert::trim_user(TENANT, user, few, all).statement(),
                upsert::trim_user(TENANT, user, 0, few).statement(),
                upsert::delete_ended_before(now, all).statement(),
                upsert::end_left_open(now),
            ] {
                engines.change(statement);
                engines.agree();
            }
            Ok(())
        })
        .unwrap_or_else(|error| panic!("{error}"));
}

#[test]
fn the_widest_numbers_and_every_kind_of_character_come_back() {
    let engines = Engines::open();
    let texts = ["", "\u{10ffff}\u{fdd0}\u{e000}'\\\"%_", "李 é 👍", "\u{fdd0}0"];
    let records: Vec<_> = [(1, i64::MIN), (i64::MAX, i64::MAX), (2, -1), (3, 0)]
        .into_iter()
        .zip(texts)
        .map(|((id, number), text)| Record {
            id: RecordId::from_number(id).unwrap(),
            tenant: TENANT,
            user: number,
            full_name: text.to_owned(),
            avatar: Some(text.to_owned()),
            user_agent: format!("{text}\0"),
            device_id: text.to_owned(),
            remote_address: text.to_owned(),
            online_at: Timestamp::from_millis(number),
            offline_at: None,
            lease_until: Some(Timestamp::from_millis(number)),
            source: Source::Import,
            generation: number.clamp(1, i64::MAX - 1),
            member_of: None,
            under: rollcall_core::serial::Serial::from_number(number),
        })
        .collect();
    insert(&engines, &records);
    engines.agree();
    let rows = engines.rows(population::records_after(None));
    let read = query::read_records(&rows).unwrap();
    let names: Vec<_> = read.iter().map(|record| record.full_name.as_str()).collect();
    assert_eq!(names, [texts[0], texts[2], texts[3], texts[1]]);
    for text in texts.iter().skip(1) {
        let pairs = [("filters[0].key", "fullName"), ("filters[0].op", "MATCH"), ("filters[0].value", text)];
        let pairs: Vec<_> = pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec();
        let query =
            ListQuery::parse(rollcall_core::directory::filter::Kind::List, &pairs, &Zone::default()).unwrap();
        let view = View::at(Timestamp::from_millis(i64::MIN));
        let listed = query::read_list(&engines.rows(query::list(&query, TENANT, &view))).unwrap();
        assert!(listed.total >= 1, "{text:?}");
    }
    // SQLite has no wider number either.
    assert_eq!(
        engines.commit(vec![Statement::new(
            "UPDATE record SET user = user + 1 WHERE user = ?1",
            [0_i64.into()]
        )]),
        Ok(vec![vec![]])
    );
}
