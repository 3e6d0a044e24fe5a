//! What an administrator sees of a user, and tokens that it takes back one by one.

use super::*;
use rollcall_core::{
    audit::{Entry, EntryId, Operation, Part, Progress},
    id::{RecordId, TenantId, UserId},
    message_center::Principal,
    token::store::TokenState,
    user::{
        Bearer, Client, ConsoleOpening, Overview, Revoked, TOKENS_AT_ONCE, UserDetails, UserFacts,
        UserSnapshot,
    },
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

fn off_connections(adapter: &mut Adapter<Sqlite>, within: i64, of: &[ConnId]) -> Trace {
    let live = details(adapter).live.into_iter();
    let records = live.filter(|one| of.contains(&one.id)).filter_map(|one| one.record).collect();
    let notice = "n".to_owned();
    adapter.force_off(ForceOff::Connections { within: TenantId(within), records, notice })
}

#[test]
fn an_order_to_connections_takes_their_tokens_and_what_else_lives_on_those() {
    let mut adapter = adapter(0);
    let (shared, other) = (adapter.issue(WEB), adapter.issue(ANDROID));
    let (tab, second_tab) = (adapter.open(&shared), adapter.open(&shared));
    let bystander = adapter.open(&other);
    let console = console(&mut adapter);
    let trace = off_connections(&mut adapter, 7, &[tab, console]);
    assert_eq!(names(&trace), ["publish", "reply"], "an order of another tenant");
    let mut gone = kicked(&off_connections(&mut adapter, 0, &[tab]));
    gone.sort_unstable();
    let mut tabs = [tab, second_tab];
    tabs.sort_unstable();
    assert_eq!(gone, tabs);
    assert_eq!((adapter.token_status(&shared), adapter.token_status(&other)), (1506, 0));
    let live: Vec<_> = details(&mut adapter).live.iter().map(|one| one.id).collect();
    assert_eq!(live, [bystander, console]);
}

#[test]
fn an_order_to_a_console_closes_its_socket_and_takes_no_token() {
    let mut adapter = adapter(0);
    let token = adapter.issue(WEB);
    let connection = adapter.open(&token);
    let console = console(&mut adapter);
    let trace = off_connections(&mut adapter, 0, &[console]);
    assert!(names(&trace).contains(&"close"), "{trace:?}");
    assert_eq!(adapter.live(), [connection]);
    assert_eq!(adapter.token_status(&token), 0);
    let record = RecordId::from_number(1).unwrap();
    let unknown = ForceOff::Connections { within: TenantId(0), records: vec![record], notice: String::new() };
    assert_eq!(names(&adapter.force_off(unknown)), ["publish", "reply"]);
}

/// The machine that carries an order out may die before it has written down how far it came. Another one carries it out again.
#[test]
fn an_order_that_is_carried_out_again_leaves_what_came_after_it() {
    let mut adapter = adapter(0);
    let given = adapter.time();
    let order =
        |within| ForceOff::Everything { within: Some(TenantId(within)), notice: None, at: Some(given) };
    let bearer = |adapter: &mut Adapter<Sqlite>, tenant, issued_at| {
        let bearer = Bearer { tenant: TenantId(tenant), issued_at: Some(issued_at), personal: false };
        adapter.run(&Command::VerifyBearer(bearer)).pop()
    };
    let token = adapter.issue(WEB);
    let first = adapter.open(&token);
    adapter.wait(5_000);
    assert_eq!(
        kicked(&adapter.force_off(order(0))),
        [first],
        "what came before it was carried out goes, too"
    );
    adapter.wait(5_000);
    let since = adapter.issue(WEB);
    let second = adapter.open(&since);
    let before = adapter.store.dump();
    let again = adapter.force_off(order(0));
    assert_eq!(names(&again), ["publish", "reply"], "{again:?}");
    assert_eq!(
        (adapter.store.dump(), adapter.live(), adapter.token_status(&since)),
        (before, vec![second], 0)
    );
    // The same of an order to a tenant that the user may turn out to be of.
    assert!(kicked(&adapter.force_off(order(5))).is_empty());
    adapter.wait(5_000);
    let issued_at = adapter.time();
    adapter.wait(5_000);
    adapter.force_off(order(5));
    let good = Some(Event::Reply(Reply::TokenStatus(Ok(()))));
    assert_ne!(bearer(&mut adapter, 5, given), good);
    assert_eq!(bearer(&mut adapter, 5, issued_at), good);
    adapter.force_off(order(5));
    // A later order is another one.
    let later = ForceOff::Everything { within: None, notice: None, at: Some(adapter.time()) };
    adapter.force_off(later);
    assert_eq!(adapter.live(), []);
}

/// An import says when opaque tokens were revoked elsewhere, by another clock, and ends no socket.
#[test]
fn an_order_reaches_a_user_of_whom_an_import_says_a_later_date() {
    let mut adapter = adapter(0);
    let token = adapter.issue(WEB);
    let connection = adapter.open(&token);
    let given = adapter.time();
    let revoked_at = Some(given + std::time::Duration::from_secs(3_600));
    let facts = UserFacts { revoked_at, ..UserFacts::default() };
    let line = UserSnapshot { facts: Some(facts), ..UserSnapshot::default() };
    adapter.run(&Command::Restore(Box::new(line)));
    assert_eq!(adapter.live(), [connection]);
    let order = ForceOff::Everything { within: Some(TenantId(0)), notice: None, at: Some(given) };
    assert_eq!(kicked(&adapter.force_off(order)), [connection]);
}
