//! Sockets of the message center, and what orders leave behind for opaque tokens: one example a sentence.
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

use harness::{Adapter, Event, START, Setup, Sqlite, Store as _, Trace, check_order, kicked};
use rollcall_core::{
    gateway::{Close, Incoming, Payload},
    id::{ConnId, TenantId, UserId},
    message_center::Principal,
    serial::Serial,
    stomp::{Framing, HeartbeatMode, Session},
    time::Timestamp,
    token::TokenError,
    user::{Bearer, Change, Client, Command, ConsoleOpening, ForceOff, Loaded, OpenError, Profile, Reply},
};

const WEB: u8 = 5;

fn adapter() -> Adapter<Sqlite> {
    Adapter::new(Setup::default())
}

fn at(millis: i64) -> Timestamp {
    Timestamp::from_millis(millis)
}

fn principal(adapter: &Adapter<Sqlite>) -> Principal {
    Principal { sys_admin: false, ..Principal::openim_admin(adapter.user.id().clone()) }
}

fn reply(trace: &Trace) -> Reply {
    match trace.last() {
        Some(Event::Reply(reply)) => reply.clone(),
        other => panic!("{other:?} is no reply"),
    }
}

fn try_open(adapter: &mut Adapter<Sqlite>, principal: Principal) -> (ConnId, Trace) {
    try_open_with(adapter, principal, None)
}

fn try_open_with(
    adapter: &mut Adapter<Sqlite>,
    principal: Principal,
    session: Option<Session>,
) -> (ConnId, Trace) {
    let connection = adapter.draw_connection();
    let opening =
        ConsoleOpening { connection, principal, client: Client::default(), session: session.map(Box::new) };
    (connection, adapter.run(&Command::OpenConsole(Box::new(opening))))
}

/// A console that speaks STOMP.
fn talking(adapter: &mut Adapter<Sqlite>, framing: Framing) -> ConnId {
    let who = principal(adapter);
    let (connection, trace) =
        try_open_with(adapter, who, Some(Session::new(framing, HeartbeatMode::Enabled)));
    assert_eq!(reply(&trace), Reply::Opened(Ok(())));
    connection
}

fn said(adapter: &mut Adapter<Sqlite>, connection: ConnId, text: &str) -> Trace {
    adapter.receive(connection, &Incoming::Text(text.to_owned()))
}

fn texts(trace: &Trace, to: ConnId) -> Vec<&str> {
    let text = |event| match event {
        &Event::Send(connection, Payload::Text(ref text)) if connection == to => Some(text.as_str()),
        _ => None,
    };
    trace.iter().filter_map(text).collect()
}

fn open(adapter: &mut Adapter<Sqlite>) -> ConnId {
    let who = principal(adapter);
    let (connection, trace) = try_open(adapter, who);
    assert_eq!(reply(&trace), Reply::Opened(Ok(())));
    connection
}

fn token_status(
    adapter: &mut Adapter<Sqlite>,
    issued_at: Option<i64>,
    personal: bool,
) -> Result<(), TokenError> {
    let bearer = Bearer { tenant: TenantId::default(), issued_at: issued_at.map(at), personal };
    match reply(&adapter.run(&Command::VerifyBearer(bearer))) {
        Reply::TokenStatus(status) => status,
        other => panic!("{other:?} is no token status"),
    }
}

fn everything(notice: &str) -> ForceOff {
    ForceOff::Everything { within: None, notice: Some(notice.to_owned()) }
}

#[test]
fn a_console_is_a_connection_with_a_record_that_openims_status_does_not_show() {
    let mut adapter = adapter();
    let console = open(&mut adapter);
    assert_eq!(reply(&adapter.run(&Command::Status)), Reply::Presence(vec![]));
    let record = adapter.user.consoles()[0].record.unwrap();
    assert_eq!(adapter.ended_at(record), None);
    adapter.wait(10);
    adapter.close(console);
    adapter.wait(10);
    adapter.close(console);
    assert_eq!(adapter.ended_at(record), Some(START + 10));
    assert!(!adapter.user.is_connected());
}

#[test]
fn an_order_tells_a_console_why_and_a_client_of_the_gateway_in_its_own_words() {
    let mut adapter = adapter();
    let token = adapter.issue(WEB);
    let connection = adapter.open(&token);
    let console = open(&mut adapter);
    let trace = adapter.force_off(everything("why"));
    check_order(&trace, &[connection, console].into());
    assert_eq!(kicked(&trace), [connection]);
    let told = Event::Send(console, Payload::Text("why".into()));
    let closed = Event::Close(console, Close::ForcedOffline);
    let place = |event: &Event| trace.iter().position(|other| other == event).unwrap();
    assert!(place(&told) < place(&closed));
    assert_eq!(adapter.token_status(&token), 1506);
}

#[test]
fn a_kick_on_one_platform_leaves_consoles_alone() {
    let mut adapter = adapter();
    let console = open(&mut adapter);
    adapter.force_off(ForceOff::Platform(harness::platform(WEB)));
    assert_eq!(adapter.user.consoles()[0].id, console);
    assert_eq!(token_status(&mut adapter, None, false), Ok(()));
}

#[test]
fn an_order_takes_back_every_opaque_token_that_was_issued_by_then() {
    let mut adapter = adapter();
    adapter.force_off(everything(""));
    assert_eq!(token_status(&mut adapter, None, false), Err(TokenError::Kicked));
    assert_eq!(token_status(&mut adapter, Some(START), false), Err(TokenError::Kicked));
    assert_eq!(token_status(&mut adapter, Some(START + 1), false), Ok(()));
    let who = principal(&adapter);
    let (_, trace) = try_open(&mut adapter, who);
    assert_eq!(reply(&trace), Reply::Opened(Err(OpenError::Revoked)));
    assert!(adapter.user.consoles().is_empty());
}

#[test]
fn personal_tokens_are_exempt_unless_configured_otherwise() {
    let mut adapter = adapter();
    adapter.force_off(everything(""));
    assert_eq!(token_status(&mut adapter, None, true), Ok(()));
    adapter.rules.revoke_pat = true;
    assert_eq!(token_status(&mut adapter, None, true), Err(TokenError::Kicked));
}

#[test]
fn an_unlocked_user_gets_in_with_opaque_tokens_and_not_with_kicked_ones() {
    let mut adapter = adapter();
    let token = adapter.issue(WEB);
    adapter.force_off(everything(""));
    assert_eq!(reply(&adapter.run(&Command::Unlock { within: None })), Reply::Unlocked(true));
    assert_eq!(reply(&adapter.run(&Command::Unlock { within: None })), Reply::Unlocked(false));
    assert_eq!(token_status(&mut adapter, None, false), Ok(()));
    open(&mut adapter);
    assert_eq!(adapter.token_status(&token), 1506);
    adapter.wait(1);
    adapter.force_off(everything(""));
    assert_eq!(token_status(&mut adapter, None, false), Err(TokenError::Kicked));
}

#[test]
fn a_cutoff_kills_what_began_by_then_wherever_it_is_looked_at() {
    let mut adapter = adapter();
    let token = adapter.issue(WEB);
    let connection = adapter.open(&token);
    adapter.order(0, &[]);
    assert_eq!(adapter.live(), [connection], "its socket waits for the delivery");
    assert_eq!(reply(&adapter.run(&Command::Status)), Reply::Presence(vec![]));
    assert_eq!(adapter.token_status(&token), 1506);
    assert_eq!(adapter.try_open(&token).unwrap_err(), 1506);
    assert_eq!(token_status(&mut adapter, None, false), Err(TokenError::Kicked));
    let later = adapter.issue(WEB);
    assert_eq!(adapter.token_status(&later), 0);
    adapter.open(&later);
    let Reply::Presence(presences) = reply(&adapter.run(&Command::Status)) else { panic!() };
    assert_eq!(presences.len(), 1);
}

#[test]
fn a_cutoff_exempts_the_users_it_names_and_openims_administrators() {
    let mut adapter = adapter();
    adapter.order(0, &[adapter.user.id().number().unwrap()]);
    assert_eq!(token_status(&mut adapter, None, false), Ok(()));
    adapter.order(0, &[1]);
    assert_eq!(token_status(&mut adapter, None, false), Err(TokenError::Kicked));
    adapter.rules.admins.push(adapter.user.id().clone());
    assert_eq!(token_status(&mut adapter, None, false), Ok(()));
}

#[test]
fn a_lifted_cutoff_lets_opaque_tokens_in_and_leaves_the_dead_dead() {
    let mut adapter = adapter();
    let token = adapter.issue(WEB);
    adapter.open(&token);
    adapter.order(0, &[]);
    adapter.orders.values_mut().for_each(|cutoff| cutoff.lifted = true);
    assert_eq!(token_status(&mut adapter, None, false), Ok(()));
    assert_eq!(adapter.token_status(&token), 1506);
    assert_eq!(reply(&adapter.run(&Command::Status)), Reply::Presence(vec![]));
}

#[test]
fn an_unlocked_user_is_exempt_from_earlier_cutoffs_and_not_from_later_ones() {
    let mut adapter = adapter();
    adapter.order(0, &[]);
    assert_eq!(reply(&adapter.run(&Command::Unlock { within: None })), Reply::Unlocked(true));
    assert_eq!(token_status(&mut adapter, None, false), Ok(()));
    adapter.order(0, &[]);
    assert_eq!(token_status(&mut adapter, None, false), Err(TokenError::Kicked));
}

#[test]
fn a_console_ends_with_its_token() {
    let mut adapter = adapter();
    let soon = Principal { expires: Some(at(START + 5_000)), ..principal(&adapter) };
    let later = Principal { expires: Some(at(START + 9_000)), ..principal(&adapter) };
    let (console, _) = try_open(&mut adapter, soon);
    let (other, _) = try_open(&mut adapter, later);
    assert_eq!(adapter.wake_at, Some(at(START + 5_000)));
    let traces = adapter.wait(5_000);
    assert!(traces[0].contains(&Event::Close(console, Close::TokenExpired)));
    assert_eq!(adapter.user.consoles().len(), 1);
    let traces = adapter.wait(4_000);
    assert!(traces[0].contains(&Event::Close(other, Close::TokenExpired)));
    assert!(!adapter.user.is_connected());
}

#[test]
fn a_console_may_ping_and_say_anything_else_in_text() {
    let mut adapter = adapter();
    let console = open(&mut adapter);
    let mut say = |message| adapter.receive(console, &message);
    let pong = say(Incoming::Text(r#"{"type":"ping"}"#.into()));
    assert!(matches!(&pong[0], Event::Send(_, Payload::Text(text)) if text.contains("pong")));
    assert_eq!(say(Incoming::Text("hello".into())), [Event::Reply(Reply::Done)]);
    assert!(say(Incoming::Binary(vec![1])).contains(&Event::Close(console, Close::Undecodable)));
    assert!(adapter.user.consoles().is_empty());
}

#[test]
fn a_user_holds_no_more_connections_than_allowed_of_both_kinds_together() {
    let mut adapter = Adapter::new(Setup { most_connections: 2, ..Setup::default() });
    open(&mut adapter);
    let token = adapter.issue(WEB);
    adapter.open(&token);
    let who = principal(&adapter);
    let (_, trace) = try_open(&mut adapter, who);
    assert_eq!(reply(&trace), Reply::Opened(Err(OpenError::TooMany)));
    let token = adapter.issue(1);
    assert_eq!(adapter.try_open(&token).unwrap_err(), 1601);
}

#[test]
fn what_an_issuer_says_of_a_users_tenant_is_kept_and_the_configuration_goes_first() {
    let mut adapter = adapter();
    let of = |tenant| Bearer { tenant: TenantId(tenant), issued_at: None, personal: false };
    let moved = Event::Commit(vec![
        Change::TokensUnder(Serial::NONE),
        Change::Tenant(TenantId(7)),
        Change::Seen { is_new: true },
    ]);
    assert_eq!(adapter.run(&Command::VerifyBearer(of(7)))[0], moved);
    assert_eq!(adapter.run(&Command::VerifyBearer(of(7))), [Event::Reply(Reply::TokenStatus(Ok(())))]);
    let user: UserId = adapter.user.id().clone();
    adapter.rules.tenants.push((user, TenantId(8)));
    assert_eq!(adapter.run(&Command::VerifyBearer(of(9))), [Event::Reply(Reply::TokenStatus(Ok(())))]);
}

#[test]
fn the_delivery_of_an_order_ends_what_it_covers_at_its_instant_and_nothing_else() {
    let mut adapter = adapter();
    let token = adapter.issue(WEB);
    let connection = adapter.open(&token);
    let console = open(&mut adapter);
    let record = adapter.record_of(connection);
    adapter.wait(500);
    adapter.order(0, &[]);
    adapter.wait(500);
    let issued_at = Some(adapter.time());
    let who = Principal { issued_at, ..principal(&adapter) };
    let (later, _) = try_open(&mut adapter, who);
    assert!(adapter.user.has_cut_off_sockets(adapter.cutoff(0), &adapter.rules));
    let delivery = ForceOff::CutOff { within: None, notice: "why".into(), settle: false };
    let trace = adapter.force_off(delivery.clone());
    assert_eq!(kicked(&trace), [connection]);
    assert!(trace.contains(&Event::Send(console, Payload::Text("why".into()))));
    assert_eq!(adapter.ended_at(record), Some(START + 500));
    assert_eq!(adapter.user.consoles()[0].id, later);
    assert!(
        !adapter.user.has_cut_off_sockets(adapter.cutoff(0), &adapter.rules),
        "what opened later is not covered"
    );
    adapter.orders.clear();
    assert_eq!(adapter.token_status(&token), 1506, "for good, whatever becomes of the cutoff");
    assert_eq!(token_status(&mut adapter, None, false), Ok(()), "which only the cutoff took back");
    assert!(
        kicked(&adapter.force_off(delivery)).is_empty(),
        "without a cutoff no connection is to be reached"
    );
}

#[test]
fn the_wave_of_another_tenant_neither_reaches_a_user_nor_tells_it_its_notice() {
    let mut adapter = adapter();
    let console = open(&mut adapter);
    let own = adapter.rules.tenant(adapter.user.id(), &Profile::default());
    // The user's own cutoff, whose delivery has not come yet.
    adapter.order(own.0, &[]);
    let delivery = |within| ForceOff::CutOff { within: Some(within), notice: "why".into(), settle: false };
    let trace = adapter.force_off(delivery(TenantId(own.0 + 1)));
    assert!(!trace.iter().any(|event| matches!(event, Event::Send(..) | Event::Close(..))), "{trace:?}");
    let trace = adapter.force_off(delivery(own));
    assert!(trace.contains(&Event::Send(console, Payload::Text("why".into()))));
}

#[test]
fn what_a_cutoff_revoked_stays_so_when_the_next_one_exempts_the_user() {
    let mut adapter = adapter();
    let token = adapter.issue(WEB);
    adapter.order(0, &[]);
    adapter.force_off(ForceOff::CutOff { within: None, notice: String::new(), settle: true });
    let own = adapter.user.id().number().unwrap();
    adapter.order(0, &[own]);
    assert_eq!(adapter.token_status(&token), 1506);
    assert_eq!(token_status(&mut adapter, Some(START), false), Err(TokenError::Kicked));
    assert_eq!(token_status(&mut adapter, Some(START + 1), false), Ok(()));
}

#[test]
fn an_order_of_another_tenant_does_not_reach_a_user() {
    let mut adapter = adapter();
    let token = adapter.issue(WEB);
    adapter.open(&token);
    let order = |tenant| ForceOff::Everything { within: Some(TenantId(tenant)), notice: None };
    assert!(kicked(&adapter.force_off(order(1))).is_empty());
    assert_eq!(adapter.token_status(&token), 0);
    adapter.force_off(order(0));
    assert_eq!(adapter.token_status(&token), 1506);
}

#[test]
fn an_order_reaches_a_user_whom_nobody_has_seen_and_of_whom_no_tenant_is_known() {
    let mut adapter = adapter();
    let order = |tenant| ForceOff::Everything { within: Some(TenantId(tenant)), notice: None };
    let of = |tenant, issued_at| Bearer {
        tenant: TenantId(tenant),
        issued_at: Some(at(issued_at)),
        personal: false,
    };
    let token = adapter.issue(WEB);
    for tenant in [5, 6] {
        adapter.force_off(order(tenant));
    }
    let refused = Reply::TokenStatus(Err(TokenError::Kicked));
    assert_eq!(reply(&adapter.run(&Command::VerifyBearer(of(5, START)))), refused);
    assert_eq!(reply(&adapter.run(&Command::VerifyBearer(of(6, START)))), refused);
    assert_eq!(reply(&adapter.run(&Command::VerifyBearer(of(7, START)))), Reply::TokenStatus(Ok(())));
    assert_eq!(adapter.token_status(&token), 0, "it is of tenant 0 as far as its own token goes");
    assert_eq!(reply(&adapter.run(&Command::Unlock { within: None })), Reply::Unlocked(true));
    assert_eq!(reply(&adapter.run(&Command::VerifyBearer(of(5, START)))), Reply::TokenStatus(Ok(())));
    adapter.force_off(order(6));
    assert_eq!(
        reply(&adapter.run(&Command::VerifyBearer(of(6, START)))),
        Reply::TokenStatus(Ok(())),
        "of 5 by now"
    );
}

#[test]
fn an_unlock_of_one_tenant_lifts_what_that_tenants_orders_left() {
    let mut adapter = adapter();
    let order = |tenant| ForceOff::Everything { within: Some(TenantId(tenant)), notice: None };
    let unlock = |adapter: &mut Adapter<Sqlite>, tenant| {
        reply(&adapter.run(&Command::Unlock { within: Some(TenantId(tenant)) }))
    };
    // Whether tenant 0's order stands, and which of the other tenants' do.
    let standing = |adapter: &Adapter<Sqlite>| {
        let loaded = adapter.store.load(&adapter.user, &Command::Unlock { within: None }, adapter.time());
        let Profile { revoked_at, revoked_in, .. } = loaded.profile.unwrap();
        (revoked_at.is_some(), revoked_in.into_iter().map(|(tenant, _)| tenant.0).collect::<Vec<i64>>())
    };
    // As long as its tenant is unknown, the user is of tenant 0, and orders of others wait for its first token.
    for tenant in [0, 5, 6] {
        adapter.force_off(order(tenant));
    }
    assert_eq!(unlock(&mut adapter, 7), Reply::Unlocked(false));
    assert_eq!(standing(&adapter), (true, vec![5, 6]));
    assert_eq!(unlock(&mut adapter, 5), Reply::Unlocked(true));
    assert_eq!(unlock(&mut adapter, 5), Reply::Unlocked(false));
    assert_eq!(standing(&adapter), (true, vec![6]));
    assert_eq!(unlock(&mut adapter, 0), Reply::Unlocked(true));
    assert_eq!(unlock(&mut adapter, 0), Reply::Unlocked(false));
    assert_eq!(standing(&adapter), (false, vec![6]));
    adapter.force_off(order(0));
    assert_eq!(unlock(&mut adapter, 6), Reply::Unlocked(true));
    assert_eq!(standing(&adapter), (true, vec![]));
}

#[test]
fn an_overview_shows_what_is_live_to_the_users_tenant_and_to_no_other() {
    let mut adapter = adapter();
    let token = adapter.issue(WEB);
    let connection = adapter.open(&token);
    let console = open(&mut adapter);
    let seen = |adapter: &mut Adapter<Sqlite>, within: Option<i64>| {
        let Reply::Overview(seen) = reply(&adapter.run(&Command::Overview { within: within.map(TenantId) }))
        else {
            panic!("no overview")
        };
        let connections: Vec<ConnId> = seen.connections.iter().map(|one| one.connection).collect();
        (seen.tenant.0, connections, seen.consoles)
    };
    for within in [None, Some(0)] {
        assert_eq!(seen(&mut adapter, within), (0, vec![connection], vec![console]));
    }
    assert_eq!(seen(&mut adapter, Some(5)), (5, vec![], vec![]), "as of an unknown user");
    adapter.order(0, &[]);
    assert_eq!(seen(&mut adapter, None), (0, vec![], vec![]), "what a cutoff covers is in no answer");
}

#[test]
fn orders_about_a_user_whom_nobody_has_seen_are_bounded() {
    let mut adapter = adapter();
    for tenant in 1..=20 {
        adapter.force_off(ForceOff::Everything { within: Some(TenantId(tenant)), notice: None });
    }
    let refused = |adapter: &mut Adapter<Sqlite>, tenant| {
        let bearer = Bearer { tenant: TenantId(tenant), issued_at: None, personal: false };
        reply(&adapter.run(&Command::VerifyBearer(bearer))) != Reply::TokenStatus(Ok(()))
    };
    assert!((13..=20).all(|tenant| refused(&mut adapter, tenant)));
    assert!(!refused(&mut adapter, 12));
}

#[test]
fn a_token_is_held_against_the_cutoff_of_the_tenant_that_its_issuer_tells() {
    let adapter = adapter();
    let bearer = Command::VerifyBearer(Bearer { tenant: TenantId(5), issued_at: None, personal: false });
    let nothing = Loaded::default();
    let unknown = Loaded { profile: Some(Profile::default()), ..Loaded::default() };
    let tenant = |command: &Command, loaded| command.tenant(adapter.user.id(), loaded, &adapter.rules);
    assert_eq!(tenant(&bearer, &nothing), Ok(TenantId(5)));
    assert_eq!(tenant(&Command::Status, &unknown), Ok(TenantId(0)));
    assert!(tenant(&Command::Status, &nothing).is_err(), "its tenant was not loaded");
    let mut rules = adapter.rules.clone();
    rules.tenants.push((adapter.user.id().clone(), TenantId(8)));
    assert_eq!(Command::Status.tenant(adapter.user.id(), &nothing, &rules), Ok(TenantId(8)));
    assert_eq!(bearer.tenant(adapter.user.id(), &nothing, &rules), Ok(TenantId(8)));
}

const CONNECT: &str = "CONNECT\naccept-version:1.2\n\n\0";
const SUBSCRIBE: &str = "SUBSCRIBE\nid:s\ndestination:/user/queue/messages\n\n\0";

#[test]
fn a_conversation_goes_on_where_it_was_and_what_changes_nothing_is_not_kept() {
    let mut adapter = adapter();
    let console = talking(&mut adapter, Framing::Bare);
    let trace = said(&mut adapter, console, CONNECT);
    assert_eq!(trace[0], Event::Keep(console));
    assert!(texts(&trace, console)[0].starts_with("CONNECTED\nversion:1.2\n"));
    assert_eq!(said(&mut adapter, console, SUBSCRIBE), [Event::Keep(console), Event::Reply(Reply::Done)]);
    assert_eq!(said(&mut adapter, console, "\n"), [Event::Reply(Reply::Done)], "a beat");
    let trace = said(&mut adapter, console, "ACK\nid:1\nreceipt:r\n\n\0");
    assert_eq!(trace.len(), 2, "{trace:?}");
    assert_eq!(texts(&trace, console), ["RECEIPT\nreceipt-id:r\n\n\0"]);
}

#[test]
fn the_first_message_decides_what_a_console_speaks() {
    let mut adapter = adapter();
    for (first, speaks_stomp) in
        [(CONNECT, true), ("STOMP\r\n", true), ("hello", false), ("CONNECT", false), ("CONNECTED\n", false)]
    {
        let console = talking(&mut adapter, Framing::Undecided);
        // A ping decides nothing.
        let trace = said(&mut adapter, console, r#"{"type":"ping"}"#);
        assert_eq!(texts(&trace, console), [r#"{"type":"pong","body":null}"#]);
        let trace = said(&mut adapter, console, first);
        assert_eq!(trace[0], Event::Keep(console), "{first}");
        let kept = adapter.user.consoles().iter().find(|one| one.id == console).unwrap();
        assert_eq!(kept.speaks_stomp(), speaks_stomp, "{first}");
        assert!(speaks_stomp || kept.session.is_none());
        if !speaks_stomp {
            assert_eq!(said(&mut adapter, console, CONNECT), [Event::Reply(Reply::Done)], "{first}");
        }
        adapter.close(console);
    }
    let (undecided, binary) =
        (talking(&mut adapter, Framing::Undecided), talking(&mut adapter, Framing::Undecided));
    let message = Incoming::Binary(vec![1]);
    let trace = adapter.receive(binary, &message);
    assert!(trace.contains(&Event::Close(binary, Close::Undecodable)));
    assert_eq!(texts(&adapter.force_off(everything("why")), undecided), ["why"]);
}

#[test]
fn a_question_whether_a_console_could_connect_changes_nothing() {
    let mut adapter = adapter();
    let opening = ConsoleOpening {
        connection: adapter.draw_connection(),
        principal: principal(&adapter),
        client: Client::default(),
        session: None,
    };
    let question = Command::CanOpenConsole(Box::new(opening));
    assert_eq!(adapter.run(&question), [Event::Reply(Reply::Opened(Ok(())))]);
    assert!(!adapter.user.is_connected());
    adapter.force_off(everything("why"));
    assert_eq!(adapter.run(&question), [Event::Reply(Reply::Opened(Err(OpenError::Revoked)))]);
}

#[test]
fn an_order_is_told_to_subscribers_before_their_close() {
    for (framing, frames) in [(Framing::Bare, 1), (Framing::SockJs, 2)] {
        let mut adapter = adapter();
        let (console, deaf) = (talking(&mut adapter, framing), talking(&mut adapter, framing));
        for frame in [CONNECT, SUBSCRIBE] {
            let list = serde_json::to_string(&[frame]).unwrap();
            said(&mut adapter, console, if framing == Framing::Bare { frame } else { &list });
        }
        let trace = adapter.force_off(everything("why"));
        check_order(&trace, &[console, deaf].into());
        let told = texts(&trace, console);
        assert_eq!(told.len(), frames);
        assert!(told[0].contains("MESSAGE") && told[0].contains("why"));
        assert_eq!(texts(&trace, deaf).len(), frames - 1, "it subscribed to nothing");
        if framing == Framing::SockJs {
            assert_eq!(told[1], r#"c[4001,"forced_offline"]"#);
        }
        for gone in [console, deaf] {
            let closed = trace.iter().position(|e| *e == Event::Close(gone, Close::ForcedOffline)).unwrap();
            let last = trace.iter().rposition(|e| matches!(e, Event::Send(to, _) if *to == gone));
            assert!(last.is_none_or(|last| last < closed));
        }
    }
}

#[test]
fn what_ends_a_conversation_ends_the_console() {
    for (frame, close, answers) in [
        ("DISCONNECT\nreceipt:r\n\n\0", Close::Done, 1),
        ("DISCONNECT\n\n\0", Close::Done, 0),
        ("SUBSCRIBE\nid:1\ndestination:/other\n\n\0", Close::Policy, 1),
        ("rubbish\n\n\0", Close::Undecodable, 1),
    ] {
        let mut adapter = adapter();
        let console = talking(&mut adapter, Framing::Bare);
        said(&mut adapter, console, CONNECT);
        let trace = said(&mut adapter, console, frame);
        assert_eq!(texts(&trace, console).len(), answers, "{trace:?}");
        assert!(trace.contains(&Event::Close(console, close)));
        assert!(!adapter.user.is_connected());
    }
}

#[test]
fn the_constant_ping_is_answered_as_such_whatever_is_spoken() {
    let mut adapter = adapter();
    for framing in [Framing::Bare, Framing::SockJs] {
        let console = talking(&mut adapter, framing);
        let trace = said(&mut adapter, console, r#"{"type":"ping"}"#);
        assert_eq!(texts(&trace, console), [r#"{"type":"pong","body":null}"#]);
    }
}

#[test]
fn a_token_that_expires_closes_sockjs_in_its_own_words() {
    let mut adapter = adapter();
    let soon = Principal { expires: Some(at(START + 5_000)), ..principal(&adapter) };
    let (console, _) =
        try_open_with(&mut adapter, soon, Some(Session::new(Framing::SockJs, HeartbeatMode::Disabled)));
    let traces = adapter.wait(5_000);
    assert_eq!(texts(&traces[0], console), [r#"c[4001,"token_expired"]"#]);
    assert!(traces[0].contains(&Event::Close(console, Close::TokenExpired)));
}
