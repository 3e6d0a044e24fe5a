//! `cargo xtask test`: everything, in one command, on a machine that has nothing but Rust.

mod child;
mod fuzz;
mod programs;
mod report;
mod schedule;
mod steps;
mod suites;
mod tally;

use std::collections::BTreeSet;
use std::process::ExitCode;
use std::sync::mpsc;
use std::time::Instant;

use anyhow::{Result, bail};

use crate::workspace::Workspace;
pub(crate) use child::{Args as StepArgs, run as run_step};
use report::{Outcome, Report, clock};
use schedule::{Next, Schedule};
use steps::{STEPS, Step};

/// Set by `--full` for every step: a test that has a long size takes it.
pub(crate) const FULL: &str = "ROLLCALL_TEST_FULL";

/// Set up what is missing and run every test.
///
/// Formatting, lints, documentation, dependencies, the unit and property tests, and the conformance suite and stock
/// clients against the origin and the edge. Steps that wait run beside steps that compile; each line of output starts
/// with its step, and target/test-logs/ has one file a step. Ends with a table and a line `total: N passed, N failed,
/// N skipped`. The exit code is 0 only when everything ran, passed, and nothing was skipped.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Run only these steps, after the set-up and the builds that they need.
    #[arg(long, value_name = "STEP", value_delimiter = ',')]
    only: Vec<String>,
    /// Run the tests in their long sizes, and long fuzzing. Takes hours.
    #[arg(long)]
    full: bool,
    /// List the steps and run none.
    #[arg(long)]
    list: bool,
}

/// Runs the steps, those of one lane one after another and lanes side by side, and reports.
pub(crate) fn run(workspace: &Workspace, args: &Args) -> Result<ExitCode> {
    let full = args.full || std::env::var_os(FULL).is_some_and(|value| value == "1");
    let all: Vec<&Step> =
        STEPS.iter().filter(|step| (workspace.has_edge || !step.edge) && (full || !step.full)).collect();
    if args.list {
        for step in &all {
            println!("{:<12} {}", step.name, step.title);
        }
        return Ok(ExitCode::SUCCESS);
    }
    if !workspace.has_edge {
        println!("worker/ is not a member of this workspace: the edge is not part of it yet");
    }
    let chosen = choose(&all, &args.only)?;
    let report = run_lanes(workspace, &chosen, full)?;
    println!("\n{report}");
    if !args.only.is_empty() {
        println!("only {} of {} steps were asked for", chosen.len(), all.len());
    }
    println!("{}", report.closing_line());
    Ok(if report.is_clean() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn run_lanes(workspace: &Workspace, chosen: &[&'static Step], full: bool) -> Result<Report> {
    let children = child::Children::new(workspace, full)?;
    let mut schedule = Schedule::new(chosen);
    let mut outcomes: Vec<Option<Outcome>> = chosen.iter().map(|_| None).collect();
    let begun = Instant::now();
    let (sender, ended) = mpsc::channel();
    std::thread::scope(|scope| -> Result<()> {
        loop {
            match schedule.next() {
                Next::Start(at, step) => {
                    let (sender, children) = (sender.clone(), &children);
                    scope.spawn(move || sender.send((at, children.run(step))));
                }
                Next::Skip(at, step, need) => {
                    child::say(step.name, &format!("not run, since {need} failed"));
                    if let Some(outcome) = outcomes.get_mut(at) {
                        *outcome = Some(Outcome::NotRun);
                    }
                }
                Next::Wait => {
                    let (at, ran) = ended.recv()?;
                    schedule.ended(at, ran.error.is_none());
                    if let Some(outcome) = outcomes.get_mut(at) {
                        let ok = ran.error.is_none();
                        *outcome = Some(Outcome::Ran { time: ran.time, tally: ran.tally, ok });
                    }
                }
                Next::Done => return Ok(()),
            }
        }
    })?;
    println!("\nall steps took {}", clock(begun.elapsed()));
    let mut report = Report::default();
    for (step, outcome) in chosen.iter().zip(outcomes) {
        let outcome = outcome.unwrap_or(Outcome::NotRun);
        if !outcome.is_ok() && matches!(outcome, Outcome::Ran { .. }) {
            children.show_end(step.name);
        }
        report.add(step.name, outcome);
    }
    Ok(report)
}

/// The steps that were asked for with the preparations that they need; all, when none was asked for.
fn choose<'a>(all: &[&'a Step], only: &[String]) -> Result<Vec<&'a Step>> {
    if only.is_empty() {
        return Ok(all.to_vec());
    }
    let mut wanted = BTreeSet::new();
    for name in only {
        let Some(step) = all.iter().find(|step| step.name == name) else {
            let names: Vec<_> = all.iter().map(|step| step.name).collect();
            bail!("there is no step {name:?}; the steps are {}", names.join(", "));
        };
        wanted.insert(step.name);
    }
    // Backwards, since a step only needs earlier ones.
    for step in all.iter().rev() {
        if wanted.contains(step.name) {
            let prepares = |need: &&&str| all.iter().any(|other| other.name == **need && other.prepares);
            wanted.extend(step.needs.iter().filter(prepares));
        }
    }
    Ok(all.iter().copied().filter(|step| wanted.contains(step.name)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chosen(only: &[&str]) -> Vec<&'static str> {
        let all: Vec<&Step> = STEPS.iter().collect();
        let only: Vec<String> = only.iter().map(|name| (*name).to_owned()).collect();
        choose(&all, &only).unwrap().iter().map(|step| step.name).collect()
    }

    #[test]
    fn a_chosen_step_brings_its_preparations_and_no_other_test() {
        assert_eq!(chosen(&["fmt"]), ["setup", "fmt"]);
        assert_eq!(chosen(&["unit"]), ["setup", "build", "unit"]);
        assert_eq!(chosen(&["compare"]), ["compare"]);
        assert_eq!(chosen(&[]).len(), STEPS.len());
    }

    #[test]
    fn an_unknown_step_is_refused() {
        let all: Vec<&Step> = STEPS.iter().collect();
        let error = choose(&all, &["units".to_owned()]).err().unwrap().to_string();
        assert!(error.contains("no step \"units\""), "{error}");
    }
}
