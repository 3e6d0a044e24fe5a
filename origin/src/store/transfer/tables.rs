//! The tables that a move takes along: those that core makes, with the columns that both engines have.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use rollcall_core::store::{
    Value,
    migrations::{StoreKind, tables},
};
use rusqlite::Connection;

use super::super::postgres::quoted;

/// The embedded store's version. The other engine's tables have one of their own.
const VERSION: &str = "schema";
/// What a start writes anew: no data.
const OF_PROCESSES: &str = "lease";
/// A column of an earlier program, which nothing reads.
const LEFT_OVER: (&str, &str) = ("record", "published");

/// A table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::store) struct Table {
    pub(in crate::store) name: String,
    pub(in crate::store) columns: Vec<Column>,
}

/// A column of numbers or texts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::store) struct Column {
    pub(in crate::store) name: String,
    pub(in crate::store) is_text: bool,
}

impl Table {
    /// Whether a start alone leaves rows in it.
    pub(in crate::store) fn is_of_processes(&self) -> bool {
        self.name == OF_PROCESSES
    }

    /// Its name as SQL of both engines takes it.
    pub(in crate::store) fn quoted(&self) -> String {
        quoted(&self.name)
    }

    /// The names of its columns, between commas.
    pub(in crate::store) fn names(&self) -> String {
        let names: Vec<String> = self.columns.iter().map(|column| quoted(&column.name)).collect();
        names.join(", ")
    }

    /// Asks whether anything is in it.
    pub(in crate::store) fn is_filled(&self) -> String {
        format!("SELECT EXISTS (SELECT 1 FROM {})", self.quoted())
    }

    /// Asks for the number of its rows.
    pub(in crate::store) fn count(&self) -> String {
        format!("SELECT count(*) FROM {}", self.quoted())
    }

    /// Asks for all of its rows.
    pub(in crate::store) fn rows(&self) -> String {
        format!("SELECT {} FROM {}", self.names(), self.quoted())
    }

    /// Every table of a new store.
    ///
    /// # Errors
    /// When SQLite has no memory.
    pub(in crate::store) fn all() -> rusqlite::Result<Vec<Self>> {
        let store = Connection::open_in_memory()?;
        store.execute_batch(&tables(StoreKind::Origin))?;
        let mut names = store
            .prepare("SELECT name FROM sqlite_master WHERE type = 'table' AND name <> ?1 ORDER BY rowid")?;
        let names: Vec<String> =
            names.query_map([VERSION], |row| row.get(0))?.collect::<rusqlite::Result<_>>()?;
        let mut all = Vec::with_capacity(names.len());
        for name in names {
            let mut columns = store.prepare("SELECT name, type FROM pragma_table_info(?1) ORDER BY cid")?;
            let column = |row: &rusqlite::Row<'_>| {
                Ok(Column { name: row.get(0)?, is_text: row.get_ref(1)?.as_str()? == "TEXT" })
            };
            let mut columns: Vec<Column> =
                columns.query_map([&name], column)?.collect::<rusqlite::Result<_>>()?;
            columns.retain(|column| (name.as_str(), column.name.as_str()) != LEFT_OVER);
            all.push(Self { name, columns });
        }
        Ok(all)
    }
}

/// What a table holds: the number of its rows, and a sum over their contents that does not depend on their order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Digest {
    pub(super) rows: u64,
    sum: u64,
}

impl Digest {
    /// Adds a row.
    pub(super) fn add(&mut self, row: &[Value]) {
        let mut hasher = DefaultHasher::new();
        for value in row {
            match value {
                Value::Null => 0_u8.hash(&mut hasher),
                Value::Int(number) => (1_u8, number).hash(&mut hasher),
                Value::Text(text) => (2_u8, text).hash(&mut hasher),
            }
        }
        self.rows += 1;
        self.sum = self.sum.wrapping_add(hasher.finish());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_table_of_the_store_is_moved_and_its_version_is_not() {
        let all = Table::all().unwrap();
        let names: Vec<&str> = all.iter().map(|table| table.name.as_str()).collect();
        for name in
            ["user", "account", "token", "held_end", "record", "tenant_mark", "scoped_user", "last_serial"]
        {
            assert!(names.contains(&name), "{name} is not in {names:?}");
        }
        assert!(!names.contains(&VERSION));
        let record = all.iter().find(|table| table.name == "record").unwrap();
        assert!(record.columns.iter().any(|column| column.name == "full_name" && column.is_text));
        assert!(record.columns.iter().any(|column| column.name == "bucket" && !column.is_text));
        assert!(record.columns.iter().all(|column| column.name != LEFT_OVER.1));
    }

    #[test]
    fn a_digest_goes_by_the_contents_and_not_by_the_order() {
        let digest = |rows: &[&[Value]]| {
            let mut digest = Digest::default();
            rows.iter().for_each(|row| digest.add(row));
            digest
        };
        let (one, other): ([Value; 2], [Value; 2]) = ([1.into(), "a".into()], [2.into(), Value::Null]);
        assert_eq!(digest(&[&one, &other]), digest(&[&other, &one]));
        for different in [
            [1.into(), "b".into()],
            [1.into(), Value::Null],
            ["1".into(), "a".into()],
            ["a".into(), 1.into()],
        ] {
            assert_ne!(digest(&[&one]), digest(&[&different]), "{different:?}");
        }
        assert_ne!(digest(&[&one]), digest(&[&one, &one]));
    }
}
