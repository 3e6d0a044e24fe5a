//! A step in a process of its own, so that whatever it prints, and whatever it starts prints, can be told apart.

use std::collections::VecDeque;
use std::fs::{self, File};
use std::io::{BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use super::FULL;
use super::report::clock;
use super::steps::{STEPS, Step};
use super::tally::Tally;
use crate::workspace::Workspace;

/// How many lines of a failed step are shown again at the end.
const SHOWN: usize = 60;

/// How long the processes that a step started may outlive it.
const LINGER: Duration = Duration::from_secs(20);

/// Run one step of `cargo xtask test` (internal; started by it).
#[derive(clap::Args)]
pub(crate) struct Args {
    name: String,
    /// Where the counts are written.
    #[arg(long)]
    counts: PathBuf,
}

/// What became of a step that ran.
pub(super) struct Ran {
    pub(super) time: Duration,
    pub(super) tally: Tally,
    pub(super) error: Option<String>,
}

/// Carries out one step in this process.
pub(crate) fn run(workspace: &Workspace, args: &Args) -> Result<ExitCode> {
    let Some(step) = STEPS.iter().find(|step| step.name == args.name) else {
        bail!("there is no step {:?}", args.name);
    };
    let tally = (step.run)(workspace)?;
    fs::write(&args.counts, serde_json::to_vec(&[tally.passed, tally.failed, tally.skipped])?)
        .with_context(|| format!("cannot write {}", args.counts.display()))?;
    Ok(ExitCode::SUCCESS)
}

/// What every step's process is started with.
pub(super) struct Children {
    program: PathBuf,
    logs: PathBuf,
    full: bool,
}

impl Children {
    /// Keeps this program under a second name: a build of the workspace replaces the first one while steps start.
    pub(super) fn new(workspace: &Workspace, full: bool) -> Result<Self> {
        let logs = workspace.test_logs();
        fs::create_dir_all(&logs).with_context(|| format!("cannot create {}", logs.display()))?;
        let program = logs.join("xtask");
        if program.exists() {
            fs::remove_file(&program)?;
        }
        fs::hard_link(&workspace.exe, &program)
            .or_else(|_| fs::copy(&workspace.exe, &program).map(drop))
            .with_context(|| format!("cannot copy this program to {}", program.display()))?;
        Ok(Self { program, logs, full })
    }

    /// Runs a step to its end, its lines shown as they come.
    pub(super) fn run(&self, step: &Step) -> Ran {
        say(step.name, &format!("begins: {}", step.title));
        let begun = Instant::now();
        let outcome = self.run_process(step);
        let time = begun.elapsed();
        let (tally, error) = match outcome {
            Ok(tally) => tally.verdict(step.counts),
            Err(error) => (Tally::default().with_failure(), Some(format!("{error:#}"))),
        };
        match &error {
            None => say(step.name, &format!("ok in {}", clock(time))),
            Some(error) => say(step.name, &format!("FAILED in {}: {error}", clock(time))),
        }
        Ran { time, tally, error }
    }

    fn run_process(&self, step: &Step) -> Result<Tally> {
        let counts = self.logs.join(format!("{}.counts", step.name));
        // Those of an earlier run.
        if counts.exists() {
            fs::remove_file(&counts)?;
        }
        let (output, writer) = std::io::pipe()?;
        let mut command = Command::new(&self.program);
        command.args(["step", step.name, "--counts"]).arg(&counts).stdin(Stdio::null());
        command.stdout(writer.try_clone()?).stderr(writer);
        match self.full {
            true => command.env(FULL, "1"),
            false => command.env_remove(FULL),
        };
        let mut child = command.spawn().context("cannot start this program again")?;
        // It holds the pipe's other end open.
        drop(command);
        let (sender, ended) = mpsc::channel();
        let (name, log) = (step.name, self.log(step.name));
        std::thread::spawn(move || sender.send(forward(name, output, &log)));
        let status = child.wait()?;
        match ended.recv_timeout(LINGER) {
            Ok(lines) => lines?,
            Err(_) => bail!("it ended with {status}, and something that it started still runs"),
        }
        if !status.success() {
            bail!("it ended with {status}");
        }
        let text = fs::read(&counts).context("it left no counts")?;
        let [passed, failed, skipped] = serde_json::from_slice(&text).context("its counts")?;
        Ok(Tally { passed, failed, skipped })
    }

    fn log(&self, name: &str) -> PathBuf {
        self.logs.join(format!("{name}.log"))
    }

    /// Shows the last lines of a step once more.
    pub(super) fn show_end(&self, name: &str) {
        let log = self.log(name);
        println!("\n{name} failed; {} has all of its output, which ends with:", log.display());
        for line in last_lines(&log).unwrap_or_default() {
            println!("  {line}");
        }
    }
}

/// Shows and keeps every line until the last process that holds the pipe has ended.
fn forward(name: &str, output: impl Read, log: &Path) -> Result<()> {
    let mut log = File::create(log).with_context(|| format!("cannot create {}", log.display()))?;
    for line in BufReader::new(output).split(b'\n') {
        let line = line.context("reading the step's output")?;
        let line = String::from_utf8_lossy(&line);
        say(name, &line);
        writeln!(log, "{line}")?;
    }
    Ok(())
}

/// Prints a line with the step that it belongs to in front.
pub(super) fn say(name: &str, line: &str) {
    println!("{name:>12} | {line}");
}

fn last_lines(log: &Path) -> Result<VecDeque<String>> {
    let mut last = VecDeque::new();
    for line in BufReader::new(File::open(log)?).split(b'\n') {
        if last.len() == SHOWN {
            last.pop_front();
        }
        last.push_back(String::from_utf8_lossy(&line?).into_owned());
    }
    Ok(last)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_of_a_log_is_its_last_lines() {
        let folder = tempfile::tempdir().unwrap();
        let log = folder.path().join("step.log");
        let text: String = (0..SHOWN + 5).map(|line| format!("line {line}\n")).collect();
        forward("step", text.as_bytes(), &log).unwrap();
        assert_eq!(fs::read_to_string(&log).unwrap(), text);
        let last = last_lines(&log).unwrap();
        assert_eq!((last.len(), last[0].as_str()), (SHOWN, "line 5"));
    }
}
