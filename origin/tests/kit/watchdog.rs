//! An end to every wait for a process.
#![allow(clippy::print_stderr, reason = "a test that waits does not know why it fails")]

use std::{
    process::{Child, Command, Output, Stdio},
    sync::mpsc::{self, RecvTimeoutError},
    time::Duration,
};

use rollcall_conformance::size::size;
use rustix::process::{Pid, Signal, kill_process, kill_process_group};

/// Ten times what the longest test takes on two cores.
fn limit() -> Duration {
    Duration::from_secs(size(300, 3_000))
}

/// Kills a process that runs too long. All that waits for its answers, its output or its end fails then.
pub struct Watchdog(#[allow(dead_code, reason = "its drop is the signal")] mpsc::Sender<()>);

impl Watchdog {
    /// Watches a process, with its group if it leads one, until this is dropped.
    pub fn over(child: &Child) -> Self {
        Self::over_for(child, limit())
    }

    fn over_for(child: &Child, limit: Duration) -> Self {
        let pid = Pid::from_child(child);
        let (sender, dropped) = mpsc::channel();
        std::thread::spawn(move || {
            if dropped.recv_timeout(limit) == Err(RecvTimeoutError::Timeout) {
                eprintln!("process {pid} is killed after its limit of {limit:?}");
                // Either may have ended.
                kill_process_group(pid, Signal::KILL).ok();
                kill_process(pid, Signal::KILL).ok();
            }
        });
        Self(sender)
    }
}

/// What a command prints until it ends, which it has to.
pub fn output(command: &mut Command) -> Output {
    output_within(command, limit())
}

/// The same with another limit.
pub fn output_within(command: &mut Command, limit: Duration) -> Output {
    let child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let _watchdog = Watchdog::over_for(&child, limit);
    child.wait_with_output().unwrap()
}
