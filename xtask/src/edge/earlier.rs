//! The worker as it was before the last change of tables, built from the repository's history.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use super::build::{self, Variant};
use crate::run;
use crate::workspace::Workspace;

/// The file with the list of changes, and its line that changes with each.
const STEPS: &str = "core/src/store/migrations/mod.rs";
const VERSION: &str = "^pub const VERSION: u32";

/// Builds it, and returns the folder that it is in; `None` where the history does not reach that far back.
pub(crate) fn build(workspace: &Workspace) -> Result<Option<PathBuf>> {
    let Some(commit) = commit(&workspace.root) else { return Ok(None) };
    let home = workspace.target.join("edge").join("earlier");
    let source = home.join(&commit);
    if !source.exists() {
        // Only the last one is of any use.
        if home.exists() {
            fs::remove_dir_all(&home).with_context(|| format!("cannot delete {}", home.display()))?;
        }
        unpack(&workspace.root, &commit, &source)?;
    }
    // A target of its own, also where the environment names one for everything: the two workers' files have the same names.
    let target = source.join("target");
    let earlier = Workspace { target, ..Workspace::at(&source, workspace.exe.clone())? };
    build::build(&earlier, Variant::Release)?;
    Ok(Some(Variant::Release.folder(&earlier)))
}

/// The commit before the last one that changed the version of the tables.
fn commit(root: &Path) -> Option<String> {
    let git = |args: &[&str]| run::answer(Command::new("git").args(args).current_dir(root));
    let changed =
        git(&["log", "-1", "--format=%H", "-G", VERSION, "--", STEPS]).filter(|hash| !hash.is_empty())?;
    // The first commit of a history that was cut off seems to have changed everything.
    git(&["rev-parse", "--verify", &format!("{changed}^")])
}

/// Writes the files of a commit into a folder that is not there, with the packages of this checkout.
fn unpack(root: &Path, commit: &str, folder: &Path) -> Result<()> {
    let unpacked = folder.with_extension("new");
    fs::create_dir_all(&unpacked).with_context(|| format!("cannot create {}", unpacked.display()))?;
    let archive = folder.with_extension("tar");
    let mut packs = Command::new("git");
    packs.args(["archive", "--format=tar", "-o"]).arg(&archive).arg(commit).current_dir(root);
    run::passed_through(&mut packs, "")?;
    let mut unpacks = Command::new("tar");
    unpacks.arg("-xf").arg(&archive).arg("-C").arg(&unpacked);
    run::passed_through(&mut unpacks, "")?;
    fs::remove_file(&archive).with_context(|| format!("cannot delete {}", archive.display()))?;
    symlink(root.join("node_modules"), unpacked.join("node_modules")).context("cannot link node_modules")?;
    fs::rename(&unpacked, folder).with_context(|| format!("cannot create {}", folder.display()))
}
