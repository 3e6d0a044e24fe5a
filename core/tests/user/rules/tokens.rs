//! Issued, kicked and unknown tokens.

use super::*;

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

/// The known-wrong way was to date claims by the clock that machines share, which the verifier does not go by.
#[test]
fn a_token_has_the_times_of_its_machine_and_its_row_the_date_of_the_shared_clock() {
    for ahead in [-3_600_000, -50_000, 50_000, 3_600_000] {
        let mut adapter = adapter(1);
        adapter.ahead = ahead;
        let token = adapter.issue(WEB);
        assert_eq!(adapter.token_status(&token), 0, "{ahead}");
        adapter.open(&token);
        assert_eq!(adapter.user.connections()[0].opened_at, adapter.time());
        adapter.wait(86_400_000 - 1_000);
        assert_eq!(adapter.token_status(&token), 0, "{ahead}");
        adapter.wait(1_000);
        assert_eq!(adapter.token_status(&token), 1501, "{ahead}");
    }
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
