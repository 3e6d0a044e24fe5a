//! The data directory: one process locks it, and it holds the generated secret.

use std::{
    fs::{self, DirBuilder, File, OpenOptions, Permissions},
    io::{Read as _, Seek as _, Write as _},
    os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _},
    path::{Path, PathBuf},
};

use anyhow::{Context as _, bail};
use rollcall_core::secret::Secret;
use rustix::fs::{FlockOperation, flock};

use crate::private::{self, MODE};

const LOCK: &str = "lock";
const SECRET: &str = "secret";
/// Random bytes of a generated secret, written as twice as many hexadecimal digits.
const SECRET_BYTES: usize = 32;

/// A locked data directory. This process alone may write to it while this value lives.
pub struct DataDir {
    path: PathBuf,
    lock: File,
}

/// Another process has locked the directory.
#[derive(Debug, thiserror::Error)]
#[error("another rollcall uses {}; stop it, or choose another server.data_dir", path.display())]
pub struct InUse {
    path: PathBuf,
    /// The URL of that process, if it has announced one.
    pub url: Option<String>,
}

impl InUse {
    fn of(path: &Path, lock: &mut File) -> std::io::Result<Self> {
        let mut url = String::new();
        lock.read_to_string(&mut url)?;
        Ok(Self { path: path.to_owned(), url: Some(url).filter(|url| !url.is_empty()) })
    }
}

impl DataDir {
    /// Creates the directory if it does not exist, and locks it.
    ///
    /// # Errors
    /// [`InUse`] while another process has the lock, and errors of the file system.
    pub fn lock(path: &Path) -> anyhow::Result<Self> {
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(path)
            .with_context(|| format!("cannot create server.data_dir {}", path.display()))?;
        let mut lock = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(MODE)
            .open(path.join(LOCK))
            .with_context(|| format!("cannot write to server.data_dir {}", path.display()))?;
        if flock(&lock, FlockOperation::NonBlockingLockExclusive).is_err() {
            bail!(InUse::of(path, &mut lock)?);
        }
        lock.set_len(0)?;
        Ok(Self { path: path.to_owned(), lock })
    }

    /// The process that has locked the directory, if any. The directory is neither created nor locked.
    ///
    /// # Errors
    /// Errors of the file system.
    pub fn user_of(path: &Path) -> anyhow::Result<Option<InUse>> {
        let mut lock = match File::open(path.join(LOCK)) {
            Ok(lock) => lock,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => {
                return Err(error).with_context(|| format!("cannot read server.data_dir {}", path.display()));
            }
        };
        match flock(&lock, FlockOperation::NonBlockingLockShared) {
            // The file may still hold the URL of an ended process, whose port may belong to another program by now.
            Ok(()) => Ok(None),
            Err(_) => Ok(Some(InUse::of(path, &mut lock)?)),
        }
    }

    /// Its path.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Announces the URL of this process to tools that find the directory locked.
    ///
    /// # Errors
    /// Errors of the file system.
    pub fn announce(&mut self, url: &str) -> std::io::Result<()> {
        self.lock.rewind()?;
        self.lock.write_all(url.as_bytes())
    }

    /// The directory's secret, generated at the first call. One that others could read is its owner's alone from then on.
    ///
    /// # Errors
    /// Errors of the file system.
    pub fn secret(&self) -> anyhow::Result<Secret<String>> {
        let path = self.path.join(SECRET);
        if let Some(found) = read_secret(&path)? {
            private::make_private(&path);
            return Ok(found);
        }
        let bytes: [u8; SECRET_BYTES] = rand::random();
        let text: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        self.write(SECRET, &text)?;
        Ok(Secret::new(text))
    }

    /// Writes a file that only its owner may read. A crash leaves either none or a whole one.
    ///
    /// # Errors
    /// Errors of the file system.
    pub(crate) fn write(&self, name: &str, text: &str) -> std::io::Result<()> {
        let unnamed = self.path.join(format!("{name}.new"));
        let mut file =
            OpenOptions::new().write(true).create(true).truncate(true).mode(MODE).open(&unnamed)?;
        file.set_permissions(Permissions::from_mode(MODE))?;
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        fs::rename(&unnamed, self.path.join(name))?;
        File::open(&self.path)?.sync_all()
    }
}

/// The secret of a directory that another process may have locked; `None` if none was generated yet.
///
/// # Errors
/// Errors of the file system.
pub fn read_secret(path: &Path) -> anyhow::Result<Option<Secret<String>>> {
    match fs::read_to_string(path) {
        Ok(text) => Ok(Some(Secret::new(text.trim().to_owned()))),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error).with_context(|| format!("cannot read the secret {}", path.display())),
    }
}

/// The path of a data directory's secret.
pub fn secret_path(data_dir: &Path) -> PathBuf {
    data_dir.join(SECRET)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_has_one_user_at_a_time_and_the_other_learns_its_url() {
        let home = tempfile::tempdir().unwrap();
        let mut first = DataDir::lock(home.path()).unwrap();
        first.announce("http://127.0.0.1:10002").unwrap();
        let error = DataDir::lock(home.path()).err().unwrap();
        let in_use = error.downcast_ref::<InUse>().unwrap();
        assert_eq!(in_use.url.as_deref(), Some("http://127.0.0.1:10002"));
        let seen = DataDir::user_of(home.path()).unwrap().unwrap();
        assert_eq!(seen.url.as_deref(), Some("http://127.0.0.1:10002"));
        drop(first);
        assert!(
            DataDir::user_of(home.path()).unwrap().is_none(),
            "the URL of an ended process does not count"
        );
        assert!(DataDir::lock(home.path()).is_ok());
    }

    #[test]
    fn the_secret_is_made_once_and_readable_by_its_owner_only() {
        let home = tempfile::tempdir().unwrap();
        let dir = DataDir::lock(home.path()).unwrap();
        let secret = dir.secret().unwrap();
        assert_eq!(secret.expose().len(), 2 * SECRET_BYTES);
        assert_eq!(dir.secret().unwrap(), secret);
        let path = secret_path(home.path());
        let mode = || fs::metadata(&path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(), 0o600);
        for (given, wanted) in [(0o644, 0o600), (0o640, 0o600), (0o400, 0o400)] {
            fs::set_permissions(&path, Permissions::from_mode(given)).unwrap();
            assert_eq!(dir.secret().unwrap(), secret);
            assert_eq!(mode(), wanted, "it was {given:o}");
        }
    }
}
