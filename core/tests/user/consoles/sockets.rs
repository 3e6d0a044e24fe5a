//! Consoles as connections of their user: records, limits, pings, ends.

use super::*;

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
    adapter.force_off(ForceOff::Platform(crate::harness::platform(WEB)));
    assert_eq!(adapter.user.consoles()[0].id, console);
    assert_eq!(token_status(&mut adapter, None, false), Ok(()));
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

/// Its issuer speaks of the machine's clock, and ticks of the one that machines share.
#[test]
fn a_console_ends_with_its_token_where_the_machines_clock_is_another() {
    for ahead in [-50_000, 50_000] {
        let mut adapter = adapter();
        adapter.ahead = ahead;
        let soon = Principal { expires: Some(at(START + ahead + 5_000)), ..principal(&adapter) };
        let (console, _) = try_open(&mut adapter, soon);
        assert_eq!(adapter.wake_at, Some(at(START + 5_000)));
        let traces = adapter.wait(5_000);
        assert!(traces[0].contains(&Event::Close(console, Close::TokenExpired)), "{ahead}");
        assert_eq!(adapter.wake_at, None);
    }
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
