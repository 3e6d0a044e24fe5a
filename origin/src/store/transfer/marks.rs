//! What a data directory says of a move, in a file each.
//!
//! [`Destination`] is written before the engine commits that it has the data. Beside the store it says that the move was cut off
//! then; without one, that it was done. [`Arrival`] is written before the engine commits that the data left it. Without a store it
//! says that the move was cut off then; beside one, that it was done.

use std::{
    fs::{self, File},
    io,
    path::Path,
};

use anyhow::Context as _;
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use crate::data_dir::DataDir;

/// A file about a move.
pub(in crate::store) trait Mark: Serialize + DeserializeOwned {
    /// Its name.
    const FILE: &'static str;

    /// That of a data directory, if there is one.
    ///
    /// # Errors
    /// When the file cannot be read.
    fn read(data_dir: &Path) -> anyhow::Result<Option<Self>> {
        let path = data_dir.join(Self::FILE);
        let unread = || format!("cannot read {}", path.display());
        match fs::read_to_string(&path) {
            Ok(text) => Ok(Some(serde_json::from_str(&text).with_context(unread)?)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error).with_context(unread),
        }
    }

    /// Writes it durably.
    ///
    /// # Errors
    /// Errors of the file system.
    fn write(&self, data_dir: &DataDir) -> anyhow::Result<()> {
        data_dir
            .write(Self::FILE, &serde_json::to_string(self)?)
            .with_context(|| format!("cannot write {}", data_dir.path().join(Self::FILE).display()))
    }

    /// Removes it durably, if it is there.
    ///
    /// # Errors
    /// Errors of the file system.
    fn remove(data_dir: &Path) -> anyhow::Result<()> {
        let path = data_dir.join(Self::FILE);
        match fs::remove_file(&path) {
            Ok(()) => Ok(File::open(data_dir)?.sync_all()?),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            Err(error) => Err(error).with_context(|| format!("cannot remove {}", path.display())),
        }
    }
}

/// Where the store of a data directory went.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::store) struct Destination {
    /// The number of the move, which the engine's tables have too once they are filled.
    pub(in crate::store) id: String,
    /// The schema and the database, without password.
    pub(in crate::store) to: String,
}

impl Destination {
    /// That of a new move.
    pub(super) fn of(to: String) -> Self {
        Self { id: new_id(), to }
    }
}

impl Mark for Destination {
    const FILE: &'static str = "migrated_to";
}

/// Where the store comes from that a data directory is about to have.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::store) struct Arrival {
    /// The number of the move, which the engine's tables have too once they are left.
    pub(super) id: String,
    /// The schema and the database, without password.
    pub(in crate::store) from: String,
}

impl Arrival {
    /// That of a new move.
    pub(super) fn of(from: String) -> Self {
        Self { id: new_id(), from }
    }
}

impl Mark for Arrival {
    const FILE: &'static str = "migrating_from";
}

fn new_id() -> String {
    format!("{:032x}", rand::random::<u128>())
}
