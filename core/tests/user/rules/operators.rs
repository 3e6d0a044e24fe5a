//! What an administrator sees of a user, and tokens that it takes back one by one.

use super::*;
use rollcall_core::{
    audit::{Entry, EntryId, Operation, Part, Progress},
    id::{TenantId, UserId},
    message_center::Principal,
    token::store::TokenState,
    user::{Client, ConsoleOpening, Overview, Revoked, TOKENS_AT_ONCE, UserDetails},
};

fn overview(adapter: &mut Adapter<Sqlite>, within: Option<i64>) -> Overview {
    let within = within.map(TenantId);
    match adapter.run(&Command::Overview { within, details: true }).pop() {
        Some(Event::Reply(Reply::Overview(overview))) => overview,
        other => panic!("{other:?}"),
    }
}

fn details(adapter: &mut Adapter<Sqlite>) -> UserDetails {
    *overview(adapter, None).details.expect("it was asked for")
}

fn states(adapter: &mut Adapter<Sqlite>) -> Vec<(TokenHash, bool)> {
    details(adapter).tokens.iter().map(|row| (row.hash, row.state == TokenState::Valid)).collect()
}

fn revoke(adapter: &mut Adapter<Sqlite>, within: Option<i64>, tokens: &[&TokenText]) -> (Revoked, Trace) {
    let tokens = tokens.iter().map(|token| hash(token)).collect();
    let trace = adapter.force_off(ForceOff::Tokens { within: within.map(TenantId), tokens });
    match trace.last() {
        Some(Event::Reply(Reply::Revoked(revoked))) => (revoked.clone(), trace),
        other => panic!("{other:?}"),
    }
}

fn console(adapter: &mut Adapter<Sqlite>) -> ConnId {
    let connection = adapter.draw_connection();
    let admin = Principal::openim_admin(adapter.user.id().clone());
    let principal = Principal { sys_admin: false, issued_at: Some(adapter.time()), ..admin };
    let opening = ConsoleOpening { connection, principal, client: Client::default(), session: None };
    adapter.run(&Command::OpenConsole(Box::new(opening)));
    connection
}

#[test]
fn sockets_of_both_protocols_are_shown_in_the_order_in_which_they_opened() {
    let mut adapter = adapter(0);
    let token = adapter.issue(WEB);
    let first = adapter.open(&token);
    let second = console(&mut adapter);
    let third = adapter.open(&token);
    let record = adapter.record_of(first);
    let live = details(&mut adapter).live;
    assert_eq!(live.iter().map(|one| one.id).collect::<Vec<_>>(), [first, second, third]);
    assert_eq!(live[0].record, Some(record));
    assert!(live.windows(2).all(|pair| pair[0].opened_at < pair[1].opened_at));
    adapter.order(0, &[]);
    assert_eq!(details(&mut adapter).live, [], "what a cutoff covers is in no answer");
}

#[test]
fn good_tokens_are_shown_before_those_that_were_kicked_later() {
    let mut adapter = adapter(0);
    adapter.rules.policy = LoginPolicy::from_number(0, 1_000).unwrap();
    let kept = adapter.issue(WEB);
    let taken: Vec<_> = (0..TOKENS_AT_ONCE).map(|_| adapter.issue(ANDROID)).collect();
    adapter.force_off(ForceOff::Platform(platform(ANDROID)));
    let seen = details(&mut adapter);
    assert_eq!((seen.tokens.len(), seen.token_count), (TOKENS_AT_ONCE, 101));
    let newest = taken.iter().rev().map(|token| (hash(token), false));
    let wanted: Vec<_> = [(hash(&kept), true)].into_iter().chain(newest).take(TOKENS_AT_ONCE).collect();
    assert_eq!(states(&mut adapter), wanted);
    // What an order took is kicked before that is written down.
    adapter.order(0, &[]);
    assert!(states(&mut adapter).iter().all(|(_, good)| !good));
    adapter.now += 86_400_000;
    let seen = details(&mut adapter);
    assert_eq!((seen.tokens.len(), seen.token_count), (0, 0), "they have expired");
}

#[test]
fn an_administrator_of_another_tenant_sees_nothing_and_revokes_nothing() {
    let mut adapter = adapter(0);
    let token = adapter.issue(WEB);
    let connection = adapter.open(&token);
    let foreign = overview(&mut adapter, Some(7));
    assert_eq!((foreign.tenant.0, foreign.details), (7, Some(Box::default())));
    let before = adapter.store.dump();
    let (revoked, trace) = revoke(&mut adapter, Some(7), &[&token]);
    assert_eq!(revoked, Revoked { unknown: vec![hash(&token)], ..Revoked::default() });
    assert_eq!(names(&trace), ["publish", "reply"]);
    assert_eq!((adapter.store.dump(), adapter.live()), (before, vec![connection]));
}

#[test]
fn a_revoked_token_goes_with_its_connections_and_no_others() {
    let mut adapter = adapter(0);
    let (lost, kept) = (adapter.issue(WEB), adapter.issue(WEB));
    let on_lost = [adapter.open(&lost), adapter.open(&lost)];
    let on_kept = adapter.open(&kept);
    let stranger = adapter.forge(WEB);
    let before = adapter.user.connections().iter().map(|one| one.id).collect();
    let (revoked, trace) = revoke(&mut adapter, Some(0), &[&lost, &stranger, &lost]);
    check_order(&trace, &before);
    assert_eq!(revoked, Revoked { good: 1, connections: 2, unknown: vec![hash(&stranger)] });
    assert_eq!(kicked(&trace), on_lost);
    assert_eq!(publishes(&trace), [true], "the directory is awaited");
    assert_eq!(adapter.live(), [on_kept]);
    assert_eq!((adapter.token_status(&lost), adapter.token_status(&kept)), (1506, 0));
    let (again, trace) = revoke(&mut adapter, None, &[&lost]);
    assert_eq!(again, Revoked::default(), "a repetition changes nothing");
    assert_eq!(kicked(&trace), []);
}

#[test]
fn a_token_that_an_order_took_was_not_good_any_more() {
    let mut adapter = adapter(0);
    let token = adapter.issue(WEB);
    adapter.open(&token);
    adapter.order(0, &[]);
    let (revoked, trace) = revoke(&mut adapter, None, &[&token]);
    assert_eq!(revoked, Revoked::default());
    assert_eq!(kicked(&trace).len(), 1, "its socket had not heard of the order yet");
}

fn entry(tenant: Option<i64>) -> Entry {
    let id = EntryId::draw(Timestamp::from_secs(1), 7);
    let by = UserId::new("imAdmin").unwrap();
    let tenant = tenant.map(TenantId);
    Entry { id, tenant, by, operation: Operation::ForceLogout, details: "{}".to_owned() }
}

fn audited(adapter: &mut Adapter<Sqlite>, order: Command, tenant: Option<i64>) -> (Part, Trace) {
    let trace = adapter.run(&Command::Audited { order: Box::new(order), entry: Box::new(entry(tenant)) });
    let parts = trace.iter().flat_map(|event| match event {
        Event::Commit(changes) => changes.as_slice(),
        _ => &[],
    });
    let parts: Vec<Part> = parts
        .filter_map(|change| match change {
            Change::Audited(part) => Some(part.as_ref().clone()),
            _ => None,
        })
        .collect();
    assert_eq!(parts.len(), 1, "one commit has it: {trace:#?}");
    (parts[0].clone(), trace)
}

#[test]
fn an_order_is_one_commit_with_its_entry_in_the_audit() {
    let mut adapter = adapter(0);
    let token = adapter.issue(WEB);
    let (first, second) = (adapter.open(&token), adapter.open(&token));
    let platform = Command::ForceOff(ForceOff::Platform(platform(WEB)));
    let before = adapter.user.connections().iter().map(|one| one.id).collect();
    let (part, trace) = audited(&mut adapter, platform.clone(), None);
    check_order(&trace, &before);
    assert_eq!(kicked(&trace), [first, second]);
    assert_eq!((part.users, part.connections, part.tenant), (Some(1), Some(2), TenantId(0)));
    assert_eq!((part.target, part.progress), (Some(adapter.user.id().clone()), Progress::Done));
    assert_eq!(publishes(&trace), [true], "one publication has both");
    // A repetition ends nothing, and is an order.
    let (part, trace) = audited(&mut adapter, platform, Some(3));
    assert_eq!((part.connections, part.tenant), (Some(0), TenantId(3)));
    assert_eq!(trace.last(), Some(&Event::Reply(Reply::Done)));
}

#[test]
fn the_entry_of_an_order_that_ends_nothing_is_published_too() {
    let mut adapter = adapter(0);
    let unlock = Command::Unlock { within: None };
    let (part, trace) = audited(&mut adapter, unlock, None);
    assert_eq!((part.connections, publishes(&trace)), (Some(0), vec![true]));
    assert_eq!(trace.last(), Some(&Event::Reply(Reply::Unlocked(false))));
}

#[test]
fn no_order_has_two_entries() {
    let mut adapter = adapter(0);
    let inner =
        Command::Audited { order: Box::new(Command::Unlock { within: None }), entry: Box::new(entry(None)) };
    let (_, trace) = audited(&mut adapter, inner, None);
    assert_eq!(trace.last(), Some(&Event::Reply(Reply::Broken)));
}

/// Everybody may revoke tokens of their own, and repeat it without an end.
#[test]
fn a_user_who_revokes_none_of_its_own_tokens_leaves_no_entry() {
    let mut adapter = adapter(0);
    let token = adapter.issue(WEB);
    let revoke = |adapter: &mut Adapter<Sqlite>, by: UserId| {
        let order = Command::ForceOff(ForceOff::Tokens { within: None, tokens: vec![hash(&token)] });
        let entry = Entry { by, operation: Operation::TokensRevoke, ..entry(None) };
        let trace = adapter.run(&Command::Audited { order: Box::new(order), entry: Box::new(entry) });
        let is_part = |event: &Event| matches!(event, Event::Commit(changes) if changes.iter().any(|change| matches!(change, Change::Audited(_))));
        trace.iter().filter(|event| is_part(event)).count()
    };
    let own = adapter.user.id().clone();
    assert_eq!(revoke(&mut adapter, own.clone()), 1, "it was good");
    assert_eq!(revoke(&mut adapter, own), 0);
    assert_eq!(
        revoke(&mut adapter, UserId::from(900)),
        1,
        "an order of somebody else is one whatever it finds"
    );
}
