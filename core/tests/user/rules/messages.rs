//! Messages of clients, and requests about other users.

use super::*;

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
fn a_message_of_a_connection_that_is_gone_changes_nothing() {
    let mut adapter = adapter(1);
    let token = adapter.issue(WEB);
    let connection = adapter.open(&token);
    let ping = adapter.decoded(connection, &Incoming::Text(PING.into()));
    assert_eq!(names(&adapter.run(&ping)), ["send", "reply"]);
    adapter.force_off(ForceOff::Everything { within: None, notice: None, at: None });
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
