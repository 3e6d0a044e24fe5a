//! Becomes the runtime, and ends with the command that started it.
//!
//! `kill -9` of `edge dev` must be a crash of the whole runtime, and a killed process cannot stop another one: the
//! kernel does it. Asking for that takes a step between fork and exec, which is this program.

use std::ffi::OsString;
use std::os::unix::process::CommandExt as _;
use std::process::{Command, ExitCode};

use anyhow::{Context, Result, bail};
use rustix::process::{Pid, getppid};

/// The command to become.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// The process that the command must not outlive.
    #[arg(long)]
    parent: i32,
    /// Program and arguments.
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, required = true)]
    command: Vec<OsString>,
}

/// Asks the kernel for the end with the parent, then becomes the command.
pub(crate) fn run(args: &Args) -> Result<ExitCode> {
    let (program, rest) = args.command.split_first().context("no command to become")?;
    #[cfg(target_os = "linux")]
    rustix::process::set_parent_process_death_signal(Some(rustix::process::Signal::KILL))
        .context("cannot tie the runtime to its parent")?;
    // The parent may have ended before the kernel was asked.
    if getppid() != Pid::from_raw(args.parent) {
        bail!("the command that started the runtime is gone");
    }
    let error = Command::new(program).args(rest).exec();
    Err(error).with_context(|| format!("cannot start {}", program.to_string_lossy()))
}
