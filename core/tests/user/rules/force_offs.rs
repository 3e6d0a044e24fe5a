//! What a force-off takes and what it leaves.

use super::*;

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
    other.force_off(ForceOff::Everything { within: None, notice: None, at: None });
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
    let trace = adapter.force_off(ForceOff::Everything { within: None, notice: None, at: None });
    assert_eq!(names(&trace), ["commit", "retire", "send", "close", "reply"]);
    assert_eq!(names(&adapter.force_off(of_connection(WEB, connection))), ["reply"]);
}
