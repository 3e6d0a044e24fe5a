//! The table of steps. To add one, add a row.

use std::num::NonZero;
use std::process::Command;
use std::thread;
use std::time::Duration;

use anyhow::Result;

use super::{
    FULL, fuzz, programs, suites,
    tally::{Tally, Watch},
};
use crate::edge::build::{self, Variant};
use crate::run;
use crate::setup::{self, deny};
use crate::workspace::Workspace;

/// One step of the test command.
pub(crate) struct Step {
    /// What `--only` and the report call it.
    pub(crate) name: &'static str,
    /// What it does, in a few words.
    pub(crate) title: &'static str,
    /// What it occupies while it runs.
    pub(crate) lane: Lane,
    /// Steps without whose success this one makes no sense.
    pub(crate) needs: &'static [&'static str],
    /// Whether it exists only in a workspace with a worker.
    pub(crate) edge: bool,
    /// Whether it runs under `--full` only.
    pub(crate) full: bool,
    /// Whether it runs with every step that needs it, also under `--only`: a set-up or a build, which is quick when done.
    pub(crate) prepares: bool,
    /// Whether it must report a count of tests; one that reports none has failed.
    pub(crate) counts: bool,
    /// After how many minutes it is ended: at least four times what two cores need in a fresh checkout.
    pub(crate) minutes: u64,
    /// Does it. An error counts as one failed test.
    pub(crate) run: fn(&Workspace) -> Result<Tally>,
}

/// What a step occupies. Two steps of one lane never run at the same time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Lane {
    /// Package managers: waits for a network.
    Fetch,
    /// Compilers, and cargo's lock of the native target folder.
    Compile,
    /// Native programs under test.
    Native,
    /// The worker's release build, and the Workers runtime under the suite.
    Edge,
    /// The browser, which waits for its clients' timers most of the time.
    Clients,
}

/// What most steps have in common.
pub(super) const STEP: Step = Step {
    name: "",
    title: "",
    lane: Lane::Compile,
    needs: &[],
    edge: false,
    full: false,
    prepares: false,
    counts: false,
    minutes: 10,
    run: |_| Ok(Tally::default()),
};

/// How many times longer everything may take under `--full`.
const FULL_TIMES: u64 = 10;

/// After how many minutes one program of tests is ended. The longest takes about one.
const PROGRAM_MINUTES: u64 = 10;

impl Step {
    /// The time after which it is ended.
    pub(crate) const fn limit(&self, full: bool) -> Duration {
        minutes(self.minutes, full)
    }
}

const fn minutes(minutes: u64, full: bool) -> Duration {
    Duration::from_secs(60 * minutes * if full { FULL_TIMES } else { 1 })
}

/// Every step. Of those that are ready, the first one of a lane starts, so that what much waits for stands first.
pub(crate) const STEPS: &[Step] = &[
    Step {
        name: "setup",
        title: "what native builds need",
        lane: Lane::Fetch,
        prepares: true,
        minutes: 20,
        run: |_| done(setup::native()),
        ..STEP
    },
    Step {
        name: "npm",
        title: "npm packages of the edge, the stock clients and the console",
        lane: Lane::Fetch,
        needs: &["setup"],
        prepares: true,
        minutes: 20,
        run: |workspace| done(setup::npm_packages(workspace)),
        ..STEP
    },
    Step {
        name: "edge-setup",
        title: "wasm target",
        lane: Lane::Fetch,
        needs: &["setup", "npm"],
        edge: true,
        prepares: true,
        minutes: 40,
        run: |workspace| done(setup::edge(workspace)),
        ..STEP
    },
    Step {
        name: "chromium",
        title: "the browser of the stock clients and the console",
        lane: Lane::Fetch,
        needs: &["setup"],
        prepares: true,
        minutes: 20,
        run: |_| done(setup::chromium().map(drop)),
        ..STEP
    },
    Step {
        name: "postgres-setup",
        title: "the engine of a store that is not embedded",
        lane: Lane::Fetch,
        needs: &["setup"],
        prepares: true,
        minutes: 20,
        run: |_| done(setup::postgres()),
        ..STEP
    },
    Step {
        name: "fmt",
        title: "formatting",
        needs: &["setup"],
        run: |workspace| plain(workspace.cargo(["fmt", "--all", "--check"]), "run `cargo fmt --all`"),
        ..STEP
    },
    Step {
        name: "build",
        title: "native programs and their tests",
        needs: &["setup"],
        prepares: true,
        minutes: 40,
        run: |workspace| done(programs::build(workspace)),
        ..STEP
    },
    Step {
        name: "unit",
        title: "unit and property tests",
        lane: Lane::Native,
        needs: &["build"],
        counts: true,
        minutes: 30,
        run: |workspace| {
            programs::test(workspace, processors(), program_limit(), |program| !program.starts_servers())
        },
        ..STEP
    },
    Step {
        name: "server",
        title: "processes of the origin: deaths, drains, limits, operators' commands; both stores",
        lane: Lane::Native,
        needs: &["build", "postgres-setup"],
        counts: true,
        minutes: 30,
        run: |workspace| {
            // Some of them start three servers and an engine.
            programs::test(workspace, processors() + 1, program_limit(), programs::Program::starts_servers)
        },
        ..STEP
    },
    Step {
        name: "origin",
        title: "conformance of the origin",
        lane: Lane::Native,
        needs: &["build"],
        counts: true,
        minutes: 20,
        run: suites::origin,
        ..STEP
    },
    Step {
        name: "postgres",
        title: "conformance of the origin on PostgreSQL",
        lane: Lane::Native,
        needs: &["build", "postgres-setup"],
        counts: true,
        minutes: 20,
        run: suites::postgres,
        ..STEP
    },
    Step {
        name: "nodes",
        title: "conformance of three servers of the origin over one PostgreSQL",
        lane: Lane::Native,
        needs: &["origin", "postgres-setup"],
        full: true,
        counts: true,
        minutes: 20,
        run: suites::nodes,
        ..STEP
    },
    Step {
        name: "self-check",
        title: "a changed answer turns the comparison red",
        lane: Lane::Native,
        needs: &["build"],
        counts: true,
        run: suites::self_check,
        ..STEP
    },
    Step {
        name: "clients",
        title: "stock clients against the origin",
        lane: Lane::Clients,
        needs: &["build", "npm", "chromium"],
        counts: true,
        minutes: 15,
        run: suites::clients,
        ..STEP
    },
    Step {
        name: "console",
        title: "the console: types, build, size, pages in a browser, and pages of the origin",
        lane: Lane::Clients,
        needs: &["build", "npm", "chromium"],
        counts: true,
        minutes: 10,
        run: suites::console,
        ..STEP
    },
    Step {
        // Its profile has folders of its own, so that cargo's lock lets it compile beside the native build. The suite waits for it.
        name: "edge-build",
        title: "the worker, for release",
        lane: Lane::Edge,
        needs: &["edge-setup"],
        edge: true,
        prepares: true,
        minutes: 30,
        run: |workspace| done(build::compile(workspace, Variant::Release)),
        ..STEP
    },
    Step {
        name: "edge-module",
        title: "the worker's module: bindings, size, start-up",
        lane: Lane::Edge,
        needs: &["edge-build"],
        edge: true,
        prepares: true,
        minutes: 20,
        // Without cargo, which compiles the other variant meanwhile and would be waited for.
        run: |workspace| done(build::finish(workspace, Variant::Release)),
        ..STEP
    },
    Step {
        name: "edge",
        title: "conformance of the edge",
        lane: Lane::Edge,
        needs: &["build", "edge-module"],
        edge: true,
        counts: true,
        minutes: 40,
        run: suites::edge,
        ..STEP
    },
    Step {
        // Its custom build is cargo's: between the two variants of the worker there is nothing to compile.
        name: "wrangler",
        title: "wrangler serves and would deploy",
        needs: &["build", "edge-module"],
        edge: true,
        minutes: 40,
        run: suites::wrangler,
        ..STEP
    },
    Step {
        name: "clients-edge",
        title: "stock clients against the edge",
        lane: Lane::Clients,
        needs: &["edge-module", "npm", "chromium"],
        edge: true,
        counts: true,
        minutes: 15,
        run: suites::clients_edge,
        ..STEP
    },
    Step {
        name: "console-edge",
        title: "the console's pages of the edge, in a browser",
        lane: Lane::Clients,
        needs: &["edge-module", "npm", "chromium"],
        edge: true,
        counts: true,
        minutes: 10,
        run: suites::console_edge,
        ..STEP
    },
    Step {
        name: "clippy",
        title: "lints, native: what the build met",
        lane: Lane::Native,
        needs: &["build"],
        run: |workspace| done(programs::lints(workspace)),
        ..STEP
    },
    Step {
        name: "probe-build",
        title: "the worker that tests look into, and lints of the worker",
        needs: &["edge-setup"],
        edge: true,
        prepares: true,
        minutes: 30,
        run: |workspace| done(build::build(workspace, Variant::Probe)),
        ..STEP
    },
    Step {
        name: "edge-only",
        title: "hibernation, crashes, races and faults of the edge",
        lane: Lane::Edge,
        needs: &["build", "probe-build"],
        edge: true,
        counts: true,
        minutes: 20,
        run: suites::edge_only,
        ..STEP
    },
    Step {
        name: "deploy",
        title: "a deploy over the worker of the version before, built from the history",
        lane: Lane::Edge,
        needs: &["build", "probe-build"],
        edge: true,
        full: true,
        counts: true,
        minutes: 40,
        run: suites::deploy,
        ..STEP
    },
    Step {
        name: "doc",
        title: "documentation, its links and its examples",
        needs: &["build"],
        minutes: 20,
        run: doc,
        ..STEP
    },
    Step {
        name: "fuzz-check",
        title: "the lock file of the fuzz targets",
        lane: Lane::Fetch,
        needs: &["setup"],
        run: fuzz::check,
        ..STEP
    },
    Step {
        name: "deny",
        title: "dependencies: licences, sources, versions",
        lane: Lane::Fetch,
        needs: &["setup"],
        minutes: 20,
        run: |workspace| plain(deny::check(workspace)?, "deny.toml says what is allowed, and why"),
        ..STEP
    },
    Step {
        name: "fuzz",
        title: "fuzz targets with coverage, each for a while",
        needs: &["setup"],
        full: true,
        counts: true,
        minutes: 60,
        run: fuzz::run,
        ..STEP
    },
    Step {
        name: suites::COMPARE,
        title: "the transcripts, case by case",
        lane: Lane::Native,
        needs: &suites::COMPARED,
        edge: true,
        run: suites::compare,
        ..STEP
    },
];

/// A step that is done or not.
fn done(outcome: Result<()>) -> Result<Tally> {
    outcome.map(|()| Tally::default())
}

/// A command that succeeds or not.
pub(super) fn plain(mut command: Command, advice: &str) -> Result<Tally> {
    done(run::passed_through(&mut command, advice))
}

/// A command whose output says how many tests it ran.
pub(super) fn counted(mut command: Command) -> Result<Tally> {
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

/// The documentation of every item, private ones too, and the tests that stand in it.
fn doc(workspace: &Workspace) -> Result<Tally> {
    let args = ["doc", "--workspace", "--no-deps", "--document-private-items", "--locked"];
    let mut build = workspace.cargo(args);
    run::passed_through(build.env("RUSTDOCFLAGS", "-D warnings"), "")?;
    // By the compiler of the step `build`, which has the libraries ready.
    counted(workspace.linting_cargo(["test", "--workspace", "--doc", "--locked", "--no-fail-fast"]))
}

fn program_limit() -> Duration {
    minutes(PROGRAM_MINUTES, std::env::var_os(FULL).is_some())
}

fn processors() -> usize {
    thread::available_parallelism().map_or(2, NonZero::get)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_need_names_an_earlier_step() {
        for (at, step) in STEPS.iter().enumerate() {
            for need in step.needs {
                let earlier = STEPS[..at].iter().find(|other| other.name == *need);
                let exists = |other: &Step| (step.edge || !other.edge) && (step.full || !other.full);
                assert!(earlier.is_some_and(exists), "{} needs {need}", step.name);
            }
        }
    }

    #[test]
    fn a_program_that_hangs_leaves_its_step_time_for_the_others() {
        for name in ["unit", "server"] {
            let step = STEPS.iter().find(|step| step.name == name).unwrap();
            assert!(step.minutes >= 3 * PROGRAM_MINUTES, "{name}");
        }
    }

    #[test]
    fn what_prepares_needs_nothing_but_preparations() {
        for step in STEPS.iter().filter(|step| step.prepares) {
            let prepares = |need: &&str| STEPS.iter().any(|other| other.name == *need && other.prepares);
            assert!(step.needs.iter().all(prepares) && !step.counts, "{}", step.name);
        }
    }
}
