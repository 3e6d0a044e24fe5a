//! `cargo xtask test`: everything, in one command, on a machine that has nothing but Rust.

mod child;
mod fuzz;
mod output;
mod processor;
mod programs;
mod report;
mod schedule;
mod scratch;
mod seed;
mod steps;
mod suites;
mod tally;
mod transcripts;

use std::collections::BTreeSet;
use std::io::{Write as _, stdout};
use std::process::ExitCode;
use std::sync::mpsc;
use std::time::Instant;

use anyhow::{Context, Result, bail};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

use crate::workspace::Workspace;
pub(crate) use child::{Args as StepArgs, run as run_step};
use child::{Children, Ran};
use output::Output;
pub(crate) use report::clock;
use report::{Outcome, Report};
use schedule::{Next, Schedule};
use steps::{STEPS, Step};

/// Set by `--full` for every step: a test that has a long size takes it.
pub(crate) const FULL: &str = "ROLLCALL_TEST_FULL";

/// Set up what is missing and run every test.
///
/// Formatting, lints, documentation, dependencies, the unit and property tests, and the conformance suite and stock
/// clients against the origin and the edge. Steps that wait run beside steps that compile; each line of output starts
/// with its step, and target/test-logs/ has one file a step. Ends with a table and a line `total: N passed, N failed,
/// N skipped`. The exit code is 0 only when everything ran, passed, and nothing was skipped. A step that hangs is ended after
/// its limit, which --list shows, and fails.
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

/// Runs the steps, those of one lane one after another and lanes side by side, under `--full` one by one, and reports.
pub(crate) fn run(workspace: &Workspace, args: &Args) -> Result<ExitCode> {
    let full = args.full || std::env::var_os(FULL).is_some_and(|value| value == "1");
    let all: Vec<&Step> =
        STEPS.iter().filter(|step| (workspace.has_edge || !step.edge) && (full || !step.full)).collect();
    let mut out = stdout().lock();
    if args.list {
        for step in &all {
            writeln!(out, "{:<12} {} (at most {})", step.name, step.title, clock(step.limit(full)))?;
        }
        return Ok(ExitCode::SUCCESS);
    }
    if !workspace.has_edge {
        writeln!(out, "worker/ is not a member of this workspace: the edge is not part of it yet")?;
    }
    // The steps write to it, too.
    drop(out);
    let chosen = choose(&all, &args.only)?;
    let is_chosen = |name: &str| chosen.iter().any(|step| step.name == name);
    if is_chosen(suites::COMPARE) {
        transcripts::check(workspace, suites::COMPARED.into_iter().filter(|step| !is_chosen(step)))?;
    }
    let report = run_lanes(workspace, &chosen, full)?;
    let mut out = stdout().lock();
    writeln!(out, "\n{report}")?;
    if !args.only.is_empty() {
        writeln!(out, "only {} of {} steps were asked for", chosen.len(), all.len())?;
    }
    writeln!(out, "{}", report.closing_line())?;
    Ok(if report.is_clean() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// What happens during a run.
enum Event {
    /// The step at this place of the table has ended.
    Ended(usize, Ran),
    /// The run is to stop, for this reason.
    Stop(String),
}

fn run_lanes(workspace: &Workspace, chosen: &[&'static Step], full: bool) -> Result<Report> {
    let (sender, events) = mpsc::channel();
    let output = Output::new(sender.clone());
    let children = Children::new(workspace, full, output.clone())?;
    stop_on_signals(sender.clone())?;
    let mut schedule = Schedule::new(chosen, full);
    let mut outcomes: Vec<Option<Outcome>> = chosen.iter().map(|_| None).collect();
    let begun = Instant::now();
    std::thread::scope(|scope| -> Result<()> {
        loop {
            match schedule.next() {
                Next::Start(at, step) => {
                    let (sender, children) = (sender.clone(), &children);
                    scope.spawn(move || sender.send(Event::Ended(at, children.run(step))));
                }
                Next::Skip(at, step, need) => {
                    output.say(step.name, &format!("not run, since {need} failed"));
                    if let Some(outcome) = outcomes.get_mut(at) {
                        *outcome = Some(Outcome::NotRun);
                    }
                }
                Next::Wait => match events.recv()? {
                    Event::Ended(at, ran) => {
                        let ok = ran.error.is_none();
                        schedule.ended(at, ok);
                        if let Some(outcome) = outcomes.get_mut(at) {
                            *outcome = Some(Outcome::Ran {
                                time: ran.time,
                                processor: ran.processor,
                                tally: ran.tally,
                                ok,
                            });
                        }
                    }
                    Event::Stop(why) => {
                        // The end of the scope waits for them.
                        children.stop();
                        bail!("{why}; the steps that ran were ended");
                    }
                },
                Next::Done => return Ok(()),
            }
        }
    })?;
    writeln!(stdout(), "\nall steps took {}", clock(begun.elapsed()))?;
    let mut report = Report::default();
    for (step, outcome) in chosen.iter().zip(outcomes) {
        let outcome = outcome.unwrap_or(Outcome::NotRun);
        if !outcome.is_ok() && matches!(outcome, Outcome::Ran { .. }) {
            children.show_end(step.name)?;
        }
        report.add(step.name, outcome);
    }
    Ok(report)
}

/// Stops the run on Ctrl-C and its kin: the processes of the steps are in groups of their own, which a terminal does not reach.
fn stop_on_signals(events: mpsc::Sender<Event>) -> Result<()> {
    let mut signals = Signals::new([SIGINT, SIGTERM, SIGHUP]).context("cannot watch for signals")?;
    std::thread::spawn(move || {
        for signal in signals.forever() {
            let name = signal_hook::low_level::signal_name(signal).unwrap_or("a signal");
            // The run may be over.
            let _ = events.send(Event::Stop(format!("stopped by {name}")));
        }
    });
    Ok(())
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
