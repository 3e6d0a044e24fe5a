//! Connections that open, and those that they replace.

use super::*;

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
    adapter.force_off(ForceOff::Everything { within: None, notice: None, at: None });
    opening.claimed.user = "mallory".into();
    let trace = adapter.run(&Command::Open(Box::new(opening)));
    let Some(Event::Reply(Reply::Opened(Err(error)))) = trace.last() else { panic!("{trace:?}") };
    assert_eq!(refusal(error).0, 1506);
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
fn replacements_of_one_millisecond_are_counted_one_by_one() {
    let mut adapter = adapter(1);
    let token = adapter.issue(WEB);
    for _ in 0..7 {
        adapter.open(&token);
    }
    assert_eq!(adapter.live().len(), 2, "five were replaced, the sixth time both were kept");
}

/// The known-wrong way was to count them until the clock had come to their dates again: every client that lost its connection kept two.
#[test]
fn replacements_of_before_a_step_back_of_the_clock_do_not_count() {
    let mut adapter = adapter(1);
    adapter.rules.token_ttl_days = 1_000;
    let token = adapter.issue(WEB);
    for _ in 0..6 {
        adapter.open(&token);
    }
    assert_eq!(adapter.live().len(), 1, "five were replaced");
    adapter.now -= 3_600_000;
    // The token itself is issued by the clock that was ahead.
    let opening = |adapter: &mut Adapter<Sqlite>| {
        adapter.ahead = 3_600_000;
        adapter.open(&token)
    };
    opening(&mut adapter);
    assert_eq!(adapter.live().len(), 1, "one client that comes again");
    for _ in 0..5 {
        opening(&mut adapter);
    }
    assert_eq!(adapter.live().len(), 2, "two that fight are still told apart");
}
