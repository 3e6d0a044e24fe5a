//! `cargo xtask test`: everything, in one command, on a machine that has nothing but Rust.

mod fuzz;
mod report;
mod steps;
mod tally;

use std::process::ExitCode;
use std::time::Instant;

use anyhow::{Result, bail};

use crate::workspace::Workspace;
use report::{Outcome, Report, clock};
use steps::{STEPS, Step};
use tally::Tally;

/// Set up what is missing and run every test.
///
/// Formatting, clippy, the unit and property tests, and the conformance suite and stock clients against the origin
/// and, once the workspace has a worker, against the edge. Ends with a table and a line `total: N passed, N failed,
/// N skipped`. The exit code is 0 only when everything ran, passed, and nothing was skipped.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Run only these steps, in the table's order; what they build on must be there already.
    #[arg(long, value_name = "STEP", value_delimiter = ',')]
    only: Vec<String>,
    /// List the steps and run none.
    #[arg(long)]
    list: bool,
}

/// Runs the steps one after the other and reports.
pub(crate) fn run(workspace: &Workspace, args: &Args) -> Result<ExitCode> {
    let part: Vec<&Step> = STEPS.iter().filter(|step| workspace.has_edge || !step.edge).collect();
    if args.list {
        for step in &part {
            println!("{:<12} {}", step.name, step.title);
        }
        return Ok(ExitCode::SUCCESS);
    }
    if !workspace.has_edge {
        println!("worker/ is not a member of this workspace: the edge is not part of it yet");
    }
    let chosen = choose(&part, &args.only)?;
    let mut report = Report::default();
    for (at, step) in chosen.iter().enumerate() {
        let place = format!("[{}/{}] {}", at + 1, chosen.len(), step.name);
        if let Some(need) = step.needs.iter().find(|need| report.has_failed(need)) {
            println!("\n{place}: not run, since {need} failed");
            report.add(step.name, Outcome::NotRun);
            continue;
        }
        println!("\n{place}: {}", step.title);
        let start = Instant::now();
        let (tally, error) = match (step.run)(workspace) {
            Ok(tally) => tally.verdict(step.counts),
            Err(error) => (Tally::default().with_failure(), Some(format!("{error:#}"))),
        };
        let time = start.elapsed();
        match &error {
            None => println!("{place}: ok in {}", clock(time)),
            Some(error) => println!("{place}: FAILED in {}: {error}", clock(time)),
        }
        report.add(step.name, Outcome::Ran { time, tally, ok: error.is_none() });
    }
    println!("\n{report}");
    if !args.only.is_empty() {
        println!("only {} of {} steps were asked for", chosen.len(), part.len());
    }
    println!("{}", report.closing_line());
    Ok(if report.is_clean() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// The steps that were asked for; all, when none was.
fn choose<'a>(part: &[&'a Step], only: &[String]) -> Result<Vec<&'a Step>> {
    if let Some(unknown) = only.iter().find(|name| part.iter().all(|step| step.name != name.as_str())) {
        let names: Vec<_> = part.iter().map(|step| step.name).collect();
        bail!("there is no step {unknown:?}; the steps are {}", names.join(", "));
    }
    let wanted = |step: &Step| only.is_empty() || only.iter().any(|name| name == step.name);
    Ok(part.iter().copied().filter(|step| wanted(step)).collect())
}
