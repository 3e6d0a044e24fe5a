//! A copy of the store, which a server may be writing to meanwhile.

use std::{
    fs::{self, File, OpenOptions},
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, bail};
use rusqlite::{Connection, OpenFlags};

use super::connection::FILE;

/// Copies the committed state of `data_dir` to the new file `to`, which only its owner may read.
///
/// SQLite copies one transaction's view, so that the copy is one state however much is written meanwhile, and the writer does
/// not wait. When this returns, the copy is complete, checked and durable; until then `to` does not exist.
///
/// # Errors
/// When there is no store, `to` exists, or the copy cannot be written.
pub fn back_up(data_dir: &Path, to: &Path) -> anyhow::Result<()> {
    super::transfer::refuse_moved(data_dir)?;
    let store = data_dir.join(FILE);
    if !store.exists() {
        bail!("there is no store in {}; nothing was ever served from it", data_dir.display());
    }
    if to.symlink_metadata().is_ok() {
        bail!("{} exists; a backup never overwrites one", to.display());
    }
    let partial = partial(to);
    let unwritten = || format!("cannot write {}", partial.display());
    // Created here, since SQLite would let others read it.
    OpenOptions::new().write(true).create_new(true).mode(0o600).open(&partial).with_context(unwritten)?;
    let copied = copy(&store, &partial).and_then(|()| {
        File::open(&partial)?.sync_all()?;
        fs::rename(&partial, to).with_context(|| format!("cannot write {}", to.display()))
    });
    if copied.is_err() {
        // The first error is the one to report.
        let _ = fs::remove_file(&partial);
    }
    copied?;
    File::open(directory_of(to))?.sync_all()?;
    Ok(())
}

fn copy(store: &Path, to: &Path) -> anyhow::Result<()> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(store, flags).context("cannot open the store")?;
    connection.busy_timeout(std::time::Duration::from_secs(5))?;
    let name = to.to_str().context("the backup's name is not UTF-8")?;
    connection.execute("VACUUM INTO ?1", [name]).context("the copy failed")?;
    let copy = Connection::open_with_flags(to, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
    let verdict: String = copy.query_row("PRAGMA quick_check(1)", [], |row| row.get(0))?;
    if verdict != "ok" {
        bail!("the copy is damaged, and so is the store: {verdict}");
    }
    Ok(())
}

fn partial(to: &Path) -> PathBuf {
    let mut name = to.as_os_str().to_owned();
    name.push(format!(".{}.partial", std::process::id()));
    PathBuf::from(name)
}

fn directory_of(file: &Path) -> &Path {
    file.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
}
