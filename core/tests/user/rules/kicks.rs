//! A kick: what it does, in which order, and that it is done whole or not at all.

use super::*;

#[test]
fn what_was_not_loaded_is_an_error_and_never_an_empty_answer() {
    let mut adapter = adapter(1);
    let token = adapter.issue(WEB);
    let connection = adapter.open(&token);
    let everything = ForceOff::Everything { within: None, notice: None, at: None };
    let commands = [
        Command::Status,
        Command::Account,
        Command::Unlock { within: None },
        Command::Overview { within: None, details: true },
        Command::Tick,
        Command::FanOut,
        Command::IssueToken { platform: platform(WEB) },
        Command::VerifyToken { token: hash(&token) },
        Command::ForceOff(everything),
        Command::ForceOff(ForceOff::Tokens { within: None, tokens: vec![hash(&token)] }),
        Command::ForceOff(of_connection(WEB, connection)),
        Command::ForceOff(of_token(WEB, &token)),
        Command::Close { connection },
        Command::Open(Box::new(adapter.opening(&token).unwrap())),
    ];
    let at = Moment { now: adapter.time(), machine: adapter.machine(), entropy: 0 };
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
        ForceOff::Everything { within: None, notice: None, at: None },
    ] {
        assert!(adapter.attempt(&Command::ForceOff(what), true).is_err(), "no trace: no frame, no close");
        assert_eq!(adapter.user, user);
        assert_eq!(adapter.store.dump(), store);
        assert_eq!(adapter.token_status(&token), 0);
    }
    adapter.force_off(ForceOff::Everything { within: None, notice: None, at: None });
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
