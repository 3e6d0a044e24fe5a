//! The leader of the runtime's process group.
//!
//! wrangler starts several programs, and those outlive it when it is killed. So `edge dev` starts this
//! guard in a new process group, and the guard starts wrangler in the same one. Between the two is a pipe:
//! a byte on it asks for an orderly stop, and its end, however `edge dev` died, kills the whole group at
//! once. `kill -9` of `edge dev` is therefore a crash of the complete runtime.

use std::ffi::OsString;
use std::io::Read;
use std::process::{Command, ExitCode, Stdio};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use rustix::process::{Pid, Signal, getpgrp, kill_process, kill_process_group};

/// How long wrangler may take to end in order.
const ORDERLY: Duration = Duration::from_secs(8);

/// How often the child is looked at while nothing is asked.
const TICK: Duration = Duration::from_millis(50);

/// The command to guard.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Program and arguments.
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, required = true)]
    command: Vec<OsString>,
}

/// What came through the pipe.
enum Word {
    Stop,
    Gone,
}

/// Starts the command and stays until it ends, or until it is told to end it. Kills its own group last.
pub(crate) fn run(args: &Args) -> Result<ExitCode> {
    let (program, rest) = args.command.split_first().context("no command to guard")?;
    let mut child = Command::new(program)
        .args(rest)
        .stdin(Stdio::null())
        .spawn()
        .with_context(|| format!("cannot start {}", program.to_string_lossy()))?;
    let pid = Pid::from_child(&child);
    let words = listen();
    let mut deadline: Option<Instant> = None;
    loop {
        if let Some(status) = child.try_wait()? {
            if deadline.is_none() {
                eprintln!("the runtime ended by itself with {status}");
            }
            break;
        }
        if deadline.is_some_and(|at| Instant::now() >= at) {
            eprintln!("the runtime did not stop in time and is killed");
            break;
        }
        match words.recv_timeout(TICK) {
            Ok(Word::Stop) if deadline.is_none() => {
                kill_process(pid, Signal::TERM).context("cannot stop the runtime")?;
                deadline = Some(Instant::now() + ORDERLY);
            }
            Ok(Word::Stop) | Err(RecvTimeoutError::Timeout) => {}
            Ok(Word::Gone) | Err(RecvTimeoutError::Disconnected) => break,
        }
    }
    // The group is ours alone; this ends us as well.
    kill_process_group(getpgrp(), Signal::KILL).context("cannot end the runtime's processes")?;
    Ok(ExitCode::SUCCESS)
}

/// Reads standard input in a thread of its own.
fn listen() -> mpsc::Receiver<Word> {
    let (sender, receiver) = mpsc::channel();
    std::thread::spawn(move || {
        let mut byte = [0_u8];
        while let Ok(1) = std::io::stdin().read(&mut byte) {
            let _ = sender.send(Word::Stop);
        }
        let _ = sender.send(Word::Gone);
        // Keeps the channel open: after an orderly stop it is the child that we wait for.
        std::thread::park();
    });
    receiver
}
