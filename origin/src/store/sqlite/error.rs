//! SQLite's errors as those of the store.

use rusqlite::{ErrorCode, ffi};

use super::super::error::StoreError;

impl From<rusqlite::Error> for StoreError {
    fn from(error: rusqlite::Error) -> Self {
        let is_permanent = !is_transient(&error);
        Self::refused(error, is_permanent)
    }
}

/// Whether an error of SQLite may pass: the disk, another process or an operator is at fault, or an id that was drawn twice.
pub(super) fn is_transient(error: &rusqlite::Error) -> bool {
    use ErrorCode::{
        CannotOpen, ConstraintViolation, DatabaseBusy, DatabaseLocked, DiskFull, FileLockingProtocolFailed,
        OperationAborted, OperationInterrupted, OutOfMemory, PermissionDenied, ReadOnly, SystemIoFailure,
    };
    let Some(cause) = error.sqlite_error() else { return false };
    match cause.code {
        CannotOpen
        | DatabaseBusy
        | DatabaseLocked
        | DiskFull
        | FileLockingProtocolFailed
        | OperationAborted
        | OperationInterrupted
        | OutOfMemory
        | PermissionDenied
        | ReadOnly
        | SystemIoFailure => true,
        // The next attempt draws another id. Triggers are not ours.
        ConstraintViolation => [
            ffi::SQLITE_CONSTRAINT_PRIMARYKEY,
            ffi::SQLITE_CONSTRAINT_UNIQUE,
            ffi::SQLITE_CONSTRAINT_ROWID,
            ffi::SQLITE_CONSTRAINT_TRIGGER,
        ]
        .contains(&cause.extended_code),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_disk_or_another_process_is_at_fault_for_may_pass_and_what_the_request_is_at_fault_for_does_not()
     {
        let database = rusqlite::Connection::open_in_memory().unwrap();
        database
            .execute_batch("CREATE TABLE kept (id INTEGER PRIMARY KEY, text TEXT NOT NULL) STRICT")
            .unwrap();
        let fails = |sql: &str| StoreError::from(database.execute_batch(sql).unwrap_err()).is_permanent();
        let twice = "INSERT INTO kept VALUES (1, 'a'); INSERT INTO kept VALUES (1, 'b')";
        assert!(!fails(twice), "an id that was drawn twice");
        for sql in
            ["INSERT INTO kept VALUES (2, NULL)", "INSERT INTO kept VALUES (2, x'00')", "SELECT * FROM gone"]
        {
            assert!(fails(sql), "{sql}");
        }
        let pages: u32 = database.query_row("PRAGMA page_count", [], |row| row.get(0)).unwrap();
        database.pragma_update(None, "max_page_count", pages).unwrap();
        let full = format!("INSERT INTO kept VALUES (3, '{}')", "x".repeat(1 << 20));
        assert!(!fails(&full), "a full disk");
        assert!(StoreError::from(rusqlite::Error::InvalidQuery).is_permanent());
        assert!(!StoreError::Closed.is_permanent());
    }
}
