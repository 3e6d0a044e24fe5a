//! Connections to the database file.

use std::{
    ffi::OsString,
    fs::OpenOptions,
    io,
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
};

use rusqlite::{Connection, OpenFlags, config::DbConfig};

use crate::private::{self, MODE};

/// The database file in the data directory.
pub(super) const FILE: &str = "rollcall.sqlite3";

/// What SQLite appends to the name of the database for the files that it keeps beside it.
const SUFFIXES: [&str; 3] = ["", "-wal", "-shm"];

/// Makes the database private to its owner, before SQLite opens it: the files that SQLite makes beside it get its mode. Files
/// of an earlier process become private too. Hashes of tokens, addresses and names of users are in these files.
///
/// # Errors
/// When the database cannot be created.
pub(super) fn make_private(path: &Path) -> io::Result<()> {
    OpenOptions::new().write(true).create(true).truncate(false).mode(MODE).open(path)?;
    SUFFIXES.iter().for_each(|suffix| private::make_private(&beside(path, suffix)));
    Ok(())
}

/// The path with more behind it.
pub(super) fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(suffix);
    PathBuf::from(name)
}

/// A connection that changes nothing.
pub(super) fn open_read_only(path: &Path) -> rusqlite::Result<Connection> {
    let connection = open(path)?;
    connection.pragma_update(None, "query_only", true)?;
    Ok(connection)
}

/// A connection to the database at `path`, which is created if it does not exist.
pub(super) fn open(path: &Path) -> rusqlite::Result<Connection> {
    let flags =
        OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    connection.pragma_update(None, "journal_mode", "WAL")?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    // A statement keeps its plan whatever values are bound to it. With the statistics that SQLite is built with here, it
    // would be planned anew at every use.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    connection.busy_timeout(std::time::Duration::from_secs(1))?;
    connection.set_prepared_statement_cache_capacity(64);
    Ok(connection)
}

#[cfg(test)]
mod tests {
    use std::{
        fs::{self, Permissions},
        os::unix::fs::PermissionsExt as _,
    };

    use super::*;

    fn modes(path: &Path) -> Vec<u32> {
        let mode = |suffix| fs::metadata(beside(path, suffix)).unwrap().permissions().mode() & 0o777;
        SUFFIXES.map(mode).to_vec()
    }

    #[test]
    fn every_file_of_the_store_is_its_owners_alone() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("test.sqlite3");
        make_private(&path).unwrap();
        let connection = open(&path).unwrap();
        connection.execute_batch("CREATE TABLE kept (number INTEGER) STRICT").unwrap();
        assert_eq!(modes(&path), [MODE; 3]);
    }

    #[test]
    fn the_files_of_an_earlier_process_become_private() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("test.sqlite3");
        let earlier = open(&path).unwrap();
        earlier.execute_batch("CREATE TABLE kept (number INTEGER) STRICT").unwrap();
        for suffix in SUFFIXES {
            fs::set_permissions(beside(&path, suffix), Permissions::from_mode(0o644)).unwrap();
        }
        make_private(&path).unwrap();
        assert_eq!(modes(&path), [MODE; 3]);
        earlier.execute_batch("INSERT INTO kept VALUES (1)").unwrap();
    }
}
