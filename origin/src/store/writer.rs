//! The one writer. Commits that arrive while another is being written share the next fsync.

use std::{sync::Arc, thread};

use parking_lot::Mutex;
use rollcall_core::store::Statement;
use rusqlite::Connection;
use tokio::sync::{mpsc, oneshot};

use super::{Rows, StoreError, convert};

/// Commits waiting for the writer; above it callers wait for a place.
const QUEUE: usize = 4096;
/// Commits that share one transaction at the most.
const GROUP: usize = 512;

struct Job {
    statements: Vec<Statement>,
    done: oneshot::Sender<Result<Vec<Rows>, StoreError>>,
}

#[derive(Clone)]
pub(super) struct Writer {
    jobs: mpsc::Sender<Job>,
    ended: Arc<Mutex<Option<oneshot::Receiver<()>>>>,
    close: Arc<Mutex<Option<oneshot::Sender<()>>>>,
}

impl Writer {
    pub(super) fn start(connection: Connection) -> std::io::Result<Self> {
        let (jobs, queue) = mpsc::channel(QUEUE);
        let (close, closing) = oneshot::channel();
        let (ending, ended) = oneshot::channel();
        thread::Builder::new().name("store-writer".into()).spawn(move || {
            write(connection, queue, closing);
            // Nobody may be waiting any more.
            let _ = ending.send(());
        })?;
        Ok(Self { jobs, ended: Arc::new(Mutex::new(Some(ended))), close: Arc::new(Mutex::new(Some(close))) })
    }

    pub(super) async fn commit(&self, statements: Vec<Statement>) -> Result<Vec<Rows>, StoreError> {
        let (done, answer) = oneshot::channel();
        self.jobs.send(Job { statements, done }).await.map_err(|_| StoreError::Closed)?;
        answer.await.map_err(|_| StoreError::Closed)?
    }

    pub(super) async fn close(&self) {
        drop(self.close.lock().take());
        // Wakes a writer that waits for work.
        let _ = self.commit(Vec::new()).await;
        let ended = self.ended.lock().take();
        if let Some(ended) = ended {
            let _ = ended.await;
        }
    }
}

fn write(mut connection: Connection, mut queue: mpsc::Receiver<Job>, mut closing: oneshot::Receiver<()>) {
    let mut group = Vec::with_capacity(GROUP);
    loop {
        if queue.blocking_recv_many(&mut group, GROUP) == 0 {
            return;
        }
        commit_group(&mut connection, &mut group);
        if !matches!(closing.try_recv(), Err(oneshot::error::TryRecvError::Empty)) {
            queue.close();
        }
    }
}

fn commit_group(connection: &mut Connection, group: &mut Vec<Job>) {
    let outcome = try_group(connection, group);
    for (job, result) in group.drain(..).zip(outcome) {
        // A caller that went away does not take its commit back.
        let _ = job.done.send(result);
    }
}

/// One result a job: a job that fails by itself takes only itself back, a failing commit takes all.
fn try_group(connection: &mut Connection, group: &[Job]) -> Vec<Result<Vec<Rows>, StoreError>> {
    let all = |error: rusqlite::Error| {
        let error = StoreError::from(error);
        tracing::error!(%error, commits = group.len(), "a commit failed");
        group.iter().map(|_| Err(error.clone())).collect::<Vec<_>>()
    };
    let mut transaction = match connection.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)
    {
        Ok(transaction) => transaction,
        Err(error) => return all(error),
    };
    let mut results = Vec::with_capacity(group.len());
    for job in group {
        match one(&mut transaction, job) {
            Ok(rows) => results.push(Ok(rows)),
            Err(error) => {
                tracing::error!(%error, "a change was refused");
                results.push(Err(error.into()));
            }
        }
    }
    match transaction.commit() {
        Ok(()) => results,
        Err(error) => all(error),
    }
}

fn one(transaction: &mut rusqlite::Transaction<'_>, job: &Job) -> rusqlite::Result<Vec<Rows>> {
    let savepoint = transaction.savepoint()?;
    let rows = job
        .statements
        .iter()
        .map(|statement| convert::query(&savepoint, statement))
        .collect::<rusqlite::Result<_>>()?;
    savepoint.commit()?;
    Ok(rows)
}
