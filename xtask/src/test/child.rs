//! A step in a process of its own, so that whatever it prints, and whatever it starts prints, can be told apart.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::process::{ChildStdin, Command, ExitCode};
use std::sync::{Mutex, PoisonError, mpsc};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use serde::{Deserialize, Serialize};

use super::FULL;
use super::output::{self, Output};
use super::processor;
use super::report::clock;
use super::scratch::Scratch;
use super::seed;
use super::steps::{Lane, STEPS, Step};
use super::tally::Tally;
use crate::supervise::{explained, supervised};
use crate::workspace::Workspace;

/// How much lower the priority of the other lanes is.
const YIELDING: i32 = 5;

/// How long the last lines of a step may take to arrive after its end.
const LINGER: Duration = Duration::from_secs(20);

/// Run one step of `cargo xtask test` (internal; started by it).
#[derive(clap::Args)]
pub(crate) struct Args {
    name: String,
    /// Where the counts are written.
    #[arg(long)]
    counts: PathBuf,
}

/// What a step's process leaves behind.
#[derive(Serialize, Deserialize)]
struct Counts {
    /// Passed, failed, skipped.
    tests: [usize; 3],
    processor: Option<Duration>,
}

/// What became of a step that ran.
pub(super) struct Ran {
    pub(super) time: Duration,
    /// Of all its processes, where the system tells.
    pub(super) processor: Option<Duration>,
    pub(super) tally: Tally,
    pub(super) error: Option<String>,
}

/// Carries out one step in this process.
pub(crate) fn run(workspace: &Workspace, args: &Args) -> Result<ExitCode> {
    let Some(step) = STEPS.iter().find(|step| step.name == args.name) else {
        bail!("there is no step {:?}", args.name);
    };
    // The edge's lane is the longest: its compiler and its suite come first on a busy processor.
    if step.lane != Lane::Edge {
        rustix::process::nice(YIELDING).context("cannot lower the priority")?;
    }
    let tally = (step.run)(workspace)?;
    let counts = Counts { tests: [tally.passed, tally.failed, tally.skipped], processor: processor::used() };
    fs::write(&args.counts, serde_json::to_vec(&counts)?)
        .with_context(|| format!("cannot write {}", args.counts.display()))?;
    Ok(ExitCode::SUCCESS)
}

/// What every step's process is started with.
pub(super) struct Children {
    program: PathBuf,
    logs: PathBuf,
    full: bool,
    /// Of property tests; `--full` looks elsewhere in each run.
    seed: Option<String>,
    scratch: Scratch,
    output: Output,
    /// The pipe of each running step, which ends when the pipe is closed; `None` once the run is stopped.
    running: Mutex<Option<BTreeMap<&'static str, ChildStdin>>>,
}

impl Children {
    /// Keeps this program under a second name: a build of the workspace replaces the first one while steps start.
    pub(super) fn new(workspace: &Workspace, full: bool, output: Output) -> Result<Self> {
        let logs = workspace.test_logs();
        fs::create_dir_all(&logs).with_context(|| format!("cannot create {}", logs.display()))?;
        let program = logs.join("xtask");
        if program.exists() {
            fs::remove_file(&program)?;
        }
        fs::hard_link(&workspace.exe, &program)
            .or_else(|_| fs::copy(&workspace.exe, &program).map(drop))
            .with_context(|| format!("cannot copy this program to {}", program.display()))?;
        Ok(Self {
            program,
            logs,
            full,
            seed: seed::of_sources(workspace).filter(|_| !full),
            scratch: Scratch::new()?,
            output,
            running: Mutex::new(Some(BTreeMap::new())),
        })
    }

    /// Runs a step to its end, its lines shown as they come.
    pub(super) fn run(&self, step: &'static Step) -> Ran {
        self.output.say(step.name, &format!("begins: {}", step.title));
        let begun = Instant::now();
        let outcome = self.run_process(step);
        let time = begun.elapsed();
        let (tally, processor, error) = match outcome {
            Ok((tally, processor)) => {
                let (tally, error) = tally.verdict(step.counts);
                (tally, processor, error)
            }
            Err(error) => (Tally::default().with_failure(), None, Some(format!("{error:#}"))),
        };
        match &error {
            None => self.output.say(step.name, &format!("ok in {}", clock(time))),
            Some(error) => self.output.say(step.name, &format!("FAILED in {}: {error}", clock(time))),
        }
        Ran { time, processor, tally, error }
    }

    fn run_process(&self, step: &'static Step) -> Result<(Tally, Option<Duration>)> {
        let counts = self.logs.join(format!("{}.counts", step.name));
        // Those of an earlier run.
        if counts.exists() {
            fs::remove_file(&counts)?;
        }
        let (output, writer) = std::io::pipe()?;
        let mut command = Command::new(&self.program);
        command.args(["step", step.name, "--counts"]).arg(&counts);
        match self.full {
            true => command.env(FULL, "1"),
            false => command.env_remove(FULL),
        };
        if let Some(seed) = self.seed.as_ref().filter(|_| step.counts) {
            command.env(seed::VARIABLE, seed);
        }
        // Steps that test; the others build, or share a lock with other runs there.
        if let Some(folder) = self.scratch.folder().filter(|_| step.counts) {
            command.env("TMPDIR", folder);
        }
        let limit = step.limit(self.full);
        let mut command = supervised(&self.program, limit, &command);
        command.stdout(writer.try_clone()?).stderr(writer);
        let mut child = {
            let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
            let running = running.as_mut().context("the run is stopped")?;
            let mut child = command.spawn().context("cannot start this program again")?;
            running.insert(step.name, child.stdin.take().context("no pipe to the step")?);
            child
        };
        // It holds the pipe's other end open.
        drop(command);
        let (sender, ended) = mpsc::channel();
        let (name, log, shown) = (step.name, self.log(step.name), self.output.clone());
        std::thread::spawn(move || sender.send(shown.forward(name, output, &log)));
        let status = child.wait()?;
        if let Some(running) = self.running.lock().unwrap_or_else(PoisonError::into_inner).as_mut() {
            running.remove(step.name);
        }
        match ended.recv_timeout(LINGER) {
            Ok(lines) => lines?,
            Err(_) => bail!("it ended with {status}, and something that it started still runs"),
        }
        if !status.success() {
            bail!(explained(status, limit));
        }
        let text = fs::read(&counts).context("it left no counts")?;
        let Counts { tests, processor } = serde_json::from_slice(&text).context("its counts")?;
        let [passed, failed, skipped] = tests;
        Ok((Tally { passed, failed, skipped }, processor))
    }

    /// Ends all steps that run, and starts no other.
    pub(super) fn stop(&self) {
        // Each ends when its pipe does.
        drop(self.running.lock().unwrap_or_else(PoisonError::into_inner).take());
    }

    /// Shows the last lines of a step once more.
    pub(super) fn show_end(&self, name: &str) -> std::io::Result<()> {
        output::show_end(name, &self.log(name))
    }

    fn log(&self, name: &str) -> PathBuf {
        self.logs.join(format!("{name}.log"))
    }
}
