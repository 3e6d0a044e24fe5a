//! Deny windows: until they end, the user gets no token and may not connect.

use super::*;
use rollcall_core::{
    deny::DenyWindow,
    id::{TenantId, UserId},
    message_center::Principal,
    token::TokenError,
    user::{
        Bearer, Client, ConsoleOpening, NamedOrder, OpenError, Overview, UserFacts, UserSnapshot, expiry,
        forget_unseen_before,
    },
};

const HOUR: u64 = 3_600;
const DAY: u64 = 24 * HOUR;

fn everything(within: i64) -> ForceOff {
    ForceOff::Everything { within: Some(TenantId(within)), notice: None, at: None }
}

/// An order to everything of the user with a window of so many seconds.
fn deny(adapter: &mut Adapter<Sqlite>, tenant: i64, seconds: u64) -> DenyWindow {
    let window = adapter.window(tenant, seconds);
    adapter.force_off(everything(tenant).denying(Some(window.clone())));
    window
}

fn bearer(adapter: &mut Adapter<Sqlite>, tenant: i64) -> Result<(), TokenError> {
    let issued_at = Some(adapter.time());
    let bearer = Bearer { tenant: TenantId(tenant), issued_at, personal: true };
    match adapter.run(&Command::VerifyBearer(bearer)).pop() {
        Some(Event::Reply(Reply::TokenStatus(status))) => status,
        other => panic!("{other:?}"),
    }
}

fn console(adapter: &mut Adapter<Sqlite>, tenant: i64) -> Result<(), OpenError> {
    let connection = adapter.draw_connection();
    let admin = Principal::openim_admin(adapter.user.id().clone());
    let issued_at = Some(adapter.time());
    let principal = Principal { sys_admin: false, tenant: TenantId(tenant), issued_at, ..admin };
    let opening = ConsoleOpening { connection, principal, client: Client::default(), session: None };
    match adapter.run(&Command::OpenConsole(Box::new(opening))).pop() {
        Some(Event::Reply(Reply::Opened(opened))) => opened,
        other => panic!("{other:?}"),
    }
}

fn unlock(adapter: &mut Adapter<Sqlite>, within: Option<i64>) -> bool {
    let within = within.map(TenantId);
    match adapter.run(&Command::Unlock { within }).pop() {
        Some(Event::Reply(Reply::Unlocked(unlocked))) => unlocked,
        other => panic!("{other:?}"),
    }
}

fn shown(adapter: &mut Adapter<Sqlite>) -> Option<DenyWindow> {
    match adapter.run(&Command::Overview { within: None, details: true }).pop() {
        Some(Event::Reply(Reply::Overview(Overview { details: Some(details), .. }))) => details.deny,
        other => panic!("{other:?}"),
    }
}

fn snapshot(adapter: &mut Adapter<Sqlite>) -> UserSnapshot {
    match adapter.run(&Command::Snapshot { after: None }).pop() {
        Some(Event::Reply(Reply::Snapshot(snapshot))) => snapshot,
        other => panic!("{other:?}"),
    }
}

#[test]
fn who_is_denied_gets_no_token_and_may_not_connect_until_the_window_ends() {
    let mut adapter = adapter(0);
    let kept = adapter.issue(ANDROID);
    let window = deny(&mut adapter, 0, HOUR);
    let until = window.until;
    for left in [HOUR, 1] {
        adapter.now = until.millis() - i64::try_from(left).unwrap() * 1_000;
        assert_eq!(adapter.try_issue(WEB), Err(until));
        assert_eq!(adapter.try_open(&kept).unwrap_err(), 1506);
        assert_eq!(bearer(&mut adapter, 0), Err(TokenError::Denied(until)), "though no order revokes it");
        assert_eq!(console(&mut adapter, 0), Err(OpenError::Token(TokenError::Denied(until))));
        assert_eq!(shown(&mut adapter).as_ref(), Some(&window));
    }
    adapter.now = until.millis();
    let token = adapter.issue(WEB);
    adapter.open(&token);
    assert_eq!((bearer(&mut adapter, 0), console(&mut adapter, 0)), (Ok(()), Ok(())));
    assert_eq!((adapter.token_status(&kept), shown(&mut adapter)), (1506, None));
}

/// `exp`, too, goes by the clock of the machine that looks.
#[test]
fn it_ends_by_the_clock_of_the_machine_that_looks() {
    let mut adapter = adapter(0);
    let window = deny(&mut adapter, 0, HOUR);
    adapter.ahead = 3_600_000;
    assert!(adapter.try_issue(WEB).is_ok());
    adapter.ahead = 3_599_999;
    assert_eq!(adapter.try_issue(WEB), Err(window.until));
}

#[test]
fn an_order_to_connections_leaves_the_others_and_their_tokens_but_none_opens_anew() {
    let mut adapter = adapter(0);
    let (taken, kept) = (adapter.issue(WEB), adapter.issue(ANDROID));
    let (gone, stays) = (adapter.open(&taken), adapter.open(&kept));
    let records = vec![adapter.record_of(gone)];
    let window = adapter.window(0, HOUR);
    let order = ForceOff::Connections { within: TenantId(0), records, notice: "n".to_owned() };
    let order = order.denying(Some(window.clone()));
    assert_eq!(kicked(&adapter.force_off(order.clone())), [gone]);
    assert_eq!((adapter.live(), adapter.token_status(&kept)), (vec![stays], 0));
    assert_eq!(adapter.try_open(&kept).unwrap_err(), 1506, "not even with a good token");
    // Its connections are gone by now, and the window opens all the same.
    assert!(unlock(&mut adapter, None));
    adapter.open(&kept);
    assert_eq!(kicked(&adapter.force_off(order)), []);
    assert_eq!(adapter.try_issue(WEB), Err(window.until));
}

#[test]
fn a_shorter_window_does_not_shorten_one_and_a_plain_order_leaves_it() {
    let mut adapter = adapter(0);
    let long = deny(&mut adapter, 0, DAY);
    deny(&mut adapter, 0, HOUR);
    adapter.force_off(everything(0));
    assert_eq!(shown(&mut adapter), Some(long));
    let longer = deny(&mut adapter, 0, 2 * DAY);
    assert_eq!(shown(&mut adapter), Some(longer));
}

#[test]
fn it_is_lifted_by_who_may_lift_it_and_then_a_login_works() {
    let mut adapter = adapter(0);
    deny(&mut adapter, 0, DAY);
    assert!(!unlock(&mut adapter, Some(5)));
    assert!(adapter.try_issue(WEB).is_err());
    assert!(unlock(&mut adapter, Some(0)));
    assert!(!unlock(&mut adapter, Some(0)), "there is nothing left");
    let token = adapter.issue(WEB);
    adapter.open(&token);
    assert_eq!((bearer(&mut adapter, 0), shown(&mut adapter)), (Ok(()), None));
    // The window alone is something to lift, and one that is over is not.
    deny(&mut adapter, 0, HOUR);
    assert!(unlock(&mut adapter, None));
    let window = adapter.window(0, HOUR);
    let facts = UserFacts { denied: vec![window], ..UserFacts::default() };
    let line = UserSnapshot { facts: Some(facts), ..UserSnapshot::default() };
    adapter.run(&Command::Restore(Box::new(line)));
    assert!(unlock(&mut adapter, None) && !unlock(&mut adapter, None));
    deny(&mut adapter, 0, HOUR);
    assert!(unlock(&mut adapter, None));
}

#[test]
fn a_user_of_another_tenant_ignores_it_and_it_counts_in_its_tenant_alone() {
    let mut adapter = adapter(0);
    assert_eq!(bearer(&mut adapter, 5), Ok(()));
    deny(&mut adapter, 0, DAY);
    assert_eq!((shown(&mut adapter), bearer(&mut adapter, 0)), (None, Ok(())), "it was of tenant 5");
    let until = deny(&mut adapter, 0, DAY).until;
    assert_eq!(bearer(&mut adapter, 0), Err(TokenError::Denied(until)));
    assert_eq!(bearer(&mut adapter, 6), Ok(()), "its issuer has moved it");
    assert!(adapter.try_issue(WEB).is_ok());
    assert_eq!(bearer(&mut adapter, 0), Err(TokenError::Denied(until)), "back again");
    // The configuration moves it.
    adapter.configure(Some(0));
    assert_eq!(adapter.try_issue(WEB), Err(until));
    adapter.configure(Some(7));
    assert!(adapter.try_issue(WEB).is_ok());
}

#[test]
fn a_stranger_is_denied_where_it_turns_out_to_be_at_home_for_as_long_as_the_window_lasts() {
    let mut adapter = adapter(0);
    adapter.rules.token_ttl_days = 90;
    let until = deny(&mut adapter, 5, 300 * DAY).until;
    // A later order, which is kept for less.
    adapter.force_off(everything(5));
    adapter.now += 299 * i64::try_from(DAY).unwrap() * 1_000;
    let (now, span) = (adapter.time(), adapter.rules.unseen_for());
    let [_, _, of_one_user] = expiry::forget_expired(now, span);
    for statement in [forget_unseen_before(now - span, 1_000), of_one_user] {
        adapter.store.rows(&statement);
    }
    assert_eq!(bearer(&mut adapter, 5), Err(TokenError::Denied(until)));
    assert!(adapter.try_issue(WEB).is_ok(), "until its issuer says so, it is of tenant 0");
}

#[test]
fn it_moves_with_its_user_and_the_later_end_wins_there_too() {
    let mut here = adapter(0);
    let window = deny(&mut here, 0, DAY);
    // One that is not delivered yet, and ends later.
    let later = here.window(0, 2 * DAY);
    here.deny_users(0, Some(later.clone()));
    let moved = snapshot(&mut here);
    assert_eq!(moved.facts.as_ref().unwrap().denied, std::slice::from_ref(&later));
    let mut there = adapter(0);
    let token = there.issue(WEB);
    let connection = there.open(&token);
    there.run(&Command::Restore(Box::new(crossed(&moved))));
    assert_eq!((shown(&mut there), there.live()), (Some(later.clone()), vec![connection]));
    assert_eq!((there.try_issue(WEB), there.try_open(&token).unwrap_err()), (Err(later.until), 1506));
    let facts = UserFacts { denied: vec![window], ..UserFacts::default() };
    let line = UserSnapshot { facts: Some(facts), ..UserSnapshot::default() };
    let before = there.store.dump();
    there.run(&Command::Restore(Box::new(line)));
    assert_eq!(there.store.dump(), before, "an earlier end");
}

/// The machine that carries an order out may die before it has written down how far it came, and a later order may come first.
#[test]
fn a_later_order_without_a_window_does_not_keep_an_earlier_one_from_opening() {
    let mut adapter = adapter(0);
    let (given, window) = (adapter.time(), adapter.window(0, DAY));
    adapter.wait(5_000);
    adapter.force_off(everything(0));
    let order = ForceOff::Everything { within: Some(TenantId(0)), notice: None, at: Some(given) };
    let order = order.denying(Some(window.clone()));
    adapter.force_off(order.clone());
    assert_eq!(shown(&mut adapter), Some(window));
    let before = adapter.store.dump();
    adapter.force_off(order);
    assert_eq!(adapter.store.dump(), before, "again");
}

#[test]
fn a_delivery_brings_no_window_that_was_lifted_before_it() {
    let mut adapter = adapter(0);
    let window = adapter.window(0, DAY);
    adapter.deny_users(0, Some(window.clone()));
    assert_eq!((shown(&mut adapter), adapter.try_issue(WEB)), (Some(window.clone()), Err(window.until)));
    assert!(unlock(&mut adapter, None));
    let token = adapter.issue(WEB);
    adapter.deliver_named();
    assert_eq!((shown(&mut adapter), adapter.token_status(&token)), (None, 0));
    adapter.deny_users(0, Some(window.clone()));
    adapter.deliver_named();
    assert_eq!(shown(&mut adapter), Some(window.clone()));
    // Nor does an order to somebody who has moved away.
    let mut other = super::adapter(0);
    assert_eq!(bearer(&mut other, 5), Ok(()));
    let order = NamedOrder {
        within: TenantId(0),
        serial: rollcall_core::serial::Serial::from_number(9),
        at: other.time(),
        notice: "n".to_owned(),
    };
    let before = other.store.dump();
    other.force_off(ForceOff::Named(order).denying(Some(window)));
    assert_eq!(other.store.dump(), before);
}

#[test]
fn a_user_without_a_number_is_denied_by_its_name() {
    let mut adapter = Adapter::new(Setup { policy: 0, numbered: false, ..Setup::default() });
    let window = deny(&mut adapter, 0, HOUR);
    assert_eq!(adapter.user.id(), &UserId::new("alice").unwrap());
    assert_eq!(adapter.try_issue(WEB), Err(window.until));
}
