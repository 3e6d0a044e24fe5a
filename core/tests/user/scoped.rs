//! Orders to sets of users: what readers see before the delivery is what a direct order would have left at once.

use crate::{
    harness::{Adapter, Event, Setup, Sqlite, Trace, kicked},
    size::sized,
};
use proptest::prelude::*;
use rollcall_core::{
    id::TenantId,
    message_center::Principal,
    serial::Serial,
    time::Timestamp,
    token::{TokenError, TokenHash, TokenText},
    user::{Bearer, Client, Command, ConsoleOpening, ForceOff, Reply, UserFacts, UserSnapshot},
};

/// One thing to do. Tokens and connections are named by how long ago they were made.
#[derive(Clone, Copy, Debug)]
enum Step {
    Wait(i64),
    Issue(u8),
    Open(usize),
    Close(usize),
    /// A login by an opaque token of this tenant, issued so long ago. It may move the user.
    Bearer(i64, i64),
    Console(i64, i64),
    /// An order to a set of users of the user's tenant.
    Order,
    /// The delivery of the first order that is not delivered.
    Deliver,
    TenantOrder,
    DeliverTenantOrder,
    Unlock,
    Kick(u8),
    /// An order as [`Step::Order`], with a deny window of so many seconds.
    Deny(u64),
}

fn step() -> impl Strategy<Value = Step> {
    let tenant = || prop::sample::select(vec![5_i64, 6]);
    let age = || prop::sample::select(vec![0_i64, 1, 500, 2_000, 20_000]);
    prop_oneof![
        6 => prop::sample::select(vec![0_i64, 1, 400, 3_000, 9_000]).prop_map(Step::Wait),
        6 => prop::sample::select(vec![1_u8, 2, 5]).prop_map(Step::Issue),
        8 => (0..8_usize).prop_map(Step::Open),
        2 => (0..8_usize).prop_map(Step::Close),
        3 => (tenant(), age()).prop_map(|(tenant, age)| Step::Bearer(tenant, age)),
        3 => (tenant(), age()).prop_map(|(tenant, age)| Step::Console(tenant, age)),
        4 => Just(Step::Order),
        4 => Just(Step::Deliver),
        1 => Just(Step::TenantOrder),
        1 => Just(Step::DeliverTenantOrder),
        1 => Just(Step::Unlock),
        1 => prop::sample::select(vec![1_u8, 2, 5]).prop_map(Step::Kick),
        3 => prop::sample::select(vec![1_u64, 8, 30]).prop_map(Step::Deny),
    ]
}

/// A user, and how orders about it are carried out.
struct Side {
    adapter: Adapter<Sqlite>,
    tokens: Vec<TokenText>,
    is_scoped: bool,
}

impl Side {
    fn new(policy: u8, is_scoped: bool) -> Self {
        let mut adapter = Adapter::new(Setup { policy, ..Setup::default() });
        adapter.rules.token_ttl_days = 1_000;
        adapter.inspecting = false;
        let mut side = Self { adapter, tokens: Vec::new(), is_scoped };
        // The tenant of a user who has one is known.
        side.bearer(5, 0);
        side
    }

    fn bearer(&mut self, tenant: i64, age: i64) -> Reply {
        let issued_at = Some(Timestamp::from_millis(self.adapter.now - age));
        let bearer = Bearer { tenant: TenantId(tenant), issued_at, personal: false };
        reply(&self.adapter.run(&Command::VerifyBearer(bearer)))
    }

    fn home(&mut self) -> i64 {
        match reply(&self.adapter.run(&Command::Overview { within: None, details: false })) {
            Reply::Overview(overview) => overview.tenant.0,
            other => panic!("{other:?}"),
        }
    }

    fn order(&mut self, denied_for: Option<u64>) {
        let home = self.home();
        let window = denied_for.map(|seconds| self.adapter.window(home, seconds));
        if self.is_scoped {
            self.adapter.deny_users(home, window);
        } else {
            let (within, notice) = (Some(TenantId(home)), Some("notice".into()));
            let order = ForceOff::Everything { within, notice, at: None };
            self.adapter.force_off(order.denying(window));
        }
    }

    /// What the step answers to its caller, where it has an answer.
    fn step(&mut self, step: Step) -> Option<Reply> {
        match step {
            Step::Wait(millis) => {
                self.adapter.wait(millis);
                None
            }
            Step::Issue(platform) => match self.adapter.try_issue(platform) {
                Ok(token) => {
                    self.tokens.push(token);
                    None
                }
                Err(until) => Some(Reply::Denied(until)),
            },
            Step::Open(pick) => {
                let token = self.tokens.iter().rev().nth(pick)?.clone();
                let opening = self.adapter.opening(&token).ok()?;
                Some(reply(&self.adapter.run(&Command::Open(Box::new(opening)))))
            }
            Step::Close(pick) => {
                let shown = self.live();
                let connection = *shown.iter().rev().nth(pick)?;
                self.adapter.close(connection);
                None
            }
            Step::Bearer(tenant, age) => Some(self.bearer(tenant, age)),
            Step::Console(tenant, age) => {
                let connection = self.adapter.draw_connection();
                let admin = Principal::openim_admin(self.adapter.user.id().clone());
                let issued_at = Some(Timestamp::from_millis(self.adapter.now - age));
                let principal = Principal { sys_admin: false, tenant: TenantId(tenant), issued_at, ..admin };
                let opening =
                    ConsoleOpening { connection, principal, client: Client::default(), session: None };
                Some(reply(&self.adapter.run(&Command::OpenConsole(Box::new(opening)))))
            }
            Step::Order => {
                self.order(None);
                None
            }
            Step::Deny(seconds) => {
                self.order(Some(seconds));
                None
            }
            Step::Deliver => {
                self.adapter.deliver_named();
                None
            }
            Step::TenantOrder => {
                let home = self.home();
                self.adapter.order(home, &[]);
                None
            }
            Step::DeliverTenantOrder => {
                let within = Some(TenantId(self.home()));
                self.adapter.force_off(ForceOff::CutOff { within, notice: String::new(), settle: false });
                None
            }
            Step::Unlock => Some(reply(&self.adapter.run(&Command::Unlock { within: None }))),
            Step::Kick(platform) => {
                let platform = rollcall_core::platform::Platform::from_number(platform.into()).unwrap();
                self.adapter.force_off(ForceOff::Platform(platform));
                None
            }
        }
    }

    /// The connections and consoles that readers see.
    fn live(&mut self) -> Vec<rollcall_core::id::ConnId> {
        match reply(&self.adapter.run(&Command::Overview { within: None, details: false })) {
            Reply::Overview(overview) => {
                let connections = overview.connections.iter().map(|one| one.connection);
                connections.chain(overview.consoles).collect()
            }
            other => panic!("{other:?}"),
        }
    }

    /// What moves to another server. The serials mean nothing there.
    fn snapshot(&mut self) -> UserSnapshot {
        match reply(&self.adapter.run(&Command::Snapshot { after: None })) {
            Reply::Snapshot(mut snapshot) => {
                snapshot.tokens.iter_mut().for_each(|row| row.under = Serial::NONE);
                snapshot
            }
            other => panic!("{other:?}"),
        }
    }

    /// All that readers see: what is live, which tokens are good, and what an export says.
    fn seen(&mut self) -> (i64, usize, Vec<Reply>, UserSnapshot) {
        let hashes: Vec<_> = self.tokens.iter().map(|token| TokenHash::of(token.expose())).collect();
        let status = |token| reply(&self.adapter.run(&Command::VerifyToken { token }));
        let tokens = hashes.into_iter().map(status).collect();
        (self.home(), self.live().len(), tokens, self.snapshot())
    }
}

fn reply(trace: &Trace) -> Reply {
    match trace.last() {
        Some(Event::Reply(reply)) => reply.clone(),
        other => panic!("{other:?} is no reply"),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(sized(48, 10_000)) })]

    /// No reader can tell when the delivery comes: every answer is that of an order that is carried out at once. So orders, logins,
    /// reconnects, moves and unlocks are as linearizable as they are with direct orders.
    #[test]
    fn an_undelivered_order_reads_as_one_that_was_carried_out_at_once(
        policy in prop::sample::select(vec![0_u8, 1, 4, 5]),
        steps in prop::collection::vec(step(), 1..30),
    ) {
        let (mut scoped, mut direct) = (Side::new(policy, true), Side::new(policy, false));
        for (index, step) in steps.iter().enumerate() {
            let replies = (scoped.step(*step), direct.step(*step));
            prop_assert_eq!(&replies.0, &replies.1, "step {}: {:?}", index, step);
            prop_assert_eq!(scoped.seen(), direct.seen(), "after step {}: {:?}", index, step);
        }
        while scoped.adapter.deliver_named().is_some() {}
        prop_assert_eq!(scoped.seen(), direct.seen(), "when all is delivered");
        let sockets = |side: &Side| (side.adapter.live().len(), side.adapter.user.consoles().len());
        prop_assert_eq!(sockets(&scoped), sockets(&direct), "no socket stays that no reader sees");
        for (tenant, age) in [(5, 0), (5, 500), (5, 20_000), (6, 500), (6, 20_000)] {
            prop_assert_eq!(scoped.bearer(tenant, age), direct.bearer(tenant, age), "{} {}", tenant, age);
        }
    }
}

#[test]
fn a_user_is_off_before_the_delivery_and_comes_back_with_a_new_token_only() {
    let mut adapter = Adapter::new(Setup { policy: 0, ..Setup::default() });
    let old = adapter.issue(5);
    adapter.open(&old);
    adapter.order_users(0);
    assert_eq!(adapter.token_status(&old), 1506);
    assert_eq!(adapter.try_open(&old).unwrap_err(), 1506);
    let new = adapter.issue(5);
    let back = adapter.open(&new);
    let trace = adapter.deliver_named().unwrap();
    assert_eq!(kicked(&trace).len(), 1, "the old socket");
    assert_eq!(adapter.live(), [back]);
    assert_eq!((adapter.token_status(&old), adapter.token_status(&new)), (1506, 0));
}

/// Steps whose answers are those of an order that is carried out at once.
fn reads_as_carried_out(steps: &[Step]) -> Reply {
    let (mut scoped, mut direct) = (Side::new(0, true), Side::new(0, false));
    let mut last = None;
    for (index, step) in steps.iter().enumerate() {
        last = scoped.step(*step);
        assert_eq!(last, direct.step(*step), "step {index}: {step:?}");
        assert_eq!(scoped.seen(), direct.seen(), "after step {index}: {step:?}");
    }
    while scoped.adapter.deliver_named().is_some() {}
    assert_eq!(scoped.seen(), direct.seen(), "when all is delivered");
    for age in [0, 500, 20_000] {
        assert_eq!(scoped.bearer(5, age), direct.bearer(5, age), "{age}");
    }
    last.unwrap()
}

/// The known-wrong way was to go by the order again when the user came back before its delivery.
#[test]
fn an_order_that_was_lifted_elsewhere_stays_lifted_when_the_user_comes_back_before_its_delivery() {
    let steps = [Step::Order, Step::Wait(1), Step::Console(6, 0), Step::Unlock, Step::Bearer(5, 500)];
    assert_eq!(reads_as_carried_out(&steps), Reply::TokenStatus(Ok(())));
    // The next order is in force, and so is the same one where nothing lifted it.
    let again = [steps.as_slice(), &[Step::Wait(1), Step::Order, Step::Bearer(5, 500)]].concat();
    assert_eq!(reads_as_carried_out(&again), Reply::TokenStatus(Err(TokenError::Kicked)));
    let kept: Vec<Step> = steps.iter().filter(|step| !matches!(step, Step::Unlock)).copied().collect();
    assert_eq!(reads_as_carried_out(&kept), Reply::TokenStatus(Err(TokenError::Kicked)));
    // An order to the whole tenant is not of the user alone, and stays.
    let tenants = [&[Step::TenantOrder], steps.as_slice()].concat();
    assert_eq!(reads_as_carried_out(&tenants), Reply::TokenStatus(Err(TokenError::Kicked)));
}

/// A user whom nobody but the configuration gave a tenant.
fn configured() -> Side {
    let mut adapter = Adapter::new(Setup { policy: 0, ..Setup::default() });
    adapter.inspecting = false;
    adapter.configure(Some(5));
    Side { adapter, tokens: Vec::new(), is_scoped: true }
}

/// The user is under delivery in tenant 5 when another start, or another issue of a token, finds it elsewhere.
#[test]
fn an_undelivered_order_stays_with_a_user_whom_the_configuration_moves() {
    for (is_lifted, present) in
        [false, true].into_iter().flat_map(|lifted| [(lifted, Some(6)), (lifted, None)])
    {
        for writes_down in [Step::Wait(0), Step::Issue(5)] {
            let mut side = configured();
            side.step(Step::Issue(1));
            side.step(Step::Order);
            side.adapter.configure(present);
            side.step(writes_down);
            if is_lifted {
                assert_eq!(side.step(Step::Unlock), Some(Reply::Unlocked(true)));
            }
            side.adapter.wait(1);
            // The delivery comes in between. The known-wrong way was that it said again what had been lifted.
            for (tenant, age) in [(present.unwrap_or(0), 500), (5, 500)] {
                let is_good = side.bearer(tenant, age) == Reply::TokenStatus(Ok(()));
                assert_eq!(is_good, is_lifted, "{writes_down:?} {present:?} {tenant}");
                side.adapter.deliver_named();
            }
        }
    }
}

/// The known-wrong way was to know no tenant of a user without a token of ours.
#[test]
fn nor_is_it_lost_with_a_user_who_has_opaque_tokens_only() {
    for logs_in in [Step::Bearer(5, 0), Step::Console(5, 0)] {
        let mut side = configured();
        side.step(logs_in);
        side.adapter.wait(1);
        side.step(Step::Order);
        side.adapter.configure(Some(6));
        for age in [500, 500] {
            assert_eq!(side.bearer(6, age), Reply::TokenStatus(Err(TokenError::Kicked)), "{logs_in:?}");
            side.adapter.deliver_named();
        }
    }
}

/// Afterwards the order's tenant has no more to say. The known-wrong way was to stay under its orders until a token of ours was issued.
#[test]
fn nor_do_later_orders_of_the_former_tenant_reach_a_user_who_logged_in_elsewhere_since() {
    let mut side = configured();
    side.step(Step::Bearer(5, 0));
    side.adapter.configure(Some(6));
    side.step(Step::Console(6, 0));
    side.adapter.wait(1_000);
    side.adapter.order_users(5);
    for _ in 0..2 {
        assert_eq!(side.bearer(6, 500), Reply::TokenStatus(Ok(())));
        assert_eq!(side.live().len(), 1);
        side.adapter.deliver_named();
    }
}

/// A deploy at the edge leaves sockets open. The known-wrong way was to take the tokens alone.
#[test]
fn a_delivery_ends_what_the_order_covered_though_the_configuration_has_moved_the_user() {
    for writes_down in [Step::Wait(0), Step::Issue(2), Step::Bearer(6, 0)] {
        let mut side = configured();
        side.step(Step::Issue(1));
        side.step(Step::Open(0));
        side.step(Step::Console(5, 0));
        side.adapter.wait(1);
        side.step(Step::Order);
        side.adapter.configure(Some(6));
        side.adapter.wait(1);
        side.step(writes_down);
        side.step(Step::Console(6, 0));
        let opened_since = side.adapter.user.ids().last().unwrap();
        side.adapter.deliver_named().unwrap();
        let left: Vec<_> = side.adapter.user.ids().collect();
        assert_eq!(left, [opened_since], "{writes_down:?}");
        assert_eq!(side.adapter.token_status(&side.tokens[0].clone()), 1506);
    }
}

/// What an import line says of another order lifts no order to a set of users that is later, or of the tenant that the user leaves.
#[test]
fn an_import_lifts_no_undelivered_order_that_it_does_not_name() {
    for moves_to in [5, 6] {
        let mut side = Side::new(0, true);
        side.adapter.order(moves_to, &[]);
        let unlocked_at = side.adapter.cutoff(moves_to).map(|cutoff| cutoff.at);
        side.adapter.wait(1_000);
        side.step(Step::Order);
        side.adapter.wait(1);
        let facts = UserFacts { tenant: Some(TenantId(moves_to)), unlocked_at, ..UserFacts::default() };
        let line = UserSnapshot { facts: Some(facts), ..UserSnapshot::default() };
        side.adapter.run(&Command::Restore(Box::new(line)));
        for _ in 0..2 {
            let kicked = Reply::TokenStatus(Err(TokenError::Kicked));
            assert_eq!(side.bearer(moves_to, 2), kicked, "issued before the order, {moves_to}");
            side.adapter.deliver_named();
        }
        assert_eq!(side.bearer(moves_to, 0), Reply::TokenStatus(Ok(())), "issued after it, {moves_to}");
    }
}

#[test]
fn a_delivery_that_is_repeated_changes_nothing_more() {
    let mut adapter = Adapter::new(Setup { policy: 0, ..Setup::default() });
    let old = adapter.issue(5);
    let record = adapter.open(&old);
    let record = adapter.record_of(record);
    adapter.order_users(0);
    let order = adapter.named[0].clone();
    let at = order.1.at.millis();
    adapter.wait(5_000);
    adapter.deliver_named().unwrap();
    assert_eq!(adapter.ended_at(record), Some(at), "the date that readers were shown");
    let new = adapter.issue(5);
    let back = adapter.open(&new);
    // The process died before it had written down that the delivery came.
    adapter.named.push(order);
    assert_eq!(kicked(&adapter.deliver_named().unwrap()), []);
    assert_eq!((adapter.live(), adapter.token_status(&new)), (vec![back], 0));
}
