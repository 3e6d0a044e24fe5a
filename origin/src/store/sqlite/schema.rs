//! Brings the database to the newest version (`rollcall_core::store::migrations`).

use rollcall_core::store::migrations::{self, Found, StoreKind};
use rusqlite::{Connection, TransactionBehavior};

use super::convert;

/// Runs the steps that the file lacks, all or none of them.
///
/// # Errors
/// When the file is of a newer version, or a step fails. Nothing is changed then.
pub(super) fn migrate(connection: &mut Connection) -> anyhow::Result<()> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let found = version(&transaction)?;
    if found != migrations::VERSION {
        for sql in migrations::missing(StoreKind::Origin, found)? {
            transaction.execute_batch(sql)?;
        }
        convert::query(&transaction, &migrations::set_version())?;
    }
    Ok(transaction.commit()?)
}

/// Programs of the first two versions wrote the number into the file's header.
fn version(connection: &Connection) -> anyhow::Result<u32> {
    Ok(match migrations::found(&convert::query(connection, &migrations::find())?) {
        Found::Versioned => migrations::read_version(&convert::query(connection, &migrations::version())?)?,
        Found::Nothing | Found::Unversioned => {
            connection.query_row("PRAGMA user_version", [], |row| row.get(0))?
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file() -> (tempfile::TempDir, Connection) {
        let home = tempfile::tempdir().unwrap();
        let connection = super::super::connection::open(&home.path().join("test.sqlite3")).unwrap();
        (home, connection)
    }

    #[test]
    fn a_new_file_gets_every_step_once() {
        let (_home, mut connection) = file();
        migrate(&mut connection).unwrap();
        let changes = connection.total_changes();
        migrate(&mut connection).unwrap();
        assert_eq!(connection.total_changes(), changes);
        assert_eq!(version(&connection).unwrap(), migrations::VERSION);
    }

    #[test]
    fn a_newer_file_is_refused_and_left_alone() {
        for sql in ["UPDATE schema SET version = 1000", "DROP TABLE schema; PRAGMA user_version = 1000"] {
            let (_home, mut connection) = file();
            migrate(&mut connection).unwrap();
            connection.execute_batch(sql).unwrap();
            let changes = connection.total_changes();
            let error = migrate(&mut connection).unwrap_err().to_string();
            assert!(error.contains("version 1000") && error.contains("run the newer program"), "{error}");
            assert_eq!(connection.total_changes(), changes);
        }
    }

    #[test]
    fn a_step_that_fails_takes_those_before_it_back() {
        let (_home, mut connection) = file();
        connection.execute_batch("CREATE TABLE lease (id INTEGER)").unwrap();
        migrate(&mut connection).unwrap_err();
        let tables: i64 =
            connection.query_row("SELECT count(*) FROM sqlite_master", [], |row| row.get(0)).unwrap();
        assert_eq!(tables, 1);
    }

    /// Programs that do not know the table `schema` look at this number.
    #[test]
    fn a_program_of_the_version_before_refuses_the_file() {
        let (_home, mut connection) = file();
        migrate(&mut connection).unwrap();
        let number: u32 = connection.query_row("PRAGMA user_version", [], |row| row.get(0)).unwrap();
        assert_eq!(number, 3);
    }
}
