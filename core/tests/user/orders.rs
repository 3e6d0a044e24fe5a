//! Orders to tenants while the clock runs as it likes and users move between tenants: what came first is decided by numbers.

use std::collections::BTreeMap;

use crate::harness::{Adapter, Event, Setup, Sqlite, Store as _, Trace, kicked};
use proptest::prelude::*;
use rollcall_core::{
    id::{ConnId, TenantId},
    message_center::Principal,
    token::{TokenError, TokenHash, TokenText},
    user::{
        Bearer, Client, Command, ConsoleOpening, ForceOff, Reply, User, expiry, forget_unseen_before,
        last_opening, newest_opening, read_opening,
    },
};

const WEB: u8 = 5;
const SECOND: i64 = 1_000;
const HOUR: i64 = 3_600 * SECOND;
const DAY: i64 = 24 * HOUR;

fn adapter() -> Adapter<Sqlite> {
    let mut adapter = Adapter::new(Setup { policy: 0, ..Setup::default() });
    // A step of the clock is no reason to refuse a token here.
    adapter.rules.token_ttl_days = 1_000;
    adapter
}

fn reply(trace: &Trace) -> &Reply {
    match trace.last() {
        Some(Event::Reply(reply)) => reply,
        other => panic!("{other:?} is no reply"),
    }
}

/// The answer to a token of ours, whatever its times say.
fn is_good(adapter: &mut Adapter<Sqlite>, token: TokenHash) -> bool {
    match reply(&adapter.run(&Command::VerifyToken { token })) {
        Reply::TokenStatus(Ok(())) => true,
        Reply::TokenStatus(Err(TokenError::Kicked)) => false,
        other => panic!("{other:?}"),
    }
}

fn hash(token: &TokenText) -> TokenHash {
    TokenHash::of(token.expose())
}

/// The answer to an opaque token.
fn bearer(adapter: &mut Adapter<Sqlite>, tenant: i64, issued_at: Option<i64>) -> Result<(), TokenError> {
    let issued_at = issued_at.map(rollcall_core::time::Timestamp::from_millis);
    let bearer = Bearer { tenant: TenantId(tenant), issued_at, personal: false };
    match reply(&adapter.run(&Command::VerifyBearer(bearer))) {
        Reply::TokenStatus(status) => *status,
        other => panic!("{other:?}"),
    }
}

/// Opens a console with a token that its issuer gave for a tenant.
fn console(adapter: &mut Adapter<Sqlite>, tenant: i64) -> (ConnId, Trace) {
    let connection = adapter.draw_connection();
    let admin = Principal::openim_admin(adapter.user.id().clone());
    let issued_at = Some(adapter.time());
    let principal = Principal { sys_admin: false, tenant: TenantId(tenant), issued_at, ..admin };
    let opening = ConsoleOpening { connection, principal, client: Client::default(), session: None };
    (connection, adapter.run(&Command::OpenConsole(Box::new(opening))))
}

fn live_by_status(adapter: &mut Adapter<Sqlite>) -> usize {
    match reply(&adapter.run(&Command::Status)) {
        Reply::Presence(all) => all.len(),
        other => panic!("{other:?}"),
    }
}

/// The sweeps of both runtimes.
fn forget_unseen(adapter: &Adapter<Sqlite>) {
    let (now, span) = (adapter.time(), adapter.rules.unseen_for());
    let [_, _, of_one_user] = expiry::forget_expired(now, span);
    for statement in [forget_unseen_before(now - span, 1_000), of_one_user] {
        adapter.store.rows(&statement);
    }
}

fn deliver(adapter: &mut Adapter<Sqlite>, tenant: i64) -> Trace {
    let within = Some(TenantId(tenant));
    adapter.force_off(ForceOff::CutOff { within, notice: String::new(), settle: false })
}

#[test]
fn an_order_covers_what_came_before_it_and_nothing_else_however_the_clock_steps() {
    for step in [-91 * DAY, -HOUR, -45 * SECOND, -1, 0, 1, HOUR, 91 * DAY] {
        let mut adapter = adapter();
        let before = adapter.issue(WEB);
        adapter.open(&before);
        adapter.order(0, &[]);
        adapter.now += step;
        assert!(!is_good(&mut adapter, hash(&before)), "{step}");
        assert_eq!(live_by_status(&mut adapter), 0, "{step}");
        let after = adapter.issue(WEB);
        adapter.open(&after);
        assert!(is_good(&mut adapter, hash(&after)), "{step}: a login after the order");
        assert_eq!(live_by_status(&mut adapter), 1, "{step}");
        // The same order again takes what came meanwhile, and gives nothing back.
        adapter.now -= 2 * step;
        adapter.order(0, &[]);
        assert!(!is_good(&mut adapter, hash(&before)) && !is_good(&mut adapter, hash(&after)), "{step}");
        assert_eq!(kicked(&deliver(&mut adapter, 0)).len(), 2, "{step}");
    }
}

#[test]
fn an_opaque_token_that_an_order_took_stays_taken_when_the_order_is_repeated_after_a_step_back() {
    let mut adapter = adapter();
    adapter.order(0, &[]);
    let issued = adapter.now - SECOND;
    adapter.now -= HOUR;
    adapter.order(0, &[]);
    assert_eq!(bearer(&mut adapter, 0, Some(issued)), Err(TokenError::Kicked));
}

/// The known-wrong way was to write nothing when an opaque token of a user's own tenant proved it: the order counted as one about a
/// stranger.
#[test]
fn an_order_about_a_user_that_an_opaque_token_has_proved_is_kept_for_good() {
    let everything = || ForceOff::Everything { within: None, notice: None, at: None };
    let proofs: [fn(&mut Adapter<Sqlite>, i64); 3] = [
        |adapter, tenant| assert_eq!(bearer(adapter, tenant, Some(adapter.now)), Ok(())),
        |adapter, tenant| {
            let (connection, _) = console(adapter, tenant);
            adapter.close(connection);
        },
        |adapter, tenant| {
            adapter.order(tenant, &[]);
            assert_eq!(bearer(adapter, tenant, Some(adapter.now)), Err(TokenError::Kicked));
        },
    ];
    for (prove, tenant) in proofs.iter().flat_map(|prove| [(prove, 0), (prove, 5)]) {
        let mut adapter = adapter();
        adapter.rules.token_ttl_days = 90;
        if tenant != 0 {
            adapter.rules.tenants = vec![(adapter.user.id().clone(), TenantId(tenant))];
        }
        let issued_at = Some(adapter.now);
        prove(&mut adapter, tenant);
        let before = adapter.store.dump();
        let _ = bearer(&mut adapter, tenant, issued_at);
        assert_eq!(adapter.store.dump(), before, "the second proof writes nothing");
        adapter.force_off(everything());
        adapter.orders.clear();
        adapter.now += 91 * DAY;
        forget_unseen(&adapter);
        assert_eq!(bearer(&mut adapter, tenant, issued_at), Err(TokenError::Kicked), "{tenant}");
    }
    // A stranger's order is forgotten, unless the stranger turns up in time.
    let mut adapter = adapter();
    adapter.rules.token_ttl_days = 90;
    let issued_at = Some(adapter.now);
    adapter.force_off(everything());
    assert_eq!(bearer(&mut adapter, 0, issued_at), Err(TokenError::Kicked));
    adapter.now += 91 * DAY;
    forget_unseen(&adapter);
    assert_eq!(bearer(&mut adapter, 0, issued_at), Err(TokenError::Kicked));
    let mut adapter = self::adapter();
    adapter.rules.token_ttl_days = 90;
    adapter.force_off(everything());
    adapter.now += 91 * DAY;
    forget_unseen(&adapter);
    assert_eq!(bearer(&mut adapter, 0, issued_at), Ok(()));
}

#[test]
fn an_order_of_a_clock_that_was_a_year_ahead_is_lifted_for_good() {
    let unlocked_user = |adapter: &mut Adapter<Sqlite>| {
        assert_eq!(reply(&adapter.run(&Command::Unlock { within: None })), &Reply::Unlocked(true));
    };
    let unlocked_tenant = |adapter: &mut Adapter<Sqlite>| {
        adapter.orders.values_mut().for_each(|cutoff| cutoff.lifted = true);
    };
    for unlock in [unlocked_user, unlocked_tenant] {
        let mut adapter = adapter();
        adapter.now += 365 * DAY;
        adapter.order(0, &[]);
        adapter.now -= 365 * DAY;
        let now = adapter.now;
        assert_eq!(bearer(&mut adapter, 0, Some(now)), Err(TokenError::Kicked), "by its date");
        let token = adapter.issue(WEB);
        assert!(is_good(&mut adapter, hash(&token)), "a token of ours needs no unlocking");
        unlock(&mut adapter);
        assert_eq!(bearer(&mut adapter, 0, Some(now)), Ok(()));
        // The next order is in force again, and dated by today's clock where the tenant was unlocked.
        adapter.order(0, &[]);
        assert_eq!(bearer(&mut adapter, 0, Some(now)), Err(TokenError::Kicked));
        assert!(!is_good(&mut adapter, hash(&token)));
    }
}

/// The user leaves memory and comes back with what the store knows of its openings.
fn reload(adapter: &mut Adapter<Sqlite>) {
    let mut user = User::new(adapter.user.id().clone(), Vec::new());
    let opening = |statement| read_opening(&adapter.store.rows(&statement));
    if let Some(last) = opening(last_opening(user.id().number().unwrap())) {
        assert_eq!(opening(newest_opening()), Some(last), "no other user has records");
        user.recall_opening(last);
    }
    adapter.user = user;
}

/// The known-wrong way was to forget the last opening with the user's last socket, or with the process.
#[test]
fn the_dates_of_a_user_never_run_backwards() {
    let mut adapter = adapter();
    let mut last = None;
    for step in [0, 0, -HOUR, 1, -91 * DAY, 182 * DAY, -DAY] {
        adapter.now += step;
        reload(&mut adapter);
        let token = adapter.issue(WEB);
        let connection = adapter.open(&token);
        let record = adapter.record_of(connection);
        let shown = adapter.store.records()[&record];
        assert!(last < Some((record, shown.online_at)), "{step}: {shown:?} after {last:?}");
        last = Some((record, shown.online_at));
        adapter.now -= 10;
        adapter.close(connection);
        let ended = adapter.ended_at(record).unwrap();
        assert!(ended >= shown.online_at, "{step}: it ended at {ended} and began at {}", shown.online_at);
    }
}

#[test]
fn what_an_order_took_stays_taken_when_an_issuer_moves_the_user() {
    let mut adapter = adapter();
    let token = adapter.issue(WEB);
    let connection = adapter.open(&token);
    let record = adapter.record_of(connection);
    adapter.order(0, &[]);
    let (_, trace) = console(&mut adapter, 5);
    assert_eq!(kicked(&trace), [connection], "its delivery would not find the user any more");
    assert!(!is_good(&mut adapter, hash(&token)));
    assert!(adapter.ended_at(record).is_some());
    let kept = adapter.issue(WEB);
    adapter.open(&kept);
    assert_eq!(bearer(&mut adapter, 6, None), Ok(()));
    assert!(is_good(&mut adapter, hash(&kept)), "nothing took it");
    for tenant in [0, 5] {
        adapter.order(tenant, &[]);
        assert!(is_good(&mut adapter, hash(&kept)), "the user is of neither tenant");
    }
    adapter.order(6, &[]);
    assert!(!is_good(&mut adapter, hash(&kept)));
    assert_eq!(live_by_status(&mut adapter), 0);
}

#[test]
fn what_an_order_took_stays_taken_when_the_configuration_moves_the_user() {
    let mut adapter = adapter();
    let (old, kept) = (adapter.issue(WEB), adapter.issue(2));
    adapter.order(0, &[]);
    let new = adapter.issue(WEB);
    let user = adapter.user.id().clone();
    adapter.rules.tenants = vec![(user, TenantId(5))];
    for round in ["before the first write", "after it"] {
        assert!(!is_good(&mut adapter, hash(&old)) && !is_good(&mut adapter, hash(&kept)), "{round}");
        assert!(is_good(&mut adapter, hash(&new)), "{round}");
        adapter.issue(3);
    }
    adapter.order(5, &[]);
    assert!(!is_good(&mut adapter, hash(&new)));
    adapter.rules.tenants.clear();
    assert!(!is_good(&mut adapter, hash(&new)), "back again");
}

#[test]
fn an_order_to_the_tenant_that_the_configuration_moved_a_user_to_takes_its_old_tokens() {
    let mut adapter = adapter();
    adapter.order(0, &[]);
    let token = adapter.issue(WEB);
    let user = adapter.user.id().clone();
    adapter.rules.tenants = vec![(user, TenantId(5))];
    adapter.order(5, &[]);
    assert!(!is_good(&mut adapter, hash(&token)));
    deliver(&mut adapter, 5);
    adapter.issue(2);
    assert!(!is_good(&mut adapter, hash(&token)));
}

/// What `docs/rules/users.md#tenant` says of two changes with an order in between, and of what an operator does about it.
#[test]
fn after_two_changes_of_the_configuration_the_order_in_between_is_remembered_where_the_token_is_under_it() {
    for (orders, is_good_afterwards) in [(&[5][..], true), (&[5, 0], false)] {
        let mut adapter = adapter();
        let token = adapter.issue(WEB);
        adapter.configure(Some(5));
        orders.iter().for_each(|tenant| adapter.order(*tenant, &[]));
        assert!(!is_good(&mut adapter, hash(&token)));
        adapter.configure(Some(6));
        assert_eq!(is_good(&mut adapter, hash(&token)), is_good_afterwards, "{orders:?}");
    }
    let mut adapter = adapter();
    let token = adapter.issue(WEB);
    adapter.configure(Some(5));
    adapter.force_off(ForceOff::Everything { within: Some(TenantId(5)), notice: None, at: None });
    adapter.configure(Some(6));
    assert!(!is_good(&mut adapter, hash(&token)), "an order to the user by its id");
}

/// One thing that happens.
#[derive(Clone, Debug)]
enum Step {
    Clock(i64),
    Issue,
    Open(usize),
    Order { tenant: i64, exempt: bool },
    Deliver,
    Bearer(i64),
    Console(i64),
    Unlock,
}

fn step() -> impl Strategy<Value = Step> {
    let clock =
        prop::sample::select(vec![-91 * DAY, -HOUR, -45 * SECOND, -1, 1, 45 * SECOND, HOUR, 91 * DAY]);
    let tenant = || prop::sample::select(vec![0_i64, 5, 6]);
    prop_oneof![
        3 => clock.prop_map(Step::Clock),
        3 => Just(Step::Issue),
        4 => (0..32_usize).prop_map(Step::Open),
        3 => (tenant(), prop::bool::weighted(0.2)).prop_map(|(tenant, exempt)| Step::Order { tenant, exempt }),
        1 => Just(Step::Deliver),
        2 => tenant().prop_map(Step::Bearer),
        1 => tenant().prop_map(Step::Console),
        1 => Just(Step::Unlock),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    /// A naive memory beside the user: a token is good until an order to the tenant that the user is of at that time.
    #[test]
    fn tokens_and_connections_follow_the_order_of_events(steps in prop::collection::vec(step(), 1..40)) {
        let mut adapter = adapter();
        let own = adapter.user.id().number().unwrap();
        let mut tenant = 0;
        let mut tokens: Vec<TokenText> = Vec::new();
        let mut good: BTreeMap<TokenHash, bool> = BTreeMap::new();
        // Whether an order took the connection, which may wait for its delivery.
        let mut taken: BTreeMap<ConnId, bool> = BTreeMap::new();
        for step in steps {
            match step {
                Step::Clock(by) => adapter.now += by,
                Step::Issue => {
                    let token = adapter.issue(WEB);
                    good.insert(hash(&token), true);
                    tokens.push(token);
                }
                Step::Open(nth) if !tokens.is_empty() => {
                    let token = tokens[nth % tokens.len()].clone();
                    // A token from a clock that was ahead is not valid yet.
                    let Ok(opening) = adapter.opening(&token) else { continue };
                    let id = opening.connection;
                    let trace = adapter.run(&Command::Open(Box::new(opening)));
                    let opened = matches!(reply(&trace), Reply::Opened(Ok(())));
                    prop_assert_eq!(opened, good[&hash(&token)]);
                    if opened {
                        taken.insert(id, false);
                    }
                }
                Step::Open(_) => {}
                Step::Order { tenant: of, exempt } => {
                    // The rule of an adapter: what the previous order took is settled before one that exempts the user.
                    let before = adapter.cutoff(of).is_some_and(|cutoff| !cutoff.exempt.contains(&own));
                    if exempt && before {
                        let within = Some(TenantId(of));
                        adapter.force_off(ForceOff::CutOff { within, notice: String::new(), settle: true });
                    }
                    let exempt = if exempt { vec![own] } else { vec![] };
                    adapter.order(of, &exempt);
                    if of == tenant && exempt.is_empty() {
                        good.values_mut().for_each(|good| *good = false);
                        taken.values_mut().for_each(|taken| *taken = true);
                    }
                }
                Step::Deliver => {
                    deliver(&mut adapter, tenant);
                    prop_assert!(adapter.live().iter().all(|id| taken.get(id) != Some(&true)));
                }
                Step::Bearer(of) => {
                    if bearer(&mut adapter, of, Some(i64::MAX)).is_ok() {
                        tenant = of;
                    }
                }
                Step::Console(of) => {
                    if let (id, trace) = console(&mut adapter, of)
                        && matches!(reply(&trace), Reply::Opened(Ok(())))
                    {
                        tenant = of;
                        taken.insert(id, false);
                    }
                }
                Step::Unlock => drop(adapter.run(&Command::Unlock { within: None })),
            }
            for (token, good) in &good {
                prop_assert_eq!(is_good(&mut adapter, *token), *good);
            }
            let live: Vec<ConnId> = adapter.user.connections().iter().map(|one| one.id).collect();
            let shown = live.iter().filter(|id| !taken[*id]).count();
            prop_assert_eq!(live_by_status(&mut adapter), shown);
        }
    }
}
