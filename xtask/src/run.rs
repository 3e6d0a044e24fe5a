//! Running other programs: shown before they start, explained when they fail.

use std::ffi::OsStr;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, ExitStatus, Stdio};

use anyhow::{Context, Result, bail};

/// Runs a command with its output passed through; `advice` follows the error of one that failed.
pub(crate) fn passed_through(command: &mut Command, advice: &str) -> Result<()> {
    show(command);
    let status = command.status().with_context(|| cannot_start(command, advice))?;
    check(command, status, advice)
}

/// Runs a command, prints its standard output line by line as it comes, and hands each line to `each`.
pub(crate) fn watched(command: &mut Command, mut each: impl FnMut(&str)) -> Result<ExitStatus> {
    each_line(command, |line| {
        println!("{line}");
        each(line);
    })
}

/// Runs a command and hands each line of its standard output to `each` as it comes.
pub(crate) fn each_line(command: &mut Command, mut each: impl FnMut(&str)) -> Result<ExitStatus> {
    show(command);
    let mut child = command.stdout(Stdio::piped()).spawn().with_context(|| cannot_start(command, ""))?;
    if let Some(stdout) = child.stdout.take() {
        for line in BufReader::new(stdout).split(b'\n') {
            let line = line.context("reading the command's output")?;
            each(&String::from_utf8_lossy(&line));
        }
    }
    child.wait().context("waiting for the command")
}

/// What a command printed on standard output, trimmed; `None` when it could not run or failed.
pub(crate) fn answer(command: &mut Command) -> Option<String> {
    let output = command.stderr(Stdio::null()).stdin(Stdio::null()).output().ok()?;
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

/// Turns the status of a command that ended badly into an error.
pub(crate) fn check(command: &Command, status: ExitStatus, advice: &str) -> Result<()> {
    if status.success() {
        return Ok(());
    }
    let separator = if advice.is_empty() { "" } else { ": " };
    bail!("`{}` ended with {status}{separator}{advice}", line_of(command))
}

/// The command as one would type it: where its program lies says nothing.
pub(crate) fn line_of(command: &Command) -> String {
    let program = command.get_program();
    let name = Path::new(program).file_name().unwrap_or(program);
    let words = std::iter::once(name).chain(command.get_args());
    words.map(OsStr::to_string_lossy).collect::<Vec<_>>().join(" ")
}

fn show(command: &Command) {
    println!("$ {}", line_of(command));
    // The command writes to the same place: what we said comes first.
    let _ = std::io::stdout().flush();
}

fn cannot_start(command: &Command, advice: &str) -> String {
    let separator = if advice.is_empty() { "" } else { " (" };
    let end = if advice.is_empty() { "" } else { ")" };
    format!("cannot start {}{separator}{advice}{end}", command.get_program().to_string_lossy())
}
