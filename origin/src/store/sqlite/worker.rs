//! A thread that owns a connection and answers the requests of a queue, several at a time.

use std::{sync::Arc, thread};

use parking_lot::Mutex;
use rollcall_core::store::Statement;
use rusqlite::Connection;
use tokio::sync::{mpsc, oneshot};

use super::super::{
    error::StoreError,
    job::{Job, Jobs, Rows},
};

/// A handle; clones share the thread, which ends with the last of them or when it is closed.
#[derive(Clone)]
pub(super) struct Worker {
    jobs: Jobs,
    ended: Arc<Mutex<Option<oneshot::Receiver<()>>>>,
    close: Arc<Mutex<Option<oneshot::Sender<()>>>>,
}

impl Worker {
    /// Starts a thread of that name. `answer` answers and removes all requests of a group, which has `most` of them at most.
    pub(super) fn start(
        name: &str,
        mut connection: Connection,
        most: usize,
        mut answer: impl FnMut(&mut Connection, &mut Vec<Job>) + Send + 'static,
    ) -> std::io::Result<Self> {
        let (jobs, queue) = Jobs::queue();
        let (close, closing) = oneshot::channel();
        let (ending, ended) = oneshot::channel();
        thread::Builder::new().name(name.into()).spawn(move || {
            serve(queue, closing, most, |group| answer(&mut connection, group));
            drop(connection);
            // Its receiver may be gone.
            let _ = ending.send(());
        })?;
        Ok(Self { jobs, ended: Arc::new(Mutex::new(Some(ended))), close: Arc::new(Mutex::new(Some(close))) })
    }

    /// Waits for the answer to each statement.
    pub(super) async fn ask(&self, statements: Vec<Statement>) -> Result<Vec<Rows>, StoreError> {
        self.jobs.ask(statements).await
    }

    /// How many requests wait.
    pub(super) fn waiting(&self) -> usize {
        self.jobs.waiting()
    }

    /// Returns when every accepted request is answered and the connection is closed.
    pub(super) async fn close(&self) {
        drop(self.close.lock().take());
        // Wakes a thread that waits for work.
        let _ = self.ask(Vec::new()).await;
        let ended = self.ended.lock().take();
        if let Some(ended) = ended {
            let _ = ended.await;
        }
    }
}

fn serve(
    mut queue: mpsc::Receiver<Job>,
    mut closing: oneshot::Receiver<()>,
    most: usize,
    mut answer: impl FnMut(&mut Vec<Job>),
) {
    let mut group = Vec::with_capacity(most);
    while queue.blocking_recv_many(&mut group, most) > 0 {
        answer(&mut group);
        if !matches!(closing.try_recv(), Err(oneshot::error::TryRecvError::Empty)) {
            queue.close();
        }
    }
}
