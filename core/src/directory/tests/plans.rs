//! Which index answers what: the plans that SQLite makes of the statements, without statistics.

use super::support::{Database, pairs, sample};
use crate::{
    directory::{
        filter::Kind,
        holding::Holding,
        page::{Merge, Question, ShardQuery, Step},
        query::{ListQuery, by_ids, detail, imported_in, list, open_records, read_imported_in},
        record::{Record, Source},
        row::RowError,
        upsert,
        view::{Cutoff, View},
        zone::Zone,
    },
    id::TenantId,
    serial::Serial,
    store::{Statement, migrations::StoreKind},
    time::Timestamp,
};

const TENANT: TenantId = TenantId(1);

fn view() -> View {
    View::at(Timestamp::from_millis(5))
}

fn cut_off() -> View {
    View { cutoff: Some(Cutoff::next(None, Serial::NONE, vec![1], Timestamp::from_millis(4))), ..view() }
}

fn query(kind: Kind, given: &[(&str, &str)]) -> ListQuery {
    ListQuery::parse(kind, &pairs(given), &Zone::default()).unwrap()
}

fn filter<'a>(key: &'a str, operator: &'a str, value: &'a str) -> [(&'a str, &'a str); 3] {
    [("filters[0].key", key), ("filters[0].op", operator), ("filters[0].value", value)]
}

/// How the table is reached, each way once; the rows of a page are fetched by their ids.
fn ways(statement: &Statement) -> Vec<String> {
    let plan = Database::holding(&[sample(1)]).plan(statement);
    let way = |line: &str| {
        let (step, rest) = line.split_once(" record USING ")?;
        (!rest.starts_with("INTEGER PRIMARY KEY")).then(|| format!("{step} {rest}"))
    };
    let mut ways: Vec<_> = plan.lines().filter_map(way).collect();
    ways.sort();
    ways.dedup();
    assert!(!plan.contains("AUTOMATIC"), "{plan}");
    ways
}

fn list_ways(kind: Kind, given: &[(&str, &str)], view: &View) -> Vec<String> {
    ways(&list(&query(kind, given), TENANT, view))
}

#[test]
fn the_default_list_walks_an_index_in_its_order() {
    // The whole index is counted when the tenant is alone.
    let tenant = [
        "SCAN COVERING INDEX record_by_tenant",
        "SEARCH COVERING INDEX record_by_tenant (tenant<?)",
        "SEARCH COVERING INDEX record_by_tenant (tenant=?)",
        "SEARCH COVERING INDEX record_by_tenant (tenant>?)",
    ];
    for view in [view(), cut_off()] {
        for direction in ["ASC", "DESC"] {
            assert_eq!(list_ways(Kind::List, &[("orderSort", direction)], &view), tenant);
        }
    }
    let statement = list(&query(Kind::List, &[]), TENANT, &view());
    let plan = Database::holding(&[sample(1)]).plan(&statement);
    let sorts = plan.matches("TEMP B-TREE").count();
    assert_eq!(sorts, 1, "only the page itself, which is small, is put into order: {plan}");
}

#[test]
fn a_list_in_another_order_walks_the_index_of_its_column() {
    for (by, expected) in [
        ("userId", "SEARCH COVERING INDEX record_by_user (tenant=?)"),
        ("fullName", "SEARCH COVERING INDEX record_by_name (tenant=?)"),
        ("onlineDate", "SEARCH COVERING INDEX record_by_online (tenant=?)"),
    ] {
        for direction in ["ASC", "DESC"] {
            let given = [("orderBy", by), ("orderSort", direction)];
            assert!(list_ways(Kind::List, &given, &view()).contains(&expected.to_owned()), "{by}");
            let plan =
                Database::holding(&[sample(1)]).plan(&list(&query(Kind::List, &given), TENANT, &view()));
            assert!(plan.matches("B-TREE FOR ORDER BY").count() == 1, "{plan}");
        }
    }
    let stages = [
        "SEARCH COVERING INDEX record_ended (tenant=? AND offline_at>?)",
        "SEARCH COVERING INDEX record_open (tenant=?)",
    ];
    assert_eq!(list_ways(Kind::List, &[("orderBy", "offlineDate")], &view()), stages);
    assert_eq!(list_ways(Kind::List, &[("orderBy", "offlineDate")], &cut_off()), stages);
}

#[test]
fn liveness_is_answered_by_the_index_of_open_rows_with_a_cutoff_and_without() {
    let open = ["SEARCH COVERING INDEX record_open (tenant=?)"];
    for view in [view(), cut_off()] {
        assert_eq!(list_ways(Kind::List, &[("online", "true")], &view), open);
        assert_eq!(list_ways(Kind::List, &[("online", "true"), ("orderBy", "userId")], &view), open);
        let since = filter("onlineDate", "GREATER_THAN", "2025-07-16 10:00:00");
        let given = [("online", "true"), since[0], since[1], since[2]];
        assert_eq!(list_ways(Kind::List, &given, &view), open);
        assert_eq!(list_ways(Kind::List, &filter("offlineDate", "IS_NULL", ""), &view), open);
    }
}

#[test]
fn each_filter_uses_the_index_of_its_key() {
    let date = "2025-07-16 10:00:00";
    for (key, operator, value, expected) in [
        ("userId", "EQUAL", "1", "SEARCH COVERING INDEX record_by_user (tenant=? AND user=?)"),
        ("userId", "IN", "1,2", "SEARCH COVERING INDEX record_by_user (tenant=? AND user=?)"),
        ("userId", "LESS_THAN", "9", "SEARCH COVERING INDEX record_by_user (tenant=? AND user<?)"),
        ("fullName", "EQUAL", "a", "SEARCH COVERING INDEX record_by_name (tenant=? AND full_name=?)"),
        (
            "fullName",
            "MATCH_END",
            "a",
            "SEARCH COVERING INDEX record_by_name (tenant=? AND full_name>? AND full_name<?)",
        ),
        ("fullName", "MATCH", "a", "SEARCH COVERING INDEX record_by_name (tenant=?)"),
        ("fullName", "NOT_MATCH", "a", "SEARCH COVERING INDEX record_by_name (tenant=?)"),
        ("remoteAddress", "EQUAL", "a", "SEARCH COVERING INDEX record_by_name (tenant=?)"),
        ("remoteAddress", "MATCH_END", "a", "SEARCH COVERING INDEX record_by_name (tenant=?)"),
        ("remoteAddress", "NOT_MATCH", "a", "SEARCH COVERING INDEX record_by_name (tenant=?)"),
        ("deviceId", "EQUAL", "a", "SEARCH COVERING INDEX record_by_user (tenant=?)"),
        ("deviceId", "IN", "a,b", "SEARCH COVERING INDEX record_by_user (tenant=?)"),
        (
            "onlineDate",
            "EQUAL",
            date,
            "SEARCH COVERING INDEX record_by_online (tenant=? AND online_at>? AND online_at<?)",
        ),
        (
            "onlineDate",
            "GREATER_THAN",
            date,
            "SEARCH COVERING INDEX record_by_online (tenant=? AND online_at>?)",
        ),
    ] {
        assert_eq!(
            list_ways(Kind::List, &filter(key, operator, value), &view()),
            [expected],
            "{key} {operator}"
        );
    }
    let ended = list_ways(Kind::List, &filter("offlineDate", "GREATER_THAN", date), &view());
    let stages = [
        "SEARCH COVERING INDEX record_ended (tenant=? AND offline_at>?)",
        "SEARCH COVERING INDEX record_open (tenant=?)",
    ];
    assert_eq!(ended, stages);
}

#[test]
fn a_search_reads_name_and_address_from_one_index() {
    let given = filter("remoteAddress", "MATCH", "10.");
    assert_eq!(list_ways(Kind::Search, &given, &view()), ["SEARCH COVERING INDEX record_by_name (tenant=?)"]);
}

#[test]
fn a_merge_counts_and_samples_along_the_index_of_its_order() {
    let given = [("orderBy", "onlineDate"), ("pageNo", "500"), ("pageSize", "100")];
    let mut merge = Merge::new(query(Kind::List, &given), view(), 2);
    let Step::Ask(asks) = merge.advance(Vec::new()).unwrap() else { panic!("nothing was asked") };
    let asked = &asks[0].query;
    let samples = asked.statement(asked.questions.last().unwrap(), TENANT, &Holding::SHARED);
    assert_eq!(ways(&samples), ["SEARCH COVERING INDEX record_by_online (tenant=?)"]);

    let database = Database::holding(&(1..=300).map(sample).collect::<Vec<_>>());
    let limits = crate::directory::page::Limits { slack: 5, direct: 0, samples: 4 };
    let given = [("orderBy", "onlineDate"), ("pageNo", "30")];
    let mut merge = Merge::with_limits(query(Kind::List, &given), view(), 2, limits);
    let mut answers = Vec::new();
    let mut stretches = 0;
    while let Step::Ask(asks) = merge.advance(std::mem::take(&mut answers)).unwrap() {
        for ask in asks {
            let answer = ask.query.answer(TENANT, &Holding::SHARED, |statement| {
                if statement.sql.contains("online_at >= ") {
                    let way = &ways(statement)[0];
                    assert!(way.contains("record_by_online (tenant=? AND online_at>?"), "{statement:?}");
                    stretches += 1;
                }
                Ok::<_, RowError>(Some(database.run(statement)))
            });
            answers.push(answer.unwrap());
        }
    }
    assert!(stretches > 0);
}

#[test]
fn a_shard_walks_its_rows_by_id_and_reads_no_row_to_count_them() {
    let shard = Database::shard(&[sample(1), sample(2)]);
    let question = |given: &[(&str, &str)]| {
        let ListQuery { conditions, order, .. } = query(Kind::List, given);
        let view = View::under(None, Vec::new(), Timestamp::from_secs(9_999_999), 30);
        let questions = Vec::new();
        let asked = ShardQuery { conditions, order, view, questions };
        let statement = asked.statement(&Question::Window { offset: 0, limit: 10 }, TENANT, &shard.held(&[]));
        (shard.plan(&statement), statement.sql)
    };
    let (plan, sql) = question(&[]);
    assert!(sql.contains("(SELECT 2 - (SELECT count(*) FROM record INDEXED BY record_ended"), "{sql}");
    assert!(plan.contains("SCAN record\n"), "{plan}");
    assert_eq!(plan.matches("TEMP B-TREE").count(), 1, "only the page is put into order: {plan}");
    let (plan, _) = question(&[("orderBy", "onlineDate")]);
    for index in ["record_ended (tenant=? AND offline_at>?)", "record_open (tenant=?)"] {
        assert!(plan.contains(&format!("SEARCH record USING COVERING INDEX {index}")), "{plan}");
    }
    let (plan, _) = question(&filter("onlineDate", "GREATER_THAN", "2025-07-16 10:00:00"));
    assert!(plan.contains("USING COVERING INDEX record_ended"), "{plan}");
}

#[test]
fn single_records_and_walks_read_what_they_return() {
    assert_eq!(ways(&detail(TENANT, 1, &cut_off())), ["SEARCH INDEX record_by_user (tenant=? AND user=?)"]);
    assert_eq!(ways(&open_records(TENANT, None, 5)), ["SEARCH INDEX record_open (tenant=? AND id>?)"]);
    assert_eq!(ways(&imported_in([1, 2])), ["SEARCH COVERING INDEX record_imported (user=?)"]);
    assert_eq!(ways(&by_ids([sample(1).id])), Vec::<String>::new());
    let plan = Database::new().plan(&by_ids([sample(1).id]));
    assert!(plan.starts_with("SEARCH record USING INTEGER PRIMARY KEY"), "{plan}");
}

/// The known-wrong way was to read every open row of the tenant, and to begin anew with each repetition.
#[test]
fn the_end_of_imported_records_reads_no_live_one() {
    const LIVE: i64 = 3_000;
    let at = Timestamp::from_secs(9_999);
    let import = |id| Record { source: Source::Import, user: 7, ..sample(id) };
    let users: Vec<i64> = (0..1_000).collect();
    let steps = |kind, live: i64| {
        let imports = (0..10).map(|id| import(LIVE + 1 + id));
        let records: Vec<_> = (1..=live).map(sample).chain(imports).collect();
        let holding = if kind == StoreKind::Shard { Holding::SHARD } else { Holding::SHARED };
        [
            upsert::end_imports_of_users(TENANT, &users, at, 2),
            upsert::end_cut_off_imports_of_users(TENANT, &users, at, 2),
            upsert::end_imports_of_tenant(TENANT, &[], at, 2, &holding),
        ]
        .map(|statement| {
            let database = Database::of(kind);
            database.insert(&records);
            database.steps(&statement)
        })
    };
    for kind in [StoreKind::Origin, StoreKind::Shard] {
        assert_eq!(steps(kind, LIVE), steps(kind, 1), "{kind:?}");
    }
}

#[test]
fn changes_of_many_records_find_them_by_index() {
    let at = Timestamp::default();
    // The most users that a statement has, see `IMPORTED` at the origin.
    let of_users = "INDEX record_imported (user=? AND tenant=?";
    for users in [vec![1], (0..20_000).collect()] {
        let ended = upsert::end_imports_of_users(TENANT, &users, at, 5);
        let exempt = upsert::end_cut_off_imports_of_users(TENANT, &users, at, 5);
        for way in ways(&ended).into_iter().chain(ways(&exempt)) {
            assert!(way.starts_with("SEARCH ") && way.contains(of_users), "{way}");
        }
    }
    let tenant = |holding: &Holding| upsert::end_imports_of_tenant(TENANT, &[1], at, 5, holding);
    for way in ways(&tenant(&Holding::SHARED)) {
        assert!(way.contains("INDEX record_imported_of_tenant (tenant=?"), "{way}");
    }
    let of_shard = Database::shard(&[]).plan(&tenant(&Holding::SHARD));
    assert!(of_shard.contains("INDEX record_imported") && !of_shard.contains("record_open"), "{of_shard}");
    assert_eq!(ways(&upsert::end_left_open(at)), ["SCAN INDEX record_open"]);
    let settle = upsert::settle_leases(at, 5);
    assert_eq!(ways(&settle), ["SEARCH INDEX record_leased (lease_until>? AND lease_until<?)"]);
    let trim = upsert::trim_user(TENANT, 1, 5, 9).statement();
    let latest_first = "SEARCH COVERING INDEX record_ended_by_user (tenant=? AND user=? AND offline_at>?)";
    assert_eq!(ways(&trim), [latest_first]);
    assert_eq!(ways(&upsert::trim_one(TENANT, 1, 5)), [latest_first]);
    let plan = Database::new().plan(&trim);
    assert!(!plan.contains("FOR ORDER BY"), "the latest are passed over along the index: {plan}");
    let step = upsert::CrowdedUsers::new(5, 10).question().unwrap();
    let rest_then_others = [
        "SEARCH COVERING INDEX record_by_user (tenant=? AND user>?)",
        "SEARCH COVERING INDEX record_by_user (tenant>?)",
    ];
    assert_eq!(ways(&step), rest_then_others);
    let plan = Database::new().plan(&upsert::delete_ended_before(at, 5).statement());
    assert!(plan.contains("SEARCH old USING COVERING INDEX record_ended (tenant=?"), "{plan}");
}

#[test]
fn open_imports_of_a_user_are_found_in_every_tenant() {
    let import = |id: i64, tenant: i64, user: i64| Record {
        tenant: TenantId(tenant),
        user,
        source: Source::Import,
        offline_at: None,
        ..sample(id)
    };
    let ended = Record { offline_at: Some(Timestamp::from_millis(9)), ..import(5, 4, 7) };
    let live = Record { source: Source::Live, ..import(6, 5, 7) };
    let records = [import(1, 2, 7), import(2, 3, 7), import(3, 3, 7), import(4, 2, 8), ended, live];
    let rows = Database::holding(&records).run(&imported_in([7, 9]));
    let mut found = read_imported_in(&rows).unwrap();
    found.sort_unstable();
    assert_eq!(found, [(7, TenantId(2)), (7, TenantId(3))]);
}
