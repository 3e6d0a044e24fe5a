//! `cargo xtask supervise`: runs a command to its end or its limit, and ends with it everything that it started.
//!
//! The steps of the test command run under it. Some of what they start leads a process group of its own, so that neither
//! Ctrl-C nor a signal to the step's group reaches it. On Linux this process adopts the orphans among its descendants, so
//! that all of them can be found.

use std::ffi::OsString;
use std::io::{Read as _, Write as _, stderr, stdin};
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::path::Path;
use std::process::{Command, ExitCode, ExitStatus, Stdio};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use rustix::process::{Pid, Signal, kill_process, kill_process_group};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

use crate::descendants::{self, Process};
use crate::test::clock;

/// The status after the limit, as of timeout(1).
pub(crate) const LATE: i32 = 124;
/// The status of a command that succeeded and left processes behind.
pub(crate) const LEFT: i32 = 125;

/// How often the remaining processes are listed; the kernel announces the end of grandchildren to no one.
const LOOK: Duration = Duration::from_millis(20);
/// How often those that ignore a request are killed: what starts while the list is read is in the next one.
const ROUNDS: usize = 500;

/// Run a command to its end or its limit, and end everything that it started (internal).
///
/// The end of standard input is a request to stop, so that the command does not outlive the process that holds the pipe.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// The time after which the command is ended.
    #[arg(long, value_name = "SECONDS", value_parser = seconds)]
    limit: Duration,
    /// The time for which processes may outlive the command.
    #[arg(long, value_name = "SECONDS", value_parser = seconds, default_value = "20")]
    linger: Duration,
    /// The time that processes have to end in order.
    #[arg(long, value_name = "SECONDS", value_parser = seconds, default_value = "10")]
    grace: Duration,
    /// Program and arguments.
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, required = true)]
    command: Vec<OsString>,
}

fn seconds(text: &str) -> Result<Duration, String> {
    let seconds: f64 = text.parse().map_err(|error| format!("{error}"))?;
    Duration::try_from_secs_f64(seconds).map_err(|error| error.to_string())
}

/// The command that runs `command` under supervision by the program `xtask`. Its standard input has to be a pipe, which its
/// starter holds open.
pub(crate) fn supervised(xtask: &Path, limit: Duration, command: &Command) -> Command {
    let mut supervised = Command::new(xtask);
    supervised.args(["supervise", "--limit", &limit.as_secs_f64().to_string(), "--"]);
    supervised.arg(command.get_program()).args(command.get_args()).stdin(Stdio::piped());
    if let Some(folder) = command.get_current_dir() {
        supervised.current_dir(folder);
    }
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => supervised.env(name, value),
            None => supervised.env_remove(name),
        };
    }
    supervised
}

/// The reason for the bad status of a command under supervision.
pub(crate) fn explained(status: ExitStatus, limit: Duration) -> String {
    match status.code() {
        Some(LATE) => format!("it was ended after its limit of {}", clock(limit)),
        Some(LEFT) => "it left processes behind, which were ended".to_owned(),
        _ => format!("it ended with {status}"),
    }
}

enum Event {
    Ended(std::io::Result<ExitStatus>),
    Signal(i32),
    Abandoned,
}

/// Runs the command. The exit status is the command's own, 128 and the number of the signal that ended either of both,
/// [`LATE`] or [`LEFT`].
pub(crate) fn run(args: &Args) -> Result<ExitCode> {
    let (program, rest) = args.command.split_first().context("no command to run")?;
    let mut signals = Signals::new([SIGTERM, SIGINT, SIGHUP]).context("cannot watch for signals")?;
    descendants::adopt_orphans().context("cannot adopt orphans")?;
    let mut child = Command::new(program)
        .args(rest)
        .stdin(Stdio::null())
        .process_group(0)
        .spawn()
        .with_context(|| format!("cannot start {}", program.to_string_lossy()))?;
    let group = Pid::from_child(&child);
    let (sender, events) = mpsc::channel();
    let ended = sender.clone();
    thread::spawn(move || ended.send(Event::Ended(child.wait())));
    let abandoned = sender.clone();
    thread::spawn(move || {
        let _ = stdin().read_to_end(&mut Vec::new());
        abandoned.send(Event::Abandoned)
    });
    thread::spawn(move || signals.forever().try_for_each(|signal| sender.send(Event::Signal(signal))));
    match events.recv_timeout(args.limit) {
        Ok(Event::Ended(status)) => {
            ended_by_itself(status.context("waiting for the command")?, args, &events)
        }
        Ok(Event::Signal(number)) => {
            let in_order = end_all(group, Signal::from_named_raw(number).unwrap_or(Signal::TERM), args.grace);
            Ok(code(128 + if in_order { number } else { Signal::KILL.as_raw() }))
        }
        Ok(Event::Abandoned) => {
            end_all(group, Signal::TERM, args.grace);
            Ok(code(128 + SIGTERM))
        }
        Err(RecvTimeoutError::Timeout) => {
            say(&format!("the limit of {} is over: everything is ended", clock(args.limit)));
            end_all(group, Signal::TERM, args.grace);
            Ok(code(LATE))
        }
        Err(RecvTimeoutError::Disconnected) => bail!("the wait for the command has ended"),
    }
}

/// Judges a command that ended before its limit, and what is left of it.
fn ended_by_itself(status: ExitStatus, args: &Args, events: &Receiver<Event>) -> Result<ExitCode> {
    let own = match (status.code(), status.signal()) {
        (Some(own), _) => own,
        (None, Some(signal)) => {
            say(&format!("the command ended with {status}"));
            128 + signal
        }
        (None, None) => bail!("the command ended with {status}"),
    };
    // A request to stop ends the wait.
    if none_within(args.linger, || events.recv_timeout(LOOK).is_err()) {
        return Ok(code(own));
    }
    let left: Vec<String> = descendants::all().iter().map(ToString::to_string).collect();
    say(&format!("the command left processes behind, which are ended: {}", left.join(", ")));
    end_listed(Signal::TERM, args.grace);
    Ok(code(if own == 0 { LEFT } else { own }))
}

/// Asks everything to end, and kills what does not. Whether all of it did as it was asked.
fn end_all(group: Pid, request: Signal, grace: Duration) -> bool {
    if cfg!(target_os = "linux") {
        return end_listed(request, grace);
    }
    // Elsewhere descendants cannot be listed, and the group is what can be reached. It may have ended.
    kill_process_group(group, request).is_ok()
}

fn end_listed(request: Signal, grace: Duration) -> bool {
    signal(&descendants::all(), request);
    if none_within(grace, pause) {
        return true;
    }
    for _ in 0..ROUNDS {
        let left = descendants::all();
        if left.is_empty() {
            break;
        }
        signal(&left, Signal::KILL);
        pause();
    }
    false
}

fn signal(processes: &[Process], signal: Signal) {
    for process in processes {
        // It may have ended since it was listed.
        let _ = kill_process(process.id, signal);
    }
}

/// Whether no descendant is left within this time. `pause` returns false to give up.
fn none_within(time: Duration, pause: impl Fn() -> bool) -> bool {
    let begun = Instant::now();
    loop {
        if descendants::all().is_empty() {
            return true;
        }
        if begun.elapsed() >= time || !pause() {
            return false;
        }
    }
}

fn pause() -> bool {
    thread::sleep(LOOK);
    true
}

/// A line on standard error, which may be closed.
fn say(line: &str) {
    let _ = writeln!(stderr(), "error: {line}");
}

fn code(code: i32) -> ExitCode {
    u8::try_from(code).map_or(ExitCode::FAILURE, ExitCode::from)
}
