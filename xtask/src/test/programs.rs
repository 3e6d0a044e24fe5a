//! What is built natively, once and in one graph, and the tests among it.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};
use std::{fs, thread};

use anyhow::{Context, Result, bail};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::report::clock;
use super::tally::{Tally, Watch};
use crate::run;
use crate::supervise::{explained, supervised};
use crate::workspace::Workspace;

/// How many programs run at the same time.
const AT_ONCE: usize = 2;

/// A program of tests.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Program {
    /// Of the package and, for tests in `tests/`, the file.
    name: String,
    path: PathBuf,
    /// The package's folder, where cargo runs tests.
    folder: PathBuf,
    /// Whether it is one of `tests/`.
    is_integration: bool,
}

/// Builds all programs and tests of the workspace, and writes down which tests there are and what clippy says.
pub(super) fn build(workspace: &Workspace) -> Result<()> {
    let mut command =
        workspace.linting_cargo(["build", "--workspace", "--bins", "--tests", "--examples", "--locked"]);
    command.arg("--message-format=json");
    let (mut programs, mut warnings) = (Vec::new(), Vec::new());
    let status = run::each_line(&mut command, |line| {
        let Ok(message) = serde_json::from_str(line) else { return };
        programs.extend(program(&message));
        if let Some(diagnostic) = diagnostic(&message) {
            eprintln!("{}", diagnostic.text);
            // A target's crate is compiled for its tests too, with the same warnings.
            if diagnostic.is_warning && !warnings.contains(&diagnostic.text) {
                warnings.push(diagnostic.text);
            }
        }
    })?;
    run::check(&command, status, "")?;
    if programs.is_empty() {
        bail!("cargo named no program of tests");
    }
    println!("{} programs of tests", programs.len());
    fs::create_dir_all(workspace.test_logs())?;
    fs::write(list_of(workspace), serde_json::to_vec(&programs)?)
        .context("cannot write the list of tests")?;
    fs::write(warnings_of(workspace), serde_json::to_vec(&warnings)?).context("cannot write the warnings")
}

/// Fails when [`build`] met a warning.
pub(super) fn lints(workspace: &Workspace) -> Result<()> {
    let list = fs::read(warnings_of(workspace)).context("there is no list of warnings")?;
    let warnings: Vec<String> = serde_json::from_slice(&list).context("the list of warnings")?;
    if warnings.is_empty() {
        return Ok(());
    }
    warnings.iter().for_each(|warning| eprintln!("{warning}"));
    bail!("{} warnings: mend them; `cargo clippy --workspace --all-targets` shows the same", warnings.len())
}

/// A program that [`build`] has built.
pub(super) fn built(workspace: &Workspace, name: &str) -> PathBuf {
    workspace.target.join("debug").join(name)
}

/// Runs the programs that are wanted, two at a time and each with so many threads, and adds up their tests. A program
/// that hangs is ended after `limit`. The output of each is shown when it ends.
pub(super) fn test(
    workspace: &Workspace,
    threads: usize,
    limit: Duration,
    is_wanted: impl Fn(&Program) -> bool,
) -> Result<Tally> {
    let list = fs::read(list_of(workspace)).context("there is no list of tests")?;
    let mut waiting: Vec<Program> = serde_json::from_slice(&list).context("the list of tests")?;
    waiting.retain(|program| is_wanted(program));
    let waiting = Mutex::new(waiting.into_iter());
    // A function, so that the lock is held for the taking and not for the run.
    let next = || lock(&waiting).next();
    let outcomes = Mutex::new(Vec::new());
    thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(|| {
                while let Some(program) = next() {
                    let outcome = program.run(&workspace.exe, threads, limit);
                    lock(&outcomes).push(outcome);
                }
            });
        }
    });
    let outcomes = outcomes.into_inner().unwrap_or_else(PoisonError::into_inner);
    outcomes.into_iter().try_fold(Tally::default(), |sum, outcome| Ok(sum.plus(outcome?)))
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn list_of(workspace: &Workspace) -> PathBuf {
    workspace.test_logs().join("programs.json")
}

fn warnings_of(workspace: &Workspace) -> PathBuf {
    workspace.test_logs().join("warnings.json")
}

/// What the compiler has to say.
#[derive(Debug, PartialEq, Eq)]
struct Diagnostic {
    text: String,
    is_warning: bool,
}

/// The diagnostic that a message of cargo's is about, if it is one.
fn diagnostic(message: &Value) -> Option<Diagnostic> {
    let message = message.get("message")?;
    let text = message.get("rendered")?.as_str()?.trim_end().to_owned();
    // Only the line that counts the warnings of a crate has no place.
    let has_place = message.get("spans")?.as_array().is_some_and(|spans| !spans.is_empty());
    Some(Diagnostic { text, is_warning: has_place && message.get("level")?.as_str()? == "warning" })
}

/// The program of tests that a message of cargo's is about.
fn program(message: &Value) -> Option<Program> {
    let text = |value: &Value| value.as_str().map(str::to_owned);
    let is_test = message.get("profile")?.get("test")?.as_bool()?;
    let target = message.get("target")?;
    let is_example = target.get("kind")?.as_array()?.iter().any(|kind| kind == "example");
    let folder = Path::new(message.get("manifest_path")?.as_str()?).parent()?.to_owned();
    let path = PathBuf::from(message.get("executable")?.as_str()?);
    let is_integration = target.get("kind")?.as_array()?.iter().any(|kind| kind == "test");
    let name = format!("{} {}", folder.file_name()?.to_str()?, text(target.get("name")?)?);
    (is_test && !is_example).then_some(Program { name, path, folder, is_integration })
}

impl Program {
    /// Whether its tests start servers, and wait for them most of the time.
    pub(super) fn starts_servers(&self) -> bool {
        self.is_integration && self.folder.ends_with("origin")
    }

    fn run(&self, xtask: &Path, threads: usize, limit: Duration) -> Result<Tally> {
        let begun = Instant::now();
        let mut command = Command::new(&self.path);
        command.arg("--test-threads").arg(threads.to_string());
        command.current_dir(&self.folder).env("CARGO_MANIFEST_DIR", &self.folder);
        let mut command = supervised(xtask, limit, &command);
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
        // It ends when this pipe does.
        let _pipe = child.stdin.take();
        let output = child.wait_with_output()?;
        let (stdout, stderr) =
            (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        let mut watch = Watch::default();
        stdout.lines().for_each(|line| watch.see(line));
        let tally = watch.tally();
        println!("--- {}, {}\n{}\n{}", self.name, clock(begun.elapsed()), stdout.trim(), stderr.trim());
        let why = explained(output.status, limit);
        if !watch.has_seen() {
            println!("error: {} reported no result: {why}", self.name);
            return Ok(tally.with_failure());
        }
        // Failed tests explain a bad status; anything else is a failure of its own.
        if tally.failed == 0 && !output.status.success() {
            println!("error: {}: {why}", self.name);
            return Ok(tally.with_failure());
        }
        Ok(tally)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    use serde_json::json;

    fn message(kind: &str, test: bool) -> Value {
        json!({"reason": "compiler-artifact", "manifest_path": "/w/origin/Cargo.toml",
            "target": {"kind": [kind], "name": "crash"}, "profile": {"test": test},
            "executable": "/w/target/debug/deps/crash-0123"})
    }

    #[test]
    fn tests_are_told_from_other_programs() {
        let found = program(&message("test", true)).unwrap();
        assert!(found.starts_servers() && found.name == "origin crash");
        assert!(!program(&message("lib", true)).unwrap().starts_servers());
        assert_eq!(program(&message("bin", false)), None);
        assert_eq!(program(&json!({"reason": "build-finished", "success": true})), None);
    }

    #[test]
    fn warnings_are_told_from_their_count_and_from_notes() {
        let of = |level: &str, spans: &Value| {
            let message = json!({"rendered": "words\n", "level": level, "spans": spans});
            diagnostic(&json!({"reason": "compiler-message", "message": message})).unwrap()
        };
        let place = json!([{"file_name": "src/lib.rs"}]);
        assert_eq!(of("warning", &place), Diagnostic { text: "words".to_owned(), is_warning: true });
        assert!(!of("warning", &json!([])).is_warning);
        assert!(!of("error", &place).is_warning);
        assert_eq!(diagnostic(&message("lib", true)), None);
    }
}
