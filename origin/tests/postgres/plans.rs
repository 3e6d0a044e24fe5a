//! How PostgreSQL reaches the rows of the statements whose plans are tested on the embedded store (`core/src/directory/tests/plans.rs`,
//! `core/tests/long_statements.rs`): by an index, and never by reading a table.

use rollcall_conformance::postgres::Postgres;
use rollcall_core::{
    directory::{
        filter::Kind,
        holding::Holding,
        query::{self, ListQuery},
        upsert::{self, CrowdedUsers},
        view::{Cutoff, ScopedCutoff, View},
        zone::Zone,
    },
    id::{RecordId, TenantId, UserId},
    serial::Serial,
    shard::scoped,
    store::{Statement, Value},
    time::Timestamp,
    token::store::delete_expired,
    user::{forget_oldest_unseen, forget_unseen_before, last_opening, newest_opening},
};
use rollcall_origin::store::Store;

use crate::engines::{client, open, settings};

const TENANT: TenantId = TenantId(1);

/// Three tenants with live records, most of which have ended; some open imports, tokens, users who were never seen, and the set of an
/// order.
const ROWS: &str = "\
INSERT INTO record (id, tenant, \"user\", full_name, user_agent, device_id, remote_address, online_at, offline_at, lease_until, \
                    source, generation) \
  SELECT n, n % 3, n % 5000, 'name ' || n % 7000, repeat('agent ', 20), 'device ' || n % 900, '10.0.0.' || n % 250, \
         n * 1000, CASE WHEN n % 20 > 0 THEN n * 1000 + 500 END, CASE WHEN n % 200 = 0 THEN n * 1000 + 900 END, \
         CASE WHEN n % 200 = 0 THEN 1 ELSE 0 END, 1 \
  FROM generate_series(1, 40000) AS n; \
INSERT INTO \"user\" (id, unseen_at) \
  SELECT n::text, CASE WHEN n % 50 = 0 THEN n END FROM generate_series(1, 20000) AS n; \
INSERT INTO token (\"user\", hash, platform, ord, issued_at, expires_at, state) \
  SELECT (n % 20000)::text, n::text, 5, n, n, n, 0 FROM generate_series(1, 40000) AS n; \
INSERT INTO scoped_cutoff (serial, tenant, at, notice, users) VALUES (7, 1, 5, '', 20000), (8, 1, 5, '', 20000); \
INSERT INTO scoped_user (\"user\", serial) SELECT n::text, 7 + n % 2 FROM generate_series(1, 40000) AS n; \
VACUUM ANALYZE record; VACUUM ANALYZE \"user\"; VACUUM ANALYZE token; VACUUM ANALYZE scoped_user; VACUUM ANALYZE scoped_cutoff";

fn list(kind: Kind, given: &[(&str, &str)], view: &View) -> Statement {
    let pairs: Vec<_> = given.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    query::list(&ListQuery::parse(kind, &pairs, &Zone::default()).unwrap(), TENANT, view)
}

fn filter<'a>(key: &'a str, operator: &'a str, value: &'a str) -> [(&'a str, &'a str); 3] {
    [("filters[0].key", key), ("filters[0].op", operator), ("filters[0].value", value)]
}

async fn plan(store: &Store, statement: &Statement) -> String {
    let explain = Statement::new(format!("EXPLAIN {}", statement.sql), statement.params.clone());
    let rows = store.query(vec![explain]).await.unwrap_or_else(|error| panic!("{error}: {statement:?}"));
    let line = |row: &Vec<Value>| match row.as_slice() {
        [Value::Text(line)] => line.clone(),
        other => panic!("{other:?}"),
    };
    rows[0].iter().map(line).collect::<Vec<_>>().join("\n")
}

/// Whether the plan reads a table. Whether there is another tenant it finds out with the first row that passes.
fn is_read(plan: &str) -> bool {
    let lines: Vec<_> = plan.lines().collect();
    let is_scan = |line: &str| {
        let tables = ["record", "\"user\"", "token", "scoped_user"];
        tables.iter().any(|table| line.contains(&format!("Seq Scan on {table}")))
    };
    let is_of_others = |line: &str| {
        ["Filter: (tenant <", "Filter: (tenant >"].iter().any(|start| line.trim().starts_with(start))
    };
    lines
        .iter()
        .enumerate()
        .any(|(at, line)| is_scan(line) && !lines.get(at + 1).is_some_and(|next| is_of_others(next)))
}

#[tokio::test]
async fn every_statement_over_many_rows_goes_by_the_index_that_it_goes_by_in_the_embedded_store() {
    let engine = Postgres::shared().unwrap();
    let settings = settings(&engine);
    let store = open(&settings).await.unwrap();
    let session = client(&settings).await;
    for statement in ROWS.split("; ") {
        session.batch_execute(statement).await.unwrap();
    }

    let at = Timestamp::from_millis(1_000_000);
    let view = View::under(None, Vec::new(), Timestamp::from_millis(50_000_000), 30);
    let cut_off = View { cutoff: Some(Cutoff::next(None, Serial::NONE, vec![1], at)), ..view.clone() };
    let serial = Serial::from_number(7);
    let in_rows = View {
        scoped: vec![ScopedCutoff { serial, at, users: [1].into() }],
        has_rows_of_sets: true,
        ..view.clone()
    };
    let date = "1970-01-01 08:10:00";
    let of_users: Vec<i64> = (0..1_000).collect();
    let some: Vec<UserId> = (0..256).map(UserId::from).collect();
    let record = |id: i64| RecordId::from_number(id);
    let order = |by, direction| [("orderBy", by), ("orderSort", direction)];

    let mut asked = vec![
        ("record_by_tenant", list(Kind::List, &[], &view)),
        ("record_by_tenant", list(Kind::List, &[], &cut_off)),
        ("record_by_user", list(Kind::List, &order("userId", "ASC"), &view)),
        ("record_by_name", list(Kind::List, &order("fullName", "DESC"), &view)),
        ("record_by_online", list(Kind::List, &order("onlineDate", "DESC"), &view)),
        ("record_ended", list(Kind::List, &[("orderBy", "offlineDate")], &view)),
        ("record_open", list(Kind::List, &[("online", "true")], &view)),
        ("record_open", list(Kind::List, &[("online", "true")], &cut_off)),
        ("record_open", list(Kind::List, &[("online", "true")], &in_rows)),
        ("record_by_user", list(Kind::List, &filter("userId", "EQUAL", "7"), &view)),
        ("record_by_user", list(Kind::List, &filter("userId", "IN", "7,8"), &view)),
        ("record_by_name", list(Kind::List, &filter("fullName", "EQUAL", "name 7"), &view)),
        ("record_by_name", list(Kind::List, &filter("fullName", "MATCH_END", "name 70"), &view)),
        ("record_by_name", list(Kind::Search, &filter("remoteAddress", "MATCH", "10."), &view)),
        ("record_by_online", list(Kind::List, &filter("onlineDate", "EQUAL", date), &view)),
        ("record_by_user", query::detail(TENANT, 7, &cut_off)),
        ("record_by_user", query::detail(TENANT, 7, &in_rows)),
        ("record_open", query::open_records(TENANT, record(500), 100)),
        ("record_pkey", query::by_ids([7, 8].into_iter().filter_map(record))),
        ("record_imported", query::imported_in([1, 2])),
        ("record_by_user", last_opening(7)),
        ("record_by_online", newest_opening()),
        ("record_imported", upsert::end_imports_of_users(TENANT, &of_users, at, 5)),
        ("record_imported", upsert::end_cut_off_imports_of_users(TENANT, &of_users, at, 5)),
        (
            "record_imported_of_tenant",
            upsert::end_imports_of_tenant(TENANT, &[1], at, 2_000, &Holding::SHARED),
        ),
        ("record_leased", upsert::settle_leases(at, 5)),
        ("record_ended_by_user", upsert::trim_user(TENANT, 1, 5, 9).statement()),
        ("record_ended", upsert::delete_ended_before(at, 5).statement()),
        ("record_by_user", CrowdedUsers::new(5, 10).question().unwrap()),
        ("token", delete_expired(at, 5)),
        ("user", forget_unseen_before(at, 5)),
        ("user", forget_oldest_unseen(5)),
    ];
    for statement in [
        scoped::of_user(&UserId::from(7)),
        scoped::unreached(serial, 256),
        scoped::reached(serial, &some),
        scoped::forget_users(serial, 256),
    ] {
        asked.push(("scoped_user", statement));
    }
    let mut wrong = Vec::new();
    for (index, statement) in &asked {
        let plan = plan(&store, statement).await;
        let is_reached = plan.contains(&format!("using {index}")) || plan.contains(&format!("on {index}"));
        if !is_reached || is_read(&plan) {
            wrong.push(format!("{index}: {}\n{plan}", statement.sql));
        }
    }
    assert!(wrong.is_empty(), "{} plans:\n{}", wrong.len(), wrong.join("\n\n"));
}
