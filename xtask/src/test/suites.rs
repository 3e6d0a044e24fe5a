//! Steps that drive a whole server: the conformance suite, the stock clients, and the console's tests.

use std::ffi::OsStr;
use std::fs;
use std::process::Command;

use anyhow::{Context, Result};

use super::programs;
use super::steps::{counted, plain};
use super::tally::Tally;
use super::transcripts;
use crate::edge::{earlier, smoke};
use crate::setup::{self, npm};
use crate::workspace::Workspace;

/// The step that compares, and those whose transcripts it compares.
pub(super) const COMPARE: &str = "compare";
/// See [`COMPARE`].
pub(super) const COMPARED: [&str; 3] = ["origin", "edge", "postgres"];

pub(super) fn origin(workspace: &Workspace) -> Result<Tally> {
    let mut command = suite(workspace);
    command.args(["run", "--subject", "origin", "--origin-bin"]).arg(programs::built(workspace, "rollcall"));
    transcript(workspace, &mut command, "origin")?;
    counted(command)
}

/// The origin with its data in PostgreSQL.
pub(super) fn postgres(workspace: &Workspace) -> Result<Tally> {
    let mut command = suite(workspace);
    command
        .args(["run", "--subject", "postgres", "--origin-bin"])
        .arg(programs::built(workspace, "rollcall"));
    transcript(workspace, &mut command, "postgres")?;
    counted(command)
}

/// Three servers over one PostgreSQL, which answer as one does.
pub(super) fn nodes(workspace: &Workspace) -> Result<Tally> {
    let mut command = suite(workspace);
    command.args(["run", "--subject", "nodes", "--origin-bin"]).arg(programs::built(workspace, "rollcall"));
    transcript(workspace, &mut command, "nodes")?;
    let tally = counted(command)?;
    let mut comparing = suite(workspace);
    comparing.arg("compare");
    for subject in ["origin", "nodes"] {
        comparing.arg(transcripts::path(workspace, subject));
    }
    plain(comparing, "the two answer differently")?;
    Ok(tally)
}

pub(super) fn edge(workspace: &Workspace) -> Result<Tally> {
    let mut command = suite(workspace);
    command.args(["run", "--subject", "edge", "--edge-cmd"]);
    command.arg(served_by(workspace, "edge dev --no-build")?);
    transcript(workspace, &mut command, "edge")?;
    counted(command)
}

/// The plain path of the ecosystem, with one case of the suite.
pub(super) fn wrangler(workspace: &Workspace) -> Result<Tally> {
    smoke::run(workspace, suite(workspace)).map(|()| Tally::default())
}

/// Tests that look into objects need another build of the worker than the one that is deployed.
pub(super) fn edge_only(workspace: &Workspace) -> Result<Tally> {
    let mut command = suite(workspace);
    command.args(["edge-only", "--edge-cmd"]).arg(served_by(workspace, "edge dev --probe --no-build")?);
    command.arg("--origin-bin").arg(programs::built(workspace, "rollcall"));
    counted(command)
}

/// The worker of the version before is deployed, then the present one over it: first without the directory's shards, then with them.
pub(super) fn deploy(workspace: &Workspace) -> Result<Tally> {
    let mut command = suite(workspace);
    command.args(["edge-only", "--edge-cmd"]).arg(served_by(workspace, "edge dev --probe --no-build")?);
    match earlier::build(workspace)? {
        Some(folder) => {
            command.args(["--only", "a_deploy_over_the_version_before", "--earlier"]).arg(folder);
        }
        None => {
            println!(
                "deploy: the history does not reach the version before, so its storage is taken as it was kept"
            );
            command.args(["--only", "objects_of_an_earlier_program"]);
        }
    }
    counted(command)
}

pub(super) fn self_check(workspace: &Workspace) -> Result<Tally> {
    let mut command = suite(workspace);
    command.args(["self-check", "--origin-bin"]).arg(programs::built(workspace, "rollcall"));
    counted(command)
}

pub(super) fn compare(workspace: &Workspace) -> Result<Tally> {
    let [origin, others @ ..] = COMPARED;
    for other in others {
        let mut command = suite(workspace);
        command.arg("compare");
        for subject in [origin, other] {
            command.arg(transcripts::path(workspace, subject));
        }
        plain(command, "the two answer differently")?;
    }
    Ok(Tally::default())
}

pub(super) fn clients(workspace: &Workspace) -> Result<Tally> {
    let mut server = Command::new(programs::built(workspace, "rollcall"));
    server.arg("serve");
    stock_clients(workspace, &["--name", "clients"], &server)
}

pub(super) fn clients_edge(workspace: &Workspace) -> Result<Tally> {
    let mut server = Command::new(&workspace.exe);
    server.args(["edge", "dev", "--no-build"]);
    stock_clients(workspace, &["--name", "clients-edge", "--edge"], &server)
}

/// The console's own tests: against a server that it brings, and against the origin.
pub(super) fn console(workspace: &Workspace) -> Result<Tally> {
    let origin = programs::built(workspace, "rollcall");
    console_tests(workspace, &[], &[origin.as_os_str(), OsStr::new("serve")])
}

/// Those of them that need a real server, against the edge.
pub(super) fn console_edge(workspace: &Workspace) -> Result<Tally> {
    let [edge, dev, no_build] = ["edge", "dev", "--no-build"].map(OsStr::new);
    console_tests(workspace, &["real/"], &[workspace.exe.as_os_str(), edge, dev, no_build])
}

/// Runs tests of the console, which start this server. Pictures of its pages stay beside the logs.
fn console_tests(workspace: &Workspace, options: &[&str], server: &[&OsStr]) -> Result<Tally> {
    let server: Option<Vec<&str>> = server.iter().map(|word| word.to_str()).collect();
    let server = serde_json::to_string(&server.context("the path of this checkout is not text")?)?;
    let subject = if options.is_empty() { "console" } else { "console-edge" };
    let chromium = setup::chromium()?;
    let (node, _) = npm::node(workspace)?;
    let mut command = Command::new(node);
    command.args(["node_modules/vitest/vitest.mjs", "run"]).args(options).current_dir(workspace.console());
    command.env("NO_COLOR", "1").env("ROLLCALL_CHROMIUM", chromium).env("ROLLCALL_SERVER", server);
    command.env("ROLLCALL_ARTEFACTS", workspace.test_logs().join(subject));
    counted(command)
}

/// Runs the stock clients against a server that their runner starts with this command, and stops.
fn stock_clients(workspace: &Workspace, options: &[&str], server: &Command) -> Result<Tally> {
    let chromium = setup::chromium()?;
    let (node, _) = npm::node(workspace)?;
    let mut command = Command::new(node);
    command.arg(workspace.clients().join("run.mjs")).args(options).arg("--chromium").arg(chromium);
    command.arg("--").arg(server.get_program()).args(server.get_args()).current_dir(&workspace.root);
    counted(command)
}

/// The suite's program.
fn suite(workspace: &Workspace) -> Command {
    let mut command = Command::new(programs::built(workspace, "rollcall-conformance"));
    command.current_dir(&workspace.root);
    command
}

/// A command of this program, as the suite takes it: words as a shell splits them.
fn served_by(workspace: &Workspace, command: &str) -> Result<String> {
    let program = workspace.exe.to_str().context("this program's path is not text")?;
    Ok(format!("{} {command}", shlex::try_quote(program)?))
}

fn transcript(workspace: &Workspace, command: &mut Command, subject: &str) -> Result<()> {
    let path = transcripts::path(workspace, subject);
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder).with_context(|| format!("cannot create {}", folder.display()))?;
    }
    command.arg("--transcript").arg(path);
    Ok(())
}
