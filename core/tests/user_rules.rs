//! The rules of a user, one example a sentence.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    unreachable_pub,
    reason = "tests"
)]

#[allow(dead_code, reason = "the model's tests use the rest")]
#[path = "user_model/harness.rs"]
mod harness;

use std::collections::BTreeMap;

use harness::{
    Adapter, Event, JSON, START, Setup, Sqlite, Store, Trace, check_order, crossed, kicked, platform, refusal,
};
use rollcall_core::{
    gateway::{Close, Incoming, PING, Payload},
    id::ConnId,
    policy::LoginPolicy,
    time::{Moment, Timestamp},
    token::{TokenHash, TokenText},
    user::{Change, Claimed, Command, Connection, ForceOff, Loaded, Opening, Orders, Presence, Reply, User},
};

const ANDROID: u8 = 2;
const WINDOWS: u8 = 3;
const WEB: u8 = 5;
const ADMIN: u8 = 10;

fn adapter(policy: u8) -> Adapter<Sqlite> {
    Adapter::new(Setup { policy, ..Setup::default() })
}

fn graceful() -> Adapter<Sqlite> {
    Adapter::new(Setup { grace: 30, ..Setup::default() })
}

fn closes(trace: &Trace) -> Vec<(ConnId, Close)> {
    let close = |event: &Event| match event {
        Event::Close(id, close) => Some((*id, *close)),
        _ => None,
    };
    trace.iter().filter_map(close).collect()
}

fn publishes(trace: &Trace) -> Vec<bool> {
    let publish = |event: &Event| match event {
        Event::Publish { awaited } => Some(*awaited),
        _ => None,
    };
    trace.iter().filter_map(publish).collect()
}

fn hash(token: &TokenText) -> TokenHash {
    TokenHash::of(token.expose())
}

fn of_token(on: u8, token: &TokenText) -> ForceOff {
    ForceOff::Login { platform: platform(on), token: Some(hash(token)), connection: None }
}

fn of_connection(on: u8, connection: ConnId) -> ForceOff {
    ForceOff::Login { platform: platform(on), token: None, connection: Some(connection) }
}

fn logout(user: &str) -> Incoming {
    Incoming::Binary(format!(r#"{{"reqIdentifier":2003,"sendID":"{user}"}}"#).into_bytes())
}

/// What a kick does, in the order in which it does it.
fn names(trace: &Trace) -> Vec<&'static str> {
    let name = |event: &Event| match event {
        Event::Commit(_) => "commit",
        Event::Retire(_) => "retire",
        Event::Admit(_) => "admit",
        Event::Keep(..) => "keep",
        Event::Under(_) => "under",
        Event::Background(..) => "background",
        Event::Publish { .. } => "publish",
        Event::Send(..) => "send",
        Event::Close(..) => "close",
        Event::Watch(..) => "watch",
        Event::Reply(_) => "reply",
    };
    trace.iter().map(name).collect()
}

#[test]
fn the_policy_vectors_hold() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/vectors/openim.json");
    let vectors: serde_json::Value = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    let vectors = vectors["policy"].as_array().unwrap();
    assert!(!vectors.is_empty());
    for vector in vectors {
        let policies =
            vector["policy"].as_u64().map_or(vec![0, 1, 4, 5], |one| vec![u8::try_from(one).unwrap()]);
        for policy in policies {
            let most_tokens = vector["maxTokensPerPlatform"].as_u64().unwrap_or(30);
            let most_tokens = usize::try_from(most_tokens).unwrap();
            run_vector(vector, Setup { policy, most_tokens, ..Setup::default() });
        }
    }
}

fn run_vector(vector: &serde_json::Value, setup: Setup) {
    let id = &vector["id"];
    let mut adapter = Adapter::new(setup);
    let mut tokens: BTreeMap<String, TokenText> = BTreeMap::new();
    let mut names: BTreeMap<ConnId, String> = BTreeMap::new();
    let mut told = Vec::new();
    for step in vector["steps"].as_array().unwrap() {
        match step.as_str().unwrap().split(' ').collect::<Vec<_>>()[..] {
            ["issue", "admin", name] => drop(tokens.insert(name.to_owned(), adapter.issue(ADMIN))),
            ["issue", name, "platform", number] => {
                drop(tokens.insert(name.to_owned(), adapter.issue(number.parse().unwrap())));
            }
            ["open", name] => {
                let (connection, trace) = adapter.try_open(&tokens[name]).unwrap();
                names.insert(connection, name.to_owned());
                told.extend(kicked(&trace).iter().map(|id| names[id].clone()));
            }
            ref other => panic!("{other:?}"),
        }
    }
    let list = |value: &serde_json::Value| -> Vec<String> { serde_json::from_value(value.clone()).unwrap() };
    let mut live: Vec<String> = adapter.live().iter().map(|connection| names[connection].clone()).collect();
    let mut expected = list(&vector["live"]);
    live.sort();
    expected.sort();
    assert_eq!(live, expected, "{id}");
    assert_eq!(told, list(&vector["kickFrame"]), "{id}");
    for (name, code) in vector["tokens"].as_object().unwrap() {
        assert_eq!(adapter.token_status(&tokens[name]), code.as_i64().unwrap(), "{id}: {name}");
    }
}

#[test]
fn what_was_not_loaded_is_an_error_and_never_an_empty_answer() {
    let mut adapter = adapter(1);
    let token = adapter.issue(WEB);
    let connection = adapter.open(&token);
    let everything = ForceOff::Everything { within: None, notice: None };
    let commands = [
        Command::Status,
        Command::Account,
        Command::Unlock { within: None },
        Command::Overview { within: None },
        Command::Tick,
        Command::FanOut,
        Command::IssueToken { platform: platform(WEB) },
        Command::VerifyToken { token: hash(&token) },
        Command::ForceOff(everything),
        Command::ForceOff(of_connection(WEB, connection)),
        Command::ForceOff(of_token(WEB, &token)),
        Command::Close { connection },
        Command::Open(Box::new(adapter.opening(&token).unwrap())),
    ];
    let at = Moment { now: adapter.time(), entropy: 0 };
    for command in commands {
        let loaded = adapter.store.load(&adapter.user, &command, at.now);
        let loaded = Loaded { orders: command.needs().orders.then(Orders::default), ..loaded };
        adapter.user.apply(&command, &loaded, &adapter.rules, at).expect("all that it needs was loaded");
        let nothing = adapter.user.apply(&command, &Loaded::default(), &adapter.rules, at);
        assert!(nothing.is_err(), "{command:?} made up an answer: {nothing:?}");
    }
}

#[test]
fn a_kick_is_durable_then_unseen_then_published_then_told_then_closed_then_answered() {
    let mut adapter = adapter(1);
    let token = adapter.issue(WEB);
    let connection = adapter.open(&token);
    let trace = adapter.force_off(ForceOff::Platform(platform(WEB)));
    assert_eq!(names(&trace), ["commit", "retire", "publish", "send", "close", "reply"]);
    assert_eq!(publishes(&trace), [true], "the answer waits for the directory");
    assert_eq!(kicked(&trace), [connection]);
    assert_eq!(closes(&trace), [(connection, Close::Kicked)]);
    check_order(&trace, &[connection].into());
}

#[test]
fn a_login_that_takes_another_ones_place_keeps_the_same_order() {
    let mut adapter = adapter(1);
    let token = adapter.issue(WEB);
    let first = adapter.open(&token);
    let token = adapter.issue(WEB);
    let (second, trace) = adapter.try_open(&token).unwrap();
    assert_eq!(names(&trace), ["commit", "retire", "admit", "publish", "send", "close", "reply"]);
    assert_eq!(kicked(&trace), [first]);
    assert_eq!(adapter.live(), [second]);
}

#[test]
fn when_a_kick_cannot_be_made_durable_nothing_of_it_happens() {
    let mut adapter = adapter(1);
    let token = adapter.issue(WEB);
    let connection = adapter.open(&token);
    let (user, store) = (adapter.user.clone(), adapter.store.dump());
    for what in [
        ForceOff::Platform(platform(WEB)),
        of_token(WEB, &token),
        of_connection(WEB, connection),
        ForceOff::Everything { within: None, notice: None },
    ] {
        assert!(adapter.attempt(&Command::ForceOff(what), true).is_err(), "no trace: no frame, no close");
        assert_eq!(adapter.user, user);
        assert_eq!(adapter.store.dump(), store);
        assert_eq!(adapter.token_status(&token), 0);
    }
    adapter.force_off(ForceOff::Everything { within: None, notice: None });
    assert_ne!(adapter.store.dump(), store, "the same order stands once it can");
}

#[test]
fn a_token_is_dead_before_its_socket_hears_of_it() {
    let mut adapter = adapter(1);
    let token = adapter.issue(WEB);
    adapter.open(&token);
    let trace = adapter.force_off(ForceOff::Platform(platform(WEB)));
    let Event::Commit(changes) = &trace[0] else { panic!("{trace:?}") };
    let dies = |change: &Change| match change {
        Change::TokensKicked(set) => set.contains(&hash(&token), platform(WEB)),
        _ => false,
    };
    assert!(changes.iter().any(dies));
}

#[test]
fn one_sessions_end_does_not_mark_the_user_offline() {
    for setup in [Setup::default(), Setup { grace: 30, ..Setup::default() }] {
        let mut adapter = Adapter::new(setup);
        let (web, android) = (adapter.issue(WEB), adapter.issue(ANDROID));
        let (web, android) = (adapter.open(&web), adapter.open(&android));
        let (left, stayed) = (adapter.record_of(web), adapter.record_of(android));
        adapter.wait(1000);
        adapter.close(web);
        assert_eq!(adapter.live(), [android]);
        assert_eq!(adapter.ended_at(left), Some(START + 1000), "not the user's last one: no grace");
        assert_eq!(adapter.ended_at(stayed), None);
    }
}

#[test]
fn a_connection_ends_once_however_often_its_end_is_told() {
    let mut adapter = adapter(1);
    let token = adapter.issue(WEB);
    let connection = adapter.open(&token);
    let record = adapter.record_of(connection);
    adapter.force_off(ForceOff::Everything { within: None, notice: None });
    adapter.wait(5000);
    assert_eq!(names(&adapter.close(connection)), ["reply"]);
    assert_eq!(adapter.ended_at(record), Some(START));
}

#[test]
fn the_store_keeps_the_first_end_of_a_record_and_no_later_one() {
    let mut adapter = adapter(1);
    let token = adapter.issue(WEB);
    let connection = adapter.open(&token);
    let record = adapter.record_of(connection);
    let user = adapter.user.id().clone();
    for later in [10, 20] {
        let change = Change::RecordEnded { record, at: Timestamp::from_millis(START + later) };
        adapter.store.commit(&user, &[change], false).unwrap();
        assert_eq!(adapter.ended_at(record), Some(START + 10));
    }
}

#[test]
fn a_tokens_socket_lives_until_its_successor_connects() {
    let mut adapter = adapter(1);
    let first = adapter.issue(WEB);
    let connection = adapter.open(&first);
    let second = adapter.issue(WEB);
    assert_eq!(adapter.token_status(&first), 1506);
    assert_eq!(adapter.live(), [connection]);
    let successor = adapter.open(&second);
    assert_eq!(adapter.live(), [successor]);
}

#[test]
fn a_kicked_token_stays_kicked_until_it_expires_and_is_never_unknown() {
    let mut adapter = adapter(1);
    let token = adapter.issue(WEB);
    adapter.force_off(of_token(WEB, &token));
    for _ in 0..23 {
        adapter.wait(3_600_000);
        adapter.issue(WEB);
        assert_eq!(adapter.token_status(&token), 1506);
        assert_eq!(adapter.try_open(&token).unwrap_err(), 1506);
    }
    adapter.wait(3_600_000);
    adapter.issue(WEB);
    assert_eq!(adapter.token_status(&token), 1501, "expired goes before kicked");
}

#[test]
fn a_token_that_was_never_issued_does_not_open_though_it_is_signed() {
    let mut adapter = adapter(1);
    let forged = adapter.forge(WEB);
    assert_eq!(adapter.token_status(&forged), 1507);
    assert_eq!(adapter.try_open(&forged).unwrap_err(), 1507);
}

#[test]
fn a_force_off_takes_what_it_names_and_nothing_else() {
    let mut adapter = adapter(1);
    let (web, android) = (adapter.issue(WEB), adapter.issue(ANDROID));
    let (on_web, on_android) = (adapter.open(&web), adapter.open(&android));
    let trace = adapter.force_off(ForceOff::Platform(platform(WEB)));
    assert_eq!(kicked(&trace), [on_web]);
    assert_eq!(adapter.live(), [on_android]);
    assert_eq!((adapter.token_status(&web), adapter.token_status(&android)), (1506, 0));
    let again = adapter.force_off(ForceOff::Platform(platform(WEB)));
    assert_eq!(again.last(), Some(&Event::Reply(Reply::Done)), "said twice it is still a success");
    assert_eq!(kicked(&again), []);
}

#[test]
fn a_force_off_leaves_the_tokens_of_other_users_alone() {
    let mut mine = adapter(1);
    let token = mine.issue(WEB);
    // The same store, another user.
    let store = std::mem::replace(&mut mine.store, Sqlite::new());
    let mut other = Adapter::over(store, Setup { numbered: false, ..Setup::default() });
    other.issue(WEB);
    other.force_off(ForceOff::Everything { within: None, notice: None });
    other.force_off(of_token(WEB, &token));
    mine.store = other.store;
    assert_eq!(mine.token_status(&token), 0);
}

#[test]
fn a_connection_that_is_forced_off_takes_its_token_along_and_what_else_lives_on_it() {
    let mut adapter = adapter(0);
    let (shared, another) = (adapter.issue(WEB), adapter.issue(WEB));
    let (tab, second_tab) = (adapter.open(&shared), adapter.open(&shared));
    let bystander = adapter.open(&another);
    let trace = adapter.force_off(of_connection(WEB, tab));
    let mut gone = kicked(&trace);
    gone.sort_unstable();
    let mut tabs = [tab, second_tab];
    tabs.sort_unstable();
    assert_eq!(gone, tabs);
    assert_eq!(adapter.live(), [bystander]);
    assert_eq!(adapter.try_open(&shared).unwrap_err(), 1506);
}

#[test]
fn a_login_is_taken_by_names_that_fit_it_and_each_other() {
    let mut adapter = adapter(0);
    let (web, android) = (adapter.issue(WEB), adapter.issue(ANDROID));
    let (on_web, on_android) = (adapter.open(&web), adapter.open(&android));
    let idle = adapter.issue(WEB);
    let both = |token: &TokenText, connection| ForceOff::Login {
        platform: platform(WEB),
        token: Some(hash(token)),
        connection: Some(connection),
    };
    let unknown = adapter.draw_connection();
    for misfit in [
        of_token(WEB, &android),
        of_connection(WEB, on_android),
        of_connection(WEB, unknown),
        both(&idle, on_web),
        both(&web, on_android),
        both(&android, on_android),
        ForceOff::Login { platform: platform(WEB), token: None, connection: None },
    ] {
        let trace = adapter.force_off(misfit.clone());
        assert_eq!(names(&trace), ["publish", "reply"], "{misfit:?}");
    }
    let trace = adapter.force_off(of_token(WEB, &idle));
    assert_eq!(names(&trace), ["commit", "publish", "reply"], "a token without a connection dies too");
    let trace = adapter.force_off(both(&web, on_web));
    assert_eq!(kicked(&trace), [on_web]);
    assert_eq!(adapter.live(), [on_android]);
    let status = |adapter: &mut Adapter<Sqlite>, token| adapter.token_status(token);
    assert_eq!([&web, &idle, &android].map(|token| status(&mut adapter, token)), [1506, 1506, 0]);
}

/// The store forgets an expired token, and its connection goes on.
#[test]
fn a_connection_is_taken_by_a_token_that_the_store_has_forgotten() {
    let mut adapter = adapter(0);
    let token = adapter.issue(WEB);
    let connection = adapter.open(&token);
    for _ in 0..24 {
        adapter.wait(3_600_000);
    }
    adapter.issue(ANDROID);
    assert_eq!(kicked(&adapter.force_off(of_token(ANDROID, &token))), []);
    assert_eq!(kicked(&adapter.force_off(of_token(WEB, &token))), [connection]);
}

#[test]
fn a_connection_that_is_not_there_is_forced_off_without_effect() {
    let mut adapter = adapter(1);
    let token = adapter.issue(WEB);
    let connection = adapter.open(&token);
    adapter.close(connection);
    let trace = adapter.force_off(of_connection(WEB, connection));
    assert_eq!(names(&trace), ["publish", "reply"], "an earlier order may have failed to tell the directory");
    assert_eq!(publishes(&trace), [true]);
    assert_eq!(adapter.token_status(&token), 0);
}

#[test]
fn a_user_who_is_offline_can_be_forced_off_and_no_socket_is_told() {
    let mut adapter = adapter(1);
    let token = adapter.issue(WEB);
    let trace = adapter.force_off(ForceOff::Platform(platform(WEB)));
    assert_eq!(names(&trace), ["commit", "publish", "reply"]);
    assert_eq!(publishes(&trace), [true]);
    assert_eq!(adapter.try_open(&token).unwrap_err(), 1506);
}

#[test]
fn a_force_off_of_a_user_without_records_has_nothing_to_publish() {
    let mut adapter = Adapter::new(Setup { numbered: false, ..Setup::default() });
    let token = adapter.issue(WEB);
    let connection = adapter.open(&token);
    let trace = adapter.force_off(ForceOff::Everything { within: None, notice: None });
    assert_eq!(names(&trace), ["commit", "retire", "send", "close", "reply"]);
    assert_eq!(names(&adapter.force_off(of_connection(WEB, connection))), ["reply"]);
}

#[test]
fn administrators_tokens_and_sockets_are_outside_every_policy_and_inside_a_force_off() {
    for policy in [0, 1, 4, 5] {
        let mut adapter = Adapter::new(Setup { policy, most_tokens: 1, ..Setup::default() });
        let admins = [adapter.issue(ADMIN), adapter.issue(ADMIN)];
        let mut live = admins.each_ref().map(|token| adapter.open(token)).to_vec();
        live.push(adapter.open(&admins[0]));
        let web = adapter.issue(WEB);
        live.push(adapter.open(&web));
        live.sort_unstable();
        let mut found = adapter.live();
        found.sort_unstable();
        assert_eq!(found, live, "policy {policy}");
        adapter.force_off(ForceOff::Platform(platform(ADMIN)));
        assert_eq!(admins.map(|token| adapter.token_status(&token)), [1506, 1506]);
        assert_eq!(adapter.token_status(&web), 0);
    }
}

#[test]
fn a_client_that_reconnects_replaces_its_own_socket_without_a_word() {
    for policy in [1, 4, 5] {
        for number in [WEB, WINDOWS] {
            let mut adapter = adapter(policy);
            let token = adapter.issue(number);
            let old = adapter.open(&token);
            adapter.wait(13_000);
            let (new, trace) = adapter.try_open(&token).unwrap();
            assert_eq!(kicked(&trace), []);
            assert_eq!(closes(&trace), [(old, Close::Done)]);
            assert_eq!(adapter.live(), [new]);
            assert_eq!(adapter.token_status(&token), 0);
        }
    }
}

#[test]
fn tokens_that_a_stricter_policy_finds_die_at_the_login_that_takes_a_sockets_place() {
    let mut adapter = adapter(0);
    let [first, second, third] = [WEB; 3].map(|number| adapter.issue(number));
    let connection = adapter.open(&first);
    adapter.rules.policy = LoginPolicy::OnePerPlatform;
    let (_, trace) = adapter.try_open(&second).unwrap();
    assert_eq!(kicked(&trace), [connection]);
    assert_eq!([&first, &second, &third].map(|token| adapter.token_status(token)), [1506, 0, 1506]);
}

#[test]
fn two_tabs_share_a_token_where_devices_do_not_exclude_each_other() {
    let mut adapter = adapter(0);
    let token = adapter.issue(WEB);
    adapter.open(&token);
    let (_, trace) = adapter.try_open(&token).unwrap();
    assert_eq!(closes(&trace), []);
    assert_eq!(adapter.live().len(), 2);
}

#[test]
fn two_clients_that_fight_for_one_token_are_both_kept_after_five_replacements_in_a_minute() {
    let mut adapter = adapter(1);
    let token = adapter.issue(WEB);
    adapter.open(&token);
    for _ in 0..5 {
        adapter.wait(1000);
        adapter.open(&token);
        assert_eq!(adapter.live().len(), 1);
    }
    for many in 2..4 {
        adapter.wait(1000);
        adapter.open(&token);
        assert_eq!(adapter.live().len(), many, "the sixth time and after it all are kept");
    }
    adapter.wait(60_000);
    let (last, trace) = adapter.try_open(&token).unwrap();
    assert_eq!(kicked(&trace), []);
    assert_eq!(adapter.live(), [last], "a minute later it is a reconnect again");
}

#[test]
fn a_user_holds_no_more_connections_than_allowed_and_replacing_one_takes_no_room() {
    let mut adapter = Adapter::new(Setup { most_connections: 2, ..Setup::default() });
    let tokens = [ANDROID, WEB, WINDOWS].map(|number| adapter.issue(number));
    adapter.open(&tokens[0]);
    adapter.open(&tokens[1]);
    let (user, store) = (adapter.user.clone(), adapter.store.dump());
    assert_eq!(adapter.try_open(&tokens[2]).unwrap_err(), 1601);
    assert_eq!((&adapter.user, adapter.store.dump()), (&user, store), "a refused one changes nothing");
    let last = adapter.open(&tokens[1]);
    assert_eq!(adapter.live().len(), 2);
    adapter.close(last);
    // Ten connects at once are all for now.
    for _ in 0..7 {
        let connection = adapter.open(&tokens[2]);
        adapter.close(connection);
    }
    adapter.wait(499);
    assert_eq!(adapter.try_open(&tokens[2]).unwrap_err(), 1601);
    adapter.wait(1);
    adapter.open(&tokens[2]);
}

#[test]
fn a_token_that_was_taken_back_is_told_so_however_often_it_is_tried() {
    let mut adapter = Adapter::new(Setup { policy: 0, most_connections: 12, ..Setup::default() });
    let (token, dead) = (adapter.issue(WEB), adapter.issue(ANDROID));
    adapter.force_off(ForceOff::Platform(platform(ANDROID)));
    for _ in 0..12 {
        let connection = adapter.open(&token);
        adapter.close(connection);
    }
    for _ in 0..3 {
        assert_eq!(adapter.try_open(&token).unwrap_err(), 1601, "it comes too early");
        assert_eq!(adapter.try_open(&dead).unwrap_err(), 1506);
    }
}

#[test]
fn a_handshake_is_judged_by_its_token_then_its_user_then_its_platform() {
    let mut adapter = adapter(1);
    let token = adapter.issue(WEB);
    let mut opening = adapter.opening(&token).unwrap();
    opening.claimed = Claimed { user: "mallory".into(), platform: platform(ANDROID) };
    let mut refused = |opening: &Opening| match adapter.run(&Command::Open(Box::new(opening.clone()))).last()
    {
        Some(Event::Reply(Reply::Opened(Err(error)))) => refusal(error),
        other => panic!("{other:?}"),
    };
    assert_eq!(refused(&opening), (1502, "token uid 2890713225 != userID mallory".into()));
    opening.claimed.user = "2890713225".into();
    assert_eq!(refused(&opening), (1502, "token platform 5 != platformID 2".into()));
    adapter.force_off(ForceOff::Everything { within: None, notice: None });
    opening.claimed.user = "mallory".into();
    let trace = adapter.run(&Command::Open(Box::new(opening)));
    let Some(Event::Reply(Reply::Opened(Err(error)))) = trace.last() else { panic!("{trace:?}") };
    assert_eq!(refusal(error).0, 1506);
}

#[test]
fn the_end_of_the_last_connection_waits_out_the_grace_period_and_then_shows_its_true_date() {
    let mut adapter = graceful();
    let token = adapter.issue(WEB);
    let connection = adapter.open(&token);
    let record = adapter.record_of(connection);
    adapter.wait(1000);
    let trace = adapter.close(connection);
    assert_eq!(names(&trace), ["commit", "retire", "reply"], "the directory hears nothing yet");
    assert_eq!(adapter.live(), [], "a status query does not wait");
    assert_eq!(adapter.wait(29_999), Vec::<Trace>::new());
    assert_eq!(adapter.ended_at(record), None);
    assert_eq!(adapter.wait(1).len(), 1);
    assert_eq!(adapter.ended_at(record), Some(START + 1000));
    assert_eq!(adapter.wait(3_600_000), Vec::<Trace>::new(), "there is nothing more to wake for");
}

#[test]
fn a_reconnect_within_the_grace_period_shows_end_and_opening_together() {
    let mut adapter = graceful();
    let token = adapter.issue(WEB);
    let first = adapter.open(&token);
    let record = adapter.record_of(first);
    adapter.wait(1000);
    adapter.close(first);
    adapter.wait(5000);
    let (second, trace) = adapter.try_open(&token).unwrap();
    assert_eq!(publishes(&trace), [false]);
    assert_eq!(adapter.ended_at(record), Some(START + 1000));
    assert_eq!(adapter.ended_at(adapter.record_of(second)), None);
    adapter.wait(3_600_000);
    assert_eq!(adapter.live(), [second], "the tick that was due means nothing to it");
    assert_eq!(adapter.ended_at(adapter.record_of(second)), None);
}

#[test]
fn a_force_off_waits_for_no_grace_not_even_for_an_end_before_it() {
    let mut adapter = graceful();
    let token = adapter.issue(WEB);
    let connection = adapter.open(&token);
    let record = adapter.record_of(connection);
    adapter.close(connection);
    adapter.wait(1000);
    let trace = adapter.force_off(ForceOff::Platform(platform(WEB)));
    assert_eq!(publishes(&trace), [true]);
    assert_eq!(adapter.ended_at(record), Some(START), "with its true date");

    let token = adapter.issue(WEB);
    let connection = adapter.open(&token);
    let record = adapter.record_of(connection);
    adapter.force_off(ForceOff::Everything { within: None, notice: None });
    assert_eq!(adapter.ended_at(record), Some(START + 1000));
}

#[test]
fn an_update_is_not_shown_as_leave_and_join() {
    let mut adapter = adapter(1);
    let token = adapter.issue(WEB);
    let connection = adapter.open(&token);
    let store = adapter.store.dump();
    let trace = adapter.run(&Command::SetBackground { connection, background: true });
    assert_eq!(names(&trace), ["background", "reply"]);
    assert_eq!(adapter.store.dump(), store);
    assert!(adapter.user.connections()[0].background, "background is not offline");
}

#[test]
fn a_logout_is_answered_and_closed_and_leaves_the_token_good() {
    let mut adapter = adapter(1);
    let token = adapter.issue(WEB);
    let connection = adapter.open(&token);
    let message = logout(adapter.user.id().as_str());
    let trace = adapter.receive(connection, &message);
    assert_eq!(names(&trace), ["commit", "retire", "publish", "send", "close", "reply"]);
    assert_eq!(closes(&trace), [(connection, Close::Done)]);
    assert_eq!(adapter.live(), []);
    adapter.open(&token);
}

#[test]
fn a_request_in_the_name_of_another_user_ends_the_connection_and_nothing_more() {
    let mut adapter = adapter(1);
    let token = adapter.issue(WEB);
    let connection = adapter.open(&token);
    let trace = adapter.receive(connection, &logout("mallory"));
    assert_eq!(closes(&trace), [(connection, Close::Policy)]);
    assert!(!names(&trace).contains(&"send"));
    assert_eq!(adapter.token_status(&token), 0);
}

#[test]
fn a_message_of_a_connection_that_is_gone_is_nobodys() {
    let mut adapter = adapter(1);
    let token = adapter.issue(WEB);
    let connection = adapter.open(&token);
    let ping = adapter.decoded(connection, &Incoming::Text(PING.into()));
    assert_eq!(names(&adapter.run(&ping)), ["send", "reply"]);
    adapter.force_off(ForceOff::Everything { within: None, notice: None });
    assert_eq!(names(&adapter.run(&ping)), ["reply"]);
}

#[test]
fn a_text_that_is_no_ping_object_is_stray() {
    for text in ["", "ping", "{}", "[]", r#"["ping"]"#, r#"["pong",null]"#, r#"{"type":"close"}"#] {
        let mut adapter = adapter(1);
        let token = adapter.issue(WEB);
        let connection = adapter.open(&token);
        let trace = adapter.receive(connection, &Incoming::Text(text.into()));
        assert_eq!(closes(&trace), [(connection, Close::Undecodable)], "{text}");
    }
}

#[test]
fn users_without_a_number_have_no_records_and_are_kicked_all_the_same() {
    let mut adapter = Adapter::new(Setup { numbered: false, grace: 30, ..Setup::default() });
    let token = adapter.issue(WEB);
    let connection = adapter.open(&token);
    assert_eq!(kicked(&adapter.force_off(ForceOff::Everything { within: None, notice: None })), [connection]);
    assert_eq!(adapter.store.records().len(), 0);
    let token = adapter.issue(WEB);
    let connection = adapter.open(&token);
    adapter.close(connection);
    assert_eq!((adapter.live(), adapter.wake_at), (vec![], None));
}

#[test]
fn thirty_tokens_in_one_second_are_thirty_texts() {
    let mut adapter = adapter(0);
    let mut texts: Vec<String> = (0..30).map(|_| adapter.issue(WEB).expose().clone()).collect();
    texts.sort();
    texts.dedup();
    assert_eq!(texts.len(), 30);
}

#[test]
fn a_clock_that_is_set_back_repeats_no_token() {
    let mut adapter = adapter(0);
    adapter.issue(WEB);
    let second = adapter.issue(WEB);
    adapter.now += 1000;
    adapter.issue(WEB);
    adapter.now -= 1000;
    let command = Command::IssueToken { platform: platform(WEB) };
    let trace = adapter.attempt(&command, false).expect("its row does not clash with an earlier one");
    let Some(Event::Reply(Reply::Issued(issued))) = trace.last() else { panic!("{trace:?}") };
    assert_ne!(issued.token, second);
}

#[test]
fn connections_of_one_millisecond_keep_the_order_in_which_they_opened() {
    let mut adapter = adapter(0);
    let token = adapter.issue(WEB);
    let opened: Vec<ConnId> = (0..8).map(|_| adapter.open(&token)).collect();
    assert_eq!(adapter.live(), opened);
    let mut sockets = adapter.user.connections().to_vec();
    sockets.rotate_left(3);
    sockets.swap(0, 4);
    let restored = User::new(adapter.user.id().clone(), sockets).with_pace(adapter.user.pace());
    assert_eq!(restored, adapter.user);
}

#[test]
fn what_crosses_the_wire_carries_its_secrets_and_what_is_printed_does_not() {
    let mut adapter = adapter(1);
    let token = adapter.issue(WEB);
    let opening = adapter.opening(&token).unwrap();
    let opened = adapter.run(&Command::Open(Box::new(opening.clone())));
    let connection: &Connection = &adapter.user.connections()[0].clone();
    let status = adapter.run(&Command::Status);
    let Some(Event::Reply(reply)) = status.last() else { panic!("{status:?}") };
    let Reply::Presence(presences) = reply else { panic!("{reply:?}") };

    assert_eq!(connection.wire, JSON);
    assert_eq!(crossed(&opening), opening);
    assert_eq!(crossed(connection), *connection);
    assert_eq!(crossed(connection).token.text.expose(), token.expose());
    assert_eq!(crossed::<Reply>(reply), *reply);
    assert_eq!(crossed::<Presence>(&presences[0]).token.expose(), token.expose());

    let printed = format!("{opening:?} {opened:?} {connection:?} {status:?} {:?}", adapter.user);
    assert!(!printed.contains(token.expose()));
    assert!(printed.contains("[redacted]"));
}

#[test]
fn who_asks_about_users_that_cannot_be_asked_hears_an_error_and_never_that_they_are_offline() {
    let mut adapter = adapter(1);
    let token = adapter.issue(WEB);
    let connection = adapter.open(&token);
    let asked = format!(
        r#"{{"reqIdentifier":2005,"sendID":"{}","operationID":"o","msgIncr":"m","data":"CgJ1MQ=="}}"#,
        adapter.user.id()
    );
    let message = Incoming::Binary(asked.into_bytes());
    let trace = adapter.receive(connection, &message);
    let Some(pending) = trace.iter().find_map(|event| match event {
        Event::Watch(_, pending) => Some(pending),
        _ => None,
    }) else {
        panic!("{trace:?}")
    };
    let unanswered = Command::Answered { pending: pending.clone(), presences: None };
    let trace = adapter.run(&unanswered);
    assert_eq!(names(&trace), ["commit", "send", "reply"], "and the connection stays");
    let error = r#"{"reqIdentifier":2005,"msgIncr":"m","operationID":"o","errCode":500,"errMsg":"ServerInternalError","data":null}"#;
    assert_eq!(
        trace[1..],
        [Event::Send(connection, Payload::Binary(error.into())), Event::Reply(Reply::Done)]
    );
    adapter.close(connection);
    assert_eq!(names(&adapter.run(&unanswered)), ["reply"], "no request waits any more");
}

#[test]
fn a_token_inside_a_clients_message_is_not_printed_either() {
    let mut adapter = adapter(1);
    let token = adapter.issue(WEB);
    let connection = adapter.open(&token);
    let body = format!(r#"{{"type":"ping","body":"{}"}}"#, token.expose());
    let command = adapter.decoded(connection, &Incoming::Text(body));
    adapter.inspecting = false;
    let trace = adapter.run(&command);
    let answered =
        |event: &Event| matches!(event, Event::Send(_, Payload::Text(text)) if text.contains(token.expose()));
    assert!(trace.iter().any(answered), "its own client hears it");
    assert!(!format!("{command:?}").contains(token.expose()), "as a command");
    assert!(!format!("{trace:?}").contains(token.expose()), "as an action");
}

#[test]
fn replacements_of_one_millisecond_are_counted_one_by_one() {
    let mut adapter = adapter(1);
    let token = adapter.issue(WEB);
    for _ in 0..7 {
        adapter.open(&token);
    }
    assert_eq!(adapter.live().len(), 2, "five were replaced, the sixth time both were kept");
}
