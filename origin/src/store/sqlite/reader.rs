//! Connections for long queries. Each runs one query at a time, on a thread of the runtime's blocking pool.

use std::{path::Path, sync::Arc};

use parking_lot::Mutex;
use rollcall_core::store::Statement;
use rusqlite::Connection;
use tokio::sync::Semaphore;

use super::{
    super::{error::StoreError, job::Rows},
    connection::open_read_only,
    convert,
};

/// The number of connections; more would only compete for the same processors.
const READERS: usize = 4;

#[derive(Clone)]
pub(super) struct Readers {
    idle: Arc<Mutex<Vec<Connection>>>,
    permits: Arc<Semaphore>,
}

impl Readers {
    pub(super) fn open(path: &Path) -> rusqlite::Result<Self> {
        let idle = (0..READERS).map(|_| open_read_only(path)).collect::<rusqlite::Result<Vec<_>>>()?;
        Ok(Self { idle: Arc::new(Mutex::new(idle)), permits: Arc::new(Semaphore::new(READERS)) })
    }

    pub(super) async fn query(&self, statements: Vec<Statement>) -> Result<Vec<Rows>, StoreError> {
        let permit = self.permits.clone().acquire_owned().await.map_err(|_| StoreError::Closed)?;
        let idle = self.idle.clone();
        let run = move || {
            let mut connection = idle.lock().pop().ok_or(StoreError::Closed)?;
            let result = read(&mut connection, &statements);
            idle.lock().push(connection);
            drop(permit);
            Ok(result?)
        };
        tokio::task::spawn_blocking(run).await.map_err(|error| StoreError::refused(error, true))?
    }
}

fn read(connection: &mut Connection, statements: &[Statement]) -> rusqlite::Result<Vec<Rows>> {
    let transaction = connection.transaction()?;
    let rows = statements.iter().map(|statement| convert::query(&transaction, statement)).collect();
    // A reading transaction has nothing to commit; ending it releases its snapshot.
    transaction.commit()?;
    rows
}
