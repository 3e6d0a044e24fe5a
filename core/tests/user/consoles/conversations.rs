//! STOMP sessions of consoles, and what they hear of an order.

use super::*;

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
