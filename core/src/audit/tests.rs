use std::collections::{BTreeMap, btree_map};

use proptest::prelude::*;

use super::*;
use crate::{
    directory::{tests::support::Database, zone::Zone},
    id::ConnId,
    order,
    platform::Platform,
    store::{Statement, Value, migrations::StoreKind},
    token::TokenHash,
};

const TENANT: TenantId = TenantId(7);

fn at(secs: i64) -> Timestamp {
    Timestamp::from_secs(secs)
}

fn id(secs: i64, random: u128) -> EntryId {
    EntryId::draw(at(secs), random)
}

fn user(number: i64) -> UserId {
    UserId::from(number)
}

fn giver(token_sha256: TokenHash) -> Giver {
    Giver { user_id: user(1), token_sha256 }
}

fn entry(id: EntryId, by: i64, operation: Operation) -> Entry {
    let details = Details {
        by: giver(TokenHash::of("secret")),
        remote_address: None,
        selection: Selection::default(),
        records: None,
    };
    Entry { id, tenant: None, by: user(by), operation, details: details.text() }
}

fn asked() -> Asked {
    Asked::parse(TENANT, &[], &Zone::default(), id(0, 0)).unwrap()
}

fn page(store: &Database, asked: &Asked, indexed: Indexed) -> Page {
    asked.answer(indexed, |statement| Ok::<_, ()>(store.run(statement))).unwrap()
}

/// A page of a question that examines this many rows, if it does not go by an index.
fn page_of(store: &Database, asked: &Asked, scanned: u32, indexed: Indexed) -> Page {
    let end = match asked.scans(indexed) {
        [None] => Vec::new(),
        _ => store.run(&asked.end(scanned, indexed)),
    };
    asked.read(&end, &store.run(&asked.page(&end, indexed)))
}

#[test]
fn ids_sort_by_time_and_say_it() {
    let ids = [id(1, 5), id(1, u128::MAX), id(2, 0), id(3, 1)];
    assert!(ids.is_sorted() && ids.map(|id| id.to_string()).is_sorted());
    assert_eq!(ids.map(EntryId::at), [at(1), at(1), at(2), at(3)]);
    assert!(
        EntryId::first_of(at(1)) <= ids[0]
            && ids[1] < EntryId::first_of(at(1) + std::time::Duration::from_millis(1))
    );
    assert_eq!(ids[1].to_string().parse(), Ok(ids[1]));
    assert_eq!(
        EntryId::first_of(Timestamp::from_millis(-5)).at(),
        at(0),
        "a clock before 1970 gives the first of all"
    );
    assert!(ids.iter().all(|id| id.below_floor() < -1));
}

#[test]
fn names_of_kinds_are_those_of_the_wire() {
    for kind in Operation::ALL {
        assert_eq!(serde_json::to_value(kind).unwrap(), kind.name());
        assert_eq!(Operation::from_name(kind.name()), Some(kind));
    }
    for progress in [Progress::Done, Progress::InForce, Progress::Begun] {
        assert_eq!(serde_json::to_value(progress).unwrap(), progress.name());
    }
}

#[test]
fn details_keep_their_form() {
    let hash: TokenHash = "0123456789abcdef".repeat(4).parse().unwrap();
    let of = |address: Option<&str>, selection, records| {
        let remote_address = address.map(|address| address.parse().unwrap());
        Details { by: giver(hash), remote_address, selection, records }.text()
    };
    let login = Selection {
        platform: Some(Platform::Web),
        connection: "00112233445566778899aabbccddeeff".parse().ok(),
        ..Selection::user(&user(7)).tokens(&[hash])
    };
    let shards = Selection { shards: Some(32), ..Selection::default() };
    let of_selection = Selection {
        scope: Some("user"),
        select: vec!["fullName MATCH zhang".to_owned()],
        reason: Some("left".to_owned()),
        ..Selection::default()
    };
    let texts = [
        of(None, Selection::default(), None),
        of(Some("2001:db8::9"), Selection::receivers("USER", &[-42, 7]), None),
        of(Some("192.0.2.7"), login, None),
        of(None, shards, None),
        of(None, Selection::default(), Some(Records { taken: 3, rejected: 1 })),
        of(None, of_selection.clone(), None),
        of(None, Selection { deny_seconds: Some(3_600), ..of_selection }, None),
    ];
    let golden = include_str!("../../golden/audit.details.v1.jsonl");
    assert_eq!(golden.lines().collect::<Vec<_>>(), texts);
}

/// Whatever a caller sends, an entry stays small: ids, hashes and addresses are bounded, and lists are cut.
#[test]
fn details_are_bounded() {
    let longest = UserId::new("\u{1}".repeat(256)).unwrap();
    let hashes = vec![TokenHash::of("secret"); 100];
    let selection = Selection {
        platform: Some(Platform::Web),
        connection: Some(ConnId::from_bytes([255; 16])),
        user_id: Some(longest.clone()),
        shards: Some(1_024),
        ..Selection::receivers("TENANT", &[i64::MIN; 10_000]).tokens(&hashes)
    };
    let details = Details {
        by: Giver { user_id: longest.clone(), ..giver(TokenHash::of("secret")) },
        remote_address: Some("2001:db8:ffff:ffff:ffff:ffff:ffff:ffff".parse().unwrap()),
        selection,
        records: Some(Records { taken: u64::MAX, rejected: u64::MAX }),
    };
    let text = details.text();
    assert!(text.len() < 6_144, "{}", text.len());
    // Of an order to a selection, the longest in each way that a text is written: as it is, or escaped.
    for one in ["x", "\u{1}", "\"", "\\", "\u{10ffff}", "\u{85}"] {
        let text = one.repeat(500 / one.len());
        let filter =
            serde_json::json!({"key": "fullName", "op": "NOT_MATCH_END", "value": format!("x{text}")});
        let body = serde_json::json!({
            "select": {"filters": vec![filter; 20], "userIds": vec![i64::MIN; 10_000], "deviceIds": ["d"]},
            "scope": "connection",
            "reason": format!("{}x", text.get(..text.len() - one.len()).unwrap()),
        });
        let order = order::Request::parse(body.to_string().as_bytes(), &Zone::default()).unwrap();
        let details = Details { selection: order.selection(), ..details.clone() };
        let text = details.text();
        assert!(text.len() < 6_144, "{one:?}: {}", text.len());
        assert_eq!(text.matches("NOT_MATCH_END x").count(), SHOWN);
    }
    assert!(text.contains(r#""idsTotal":10000"#) && text.contains(r#""sha256Total":100"#));
    assert_eq!(text.matches("-9223372036854775808").count(), SHOWN);
}

#[test]
fn a_repeated_part_is_one_and_an_order_that_goes_on_says_how_far_it_is() {
    let store = Database::of(StoreKind::Shard);
    let begun = Part::whole(entry(id(5, 1), 1, Operation::RecordsImport), TENANT, None, Progress::Begun);
    let done = Part { progress: Progress::Done, ..begun.clone() };
    for part in [&begun, &begun, &done] {
        store.run(&keep(part));
    }
    let page = page(&store, &asked(), Indexed::Id);
    assert_eq!(page.entries.iter().map(|one| one.progress.as_str()).collect::<Vec<_>>(), ["done"]);
    assert_eq!((page.entries[0].users, page.entries[0].connections, page.rest), (None, None, None));
}

#[test]
fn what_is_over_is_deleted_from_the_oldest_on_in_pieces() {
    for kind in [StoreKind::Origin, StoreKind::Shard, StoreKind::Cutoff] {
        let store = Database::of(kind);
        for second in 0..10 {
            let entry = entry(id(86_400 + second, 9), 1, Operation::Off);
            for target in 0..3 {
                store.run(&keep(&Part::of_user(entry.clone(), TENANT, user(target), 0)));
            }
        }
        let count = || store.run(&Statement::new("SELECT count(*), min(id) FROM audit", []));
        let first = |second: i64| Value::from(id(86_400 + second, 9).to_string());
        store.run(&delete(expired(at(2 * 86_400 + 4), 1), 5));
        assert_eq!(count(), [vec![Value::Int(25), first(1)]], "no more rows than it may");
        store.run(&delete(expired(at(2 * 86_400 + 4), 1), 100));
        assert_eq!(count(), [vec![Value::Int(18), first(4)]]);
        assert_eq!(trim(&store, 18), 0);
        assert_eq!(count(), [vec![Value::Int(18), first(4)]]);
        trim(&store, 17);
        assert_eq!(
            count(),
            [vec![Value::Int(15), first(5)]],
            "a whole entry goes, and never more rows stay than may"
        );
    }
}

/// Deletes of [`TENANT`] what is too many, and returns how often.
fn trim(store: &Database, most: u64) -> usize {
    let (mut surplus, mut deletions) = (Surplus::of(TENANT, most), 0);
    while let Some(question) = surplus.question() {
        if let Some(over) = surplus.advance(&store.run(&question)) {
            store.run(&over.delete(100_000));
            deletions += 1;
        }
    }
    deletions
}

#[test]
fn who_floods_the_audit_loses_its_own_entries() {
    for kind in [StoreKind::Origin, StoreKind::Shard, StoreKind::Cutoff] {
        let store = Database::of(kind);
        let keep_of = |tenant, second, by| {
            let one = Part::whole(entry(id(second, 1), by, Operation::Off), tenant, None, Progress::Done);
            store.run(&keep(&one));
        };
        let left = |by: i64| {
            let rows = store.run(&Statement::new(
                "SELECT count(*) FROM audit WHERE tenant = 7 AND given_by = ?1",
                [user(by).as_str().into()],
            ));
            rows[0][0].clone()
        };
        (0..4).for_each(|second| keep_of(TENANT, second, 1));
        // Another tenant's are its own.
        (100..140).for_each(|second| keep_of(TenantId(8), second, 3));
        assert_eq!(trim(&store, 10), 0);
        (10..40).for_each(|second| keep_of(TENANT, second, 2));
        trim(&store, 10);
        assert_eq!((left(1), left(2)), (Value::Int(4), Value::Int(6)), "the oldest are of somebody else");
        (40..46).for_each(|second| keep_of(TENANT, second, 4));
        trim(&store, 10);
        let counts = (left(1), left(2), left(4));
        assert_eq!(
            counts,
            (Value::Int(0), Value::Int(5), Value::Int(5)),
            "nobody has more than half: the oldest go"
        );
        (50..55).for_each(|second| keep_of(TENANT, second, 4));
        trim(&store, 4);
        assert_eq!(
            (left(2), left(4)),
            (Value::Int(2), Value::Int(2)),
            "both have more than half of what may stay"
        );
        let tenants = std::iter::successors(read_tenant(&store.run(&tenant_behind(None))), |tenant| {
            read_tenant(&store.run(&tenant_behind(Some(*tenant))))
        });
        assert_eq!(tenants.collect::<Vec<_>>(), [TENANT, TenantId(8)]);
    }
}

#[test]
fn many_rows_are_counted_in_steps() {
    let store = Database::of(StoreKind::Origin);
    store.run(&Statement::new(
        "INSERT INTO audit (id, target, tenant, given_by, operation, progress, users, connections, details) \
         WITH RECURSIVE n (i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < 49999) \
         SELECT printf('%032x', i / 3), i, 7, i % 3, 'off', 'done', 1, 0, '{}' FROM n",
        [],
    ));
    let (mut surplus, mut questions) = (Surplus::of(TENANT, 50_000), 0);
    while let Some(question) = surplus.question() {
        questions += 1;
        assert_eq!(surplus.advance(&store.run(&question)), None);
    }
    assert_eq!(questions, 3);
    trim(&store, 49_999);
    assert_eq!(store.run(&Statement::new("SELECT count(*) FROM audit", [])), [vec![Value::Int(49_997)]]);
}

#[test]
fn a_page_that_an_index_answers_reads_nothing_else() {
    let (by, target, operation) = (Some(user(1)), Some(user(2)), Some(Operation::Off));
    let scans = |by: &Option<UserId>, target: &Option<UserId>, operation, indexed| {
        Asked { by: by.clone(), target: target.clone(), operation, ..asked() }.scans(indexed).len()
    };
    assert_eq!(scans(&None, &None, None, Indexed::All), 1);
    assert_eq!(scans(&None, &None, None, Indexed::Id), 1);
    assert_eq!(scans(&by, &None, None, Indexed::All), 1);
    assert_eq!(scans(&None, &target, None, Indexed::All), 1);
    for all in [
        scans(&by, &target, None, Indexed::All),
        scans(&None, &None, operation, Indexed::All),
        scans(&by, &None, None, Indexed::Id),
        scans(&None, &target, None, Indexed::Id),
    ] {
        assert_eq!(all, 2);
    }
}

/// The index has one of both: what is examined are the rows that it gives, not those that pass.
#[test]
fn a_question_examines_no_more_rows_than_it_says() {
    let store = Database::of(StoreKind::Origin);
    for second in 0..9 {
        let one = entry(id(second, 1), second % 3, Operation::Off);
        store.run(&keep(&Part::of_user(one, TENANT, user(5), 0)));
    }
    let question = Asked { by: Some(user(0)), target: Some(user(5)), ..asked() };
    let end = store.run(&question.end(4, Indexed::All));
    assert_eq!(end, [vec![Value::from(id(4, 1).to_string())]]);
    let first = page_of(&store, &question, 4, Indexed::All);
    assert_eq!(first.entries.iter().map(|one| one.id).collect::<Vec<_>>(), [id(6, 1)]);
    assert_eq!(first.rest, Some(id(4, 1).next()));
    assert_eq!(page(&store, &question, Indexed::All).entries.len(), 3);
}

#[test]
fn a_page_is_cut_where_its_entries_are_large() {
    let store = Database::of(StoreKind::Shard);
    for second in 0..9 {
        let large = Entry { details: "x".repeat(PAGE_BYTES / 3), ..entry(id(second, 1), 1, Operation::Off) };
        store.run(&keep(&Part::whole(large, TENANT, None, Progress::Done)));
    }
    let (mut question, mut seen) = (asked(), Vec::new());
    loop {
        let one = page(&store, &question, Indexed::Id);
        assert!(one.entries.len() <= 3);
        let merged = merge(vec![one.clone(), Page::default()], question.limit);
        assert_eq!(merged, one);
        seen.extend(one.entries.iter().map(|entry| entry.id));
        let Some(rest) = one.rest else { break };
        question.before = rest;
    }
    assert_eq!(seen, (0..9).rev().map(|second| id(second, 1)).collect::<Vec<_>>());

    let huge = Entry { details: "x".repeat(PAGE_BYTES + 1), ..entry(id(20, 1), 1, Operation::Off) };
    store.run(&keep(&Part::whole(huge, TENANT, None, Progress::Done)));
    assert_eq!(page(&store, &asked(), Indexed::Id).entries.len(), 1);
}

#[test]
fn a_question_reads_by_index_in_its_order() {
    let origin = Database::of(StoreKind::Origin);
    let ways = |asked: &Asked| {
        let end = origin.plan(&asked.end(SCANNED, Indexed::All));
        let page = origin.plan(&asked.page(&[], Indexed::All));
        assert!(!end.contains("TEMP B-TREE") && !page.contains("TEMP B-TREE"), "{end}\n{page}");
        assert!(!end.contains("SCAN") && !page.contains("SCAN"), "{end}\n{page}");
        page
    };
    assert!(ways(&asked()).contains("audit_by_tenant (tenant=? AND id>? AND id<?)"));
    assert!(
        ways(&Asked { by: Some(user(1)), ..asked() })
            .contains("audit_by_giver (tenant=? AND given_by=? AND id>?")
    );
    assert!(
        ways(&Asked { target: Some(user(1)), ..asked() })
            .contains("audit_by_target (tenant=? AND target=? AND id>?")
    );
    for kind in [StoreKind::Shard, StoreKind::Cutoff] {
        let all =
            Asked { by: Some(user(1)), target: Some(user(1)), operation: Some(Operation::Off), ..asked() };
        let plan = Database::of(kind).plan(&all.page(&[], Indexed::Id));
        assert!(plan.contains("PRIMARY KEY (id>? AND id<?)") && !plan.contains("TEMP B-TREE"), "{plan}");
    }
}

#[test]
fn a_question_is_read_from_a_query_string() {
    let read = |pairs: &[(&str, &str)]| {
        let pairs: Vec<_> =
            pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        Asked::parse(TENANT, &pairs, &Zone::default(), EntryId::first_of(at(1_000)))
    };
    let empty = read(&[("by", ""), ("what", "x")]).unwrap();
    assert_eq!(
        (empty.from, empty.limit, &empty.by, empty.operation),
        (EntryId::first_of(at(1_000)), 100, &None, None)
    );
    assert_eq!(empty.before.to_string(), format!("{}{}", "f".repeat(12), "0".repeat(20)));
    let full = read(&[
        ("from", "1970-01-01 00:00:05"),
        ("to", "1970-01-01T00:33:19Z"),
        ("by", "imAdmin"),
        ("operation", "reshard"),
        ("userId", "101"),
        ("limit", "1000"),
        ("before", &id(2_001, 3).to_string()),
    ]);
    let full = full.unwrap();
    assert_eq!(full.from, EntryId::first_of(at(1_000)), "what is over is not shown");
    assert_eq!((full.before, full.limit), (EntryId::first_of(at(2_000)), 1_000));
    assert_eq!(
        (full.by, full.target, full.operation),
        (UserId::new("imAdmin").ok(), Some(user(101)), Some(Operation::Reshard))
    );
    for (name, value) in [
        ("from", "yesterday"),
        ("to", "x"),
        ("operation", "kick"),
        ("limit", "many"),
        ("limit", "0"),
        ("limit", "1001"),
        ("before", "1"),
        ("userId", "x".repeat(257).as_str()),
    ] {
        assert!(read(&[(name, value)]).is_err(), "{name} {value}");
    }
}

#[derive(Clone, Debug)]
struct Written {
    part: Part,
    store: usize,
}

fn written() -> impl Strategy<Value = Written> {
    let kinds = prop::sample::select(vec![Operation::Off, Operation::UserUnlock]);
    let tenants = prop::sample::select(vec![TENANT, TenantId(8)]);
    (0_i64..12, 0_i64..3, kinds, tenants, 0_i64..4, 0_usize..3, 0_usize..4).prop_map(
        |(second, who, kind, tenant, target, connections, store)| {
            // An order is of one tenant, one caller and one kind.
            let order = u128::from(second.unsigned_abs()) * 7 + u128::from(who.unsigned_abs());
            let random = order * 100
                + u128::from(tenant.0.unsigned_abs())
                + if kind == Operation::Off { 50 } else { 0 };
            let entry = entry(id(second, random), who, kind);
            let part = match target {
                0 => Part::whole(entry, tenant, None, Progress::InForce),
                target => Part::of_user(entry, tenant, user(target), connections),
            };
            Written { part, store }
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(crate::size::sized(60, 1_000)))]

    /// Pages over several stores, by questions that each examine few rows, say together what one look at everything says.
    #[test]
    fn walks_over_any_stores_show_every_entry_once(
        all in prop::collection::vec(written(), 0..60),
        who in prop::option::of(0_i64..3),
        target in prop::option::of(1_i64..4),
        kind in prop::option::of(prop::sample::select(vec![Operation::Off, Operation::UserUnlock])),
        (from, to) in (0_i64..12, 0_i64..14),
        limit in 1_u32..5,
    ) {
        let asked = Asked {
            tenant: TENANT,
            from: EntryId::first_of(at(from)),
            before: EntryId::first_of(at(to)),
            by: who.map(user),
            operation: kind,
            target: target.map(user),
            limit,
        };
        let shards: Vec<Database> = (0..4).map(|_| Database::of(StoreKind::Shard)).collect();
        let origin = Database::new();
        let mut rows: BTreeMap<_, &Part> = BTreeMap::new();
        for Written { part, store } in &all {
            // A part lies in one store.
            if let btree_map::Entry::Vacant(vacant) = rows.entry((part.entry.id, part.target.clone())) {
                vacant.insert(part);
                shards[*store].run(&keep(part));
                origin.run(&keep(part));
            }
        }
        let mut naive: BTreeMap<EntryId, (Option<i64>, Option<i64>)> = BTreeMap::new();
        for part in rows.values() {
            let is_meant = part.tenant == asked.tenant
                && (asked.from..asked.before).contains(&part.entry.id)
                && asked.by.as_ref().is_none_or(|by| *by == part.entry.by)
                && asked.operation.is_none_or(|operation| operation == part.entry.operation)
                && asked.target.as_ref().is_none_or(|target| part.target.as_ref() == Some(target));
            if is_meant {
                let add = |sum: &mut Option<i64>, one: Option<u64>| {
                    if let Some(one) = one {
                        *sum = Some(sum.unwrap_or(0) + i64::try_from(one).unwrap());
                    }
                };
                let (users, connections) = naive.entry(part.entry.id).or_default();
                add(users, part.users);
                add(connections, part.connections);
            }
        }
        let expected: Vec<_> = naive.into_iter().rev().collect();
        // More rows than one entry has.
        const FEW: u32 = 6;
        for indexed in [Indexed::All, Indexed::Id] {
            let mut question = asked.clone();
            let mut seen = Vec::new();
            for round in 0.. {
                prop_assert!(round < 200, "a walk ends");
                let answer = if indexed == Indexed::All {
                    page_of(&origin, &question, FEW, indexed)
                } else {
                    // One after the other, as they come.
                    shards.iter().fold(Page::default(), |all, shard| {
                        merge(vec![all, page_of(shard, &question, FEW, indexed)], limit)
                    })
                };
                prop_assert!(answer.entries.len() <= limit as usize);
                seen.extend(answer.entries.iter().map(|one| (one.id, (one.users, one.connections))));
                let Some(rest) = answer.rest else { break };
                prop_assert!(rest <= question.before);
                question.before = rest;
            }
            prop_assert_eq!(&seen, &expected);
        }
    }
}
