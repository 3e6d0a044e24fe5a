//! Whatever a step starts ends with it, and the test command ends when it is told to.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test")]
#![cfg(target_os = "linux")]

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _};
use std::os::unix::fs::PermissionsExt as _;
use std::process::{Child, Command, Output, Stdio};

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

/// A shell script under supervision, with standard input as the pipe that keeps it alive.
fn supervise(options: &[&str], script: &str) -> Child {
    Command::new(env!("CARGO_BIN_EXE_xtask"))
        .arg("supervise")
        .args(options)
        .args(["--", "sh", "-c", script])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

/// The first line that it prints.
fn first_line(child: &mut Child) -> String {
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    line
}

/// The output of what keeps its pipes open until its last descendant has ended.
fn ended(mut child: Child) -> Output {
    // `wait_with_output` would close it.
    let _pipe = child.stdin.take();
    child.wait_with_output().unwrap()
}

fn is_running(process: &str) -> bool {
    let stat = fs::read_to_string(format!("/proc/{}/stat", process.trim())).unwrap_or_default();
    stat.rsplit_once(") ").is_some_and(|(_, state)| !state.starts_with('Z'))
}

#[test]
fn a_command_that_hangs_is_ended_at_its_limit_with_sessions_of_its_own() {
    let output = ended(supervise(&["--limit", "0.5"], "setsid sleep 1000 & echo $!; wait"));
    assert_eq!(output.status.code(), Some(124));
    let other = String::from_utf8(output.stdout).unwrap();
    assert!(!other.is_empty() && !is_running(&other), "{other}");
    let error = String::from_utf8(output.stderr).unwrap();
    assert!(error.contains("limit of 0.5 s"), "{error}");
}

#[test]
fn a_process_that_is_left_behind_is_named_and_ended_and_fails_the_command() {
    let output = ended(supervise(&["--limit", "100", "--linger", "0"], "setsid sleep 1000 & echo $!"));
    assert_eq!(output.status.code(), Some(125));
    let other = String::from_utf8(output.stdout).unwrap();
    assert!(!is_running(&other));
    let error = String::from_utf8(output.stderr).unwrap();
    assert!(error.contains(&format!("({})", other.trim())), "{error}");
}

#[test]
fn a_command_that_ends_keeps_its_status_and_may_be_outlived_for_a_moment() {
    assert_eq!(ended(supervise(&["--limit", "100"], "sleep 0.1 & exit 7")).status.code(), Some(7));
    let output = ended(supervise(&["--limit", "100"], "kill -SEGV $$"));
    assert_eq!(output.status.code(), Some(128 + Signal::SEGV.as_raw()));
    assert!(String::from_utf8(output.stderr).unwrap().contains("SIGSEGV"));
}

#[test]
fn a_signal_reaches_everything_and_what_ignores_it_is_killed() {
    let scripts = [("echo; exec sleep 1000", "60", 130), ("trap '' INT; echo; sleep 1000", "0.2", 137)];
    for (script, grace, status) in scripts {
        let mut child = supervise(&["--limit", "100", "--grace", grace], script);
        first_line(&mut child);
        kill_process(Pid::from_child(&child), Signal::INT).unwrap();
        assert_eq!(ended(child).status.code(), Some(status), "{script}");
    }
}

#[test]
fn a_command_ends_with_the_process_that_holds_its_pipe() {
    let (reader, writer) = std::io::pipe().unwrap();
    let mut holder = Command::new("sleep").arg("1000").stdout(writer).spawn().unwrap();
    let mut child = Command::new(env!("CARGO_BIN_EXE_xtask"))
        .args(["supervise", "--limit", "100", "--", "sh", "-c", "echo $$; exec sleep 1000"])
        .stdin(reader)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let process = first_line(&mut child);
    assert!(is_running(&process));
    holder.kill().unwrap();
    holder.wait().unwrap();
    child.wait().unwrap();
    assert!(!is_running(&process));
}

/// `cargo xtask test --only fmt` with a cargo whose `fmt` never ends.
struct Run {
    child: Child,
    step: String,
    _folder: TempDir,
}

impl Run {
    /// Starts it, and waits until the step runs.
    fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let [cargo, id] = ["cargo", "id"].map(|name| folder.path().join(name));
        let real = std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned());
        let script = format!(
            "#!/bin/sh\nif [ \"$*\" = 'fmt --all --check' ]; then\n  echo $$ > '{}'\n  \
             while :; do echo tick; sleep 0.05; done\nfi\nexec '{real}' \"$@\"\n",
            id.display(),
        );
        fs::write(&cargo, script).unwrap();
        fs::set_permissions(&cargo, fs::Permissions::from_mode(0o755)).unwrap();
        let mut child = Command::new(env!("CARGO_BIN_EXE_xtask"))
            .args(["test", "--only", "fmt"])
            .env("CARGO", &cargo)
            .env("CARGO_TARGET_DIR", folder.path().join("target"))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let output = child.stdout.as_mut().unwrap();
        let lines = BufReader::new(output).lines().map_while(Result::ok);
        assert!(lines.into_iter().any(|line| line.ends_with("| tick")), "the step did not start");
        let step = fs::read_to_string(id).unwrap();
        Self { child, step, _folder: folder }
    }

    /// Its end, with what it says on standard error.
    fn failed(mut self) -> String {
        let mut error = String::new();
        self.child.stderr.take().unwrap().read_to_string(&mut error).unwrap();
        assert_eq!(self.child.wait().unwrap().code(), Some(1), "{error}");
        assert!(!is_running(&self.step), "{}", self.step);
        error
    }
}

#[test]
fn a_run_whose_output_is_closed_ends_with_an_error() {
    let mut run = Run::start();
    drop(run.child.stdout.take());
    let error = run.failed();
    assert!(error.contains("cannot write to standard output"), "{error}");
}

#[test]
fn a_run_that_is_interrupted_ends_its_steps() {
    let mut run = Run::start();
    kill_process(Pid::from_child(&run.child), Signal::INT).unwrap();
    // It may still print.
    let mut output = run.child.stdout.take().unwrap();
    std::thread::spawn(move || output.read_to_end(&mut Vec::new()));
    let error = run.failed();
    assert!(error.contains("stopped by SIGINT"), "{error}");
}
