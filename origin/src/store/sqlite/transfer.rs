//! The file as one end of a move to or from PostgreSQL.

use std::{
    fs::{self, File},
    io,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, bail, ensure};
use rollcall_core::store::Value;
use rusqlite::{Connection, OpenFlags, OptionalExtension as _, params_from_iter};

use super::{
    super::transfer::{Arrival, Batch, Destination, Filling, Mark as _, Side, Table},
    connection::{self, FILE, beside, make_private},
    convert::{Bound, value},
    schema,
};

/// What the name of a store gets that was moved away.
const KEPT: &str = ".migrated";
/// The same of one that is being filled.
const PARTIAL: &str = ".partial";
/// What SQLite may keep beside a file. It reads what is there into any file of that name.
const BESIDE: [&str; 3] = ["-wal", "-shm", "-journal"];

/// A store that no server uses.
pub(in crate::store) struct Embedded {
    path: PathBuf,
    connection: Connection,
}

/// An error where the store was moved elsewhere, or may have been, or is about to come.
pub(super) fn refuse_moved(data_dir: &Path) -> anyhow::Result<()> {
    let place = data_dir.display();
    let is_in = Embedded::is_in(data_dir);
    if let Some(Destination { to, .. }) = Destination::read(data_dir)? {
        let file = Destination::FILE;
        if is_in {
            bail!(
                "a move of the store in {place} to {to} was cut off as it ended; run rollcall migrate --to again, which finds out \
                 whether it did, and finishes it. To stay with this store: drop that schema, and remove the file {file} here"
            );
        }
        bail!(
            "the store of {place} was moved to {to}: set store.url. To serve it as it was before the move, rename {FILE}{KEPT} there \
             to {FILE}, and remove the file {file}"
        );
    }
    if is_in {
        return Ok(());
    }
    if let Some(Arrival { from, .. }) = Arrival::read(data_dir)? {
        bail!(
            "a move from {from} to {place} was cut off as it ended; run rollcall migrate --from again, which finishes it, or set \
             store.url to serve from there if that lets you"
        );
    }
    let partial = partial(data_dir);
    ensure!(
        !partial.exists(),
        "a move to {place} was cut off; run rollcall migrate --from again, or, to begin with an empty store, remove {}",
        partial.display()
    );
    Ok(())
}

/// Whether a data directory has a store in which anything is stored beside what a start leaves. Nothing is changed.
///
/// # Errors
/// When it cannot be read.
pub(in crate::store) fn is_filled(data_dir: &Path, tables: &[Table]) -> anyhow::Result<bool> {
    let path = data_dir.join(FILE);
    if !path.exists() {
        return Ok(false);
    }
    let read = || -> rusqlite::Result<bool> {
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(&path, flags)?;
        for table in tables.iter().filter(|table| !table.is_of_processes()) {
            let made = "SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = ?1";
            if connection.query_row(made, [&table.name], |_| Ok(())).optional()?.is_none() {
                continue;
            }
            if connection.query_row(&table.is_filled(), [], |row| row.get(0))? {
                return Ok(true);
            }
        }
        Ok(false)
    };
    read().with_context(|| format!("cannot read {}", path.display()))
}

impl Embedded {
    /// Whether a data directory has a store.
    pub(in crate::store) fn is_in(data_dir: &Path) -> bool {
        data_dir.join(FILE).exists()
    }

    /// The name that a store has once it was moved away.
    pub(in crate::store) fn kept(data_dir: &Path) -> PathBuf {
        beside(&data_dir.join(FILE), KEPT)
    }

    /// The store of a data directory, brought up to date as by a start.
    ///
    /// # Errors
    /// When it cannot be opened, or is of a newer version.
    pub(in crate::store) fn open(data_dir: &Path) -> anyhow::Result<Self> {
        let path = data_dir.join(FILE);
        make_private(&path).with_context(|| format!("cannot write {}", path.display()))?;
        let mut connection = connection::open(&path)?;
        schema::migrate(&mut connection)?;
        Ok(Self { path, connection })
    }

    /// A new store, of which a crash leaves nothing that is used. One that an earlier call has left unfinished is gone.
    ///
    /// # Errors
    /// When it cannot be written.
    pub(in crate::store) fn create(data_dir: &Path) -> anyhow::Result<Self> {
        let path = partial(data_dir);
        let unwritten = || format!("cannot write {}", path.display());
        for suffix in [""].into_iter().chain(BESIDE) {
            match fs::remove_file(beside(&path, suffix)) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    return Err(error).with_context(unwritten);
                }
                _ => {}
            }
        }
        make_private(&path).with_context(unwritten)?;
        let mut connection = connection::open(&path)?;
        schema::migrate(&mut connection)?;
        // It is flushed as a whole when it is complete, and thrown away otherwise.
        connection.pragma_update(None, "journal_mode", "OFF")?;
        connection.pragma_update(None, "synchronous", "OFF")?;
        connection.execute_batch("BEGIN IMMEDIATE")?;
        Ok(Self { path, connection })
    }

    /// Makes a filled store durable, still under the name of an unfinished one.
    ///
    /// # Errors
    /// When the disk does not take it.
    pub(in crate::store) fn complete(self) -> anyhow::Result<()> {
        self.connection.execute_batch("COMMIT")?;
        self.connection.close().map_err(|(_, error)| error)?;
        Ok(File::open(&self.path)?.sync_all()?)
    }

    /// An error where SQLite would read something into a store that gets its name.
    pub(in crate::store) fn refuse_leftovers(data_dir: &Path) -> anyhow::Result<()> {
        refuse_beside(&data_dir.join(FILE))
            .context("it is of another store, and would be read into the one that is moved here")
    }

    /// Gives a complete store its name.
    ///
    /// # Errors
    /// When something is there that would be read into it, and errors of the file system.
    pub(in crate::store) fn put_in_place(data_dir: &Path) -> anyhow::Result<()> {
        Self::refuse_leftovers(data_dir)?;
        rename(&partial(data_dir), &data_dir.join(FILE), data_dir)
    }

    /// Brings everything into the one file, which then needs no other beside it.
    ///
    /// # Errors
    /// When another program has the file open.
    pub(in crate::store) fn settle(&self) -> anyhow::Result<()> {
        let mode =
            self.connection.query_row("PRAGMA journal_mode = DELETE", [], |row| row.get::<_, String>(0));
        let used = || format!("another program reads {}; try again when it has ended", self.path.display());
        ensure!(mode.with_context(used)? == "delete", used());
        refuse_beside(&self.path)
    }

    /// Takes a store that was moved out of service: all of it in one file, by another name.
    ///
    /// # Errors
    /// As [`Embedded::settle`], and errors of the file system.
    pub(in crate::store) fn retire(self) -> anyhow::Result<()> {
        self.settle()?;
        let Self { path, connection } = self;
        connection.close().map_err(|(_, error)| error)?;
        let data_dir = path.parent().unwrap_or(Path::new("."));
        rename(&path, &Self::kept(data_dir), data_dir)
    }
}

fn partial(data_dir: &Path) -> PathBuf {
    beside(&data_dir.join(FILE), PARTIAL)
}

fn refuse_beside(file: &Path) -> anyhow::Result<()> {
    for found in BESIDE.map(|suffix| beside(file, suffix)) {
        ensure!(fs::symlink_metadata(&found).is_err(), "{} is there; move it away", found.display());
    }
    Ok(())
}

fn rename(from: &Path, to: &Path, folder: &Path) -> anyhow::Result<()> {
    fs::rename(from, to).with_context(|| format!("cannot rename {} to {}", from.display(), to.display()))?;
    Ok(File::open(folder)?.sync_all()?)
}

impl Side for Embedded {
    fn count(&mut self, table: &Table) -> anyhow::Result<u64> {
        let count: i64 = self.connection.query_row(&table.count(), [], |row| row.get(0))?;
        Ok(u64::try_from(count)?)
    }

    fn read(
        &mut self,
        table: &Table,
        take: &mut dyn FnMut(Batch) -> anyhow::Result<()>,
    ) -> anyhow::Result<()> {
        let mut statement = self.connection.prepare(&table.rows())?;
        let mut rows = statement.query([])?;
        let mut filling = Filling::default();
        while let Some(row) = rows.next()? {
            let read: Vec<Value> = (0..table.columns.len())
                .map(|column| row.get_ref(column).map(value)?)
                .collect::<rusqlite::Result<_>>()?;
            filling.push(read);
            if filling.is_full() {
                take(filling.take())?;
            }
        }
        let last = filling.take();
        if last.is_empty() { Ok(()) } else { take(last) }
    }

    fn write(&mut self, table: &Table, batch: &Batch) -> anyhow::Result<()> {
        let places: Vec<String> = (1..=table.columns.len()).map(|place| format!("?{place}")).collect();
        let sql =
            format!("INSERT INTO {} ({}) VALUES ({})", table.quoted(), table.names(), places.join(", "));
        let mut insert = self.connection.prepare_cached(&sql)?;
        for row in batch {
            insert.execute(params_from_iter(row.iter().map(Bound)))?;
        }
        Ok(())
    }
}
