//! Fuzz targets, built with the coverage that libFuzzer reads and each run for a while. As ordinary tests they are part of
//! `core/tests/fuzz`.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

use super::tally::Tally;
use crate::run;
use crate::setup;
use crate::workspace::Workspace;

/// How many inputs each target gets; longer runs are a person's business (`core/fuzz/README.md`).
const INPUTS: u32 = 1_000_000;

/// The compiler's flags under which libFuzzer sees what an input reached; those that cargo-fuzz gives.
const FLAGS: &str = "--cfg fuzzing -Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
    -Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table \
    -Cllvm-args=-sanitizer-coverage-trace-compares -Ccodegen-units=1 -Cdebug-assertions";

/// Builds every target and runs each; one test a target.
pub(super) fn run(workspace: &Workspace) -> Result<Tally> {
    setup::fuzzing()?;
    let folder = workspace.root.join("core").join("fuzz");
    let names = targets(&folder)?;
    let target = workspace.target.join("fuzz");
    let host = run::answer(Command::new("rustc").args(["--print", "host-tuple"]))
        .context("cannot ask rustc for the name of this machine's target")?;
    // It is named so that build scripts are spared the flags.
    let mut build = workspace.cargo(["build", "--release", "--locked", "--target", &host, "--manifest-path"]);
    build.arg(folder.join("Cargo.toml")).env("CARGO_TARGET_DIR", &target).env("RUSTFLAGS", FLAGS);
    run::passed_through(&mut build, "")?;
    let mut failed = 0;
    for name in &names {
        // New inputs go to the first folder that is named, so the seeds come second.
        let [corpus, findings] = ["corpus", "findings"].map(|kind| target.join(kind).join(name));
        for folder in [&corpus, &findings] {
            fs::create_dir_all(folder).with_context(|| format!("cannot create {}", folder.display()))?;
        }
        let mut command = Command::new(target.join(&host).join("release").join(name));
        command.arg(format!("-runs={INPUTS}")).args(["-max_len=8192", "-verbosity=0", "-timeout=10"]);
        command.arg(format!("-artifact_prefix={}/", findings.display()));
        command.arg(corpus).arg(folder.join("seeds").join(name));
        let advice = "the input that failed was written to the folder that -artifact_prefix names";
        match run::passed_through(&mut command, advice) {
            Ok(()) => println!("fuzz: {name}: {INPUTS} inputs"),
            Err(error) => {
                eprintln!("error: fuzz: {name}: {error:#}");
                failed += 1;
            }
        }
    }
    Ok(Tally { passed: names.len() - failed, failed, ..Tally::default() })
}

/// The lock file of the targets' workspace names what they are built with. What the targets check is compiled and run by
/// `core/tests/fuzz`, and the targets themselves under `--full`.
pub(super) fn check(workspace: &Workspace) -> Result<Tally> {
    let manifest = workspace.root.join("core").join("fuzz").join("Cargo.toml");
    let mut check =
        workspace.cargo(["metadata", "--quiet", "--locked", "--format-version", "1", "--manifest-path"]);
    check.arg(manifest).stdout(Stdio::null());
    run::passed_through(
        &mut check,
        "`cargo update --manifest-path core/fuzz/Cargo.toml --workspace` mends its lock file",
    )?;
    Ok(Tally::default())
}

/// A target is a file in `targets/`.
fn targets(folder: &Path) -> Result<Vec<String>> {
    let targets = folder.join("targets");
    let files = fs::read_dir(&targets).with_context(|| format!("cannot read {}", targets.display()))?;
    let paths: Vec<PathBuf> = files.map(|file| file.map(|file| file.path())).collect::<Result<_, _>>()?;
    let mut names: Vec<String> =
        paths.iter().filter_map(|path| path.file_stem()?.to_str().map(str::to_owned)).collect();
    names.sort_unstable();
    if names.is_empty() {
        bail!("there is no fuzz target in {}", targets.display());
    }
    Ok(names)
}
