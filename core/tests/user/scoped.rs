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
    token::{TokenHash, TokenText},
    user::{Bearer, Client, Command, ConsoleOpening, ForceOff, Reply, UserSnapshot},
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
}

fn step() -> impl Strategy<Value = Step> {
    let tenant = || prop::sample::select(vec![5_i64, 6]);
    let age = || prop::sample::select(vec![0_i64, 1, 500, 2_000, 20_000]);
    prop_oneof![
        6 => prop::sample::select(vec![0_i64, 1, 400, 3_000]).prop_map(Step::Wait),
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

    /// What the step answers to its caller, where it has an answer.
    fn step(&mut self, step: Step) -> Option<Reply> {
        match step {
            Step::Wait(millis) => {
                self.adapter.wait(millis);
                None
            }
            Step::Issue(platform) => {
                let token = self.adapter.issue(platform);
                self.tokens.push(token);
                None
            }
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
                let home = self.home();
                if self.is_scoped {
                    self.adapter.order_users(home);
                } else {
                    let within = Some(TenantId(home));
                    self.adapter.force_off(ForceOff::Everything { within, notice: Some("notice".into()) });
                }
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
