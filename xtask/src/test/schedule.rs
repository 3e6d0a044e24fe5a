//! Which step may start next. Steps of one lane run one after another in the table's order; lanes run side by side, and under
//! `--full` one after the other too.

use super::steps::{Lane, Step};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Waiting,
    Running,
    Ended { ok: bool },
}

/// What is to be done.
pub(super) enum Next {
    /// This step, at this place of the table, can start.
    Start(usize, &'static Step),
    /// This step cannot run, since the step that is named did not succeed.
    Skip(usize, &'static Step, &'static str),
    /// Nothing can start before a running step ends.
    Wait,
    /// Every step has ended.
    Done,
}

/// The steps of a run and where each of them stands.
pub(super) struct Schedule {
    steps: Vec<(&'static Step, State)>,
    /// Whether nothing but what waits for a network runs beside a step: long sizes are measured, and take what there is.
    alone: bool,
}

impl Schedule {
    pub(super) fn new(steps: &[&'static Step], alone: bool) -> Self {
        Self { steps: steps.iter().map(|step| (*step, State::Waiting)).collect(), alone }
    }

    /// The next thing to do; a step that it names counts as started or ended from here on.
    pub(super) fn next(&mut self) -> Next {
        for at in 0..self.steps.len() {
            let Some(&(step, State::Waiting)) = self.steps.get(at) else { continue };
            let needs = || step.needs.iter().filter_map(|need| Some((*need, self.state(need)?)));
            if let Some((need, _)) = needs().find(|(_, state)| *state == State::Ended { ok: false }) {
                self.set(at, State::Ended { ok: false });
                return Next::Skip(at, step, need);
            }
            let is_ready = needs().all(|(_, state)| state == State::Ended { ok: true });
            let shares = |lane| lane == step.lane || self.alone && ![lane, step.lane].contains(&Lane::Fetch);
            let is_taken =
                self.steps.iter().any(|(other, state)| shares(other.lane) && *state == State::Running);
            if is_ready && !is_taken {
                self.set(at, State::Running);
                return Next::Start(at, step);
            }
        }
        let is_running = |(_, state): &(_, State)| *state == State::Running;
        if self.steps.iter().any(is_running) { Next::Wait } else { Next::Done }
    }

    /// A step that was started has ended.
    pub(super) fn ended(&mut self, at: usize, ok: bool) {
        self.set(at, State::Ended { ok });
    }

    fn set(&mut self, at: usize, to: State) {
        if let Some((_, state)) = self.steps.get_mut(at) {
            *state = to;
        }
    }

    /// `None` for a step that is not part of this run: it counts as done.
    fn state(&self, name: &str) -> Option<State> {
        self.steps.iter().find(|(step, _)| step.name == name).map(|(_, state)| *state)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test::steps::{STEP, STEPS};
    use crate::test::tally::Tally;

    const fn step(name: &'static str, lane: Lane, needs: &'static [&'static str]) -> Step {
        let run: fn(&crate::workspace::Workspace) -> anyhow::Result<Tally> = |_| Ok(Tally::default());
        Step { name, lane, needs, run, ..STEP }
    }

    static TABLE: [Step; 5] = [
        step("build", Lane::Compile, &[]),
        step("npm", Lane::Fetch, &[]),
        step("lint", Lane::Compile, &[]),
        step("clients", Lane::Clients, &["build", "npm"]),
        step("compare", Lane::Native, &["clients", "absent"]),
    ];

    fn started(schedule: &mut Schedule) -> Vec<&'static str> {
        let mut names = Vec::new();
        loop {
            match schedule.next() {
                Next::Start(_, step) => names.push(step.name),
                Next::Skip(_, step, need) => panic!("{} was skipped for {need}", step.name),
                Next::Wait | Next::Done => return names,
            }
        }
    }

    #[test]
    fn lanes_run_side_by_side_and_each_in_the_order_of_the_table() {
        let mut schedule = Schedule::new(&TABLE.each_ref(), false);
        assert_eq!(started(&mut schedule), ["build", "npm"]);
        schedule.ended(0, true);
        assert_eq!(started(&mut schedule), ["lint"]);
        schedule.ended(1, true);
        assert_eq!(started(&mut schedule), ["clients"]);
        schedule.ended(2, true);
        assert_eq!(started(&mut schedule), [""; 0]);
        schedule.ended(3, true);
        assert_eq!(
            started(&mut schedule),
            ["compare"],
            "a step that is not part of the run is not waited for"
        );
        assert!(matches!(schedule.next(), Next::Wait));
        schedule.ended(4, true);
        assert!(matches!(schedule.next(), Next::Done));
    }

    #[test]
    fn alone_a_step_has_nothing_beside_it_but_what_waits_for_a_network() {
        let mut schedule = Schedule::new(&TABLE.each_ref(), true);
        assert_eq!(started(&mut schedule), ["build", "npm"]);
        schedule.ended(1, true);
        assert_eq!(started(&mut schedule), [""; 0]);
        schedule.ended(0, true);
        assert_eq!(started(&mut schedule), ["lint"]);
        schedule.ended(2, true);
        assert_eq!(started(&mut schedule), ["clients"]);
    }

    #[test]
    fn what_builds_on_a_failed_step_is_skipped_and_so_is_what_builds_on_that() {
        let mut schedule = Schedule::new(&TABLE.each_ref(), false);
        assert_eq!(started(&mut schedule), ["build", "npm"]);
        schedule.ended(1, false);
        assert!(matches!(schedule.next(), Next::Skip(3, _, "npm")));
        assert!(matches!(schedule.next(), Next::Skip(4, _, "clients")));
        assert!(matches!(schedule.next(), Next::Wait));
        schedule.ended(0, true);
        assert_eq!(started(&mut schedule), ["lint"]);
    }

    #[test]
    fn every_step_of_the_table_runs_when_all_succeed() {
        let all: Vec<&Step> = STEPS.iter().collect();
        let mut schedule = Schedule::new(&all, false);
        let (mut running, mut done) = (Vec::new(), 0);
        loop {
            match schedule.next() {
                Next::Start(at, _) => running.push(at),
                Next::Skip(_, step, need) => panic!("{} was skipped for {need}", step.name),
                Next::Wait => {
                    schedule.ended(running.remove(0), true);
                    done += 1;
                }
                Next::Done => break,
            }
        }
        assert_eq!(done, STEPS.len());
    }
}
