//! Tokens cross the wire and are never printed.

use super::*;

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
