//! What holds for every sequence of commands.

mod commands;
mod model;
mod pair;

use std::collections::BTreeSet;

use proptest::prelude::*;

use self::{
    commands::{Claim, PLATFORMS, Pick, Step, Turn},
    model::{Answer, Model, Order},
    pair::Pair,
};
use crate::{
    harness::{Adapter, Dice, Memory, Setup, Sqlite, kicked},
    size::sized,
};

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(sized(64, 256)) })]

    /// Live set, token states, records, replies, frames, and the order of all that.
    #[test]
    fn a_user_does_what_the_model_says(setup in commands::setup(), turns in commands::turns()) {
        let mut pair = Pair::new(Sqlite::new(), setup);
        for turn in &turns {
            pair.step(turn);
        }
        for token in 0..pair.tokens.len() {
            pair.verify(Some(token));
        }
    }
}

/// How many of something a test does: what the environment says, or the size of the run.
fn times(variable: &str, small: u64, full: u64) -> u64 {
    std::env::var(variable).map_or(sized(small, full), |text| text.parse().expect("a number"))
}

/// A whole act of one caller, as it would be done by itself.
#[derive(Clone, Copy, Debug)]
enum Act {
    /// Get a token for this platform, then connect with it.
    Login(u8),
    KickPlatform(u8),
    KickAll,
    /// Kick all, and let nobody in until an unlock.
    Deny,
    Unlock,
}

/// Longer than any of these tests.
const LONG: i64 = 86_400_000;

/// What is left after some acts: whether the user is denied, who is live, and whose token is good.
type Left = (bool, BTreeSet<(usize, bool, bool)>);

/// The same acts one after another, in every order there is. Those of `refused` got a token and never connected.
fn one_after_another(acts: &[Act], refused: &[usize], setup: Setup) -> BTreeSet<Left> {
    permutations(acts.len())
        .into_iter()
        .map(|order| {
            let mut model = Model { now: 1_700_000_000_000, ..Model::new("u", setup.policy, 0) };
            let mut tokens = vec![None; acts.len()];
            for act in order {
                match acts[act] {
                    Act::Login(platform) => {
                        if matches!(model.issue(platform), Answer::Denied(_)) {
                            continue;
                        }
                        let token = model.tokens.len() - 1;
                        tokens[act] = Some(token);
                        if refused.contains(&act) {
                            continue;
                        }
                        let (id, user) = (act.to_string(), model.user.clone());
                        model.open(model::Opening {
                            id,
                            token: Some(token),
                            user,
                            platform,
                            background: false,
                        });
                    }
                    Act::KickPlatform(platform) => drop(model.force_off(&Order::Platform(platform))),
                    Act::KickAll => drop(model.force_off(&Order::Everything)),
                    Act::Deny => drop(model.force_off(&Order::Denying(None, LONG))),
                    Act::Unlock => drop(model.unlock()),
                }
            }
            left(&model, &tokens)
        })
        .collect()
}

fn left(model: &Model, tokens: &[Option<usize>]) -> Left {
    let each = |(act, token): (usize, &Option<usize>)| {
        let token = (*token)?;
        let live = model.live.iter().any(|socket| socket.token == token);
        Some((act, live, model.token_status(Some(token)) == 0))
    };
    (model.is_denied(), tokens.iter().enumerate().filter_map(each).collect())
}

fn permutations(many: usize) -> Vec<Vec<usize>> {
    if many == 0 {
        return vec![Vec::new()];
    }
    let insert = |shorter: Vec<usize>| {
        (0..many).map(move |place| {
            let mut longer = shorter.clone();
            longer.insert(place, many - 1);
            longer
        })
    };
    permutations(many - 1).into_iter().flat_map(insert).collect()
}

/// Promise 5. Logins, kicks, denials and unlocks of several callers, cut into their commands and mixed: what is left is what some order
/// of whole acts would have left, where a login that was refused may have ended with its token; and no login that a kick
/// covered is live after it or comes back.
#[test]
fn mixed_kicks_and_logins_end_as_in_some_order() {
    let many = times("ROLLCALL_INTERLEAVINGS", 1_000, 10_000);
    let (mut refusals, mut denials) = (0, 0);
    for seed in 0..many {
        let dice = &mut Dice::new(seed);
        let setup = Setup { policy: dice.pick(&[0, 1, 4, 5]), ..Setup::default() };
        let platforms: &[u8] = if dice.roll(2) == 0 { &[2, 5] } else { &[1, 2, 3, 7, 11] };
        let acts: Vec<Act> = (0..3 + dice.roll(2))
            .map(|_| match dice.roll(8) {
                0 => Act::KickPlatform(dice.pick(platforms)),
                1 => Act::KickAll,
                2 => Act::Deny,
                3 => Act::Unlock,
                _ => Act::Login(dice.pick(platforms)),
            })
            .collect();

        let mut pair = Pair::new(Memory::default(), setup);
        pair.adapter.inspecting = false;
        let mut done = vec![0; acts.len()];
        let mut tokens = vec![None; acts.len()];
        // Which tokens were there when the act's kick came.
        let mut kicks: Vec<(Act, usize)> = Vec::new();
        let mut refused = Vec::new();
        loop {
            let steps = |act: &Act| if matches!(act, Act::Login(_)) { 2 } else { 1 };
            let open: Vec<usize> = (0..acts.len()).filter(|act| done[*act] < steps(&acts[*act])).collect();
            if open.is_empty() {
                break;
            }
            let act = dice.pick(&open);
            match (acts[act], done[act]) {
                (Act::Login(platform), 0) => {
                    let before = pair.tokens.len();
                    pair.issue(platform, false);
                    tokens[act] = (pair.tokens.len() > before).then_some(before);
                    denials += usize::from(tokens[act].is_none());
                }
                (Act::Login(_), _) if tokens[act].is_none() => {}
                (Act::Login(_), _) => {
                    let before = pair.adapter.live();
                    pair.open(tokens[act], Claim::True, false, false);
                    if pair.adapter.user.connections().iter().all(|socket| before.contains(&socket.id)) {
                        refused.push(act);
                    }
                }
                (Act::KickPlatform(platform), _) => {
                    pair.force_off(&Order::Platform(platform), false);
                    kicks.push((acts[act], pair.tokens.len()));
                }
                (Act::Unlock, _) => drop(pair.unlock(false)),
                (Act::KickAll | Act::Deny, _) => {
                    let is_denial = matches!(acts[act], Act::Deny);
                    let order = if is_denial { Order::Denying(None, LONG) } else { Order::Everything };
                    pair.force_off(&order, false);
                    kicks.push((acts[act], pair.tokens.len()));
                }
            }
            done[act] += 1;
        }

        let what = left(&pair.model, &tokens);
        refusals += refused.len();
        let is_some_order = one_after_another(&acts, &[], setup).contains(&what)
            || one_after_another(&acts, &refused, setup).contains(&what);
        assert!(is_some_order, "seed {seed}, {setup:?}: {acts:?} left {what:?}");
        if pair.model.is_denied() {
            assert!(pair.adapter.try_issue(5).is_err(), "seed {seed}");
        }
        for (kick, before) in kicks {
            for token in 0..before {
                let covered = match kick {
                    Act::KickPlatform(platform) => pair.model.tokens[token].platform == platform,
                    _ => true,
                };
                if covered {
                    let hash = pair.tokens[token].1;
                    let is_his = |socket: &&rollcall_core::user::Connection| socket.token.hash == hash;
                    assert_eq!(pair.adapter.user.connections().iter().find(is_his), None, "seed {seed}");
                    let text = pair.tokens[token].0.clone();
                    assert_eq!(pair.adapter.try_open(&text), Err(1506), "seed {seed}");
                }
            }
        }
    }
    assert!((refusals > 0 && denials > 0) || many < 1000, "no login ever met a kick, or a denial");
    println!("{many} interleavings, {refusals} logins met a kick and were refused, {denials} a denial");
}

/// Promise 6. One client, one token, and a network that drops it again and again.
#[test]
fn a_client_that_reconnects_never_kicks_itself() {
    let many = times("ROLLCALL_RECONNECTS", 4_000, 10_000);
    let (mut self_kicks, mut kept_both) = (0, 0);
    for policy in [0, 1, 4, 5] {
        let dice = &mut Dice::new(u64::from(policy));
        let setup = Setup { policy, grace: 30, ..Setup::default() };
        let mut pair = Pair::new(Memory::default(), setup);
        (pair.adapter.inspecting, pair.thorough) = (false, false);
        let start_anew = |pair: &mut Pair<Memory>| {
            pair.issue(2, false);
            Some(pair.tokens.len() - 1)
        };
        let mut token = start_anew(&mut pair);
        for _ in 0..many / 4 {
            pair.wait(dice.pick(&[1, 40, 2_000, 13_000, 61_000]));
            if pair.verify(token) == 1501 {
                token = start_anew(&mut pair);
            }
            let before = pair.adapter.live();
            if let Some(trace) = pair.open(token, Claim::True, false, false) {
                self_kicks += kicked(&trace).len();
            }
            let after = pair.adapter.live();
            kept_both += usize::from(policy != 0 && before.iter().any(|id| after.contains(id)));
            assert_eq!(pair.verify(token), 0);
            if dice.roll(4) == 0 || after.len() > 50 {
                pair.close(dice.pick(&after), false);
            }
        }
        pair.compare_all();
    }
    assert_eq!(self_kicks, 0);
    assert!(kept_both > 0 || many < 1000, "the guard against two live clients was never needed");
    println!("{many} reconnects, {self_kicks} self-kicks, {kept_both} times two clients were both kept");
}

/// Promise 9.
#[test]
fn the_count_of_live_connections_never_drifts() {
    let many = times("ROLLCALL_OPERATIONS", 50_000, 1_000_000);
    let dice = &mut Dice::new(9);
    let setup = Setup { policy: 0, most_tokens: 8, most_connections: 24, grace: 30, numbered: true };
    let mut pair = Pair::new(Memory::default(), setup);
    (pair.adapter.inspecting, pair.thorough) = (false, false);
    let mut most = 0;
    for nth in 0..many {
        let pick = Pick(usize::try_from(dice.roll(64)).unwrap());
        let step = match dice.roll(1000) {
            0..2 => Step::Issue(dice.pick(&PLATFORMS)),
            2 => Step::ForceOffPlatform(dice.pick(&PLATFORMS)),
            3 => Step::ForceOffConnection(pick),
            4 => Step::ForceOffToken(pick),
            5..400 => Step::Open { token: pick, claim: Claim::True, background: dice.roll(2) == 0 },
            400..750 => Step::Close(pick),
            750..850 => Step::Background(pick, dice.roll(2) == 0),
            850..900 => Step::Receive(pick, dice.pick(&commands::FRAMES)),
            900..905 => Step::Status,
            _ => Step::Wait(i64::try_from(dice.roll(2_000)).unwrap()),
        };
        pair.step(&Turn { step, commit_fails: false });
        most = most.max(pair.model.live.len());
        if nth % (many / 4).max(1) == 0 {
            pair.compare_all();
        }
    }
    pair.compare_all();
    assert!(most > 5 || many < 1000, "hardly anybody was ever live");
    println!("{many} operations, at most {most} connections at once, {} tokens", pair.tokens.len());
}

/// Two tokens of one user, platform and second would be the same text, if nothing kept them apart.
#[test]
fn no_text_is_issued_twice_however_the_clock_runs() {
    for seed in 0..times("ROLLCALL_CLOCKS", 50, 200) {
        let dice = &mut Dice::new(seed);
        let mut adapter = Adapter::over(Memory::default(), Setup { policy: 0, ..Setup::default() });
        adapter.inspecting = false;
        let mut texts = BTreeSet::new();
        for nth in 0..30 {
            adapter.now += dice.pick(&[0, 0, 0, 300, 1000, 2000, -300, -1000, -2000]);
            let text = adapter.issue(dice.pick(&[2, 5]));
            assert!(texts.insert(text.expose().clone()), "seed {seed}: token {nth} repeats an earlier text");
        }
    }
}
