//! Snapshots: what moves with a user to another server, and what the other server makes of it.

use crate::harness::{Adapter, Event, Setup, Sqlite, Store as _, Trace, crossed, kicked};
use rollcall_core::{
    directory::view::Cutoff,
    id::TenantId,
    serial::Serial,
    token::{TokenHash, TokenText, store::TokenState},
    user::{Account, Bearer, Command, ForceOff, Reply, TOKENS_AT_ONCE, UserSnapshot},
};

const WEB: u8 = 5;
const IOS: u8 = 1;

fn adapter() -> Adapter<Sqlite> {
    Adapter::new(Setup { policy: 0, most_tokens: 1_000, ..Setup::default() })
}

fn reply(trace: &Trace) -> Reply {
    match trace.last() {
        Some(Event::Reply(reply)) => reply.clone(),
        other => panic!("{other:?} is no reply"),
    }
}

fn part(adapter: &mut Adapter<Sqlite>, after: Option<TokenHash>) -> UserSnapshot {
    match reply(&adapter.run(&Command::Snapshot { after })) {
        Reply::Snapshot(snapshot) => snapshot,
        other => panic!("{other:?} is no snapshot"),
    }
}

fn restore(adapter: &mut Adapter<Sqlite>, snapshot: &UserSnapshot) -> Trace {
    let trace = adapter.run(&Command::Restore(Box::new(crossed(snapshot))));
    assert_eq!(reply(&trace), Reply::Done);
    trace
}

/// Another server with what moved from this one; taking it in again changes nothing.
fn moved(from: &mut Adapter<Sqlite>) -> Adapter<Sqlite> {
    let mut to = adapter();
    for (tenant, cutoff) in &from.orders {
        let cutoff = Cutoff { serial: Serial::NONE, ..cutoff.clone() };
        to.orders.insert(*tenant, Cutoff::adopt(None, cutoff).unwrap().unwrap());
    }
    let snapshot = part(from, None);
    restore(&mut to, &snapshot);
    let once = to.store.dump();
    restore(&mut to, &snapshot);
    assert_eq!(to.store.dump(), once);
    assert_eq!(part(&mut to, None), normal(snapshot), "what moves on");
    to
}

/// The snapshot as a server without orders of its own gives it.
fn normal(mut snapshot: UserSnapshot) -> UserSnapshot {
    snapshot.tokens.iter_mut().for_each(|row| row.under = Serial::NONE);
    snapshot
}

fn statuses(adapter: &mut Adapter<Sqlite>, tokens: &[TokenText]) -> Vec<i64> {
    tokens.iter().map(|token| adapter.token_status(token)).collect()
}

fn is_good(adapter: &mut Adapter<Sqlite>, bearer: Bearer) -> bool {
    match reply(&adapter.run(&Command::VerifyBearer(bearer))) {
        Reply::TokenStatus(status) => status.is_ok(),
        other => panic!("{other:?} is no status"),
    }
}

const ANCIENT: Bearer = Bearer { tenant: TenantId(7), issued_at: None, personal: false };

#[test]
fn every_token_has_the_state_that_readers_saw() {
    let mut here = adapter();
    let cut_off = here.issue(WEB);
    here.order(0, &[]);
    let kicked = here.issue(IOS);
    here.force_off(ForceOff::Platform(rollcall_core::platform::Platform::Ios));
    let valid = here.issue(WEB);
    let tokens = [cut_off, kicked, valid];
    let before = statuses(&mut here, &tokens);
    assert_eq!(before, [1506, 1506, 0]);
    let mut there = moved(&mut here);
    assert_eq!(statuses(&mut there, &tokens), before);
    let forged = there.forge(WEB);
    assert_eq!(there.token_status(&forged), 1507);
    // What the other server begins is newer, and its own orders cover what moved.
    let next = there.issue(WEB);
    assert_eq!(there.token_status(&next), 0);
    there.order(0, &[]);
    assert_eq!(statuses(&mut there, &tokens), [1506; 3]);
}

#[test]
fn a_user_with_very_many_tokens_comes_in_parts() {
    let mut here = adapter();
    let tokens: Vec<_> = (0..=2 * TOKENS_AT_ONCE).map(|_| here.issue(WEB)).collect();
    let (mut there, mut after, mut parts) = (adapter(), None, 0);
    loop {
        let snapshot = part(&mut here, after);
        assert_eq!(snapshot.facts.is_some(), parts == 0);
        assert!(snapshot.tokens.len() <= TOKENS_AT_ONCE);
        restore(&mut there, &snapshot);
        parts += 1;
        after = snapshot.next;
        if after.is_none() {
            break;
        }
    }
    assert_eq!(parts, 3);
    assert!(statuses(&mut there, &tokens).iter().all(|status| *status == 0));
}

#[test]
fn nothing_is_known_of_an_unknown_user_and_expired_tokens_stay() {
    let mut here = adapter();
    assert_eq!(part(&mut here, None), UserSnapshot::default());
    let token = here.issue(WEB);
    let snapshot = part(&mut here, None);
    here.now += 2 * 86_400_000;
    assert_eq!(part(&mut here, None).tokens, []);
    let mut late = adapter();
    late.now = here.now;
    restore(&mut late, &snapshot);
    assert!(late.store.tokens(late.user.id()).is_empty());
    assert_eq!(late.token_status(&token), here.token_status(&token));
}

#[test]
fn what_is_kicked_on_either_side_is_kicked_and_its_connection_ends() {
    let mut here = adapter();
    let (first, second) = (here.issue(WEB), here.issue(IOS));
    let valid = part(&mut here, None);
    let mut there = moved(&mut here);
    let connection = there.open(&first);
    let other = there.open(&second);
    here.force_off(ForceOff::Platform(rollcall_core::platform::Platform::Web));
    let trace = restore(&mut there, &part(&mut here, None));
    assert_eq!(kicked(&trace), [connection]);
    assert_eq!(there.live(), [other]);
    assert_eq!(statuses(&mut there, &[first.clone(), second.clone()]), [1506, 0]);
    restore(&mut there, &valid);
    assert_eq!(there.token_status(&first), 1506, "an older export brings nothing back");
    let states = there.store.tokens(there.user.id());
    assert_eq!(states[&TokenHash::of(first.expose())], TokenState::Kicked);
}

#[test]
fn tenant_account_and_cutoffs_for_opaque_tokens_move() {
    let mut here = adapter();
    here.run(&Command::Register(Account::new("Ada", "https://a.example/1").unwrap()));
    assert!(is_good(&mut here, ANCIENT));
    here.order(7, &[]);
    assert!(!is_good(&mut here, ANCIENT));
    let mut there = moved(&mut here);
    assert!(!is_good(&mut there, ANCIENT), "under the order of its tenant");
    assert_eq!(part(&mut there, None).facts.unwrap().tenant, Some(TenantId(7)));

    assert_eq!(reply(&here.run(&Command::Unlock { within: None })), Reply::Unlocked(true));
    let mut there = moved(&mut here);
    assert!(is_good(&mut there, ANCIENT), "unlocked there too");
    there.order(7, &[]);
    assert!(!is_good(&mut there, ANCIENT), "until the next order");

    here.now += 1_000;
    here.force_off(ForceOff::Everything { within: None, notice: None, at: None });
    let mut there = moved(&mut here);
    assert!(!is_good(&mut there, ANCIENT), "the user's own cutoff");
    let young = Bearer { issued_at: Some(here.time() + std::time::Duration::from_secs(1)), ..ANCIENT };
    assert!(is_good(&mut there, young));
}

#[test]
fn a_user_that_only_orders_name_stays_one_and_is_forgotten_in_time() {
    let mut here = adapter();
    here.force_off(ForceOff::Everything { within: None, notice: None, at: None });
    let there = &mut moved(&mut here);
    assert!(part(there, None).facts.unwrap().is_unseen);
    assert!(!is_good(there, ANCIENT));
}
