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

/// How many commits are tried: one that was never released need not build.
const TRIES: usize = 4;

/// Builds it, and returns the folder that it is in; `None` where the history does not reach that far back.
pub(crate) fn build(workspace: &Workspace) -> Result<Option<PathBuf>> {
    let commits = commits(&workspace.root);
    let home = workspace.target.join("edge").join("earlier");
    // A target of its own, also where the environment names one for everything: the two workers' files have the same names.
    let target = home.join("target");
    forget_others(&home, &commits)?;
    let mut failure = None;
    for commit in &commits {
        let source = home.join(commit);
        if !source.exists() {
            unpack(&workspace.root, commit, &source)?;
        }
        let earlier = Workspace { target: target.clone(), ..Workspace::at(&source, workspace.exe.clone())? };
        match build::build(&earlier, Variant::Release) {
            Ok(()) => return Ok(Some(Variant::Release.folder(&earlier))),
            Err(error) => {
                println!(
                    "the worker of {commit} does not build, so the commit before it is taken: {error:#}"
                );
                failure = Some(error);
            }
        }
    }
    failure.map_or(Ok(None), Err)
}

/// The commits before the last one that changed the version of the tables, the newest first.
fn commits(root: &Path) -> Vec<String> {
    let git = |args: &[&str]| run::answer(Command::new("git").args(args).current_dir(root));
    let changes = git(&["log", "-2", "--format=%H", "-G", VERSION, "--", STEPS]).unwrap_or_default();
    let mut changes = changes.lines();
    let Some(last) = changes.next() else { return Vec::new() };
    let (before, most) = (format!("{last}^"), format!("-{TRIES}"));
    let mut asked = vec!["rev-list", "--first-parent", most.as_str(), before.as_str()];
    // Those before the change before are of an older version.
    let older = changes.next().map(|change| format!("^{change}^"));
    asked.extend(older.as_deref());
    // The first commit of a history that was cut off seems to have changed everything.
    git(&asked).unwrap_or_default().lines().map(str::to_owned).collect()
}

/// Deletes the sources of other commits: only the last version is of any use.
fn forget_others(home: &Path, commits: &[String]) -> Result<()> {
    for entry in fs::read_dir(home).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let is_kept = name == "target" || commits.iter().any(|commit| name == commit.as_str());
        if !is_kept && entry.path().is_dir() {
            fs::remove_dir_all(entry.path())
                .with_context(|| format!("cannot delete {}", entry.path().display()))?;
        }
    }
    Ok(())
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
