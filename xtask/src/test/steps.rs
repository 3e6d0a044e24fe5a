//! The table of steps. To add one, add a row.

use std::fs;
use std::process::Command;

use anyhow::{Context, Result};

use super::{
    fuzz,
    tally::{Tally, Watch},
};
use crate::conformance::suite;
use crate::edge::build::{self, Variant};
use crate::run;
use crate::setup::{self, npm, wasm_target};
use crate::workspace::Workspace;

/// One step of the test command.
pub(crate) struct Step {
    /// What `--only` and the report call it.
    pub(crate) name: &'static str,
    /// What it does, in a few words.
    pub(crate) title: &'static str,
    /// Steps without whose success this one makes no sense.
    pub(crate) needs: &'static [&'static str],
    /// Whether it exists only in a workspace with a worker.
    pub(crate) edge: bool,
    /// Whether it must report a count of tests; one that reports none has failed.
    pub(crate) counts: bool,
    /// Does it. An error counts as one failed test.
    pub(crate) run: fn(&Workspace) -> Result<Tally>,
}

/// Every step, in the order in which they run.
pub(crate) const STEPS: &[Step] = &[
    Step {
        name: "setup",
        title: "what native builds need",
        needs: &[],
        edge: false,
        counts: false,
        run: |_| done(setup::native()),
    },
    Step {
        name: "fmt",
        title: "formatting",
        needs: &["setup"],
        edge: false,
        counts: false,
        run: |workspace| plain(workspace.cargo(["fmt", "--all", "--check"]), "run `cargo fmt --all`"),
    },
    Step {
        name: "clippy",
        title: "lints, native",
        needs: &["setup"],
        edge: false,
        counts: false,
        run: |workspace| {
            let args = ["clippy", "--workspace", "--all-targets", "--locked", "--", "-D", "warnings"];
            plain(workspace.cargo(args), "")
        },
    },
    Step {
        name: "unit",
        title: "unit and property tests",
        needs: &["setup"],
        edge: false,
        counts: true,
        run: |workspace| counted(workspace.cargo(["test", "--workspace", "--locked", "--no-fail-fast"])),
    },
    Step {
        name: "fuzz",
        title: "fuzz targets, each for a while",
        needs: &["setup"],
        edge: false,
        counts: true,
        run: fuzz::run,
    },
    Step {
        name: "build",
        title: "the origin, for release",
        needs: &["setup"],
        edge: false,
        counts: false,
        run: |workspace| {
            plain(workspace.cargo(["build", "--release", "--locked", "--package", "rollcall"]), "")
        },
    },
    Step {
        name: "origin",
        title: "conformance of the origin",
        needs: &["build"],
        edge: false,
        counts: true,
        run: origin,
    },
    Step {
        name: "clients",
        title: "stock clients against the origin",
        needs: &["build"],
        edge: false,
        counts: true,
        run: clients,
    },
    Step {
        name: "edge-setup",
        title: "wasm target, npm packages, worker-build, wasm-bindgen",
        needs: &["setup"],
        edge: true,
        counts: false,
        run: |workspace| done(setup::edge(workspace)),
    },
    Step {
        name: "clippy-wasm",
        title: "lints of the worker, for wasm",
        needs: &["edge-setup"],
        edge: true,
        counts: false,
        run: clippy_wasm,
    },
    Step {
        name: "edge-build",
        title: "the worker, for release",
        needs: &["edge-setup"],
        edge: true,
        counts: false,
        run: |workspace| done(build::compile(workspace, Variant::Release)),
    },
    Step {
        name: "edge",
        title: "conformance of the edge",
        needs: &["edge-build"],
        edge: true,
        counts: true,
        run: edge,
    },
    Step {
        name: "clients-edge",
        title: "stock clients against the edge",
        needs: &["edge-build"],
        edge: true,
        counts: true,
        run: clients_edge,
    },
    Step {
        name: "edge-only",
        title: "hibernation, crashes, races and faults of the edge",
        needs: &["edge-build"],
        edge: true,
        counts: true,
        run: edge_only,
    },
    Step {
        name: "self-check",
        title: "a changed answer turns the comparison red",
        needs: &["build"],
        edge: false,
        counts: true,
        run: self_check,
    },
    Step {
        name: "compare",
        title: "the two transcripts, case by case",
        needs: &["origin", "edge"],
        edge: true,
        counts: false,
        run: compare,
    },
];

/// A step that is done or not.
fn done(outcome: Result<()>) -> Result<Tally> {
    outcome.map(|()| Tally::default())
}

/// A command that succeeds or not.
fn plain(mut command: Command, advice: &str) -> Result<Tally> {
    done(run::passed_through(&mut command, advice))
}

/// A command whose output says how many tests it ran.
fn counted(mut command: Command) -> Result<Tally> {
    let mut watch = Watch::default();
    let status = run::watched(&mut command, |line| watch.see(line))?;
    let tally = watch.tally();
    // Failed tests explain a bad status; anything else is a failure of its own.
    if tally.failed == 0 && !status.success() {
        eprintln!("error: `{}` ended with {status}", run::line_of(&command));
        return Ok(tally.with_failure());
    }
    Ok(tally)
}

fn origin(workspace: &Workspace) -> Result<Tally> {
    let mut command = suite(workspace, ["run", "--subject", "origin", "--origin-bin"]);
    command.arg(workspace.target.join("release").join("rollcall"));
    transcript(workspace, &mut command, "origin")?;
    counted(command)
}

fn edge(workspace: &Workspace) -> Result<Tally> {
    // Every case, with fewer repetitions in those about load: the local runtime opens a file for each object.
    let mut command = suite(workspace, ["run", "--light", "--subject", "edge", "--edge-cmd"]);
    command.arg(served_by(workspace, "edge dev --no-build")?);
    transcript(workspace, &mut command, "edge")?;
    counted(command)
}

/// Tests that look into objects need another build of the worker than the one that is deployed.
fn edge_only(workspace: &Workspace) -> Result<Tally> {
    build::compile(workspace, Variant::Probe)?;
    let mut command = suite(workspace, ["edge-only", "--edge-cmd"]);
    command.arg(served_by(workspace, "edge dev --probe --no-build")?);
    counted(command)
}

/// A command of this program, as the suite takes it: words as a shell splits them.
fn served_by(workspace: &Workspace, command: &str) -> Result<String> {
    let program = workspace.exe.to_str().context("this program's path is not text")?;
    Ok(format!("{} {command}", shlex::try_quote(program)?))
}

fn clients(workspace: &Workspace) -> Result<Tally> {
    let origin = workspace.target.join("release").join("rollcall");
    stock_clients(workspace, "clients", Command::new(origin).arg("serve"))
}

fn clients_edge(workspace: &Workspace) -> Result<Tally> {
    stock_clients(workspace, "clients-edge", Command::new(&workspace.exe).args(["edge", "dev", "--no-build"]))
}

/// Runs the stock clients against a server that their runner starts with this command, and stops.
fn stock_clients(workspace: &Workspace, name: &str, server: &Command) -> Result<Tally> {
    let chromium = setup::clients(workspace)?;
    let (node, _) = npm::node(workspace)?;
    let mut command = Command::new(node);
    command.arg(workspace.clients().join("run.mjs")).args(["--name", name, "--chromium"]).arg(chromium);
    command.arg("--").arg(server.get_program()).args(server.get_args()).current_dir(&workspace.root);
    counted(command)
}

fn self_check(workspace: &Workspace) -> Result<Tally> {
    let mut command = suite(workspace, ["self-check", "--origin-bin"]);
    command.arg(workspace.target.join("release").join("rollcall"));
    counted(command)
}

fn compare(workspace: &Workspace) -> Result<Tally> {
    let mut command = suite(workspace, ["compare"]);
    for subject in ["origin", "edge"] {
        command.arg(workspace.target.join("transcripts").join(format!("{subject}.jsonl")));
    }
    plain(command, "the origin and the edge answer differently")
}

fn transcript(workspace: &Workspace, command: &mut Command, subject: &str) -> Result<()> {
    let folder = workspace.target.join("transcripts");
    fs::create_dir_all(&folder).with_context(|| format!("cannot create {}", folder.display()))?;
    command.arg("--transcript").arg(folder.join(format!("{subject}.jsonl")));
    Ok(())
}

fn clippy_wasm(workspace: &Workspace) -> Result<Tally> {
    let toolchain = wasm_target::ensure()?;
    // As it is deployed, and as tests look into it.
    for features in ["", "probe"] {
        let args = ["clippy", "--package", "rollcall-worker", "--target", wasm_target::TARGET, "--locked"];
        let mut command = toolchain.cargo(workspace.cargo(args));
        command.args(["--features", features, "--", "-D", "warnings"]);
        toolchain.prepare(&mut command)?;
        run::passed_through(&mut command, "")?;
    }
    Ok(Tally::default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_need_names_an_earlier_step() {
        for (at, step) in STEPS.iter().enumerate() {
            for need in step.needs {
                let earlier = STEPS[..at].iter().find(|other| other.name == *need);
                assert!(earlier.is_some_and(|other| step.edge || !other.edge), "{} needs {need}", step.name);
            }
        }
    }
}
