//! Where tests keep the data of the servers that they start: in memory, where there is room. Every commit waits for its disk,
//! and no test is about a disk: the worker's suite takes three quarters of the time.

use std::fs;
use std::path::{Path, PathBuf};
use std::process;

use anyhow::{Context, Result};
use rustix::fs::statvfs;

/// The file system in memory that Linux machines have.
const SHARED_MEMORY: &str = "/dev/shm";
/// What must be free in it. A whole run takes a tenth.
const ROOM: u64 = 4 << 30;
/// What a folder's name begins with. The process id of its run follows.
const PREFIX: &str = "rollcall-test-";

/// A folder for the temporary files of the tests of one run, which is removed with all that is in it.
pub(super) struct Scratch {
    folder: Option<PathBuf>,
}

impl Scratch {
    /// A new folder; none where memory has no room for it, and temporary files stay where they usually are.
    pub(super) fn new() -> Result<Self> {
        let root = Path::new(SHARED_MEMORY);
        if !has_room(root) {
            return Ok(Self { folder: None });
        }
        remove_left_behind(root)?;
        let folder = root.join(format!("{PREFIX}{}", process::id()));
        fs::create_dir(&folder).with_context(|| format!("cannot create {}", folder.display()))?;
        Ok(Self { folder: Some(folder) })
    }

    /// The folder, if there is one.
    pub(super) fn folder(&self) -> Option<&Path> {
        self.folder.as_deref()
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        if let Some(folder) = &self.folder
            && let Err(error) = fs::remove_dir_all(folder)
        {
            eprintln!("warning: {} is left behind: {error}", folder.display());
        }
    }
}

fn has_room(root: &Path) -> bool {
    statvfs(root).is_ok_and(|found| found.f_bavail.saturating_mul(found.f_frsize) >= ROOM)
}

/// Removes the folders of runs that were killed.
fn remove_left_behind(root: &Path) -> Result<()> {
    let entries = fs::read_dir(root).with_context(|| format!("cannot read {}", root.display()))?;
    for entry in entries {
        let entry = entry?;
        let name = entry.file_name();
        let run = name.to_str().and_then(|name| name.strip_prefix(PREFIX));
        if run
            .is_some_and(|run| run.parse::<u32>().is_ok_and(|id| !Path::new(&format!("/proc/{id}")).exists()))
        {
            // Another run may remove it at the same time.
            let _ = fs::remove_dir_all(entry.path());
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_of_runs_that_are_over_are_removed_and_no_others() {
        let root = tempfile::tempdir().unwrap();
        // No process has the highest number that the kernel gives, which is 4,194,304, plus one.
        let (over, runs) = (format!("{PREFIX}4194305"), format!("{PREFIX}{}", process::id()));
        for name in [&over, &runs, "rollcall-test-", "other"] {
            fs::create_dir(root.path().join(name)).unwrap();
        }
        remove_left_behind(root.path()).unwrap();
        assert!(!root.path().join(&over).exists());
        for name in [&runs, "rollcall-test-", "other"] {
            assert!(root.path().join(name).exists(), "{name}");
        }
    }
}
