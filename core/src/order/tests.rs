//! Orders to selections: their bodies, and their rows over a real store.

use std::time::Duration;

use super::*;
use crate::{
    audit::Operation,
    deny::LONGEST,
    directory::{
        filter::{Comparison, Condition},
        tests::support::Database,
        zone::Zone,
    },
    message_center::MessageCenterError,
    store::{Statement, Value, migrations::StoreKind},
};

const NOW: Timestamp = Timestamp::from_secs(1_000_000);
const TENANT: TenantId = TenantId(i64::MIN);
const STORES: [StoreKind; 2] = [StoreKind::Origin, StoreKind::Cutoff];

fn parse(body: &str) -> Result<Request, MessageCenterError> {
    Request::parse(body.as_bytes(), &Zone::default())
}

fn key_of(select: &str) -> &'static str {
    parse(&format!(r#"{{"select":{select}}}"#)).unwrap_err().key()
}

#[test]
fn everything_that_is_named_is_a_condition_of_its_own() {
    let body = r#"{"tenantId":"7","select":{"filters":[{"key":"fullName","op":"MATCH","value":"zhang"},
        {"key":"userId","op":"IN","value":[1,"2"]},{"key":"fullName","op":"MATCH","value":"li"}],
        "online":true,"fullName":"x","userIds":["9",8,9],"platforms":[5,"1"],"deviceIds":["d"],
        "connIds":["00112233445566778899aabbccddeeff"]},"scope":"connection","reason":" left ","dryRun":true}"#;
    let request = parse(body).unwrap();
    let wanted = &request.wanted;
    assert_eq!(
        (request.tenant, request.scope, request.dry_run),
        (Some(TenantId(7)), Scope::Connection, true)
    );
    assert_eq!(request.reason.as_deref(), Some("left"));
    // Two filters of one key and operator, and a filter beside the parameter of its key: a list would leave one out.
    assert_eq!(wanted.conditions.len(), 7);
    assert!(wanted.conditions.contains(&Condition::User(Comparison::In(vec![1, 2]))));
    assert!(wanted.is_online() && wanted.is_about_sockets() && !wanted.is_of_named_users());
    assert_eq!((wanted.users.clone(), wanted.platforms.len()), (vec![8, 9], 2));
    let shown = request.selection();
    let words = "fullName MATCH zhang; userId IN 1,2; fullName MATCH li; deviceIds d; platforms Web,IOS; \
                 connIds 00112233445566778899aabbccddeeff; fullName EQUAL x; online EQUAL true";
    assert_eq!(shown.select.join("; "), words);
    assert_eq!((shown.ids_total, shown.scope), (Some(2), Some("connection")));
}

#[test]
fn what_a_list_leaves_out_an_order_refuses() {
    for select in [
        "{}",
        r#"{"filters":[]}"#,
        r#"{"online":true,"filters":[]}"#,
        r#"{"userIds":[]}"#,
        r#"{"online":true,"userIds":[]}"#,
        r#"{"online":true,"platforms":[]}"#,
        r#"{"online":true,"connIds":[]}"#,
        r#"{"online":true,"deviceIds":[]}"#,
        r#"{"online":true,"fullName":""}"#,
        r#"{"online":true,"filters":[{"key":"fullName","op":"MATCH"}]}"#,
        r#"{"online":true,"filters":[{"key":"fullName","value":"x"}]}"#,
        r#"{"online":true,"filters":[{"op":"MATCH","value":"x"}]}"#,
        r#"{"online":true,"filters":[{"key":"fullName","op":"IN","value":[]}]}"#,
        r#"{"platforms":[12]}"#,
    ] {
        assert_eq!(key_of(select), "param_validation_error", "{select}");
    }
    for select in [
        "null",
        r#"{"online":"perhaps"}"#,
        r#"{"online":true,"fullname":"x"}"#,
        r#"{"filters":[{"key":"fullName","op":"MATCH","values":"x"}]}"#,
        r#"{"fullName":["x"]}"#,
        r#"{"userIds":["x"]}"#,
        r#"{"connIds":["x"]}"#,
        r#"[true]"#,
    ] {
        assert!(parse(&format!(r#"{{"select":{select}}}"#)).is_err(), "{select}");
    }
    assert!(parse(r#"{"select":{"online":true},"denyFor":9}"#).is_err(), "never a weaker order");
    assert!(parse(r#"{"online":true}"#).is_err());
    let long = "x".repeat(501);
    assert!(parse(&format!(r#"{{"select":{{"online":true}},"reason":"{long}"}}"#)).is_err());
}

#[test]
fn a_deny_window_has_a_length_and_is_of_its_order() {
    let body = |seconds: &str| format!(r#"{{"select":{{"online":true}},"denySeconds":{seconds}}}"#);
    for (seconds, read) in [("1", 1), ("\"3600\"", 3_600), ("31536000", LONGEST)] {
        let request = parse(&body(seconds)).unwrap();
        assert_eq!((request.deny, request.selection().deny_seconds), (Some(read), Some(read)));
    }
    for seconds in ["0", "-1", "31536001", "9223372036854775807"] {
        let told = parse(&body(seconds)).unwrap_err().to_string();
        assert_eq!(told, "denySeconds must be between 1 and 31536000", "{seconds}");
    }
    assert_eq!(parse(&body("null")).unwrap_err().to_string(), "denySeconds must not be null");
    for seconds in ["\"1h\"", "1.5", "[1]", "true"] {
        assert!(parse(&body(seconds)).is_err(), "{seconds}");
    }
    let window = order(1, None, 0..0).order.window().unwrap();
    assert_eq!((window.until, window.order.at()), (NOW + Duration::from_secs(7), NOW));
    assert_eq!((window.by, window.reason.as_deref(), window.tenant), (UserId::from(1), Some("it's"), TENANT));
}

/// What a list takes for nothing, or for everything: a console whose pick is empty sends it.
#[test]
fn what_is_null_or_blank_is_refused_and_never_left_out() {
    for (select, told) in [
        (r#"{"online":true,"userIds":null}"#, "userIds must not be null"),
        (r#"{"online":true,"platforms":null}"#, "platforms must not be null"),
        (r#"{"online":true,"connIds":null}"#, "connIds must not be null"),
        (r#"{"online":true,"deviceIds":null}"#, "deviceIds must not be null"),
        (r#"{"online":true,"filters":null}"#, "filters must not be null"),
        (r#"{"online":true,"fullName":null}"#, "fullName must not be null"),
        (r#"{"userIds":[7],"online":null}"#, "online must not be null"),
        (r#"{"userIds":[7,null]}"#, "userIds has a member that is null"),
        (r#"{"online":true,"filters":[null]}"#, "filters has a member that is null"),
        (r#"{"filters":[{"key":"fullName","op":"MATCH","value":null}]}"#, "value must not be null"),
        (r#"{"filters":[{"key":null,"op":"MATCH","value":"x"}]}"#, "key must not be null"),
        (
            r#"{"filters":[{"key":"fullName","op":"NOT_IN","value":["x",null]}]}"#,
            "value has a member that is null",
        ),
        (r#"{"online":true,"deviceIds":["d"," "]}"#, "deviceIds has a member that is blank"),
    ] {
        let error = parse(&format!(r#"{{"select":{select}}}"#)).unwrap_err();
        assert_eq!((error.key(), error.to_string().as_str()), ("param_validation_error", told), "{select}");
    }
    for body in [
        r#"{"select":null}"#,
        r#"{"select":{"online":true},"scope":null}"#,
        r#"{"select":{"online":true},"dryRun":null}"#,
        r#"{"select":{"online":true},"receipt":null}"#,
        r#"{"select":{"online":true},"tenantId":null}"#,
        r#"{"select":{"online":true},"reason":null}"#,
    ] {
        let error = parse(body).unwrap_err();
        assert!(error.to_string().ends_with(" must not be null"), "{body}: {error}");
    }
    let blank = |key: &str, op: &str, value: &str| {
        let filter = format!(r#"{{"key":"{key}","op":"{op}","value":{value}}}"#);
        let error = parse(&format!(r#"{{"select":{{"online":true,"filters":[{filter}]}}}}"#)).unwrap_err();
        assert_eq!(error.key(), "param_validation_error", "{filter}: {error}");
        assert!(error.to_string().contains(key), "{filter}: {error}");
    };
    for op in ["MATCH", "MATCH_END", "NOT_MATCH", "NOT_MATCH_END", "EQUAL", "NOT_EQUAL"] {
        for value in [r#""""#, r#"" ""#, r#""\"""#, r#""\"\"""#, r#"[""]"#, r#""\t""#] {
            blank("fullName", op, value);
        }
    }
    for key in ["userId", "fullName", "deviceId", "onlineDate", "online"] {
        for op in ["IN", "NOT_IN"] {
            for value in
                [r#"[""]"#, r#"[" "]"#, r#""[]""#, r#""""#, r#""[\" \"]""#, r#""1,,2""#, r#"["1"," "]"#]
            {
                blank(key, op, value);
            }
        }
    }
    assert_eq!(key_of(r#"{"online":true,"fullName":" "}"#), "param_validation_error");
    // Whose name is missing is a question of its own.
    assert!(parse(r#"{"select":{"filters":[{"key":"fullName","op":"IS_NULL"}]}}"#).is_ok());
    assert!(parse(r#"{"select":{"filters":[{"key":"fullName","op":"IS_NULL","value":""}]}}"#).is_ok());
}

#[test]
fn a_receipt_belongs_to_one_caller_and_body() {
    let (one, other) = (UserId::from(1), UserId::from(2));
    let hash = |body: &str, by: &UserId, tenant| parse(body).unwrap().hash(by, TenantId(tenant));
    let body = r#"{"select":{"userIds":[7],"online":true},"reason":"r"}"#;
    let first = hash(body, &one, 1);
    let again = r#"{"dryRun":false,"receipt":"0197dd1b5c000123456789abcdef0123","reason":"r","select":{"online":"true","userIds":["7",7]}}"#;
    assert_eq!(hash(again, &one, 1), first);
    assert_ne!(hash(body, &other, 1), first);
    assert_ne!(hash(body, &one, 2), first);
    for changed in [
        r#"{"select":{"userIds":[8],"online":true},"reason":"r"}"#,
        r#"{"select":{"userIds":[7],"online":false},"reason":"r"}"#,
        r#"{"select":{"userIds":[7],"online":true},"reason":"s"}"#,
        r#"{"select":{"userIds":[7],"online":true},"reason":"r","scope":"connection"}"#,
        r#"{"select":{"userIds":[7],"online":true},"reason":"r","denySeconds":1}"#,
        r#"{"select":{"userIds":[7],"online":true,"platforms":[1]},"reason":"r"}"#,
    ] {
        assert_ne!(hash(changed, &one, 1), first, "{changed}");
    }
}

fn entry(id: u128) -> Entry {
    let id = EntryId::draw(NOW, id);
    Entry {
        id,
        tenant: Some(TENANT),
        by: UserId::from(1),
        operation: Operation::ForceOff,
        details: "{}".to_owned(),
    }
}

/// An order to these users.
fn order(id: u128, receipt: Option<EntryId>, users: std::ops::Range<i64>) -> NewOrder {
    let order = Order {
        tenant: TENANT,
        scope: Scope::User,
        reason: Some("it's".to_owned()),
        deny: Some(7),
        notice: "n".to_owned(),
        entry: entry(id),
    };
    let users = users.map(|user| (user, Vec::new())).collect();
    NewOrder { body: TokenHash::of("body"), receipt, users, connections: 3, order }
}

fn run(store: &Database, statements: &[Statement]) -> Vec<Vec<Vec<Value>>> {
    statements.iter().map(|statement| store.run(statement)).collect()
}

fn state(store: &Database, id: EntryId) -> Progress {
    read_order(&store.run(&get(id))).unwrap().unwrap()
}

fn rows(store: &Database, table: &str) -> usize {
    store.run(&Statement::new(format!("SELECT 1 FROM {table}"), [])).len()
}

#[test]
fn an_order_to_many_users_needs_a_delivery_unless_it_repeats_another() {
    let (own, of_receipt) = (order(1, None, 0..3), order(1, Some(entry(9).id), 0..0));
    let run = |is_carried_out| Some(KeptRun { users: 3, is_carried_out });
    assert!(own.needs_delivery(None, 2) && !own.needs_delivery(None, 3));
    assert!(of_receipt.needs_delivery(run(false), 2) && !of_receipt.needs_delivery(run(false), 3));
    assert!(!of_receipt.needs_delivery(run(true), 2) && !of_receipt.needs_delivery(None, 2));
    let mut to_connections = own;
    to_connections.order.scope = Scope::Connection;
    assert!(!to_connections.needs_delivery(None, 2));
}

#[test]
fn a_receipt_is_carried_out_once_whoever_repeats_it() {
    for kind in STORES {
        let store = Database::of(kind);
        let users = i64::try_from(PART).unwrap() + 2;
        let kept = order(1, None, 0..users);
        let receipt = kept.order.entry.id;
        run(&store, &keep_dry_run(&kept, NOW));
        assert_eq!(read_count(&store.run(&open_dry_runs(TENANT, NOW))), Some(1));
        let dry_run = || read_dry_run(&store.run(&dry_run(receipt)));
        let shown = |is_carried_out| Some(KeptRun { users: 502, is_carried_out });
        assert_eq!((read_dry_run(&store.run(&super::dry_run(entry(9).id))), dry_run()), (None, shown(false)));
        let give = |new: &NewOrder, at| {
            let answers = run(&store, &begin(new, at));
            opened(new.order.entry.id, &answers)
        };
        let foreign = NewOrder { body: TokenHash::of("other"), ..order(2, Some(receipt), 0..0) };
        assert_eq!(give(&foreign, NOW), Opened::Conflict);
        let unknown = order(2, Some(entry(9).id), 0..0);
        assert_eq!(give(&unknown, NOW), Opened::Conflict);
        assert_eq!(give(&order(2, Some(receipt), 0..0), NOW + KEPT_FOR), Opened::Conflict, "over");
        assert_eq!(rows(&store, "force_off"), 0);

        let first = order(3, Some(receipt), 0..0);
        assert_eq!(give(&first, NOW), Opened::New);
        assert_eq!(give(&order(4, Some(receipt), 0..0), NOW), Opened::Earlier(first.order.entry.id));
        assert_eq!(rows(&store, "force_off"), 1);
        let id = first.order.entry.id;
        let begun = state(&store, id);
        assert_eq!((begun.order.clone(), begun.state, begun.users), (first.order, State::Ordered, 502));
        assert_eq!(read_count(&store.run(&open_dry_runs(TENANT, NOW))), Some(0));
        assert_eq!(dry_run(), shown(true));

        // The end of the dry run takes neither the order's selection along nor its answer to a repetition.
        let long_after = NOW + KEPT_FOR + KEPT_FOR;
        run(&store, &sweep(long_after));
        run(&store, &keep_dry_run(&order(90, None, 0..1), long_after));
        run(&store, &sweep(long_after + KEPT_FOR));
        assert_eq!(give(&order(5, Some(receipt), 0..0), long_after), Opened::Earlier(id));
        assert_eq!(give(&foreign, long_after), Opened::Conflict);
        assert_eq!((rows(&store, "dry_run"), rows(&store, "force_off")), (1, 1));
        let (part, taken) = read_part(&store.run(&next_part(begun.selection, 0))).unwrap().unwrap();
        assert_eq!((part, taken.len()), (1, PART));
        run(&store, &forget_part(&begun, part, &taken, &taken[7..8], NOW));
        // Another one that had taken the same part counts nobody again, and brings nobody back.
        run(&store, &forget_part(&begun, part, &taken, &taken[7..9], NOW));
        assert_eq!(state(&store, id).reached, 499);
        let (last, others) = read_part(&store.run(&next_part(begun.selection, part))).unwrap().unwrap();
        run(&store, &forget_part(&begun, last, &others, &[], NOW));
        run(&store, &forget_part(&begun, last, &others, &[], NOW));
        let missed = state(&store, id);
        assert_eq!((missed.state, missed.reached), (State::Ordered, 501));
        run(&store, &[put_off(id, NOW + AGAIN)]);
        assert_eq!(read_due(&store.run(&earliest())), Some(NOW + AGAIN));
        let due = read_order(&store.run(&next_due())).unwrap().unwrap();
        assert_eq!(due.order.entry.id, id);
        let (part, left) = read_part(&store.run(&next_part(due.selection, 0))).unwrap().unwrap();
        assert_eq!(left, [(7, Vec::new())]);
        run(&store, &forget_part(&due, part, &left, &[], NOW));
        let over = state(&store, id);
        assert_eq!((over.state, over.reached, over.serial), (State::CutOff, 502, None));
        assert_eq!((rows(&store, "selected"), read_due(&store.run(&earliest()))), (0, None));
    }
}

#[test]
fn an_order_that_becomes_a_cutoff_leaves_its_selection_to_it() {
    for kind in STORES {
        let store = Database::of(kind);
        let new = order(1, None, 5..7);
        let id = new.order.entry.id;
        assert_eq!(opened(id, &run(&store, &begin(&new, NOW))), Opened::New);
        let begun = state(&store, id);
        assert!(begun.is_direct(2) && !begun.is_direct(1));
        assert_eq!(read_selected(&store.run(&whole_selection(begun.selection))), Ok(vec![5, 6]));
        run(&store, &cut_off(id, Serial::from_number(i64::MAX)));
        let cut = state(&store, id);
        assert_eq!((cut.state, cut.serial), (State::CutOff, Some(Serial::from_number(i64::MAX))));
        assert_eq!(rows(&store, "selected"), 0);
    }
}

#[test]
fn nothing_is_kept_without_an_end() {
    for kind in STORES {
        let store = Database::of(kind);
        run(&store, &keep_dry_run(&order(1, None, 0..3), NOW));
        let later = NOW + KEPT_FOR;
        assert_eq!(read_due(&store.run(&earliest())), Some(later));
        // The next dry run, or a sweep.
        run(&store, &keep_dry_run(&order(2, None, 0..3), later));
        assert_eq!((rows(&store, "dry_run"), rows(&store, "selected")), (1, 1));
        run(&store, &sweep(later + KEPT_FOR));
        assert_eq!((rows(&store, "dry_run"), rows(&store, "selected")), (0, 0));
        // The receipt of an order goes with it.
        let kept = order(900_000, None, 0..1);
        run(&store, &keep_dry_run(&kept, NOW));
        let carried = order(0, Some(kept.order.entry.id), 0..0);
        run(&store, &begin(&carried, NOW));
        run(&store, &forget_part(&state(&store, carried.order.entry.id), 1, &kept.users, &[], NOW));
        assert_eq!((rows(&store, "dry_run"), read_due(&store.run(&earliest()))), (1, None));
        let most = u128::from(SHOWN_ORDERS);
        for id in 1..most {
            let new = order(id, None, 0..1);
            run(&store, &begin(&new, NOW));
            run(&store, &forget_part(&state(&store, new.order.entry.id), 1, &new.users, &[], NOW));
        }
        assert_eq!((rows(&store, "force_off"), rows(&store, "dry_run")), (usize::try_from(most).unwrap(), 1));
        for id in most..most + 3 {
            let new = order(id, None, 0..1);
            run(&store, &begin(&new, NOW));
            run(&store, &forget_part(&state(&store, new.order.entry.id), 1, &new.users, &[], NOW));
        }
        assert_eq!(rows(&store, "force_off"), usize::try_from(most).unwrap());
        assert_eq!(read_order(&store.run(&get(entry(0).id))), Ok(None), "the oldest");
        assert_eq!(rows(&store, "dry_run"), 0);
    }
}

#[test]
fn an_order_is_taken_up_by_one_when_nobody_has_carried_it_on_for_long() {
    for kind in STORES {
        let store = Database::of(kind);
        let new = order(1, None, 0..1);
        run(&store, &begin(&new, NOW));
        assert_eq!(read_due(&store.run(&earliest())), Some(NOW + ABANDONED));
        run(&store, &[abandon_all()]);
        let due = || read_order(&store.run(&next_due())).unwrap().unwrap();
        assert_eq!(due().next_at, Timestamp::from_millis(0));
        // Two have read it as due.
        let (one, other) = (due(), due());
        let taken_up = |seen: &Progress, now| {
            let changes = Statement::new("SELECT changes()", []);
            run(&store, &[take_up(seen, now), changes]).pop().unwrap() == [[Value::Int(1)]]
        };
        assert_eq!([taken_up(&one, NOW), taken_up(&other, NOW)], [true, false]);
        assert_eq!(due().next_at, NOW + ABANDONED);
        let later = NOW + ABANDONED;
        assert!(!taken_up(&other, later) && taken_up(&due(), later));
        let seen = due();
        run(&store, &forget_part(&seen, 1, &new.users, &[], later));
        assert!(!taken_up(&state(&store, new.order.entry.id), later), "it is over");
    }
}

#[test]
fn parts_are_bounded_by_users_and_by_connections() {
    let of = |records: usize| (0..records).map(|id| RecordId::draw(NOW, id as u64)).collect::<Vec<_>>();
    let weights = [1, PART, 1, 3 * PART, 1, 1];
    let users = (0..).zip(weights).map(|(user, records)| (user, of(records))).collect();
    let order = NewOrder { users, ..order(1, None, 0..0) };
    let sizes: Vec<usize> = order.parts().map(<[Taken]>::len).collect();
    assert_eq!(sizes, [1, 1, 1, 1, 2]);
    assert_eq!(NewOrder { users: Vec::new(), ..order }.parts().count(), 0);
}

#[test]
fn a_user_hears_of_itself_alone() {
    let mut order = order(1, None, 0..0).order;
    order.notice = r#"{"receiveObjectIds":[]}"#.to_owned();
    let record = RecordId::draw(NOW, 5);
    for (scope, records) in [(Scope::User, vec![]), (Scope::Connection, vec![record])] {
        order.scope = scope;
        let (user, command) = order.command(&(7, records.clone()));
        assert_eq!(user, UserId::from(7));
        let notice = r#"{"receiveObjectIds":["7"]}"#.to_owned();
        let wanted = match scope {
            Scope::User => ForceOff::Everything { within: Some(TENANT), notice: Some(notice), at: Some(NOW) },
            Scope::Connection => ForceOff::Connections { within: TENANT, records, notice },
        };
        assert_eq!(command.alone(), &Command::ForceOff(wanted.clone().denying(order.window())));
        order.deny = None;
        assert_eq!(order.command(&(7, vec![record])).1.alone(), &Command::ForceOff(wanted));
        order.deny = Some(7);
    }
    assert!(ABANDONED > AGAIN && KEPT_FOR == Duration::from_secs(600));
}
