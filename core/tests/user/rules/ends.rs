//! The ends of connections and their records.

use super::*;

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
    adapter.force_off(ForceOff::Everything { within: None, notice: None, at: None });
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
    adapter.force_off(ForceOff::Everything { within: None, notice: None, at: None });
    assert_eq!(adapter.ended_at(record), Some(START + 1000));
}

#[test]
fn users_without_a_number_have_no_records_and_are_kicked_all_the_same() {
    let mut adapter = Adapter::new(Setup { numbered: false, grace: 30, ..Setup::default() });
    let token = adapter.issue(WEB);
    let connection = adapter.open(&token);
    assert_eq!(
        kicked(&adapter.force_off(ForceOff::Everything { within: None, notice: None, at: None })),
        [connection]
    );
    assert_eq!(adapter.store.records().len(), 0);
    let token = adapter.issue(WEB);
    let connection = adapter.open(&token);
    adapter.close(connection);
    assert_eq!((adapter.live(), adapter.wake_at), (vec![], None));
}
