//! The move of all that is stored between the embedded store and PostgreSQL: every row of every table, as it is.
//!
//! What is filled is empty before, and stays so until everything is in it and was compared with where it came from: a move that is
//! cut off is begun anew. Then one side is marked as moved, so that no server serves two truths.

mod marks;
mod tables;

use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail, ensure};
use rollcall_core::{config, secret::Secret, store::Value};
use tokio::runtime::Handle;

use self::tables::Digest;
pub(super) use self::{
    marks::{Arrival, Destination, Mark},
    tables::Table,
};
use super::{
    job::Rows,
    postgres::{CommitError, Filled, Tables, Whole},
    sqlite::Embedded,
};
use crate::data_dir::DataDir;

/// Rows that are held in memory at a time.
const BATCH_ROWS: usize = 2_000;
/// The same in bytes of texts; the row that reaches it is the last of its batch.
const BATCH_BYTES: usize = 1024 * 1024;

/// Rows of one table.
pub(super) type Batch = Rows;

/// A batch that grows.
#[derive(Debug, Default)]
pub(super) struct Filling {
    batch: Batch,
    bytes: usize,
}

impl Filling {
    /// Adds a row.
    pub(super) fn push(&mut self, row: Vec<Value>) {
        let texts = row.iter().map(|value| match value {
            Value::Text(text) => text.len(),
            Value::Int(_) | Value::Null => 0,
        });
        self.bytes += texts.sum::<usize>();
        self.batch.push(row);
    }

    /// Whether it takes no more.
    pub(super) fn is_full(&self) -> bool {
        self.batch.len() >= BATCH_ROWS || self.bytes >= BATCH_BYTES
    }

    /// What is in it, which leaves it empty.
    pub(super) fn take(&mut self) -> Batch {
        std::mem::take(self).batch
    }
}

/// One side of a move.
pub(super) trait Side {
    /// The number of a table's rows.
    fn count(&mut self, table: &Table) -> anyhow::Result<u64>;

    /// Hands every row of a table over, in any order.
    fn read(
        &mut self,
        table: &Table,
        take: &mut dyn FnMut(Batch) -> anyhow::Result<()>,
    ) -> anyhow::Result<()>;

    /// Adds rows to a table.
    fn write(&mut self, table: &Table, batch: &Batch) -> anyhow::Result<()>;
}

/// What a move does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress<'a> {
    /// So many rows are there to be copied, and then to be compared.
    Found(u64),
    /// Rows of this table were copied.
    Copied(&'a str, u64),
    /// Rows of this table were read back, to be compared.
    Compared(&'a str, u64),
    /// The engine looks at the tables.
    Analyzing,
}

/// A move that is done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Moved {
    /// The rows of each table, which both sides have. None where an earlier call had copied everything, and was cut off then.
    pub tables: Option<Vec<(String, u64)>>,
    /// Where the data is now.
    pub to: String,
    /// Where it is as it was before the move.
    pub kept: String,
}

/// Moves the embedded store of `data_dir` into the empty schema that `url` and `settings` name.
///
/// # Errors
/// When there is nothing to move, it was moved before, the schema is not empty, or a row cannot be moved. Then the store of
/// `data_dir` is still the truth, unless the error says that it is not known.
pub fn to_postgres(
    runtime: &Handle,
    data_dir: &DataDir,
    url: &Secret<String>,
    settings: &config::Store,
    watch: &mut dyn FnMut(Progress<'_>),
) -> anyhow::Result<Moved> {
    let tables = Table::all()?;
    let path = data_dir.path();
    let destination = Destination::read(path)?;
    refuse_unless_there(path, destination.as_ref())?;
    let kept = Embedded::kept(path);
    ensure!(!kept.exists(), "{} is there from an earlier move; move it away", kept.display());
    let mut target = Whole::open(runtime, url, settings, Tables::Make)?;
    let to = target.place().to_owned();
    let done = |tables| Moved { tables, to: to.clone(), kept: shown(&kept) };
    if let Some(destination) = destination {
        ensure!(
            destination.to == to,
            "a move of {} to {} was cut off as it ended; repeat that one, which finds out whether it did. To stay with the \
             embedded store: drop that schema, and remove the file {} there",
            path.display(),
            destination.to,
            Destination::FILE
        );
        if target.moved_from()?.is_some_and(|from| from == destination.id) {
            Embedded::open(path)?.retire()?;
            analyze(&target.into_filled()?, &tables, watch);
            return Ok(done(None));
        }
    }
    target.refuse_unless_empty(&tables)?;
    let mut source = Embedded::open(path)?;
    source.settle()?;
    let moved = copy(&mut source, &mut target, &tables, watch)?;
    let destination = Destination::of(to.clone());
    target.say_filled(&destination.id)?;
    // The kept file has to hold everything.
    source.settle()?;
    // From here on no server starts on the embedded store: it may be the old truth.
    destination.write(data_dir)?;
    let target = match target.commit() {
        Ok(target) => target,
        Err(error) => {
            if matches!(error, CommitError::Refused(_)) {
                Destination::remove(path)?;
            }
            return Err(error.into());
        }
    };
    source.retire()?;
    analyze(&target, &tables, watch);
    Ok(done(Some(moved)))
}

/// Moves what is stored in the schema that `url` and `settings` name into a new embedded store in `data_dir`.
///
/// # Errors
/// When `data_dir` has a store, there is nothing to move, it was moved elsewhere before, or a row cannot be moved.
pub fn from_postgres(
    runtime: &Handle,
    data_dir: &DataDir,
    url: &Secret<String>,
    settings: &config::Store,
    watch: &mut dyn FnMut(Progress<'_>),
) -> anyhow::Result<Moved> {
    let tables = Table::all()?;
    let path = data_dir.path();
    ensure!(
        !Embedded::is_in(path),
        "{} has a store already; name another directory by server.data_dir",
        path.display()
    );
    Embedded::refuse_leftovers(path)?;
    let mut source = Whole::open(runtime, url, settings, Tables::Expect)?;
    let arrival = arrival(path, &source)?;
    let mut target = Embedded::create(path)?;
    let moved = copy(&mut source, &mut target, &tables, watch)?;
    target.complete()?;
    let to = shown(path);
    let kept = source.place().to_owned();
    source.say_left(&to, &arrival.id)?;
    Embedded::refuse_leftovers(path)?;
    // From here on no server starts on an embedded store in the directory before it has this one.
    arrival.write(data_dir)?;
    Destination::remove(path)?;
    // From here on none starts on the schema. A move that is cut off now is begun anew.
    source.commit()?;
    Embedded::put_in_place(path)?;
    Arrival::remove(path)?;
    Ok(Moved { tables: Some(moved), to, kept })
}

/// The mark of a move out of `source`: that of the one which was cut off, or a new one.
///
/// # Errors
/// When the data was moved out of it by another move, or one out of another database was cut off.
fn arrival(data_dir: &Path, source: &Whole) -> anyhow::Result<Arrival> {
    let begun = Arrival::read(data_dir)?;
    if let Some((to, id)) = source.left_for()? {
        return begun.filter(|begun| begun.id == id).with_context(|| {
            format!(
                "the data was moved to {to} before: it is there, or went on from there. {} has it as it was then; {}",
                source.place(),
                source.how_to_serve()
            )
        });
    }
    match begun {
        Some(begun) if begun.from != source.place() => bail!(
            "a move from {} to {} was cut off; repeat that one, or, to give it up, remove the file {} there",
            begun.from,
            data_dir.display(),
            Arrival::FILE
        ),
        Some(begun) => Ok(begun),
        None => Ok(Arrival::of(source.place().to_owned())),
    }
}

fn refuse_unless_there(data_dir: &Path, destination: Option<&Destination>) -> anyhow::Result<()> {
    if Embedded::is_in(data_dir) {
        // Of a move that was cut off when it was done.
        return Arrival::remove(data_dir);
    }
    match destination {
        Some(destination) => {
            bail!("the store of {} was moved to {} before", data_dir.display(), destination.to)
        }
        None => bail!("there is no store in {}; name its directory by server.data_dir", data_dir.display()),
    }
}

fn analyze(filled: &Filled, tables: &[Table], watch: &mut dyn FnMut(Progress<'_>)) {
    watch(Progress::Analyzing);
    for table in tables {
        if let Err(error) = filled.analyze(table) {
            tracing::warn!("{}: the engine did not look at it: {error:#}", table.name);
        }
    }
}

/// Copies every row, and compares what arrived with what was read.
fn copy(
    source: &mut dyn Side,
    target: &mut dyn Side,
    tables: &[Table],
    watch: &mut dyn FnMut(Progress<'_>),
) -> anyhow::Result<Vec<(String, u64)>> {
    let mut rows = 0;
    for table in tables {
        rows += source.count(table)?;
    }
    watch(Progress::Found(rows));
    let mut read = Vec::with_capacity(tables.len());
    for table in tables {
        let mut digest = Digest::default();
        let copying = source.read(table, &mut |batch| {
            batch.iter().for_each(|row| digest.add(row));
            target.write(table, &batch)?;
            watch(Progress::Copied(&table.name, batch.len() as u64));
            Ok(())
        });
        copying.with_context(|| format!("the table {} cannot be copied", table.name))?;
        read.push(digest);
    }
    for (table, read) in tables.iter().zip(&read) {
        let mut digest = Digest::default();
        let comparing = target.read(table, &mut |batch| {
            batch.iter().for_each(|row| digest.add(row));
            watch(Progress::Compared(&table.name, batch.len() as u64));
            Ok(())
        });
        comparing.with_context(|| format!("the table {} cannot be compared", table.name))?;
        ensure!(
            digest == *read,
            "the table {} did not arrive as it was: {} rows were read, {} arrived{}; nothing was moved",
            table.name,
            read.rows,
            digest.rows,
            if digest.rows == read.rows { " with other contents" } else { "" }
        );
    }
    Ok(tables.iter().zip(read).map(|(table, read)| (table.name.clone(), read.rows)).collect())
}

/// A path as people find it again.
fn shown(path: &Path) -> String {
    let whole: PathBuf = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    whole.display().to_string()
}
