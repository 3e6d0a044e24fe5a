//! Whatever comes in between: a user has the watchers that follow it, and no others.

use std::collections::{BTreeMap, BTreeSet};

use crate::{
    harness::{Adapter, Dice, Event, Setup, Sqlite, Store as _, Trace},
    size::sized,
};
use rollcall_core::{
    id::{ConnId, UserId},
    user::{
        Change, ClientMessage, Command, PendingRequest, PendingWork, PresenceVersion, RegistrationVersion,
        Reply, Subscribing, SubscriptionRequest, User, WatcherReport,
    },
};

const USERS: usize = 3;
const PLATFORMS: [u8; 2] = [2, 5];
/// Longer than the subscriptions of an ended connection are kept.
const LONG: i64 = 11_000;

/// A call from one user to another, or to itself, that has not come yet.
enum Call {
    Watch { to: usize, watcher: UserId, registration: RegistrationVersion, request: usize },
    Unwatch { to: usize, watcher: UserId, by: RegistrationVersion },
    FanOut(usize),
    Notified(usize, WatcherReport),
    Answered(usize),
}

/// A request that waits for the users that it follows.
struct Waiting {
    of: usize,
    pending: PendingRequest,
    missing: usize,
    presences: Option<Vec<(UserId, RegistrationVersion, PresenceVersion)>>,
}

struct World {
    users: Vec<Adapter<Sqlite>>,
    calls: Vec<Call>,
    requests: Vec<Waiting>,
    /// What each live connection follows, by the words of its requests alone.
    follows: BTreeMap<(usize, ConnId), BTreeSet<usize>>,
}

fn name(user: usize) -> UserId {
    UserId::new(format!("u{user}")).unwrap()
}

fn number(user: &UserId) -> usize {
    user.as_str()[1..].parse().unwrap()
}

impl World {
    fn new() -> Self {
        let setup = Setup { policy: 0, ..Setup::default() };
        let adapter = |user| {
            let mut adapter = Adapter::new(setup);
            adapter.user = User::new(name(user), Vec::new());
            adapter.inspecting = false;
            adapter
        };
        let users = (0..USERS).map(adapter).collect();
        Self { users, calls: Vec::new(), requests: Vec::new(), follows: BTreeMap::new() }
    }

    fn open(&mut self, user: usize, dice: &mut Dice) {
        let token = self.users[user].issue(dice.pick(&PLATFORMS));
        let (connection, trace) = self.users[user].try_open(&token).unwrap();
        self.follows.insert((user, connection), BTreeSet::new());
        self.carry_out(user, trace);
    }

    fn close(&mut self, user: usize, connection: ConnId) {
        self.follows.remove(&(user, connection));
        let trace = self.users[user].close(connection);
        self.carry_out(user, trace);
    }

    /// A client's request, whole or in parts between which other calls arrive.
    fn ask(
        &mut self,
        user: usize,
        connection: ConnId,
        (subscribe, unsubscribe): (&[usize], &[usize]),
        dice: &mut Dice,
    ) {
        let follows = self.follows.get_mut(&(user, connection)).unwrap();
        follows.retain(|other| !unsubscribe.contains(other));
        follows.extend(subscribe);
        let ids = |users: &[usize]| users.iter().map(|user| name(*user).to_string()).collect();
        let part = |subscribe: &[usize], unsubscribe: &[usize], more| SubscriptionRequest {
            operation_id: "o".to_owned(),
            msg_incr: "m".to_owned(),
            subscribe: ids(subscribe),
            unsubscribe: ids(unsubscribe),
            more,
        };
        let parts = if dice.roll(2) == 0 || subscribe.is_empty() {
            vec![part(subscribe, unsubscribe, false)]
        } else {
            let cancelled: Vec<usize> =
                unsubscribe.iter().copied().filter(|other| !subscribe.contains(other)).collect();
            let followed = subscribe.chunks(1).enumerate();
            let followed = followed.map(|(place, one)| part(one, &[], place + 1 < subscribe.len()));
            std::iter::once(part(&[], &cancelled, true)).chain(followed).collect()
        };
        let mut asked: Option<Subscribing> = None;
        for request in parts {
            let message = ClientMessage::Subscribe(request);
            let trace = self.users[user].run(&Command::Decoded { connection, message });
            let (watches, others): (Trace, Trace) =
                trace.into_iter().partition(|event| matches!(event, Event::Watch(..)));
            self.carry_out(user, others);
            for event in watches {
                let Event::Watch(watches, pending) = event else { unreachable!("they are apart") };
                let part = Subscribing { watches, pending };
                match &mut asked {
                    Some(asked) => asked.extend(part),
                    None => asked = Some(part),
                }
            }
            if !self.calls.is_empty() && dice.roll(2) == 0 {
                self.deliver(dice);
            }
        }
        let asked = asked.map(|Subscribing { watches, pending }| Event::Watch(watches, pending));
        self.carry_out(user, asked.into_iter().collect());
    }

    /// Takes up what a command left to the adapter.
    fn carry_out(&mut self, of: usize, trace: Trace) {
        for event in trace {
            match event {
                Event::Watch(watches, pending) => {
                    let request = self.requests.len();
                    let (missing, presences) = (watches.len(), Some(Vec::new()));
                    self.requests.push(Waiting { of, pending, missing, presences });
                    for (user, registration) in watches {
                        let (to, watcher) = (number(&user), name(of));
                        self.calls.push(Call::Watch { to, watcher, registration, request });
                    }
                }
                Event::Reply(Reply::PendingWork(PendingWork { fan_out, release })) => {
                    let (users, by) = release.unwrap_or_default();
                    let tell = |user: UserId| Call::Unwatch { to: number(&user), watcher: name(of), by };
                    self.calls.extend(users.into_iter().map(tell));
                    self.calls.extend(fan_out.then_some(Call::FanOut(of)));
                }
                _ => {}
            }
        }
    }

    /// One of the calls that are under way arrives, in no order but that of a request's own.
    fn deliver(&mut self, dice: &mut Dice) {
        let place = usize::try_from(dice.roll(self.calls.len() as u64)).unwrap();
        match self.calls.swap_remove(place) {
            // The origin writes the row ahead of the call.
            Call::Watch { to, watcher, registration, request } if dice.roll(3) == 0 => {
                let row = Change::Watched { watcher: watcher.clone(), registration };
                self.users[to].store.commit(&name(to), &[row], false).unwrap();
                self.calls.push(Call::Watch { to, watcher, registration, request });
            }
            Call::Watch { to, watcher, registration, request } => {
                let trace = self.users[to].run(&Command::Watch { watcher, registration });
                let Some(Event::Reply(Reply::Watching(presence))) = trace.last() else { panic!("{trace:?}") };
                let waiting = &mut self.requests[request];
                // A reply may be lost on its way.
                if dice.roll(8) == 0 {
                    waiting.presences = None;
                }
                waiting.presences.iter_mut().for_each(|all| all.push((name(to), registration, *presence)));
                waiting.missing -= 1;
                if waiting.missing == 0 {
                    self.calls.push(Call::Answered(request));
                }
                self.carry_out(to, trace);
            }
            Call::Unwatch { to, watcher, by } => {
                let trace = self.users[to].run(&Command::Unwatch { watcher, by });
                self.carry_out(to, trace);
            }
            Call::FanOut(of) => {
                let trace = self.users[of].run(&Command::FanOut);
                if let Some(Event::Reply(Reply::FanOut(Some(page)))) = trace.last() {
                    let notify = |(watcher, _): &(UserId, _)| {
                        let trace = self.users[number(watcher)].run(&Command::Notified(page.notice.clone()));
                        match trace.last() {
                            Some(Event::Reply(Reply::Follows(follows))) => Some(*follows),
                            other => panic!("{other:?}"),
                        }
                    };
                    let told: Vec<_> = page.watchers.iter().map(notify).collect();
                    self.calls.push(Call::Notified(of, page.report(told)));
                }
                self.carry_out(of, trace);
            }
            Call::Notified(of, report) => {
                let trace = self.users[of].run(&Command::WatchersNotified(report));
                self.carry_out(of, trace);
            }
            // A part of the presences comes ahead of the answer.
            Call::Answered(request)
                if dice.roll(3) == 0
                    && self.requests[request].presences.iter().any(|all| !all.is_empty()) =>
            {
                let Waiting { of, pending, presences, .. } = &self.requests[request];
                let (of, connection) = (*of, pending.connection);
                let presences = presences.iter().flatten().filter(|_| dice.roll(2) == 0).cloned().collect();
                let trace = self.users[of].run(&Command::Acknowledge { connection, presences });
                self.calls.push(Call::Answered(request));
                self.carry_out(of, trace);
            }
            Call::Answered(request) => {
                let Waiting { of, pending, presences, .. } = &self.requests[request];
                let (of, pending, presences) = (*of, pending.clone(), presences.clone());
                let trace = self.users[of].run(&Command::Answered { pending, presences });
                self.carry_out(of, trace);
            }
        }
    }

    fn wait(&mut self, millis: i64) {
        for user in 0..USERS {
            for trace in self.users[user].wait(millis) {
                self.carry_out(user, trace);
            }
        }
    }

    /// Everything that is under way arrives.
    fn settle(&mut self, dice: &mut Dice) {
        for _ in 0..20 {
            while !self.calls.is_empty() {
                self.deliver(dice);
            }
            self.wait(LONG);
        }
        assert!(self.calls.is_empty(), "it comes to no end");
    }

    fn rows(&self, sql: &'static str, user: usize) -> BTreeSet<usize> {
        self.users[user]
            .store
            .texts(sql, &name(user))
            .iter()
            .map(|id| number(&UserId::new(id).unwrap()))
            .collect()
    }

    fn compare(&self, seed: u64) {
        let follows = |user: usize, other: usize| {
            self.follows.iter().any(|((of, _), followed)| *of == user && followed.contains(&other))
        };
        for user in 0..USERS {
            let followed: BTreeSet<usize> = (0..USERS).filter(|other| follows(user, *other)).collect();
            let subscribed = self.rows("SELECT watched FROM subscription WHERE user = ?1", user);
            assert_eq!(subscribed, followed, "seed {seed}: the subscriptions of {user}");
            let watching: BTreeSet<usize> = (0..USERS).filter(|other| follows(*other, user)).collect();
            let watchers = self.rows("SELECT watcher FROM watcher WHERE user = ?1", user);
            assert_eq!(watchers, watching, "seed {seed}: the watchers of {user}");
        }
    }
}

fn some(dice: &mut Dice) -> Vec<usize> {
    (0..USERS).filter(|_| dice.roll(2) == 0).collect()
}

/// The known-wrong way was to register a watcher that had been taken back: a client that follows many users and takes some of
/// them back at once left rows behind for ever.
#[test]
fn watchers_are_those_who_follow_whatever_came_in_between() {
    for seed in 0..sized(20, 2_000) {
        let (dice, mut world) = (&mut Dice::new(seed), World::new());
        for _ in 0..60 {
            let user = usize::try_from(dice.roll(USERS as u64)).unwrap();
            let live: Vec<ConnId> = world.users[user].live();
            match dice.roll(20) {
                0..3 if live.len() < 3 => world.open(user, dice),
                3..8 if !live.is_empty() => {
                    let (connection, follow, cancel) = (dice.pick(&live), some(dice), some(dice));
                    world.ask(user, connection, (&follow, &cancel), dice);
                }
                8..10 if !live.is_empty() => {
                    let (connection, cancel) = (dice.pick(&live), some(dice));
                    world.ask(user, connection, (&[], &cancel), dice);
                }
                10 if !live.is_empty() => world.close(user, dice.pick(&live)),
                // Mostly within one millisecond.
                11..13 => world.wait(dice.pick(&[0, 0, 1, 500, LONG])),
                _ if !world.calls.is_empty() => world.deliver(dice),
                _ => {}
            }
        }
        world.settle(dice);
        world.compare(seed);
    }
}
