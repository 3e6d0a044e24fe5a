//! Sessions of one role. A session that is free takes the next request that waits.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::SeqCst},
    },
    time::Duration,
};

use rollcall_core::store::Statement;
use tokio::{
    sync::{Mutex, mpsc, oneshot},
    time::Instant,
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::{
    super::{condition::Condition, error::StoreError, job::Job},
    connection::{Answer, Connector, Role, Session},
    failure::Failure,
};

/// Requests that wait for a session; further callers wait to enter the queue.
const QUEUE: usize = 4096;
/// The most loads of one journey.
const GROUP: usize = 64;
/// Attempts of a request that meets other transactions. Each meets fewer of them.
const ATTEMPTS: u32 = 8;
/// Without the engine, requests are answered at once for so long, and then a session is tried again.
const PAUSE: Duration = Duration::from_millis(100);

/// What the sessions of all roles have in common.
pub(super) struct Engine {
    pub(super) connector: Connector,
    pub(super) condition: Condition,
    /// Grows when all sessions are of no use any more.
    pub(super) generation: AtomicU64,
}

#[derive(Clone)]
pub(super) struct Pool {
    jobs: mpsc::Sender<Job<Answer>>,
    closing: CancellationToken,
    workers: TaskTracker,
}

impl Pool {
    /// Sessions are made when they are first needed.
    pub(super) fn start(engine: &Arc<Engine>, role: Role, sessions: u32) -> Self {
        let (jobs, queue) = mpsc::channel(QUEUE);
        let (queue, closing, workers) =
            (Arc::new(Mutex::new(queue)), CancellationToken::new(), TaskTracker::new());
        for _ in 0..sessions {
            let worker = Worker { engine: engine.clone(), role, session: None, missed: None };
            workers.spawn(worker.work(queue.clone(), closing.clone()));
        }
        workers.close();
        Self { jobs, closing, workers }
    }

    pub(super) async fn ask(&self, statements: Vec<Statement>) -> Result<Vec<Answer>, StoreError> {
        let (done, answer) = oneshot::channel();
        self.jobs.send(Job { statements, done }).await.map_err(|_| StoreError::Closed)?;
        answer.await.map_err(|_| StoreError::Closed)?
    }

    pub(super) fn queued(&self) -> usize {
        self.jobs.max_capacity() - self.jobs.capacity()
    }

    /// Waits until every accepted request is answered, and ends the sessions.
    pub(super) async fn close(&self) {
        self.closing.cancel();
        self.workers.wait().await;
    }
}

type Queue = Arc<Mutex<mpsc::Receiver<Job<Answer>>>>;

struct Worker {
    engine: Arc<Engine>,
    role: Role,
    session: Option<(u64, Session)>,
    /// When the engine could last not be reached.
    missed: Option<Instant>,
}

impl Worker {
    async fn work(mut self, queue: Queue, closing: CancellationToken) {
        let most = if self.role == Role::Load { GROUP } else { 1 };
        let mut group = Vec::with_capacity(most);
        loop {
            {
                let mut queue = queue.lock().await;
                tokio::select! {
                    biased;
                    _ = queue.recv_many(&mut group, most) => {}
                    () = closing.cancelled() => {
                        queue.close();
                        queue.recv_many(&mut group, most).await;
                    }
                }
            }
            if group.is_empty() {
                return;
            }
            self.answer(&mut group).await;
        }
    }

    async fn answer(&mut self, group: &mut Vec<Job<Answer>>) {
        let mut attempts = 0;
        while !group.is_empty() {
            attempts += 1;
            let requests: Vec<_> = group.iter().map(|job| job.statements.as_slice()).collect();
            let outcomes = self.run(&requests).await;
            let mut again = Vec::new();
            for (job, outcome) in group.drain(..).zip(outcomes) {
                match outcome {
                    Err(failure) if attempts < ATTEMPTS && self.may_repeat(&failure, attempts) => {
                        again.push(job)
                    }
                    // A caller who left does not undo its commit.
                    outcome => drop(job.done.send(outcome.map_err(|failure| self.failed(failure)))),
                }
            }
            *group = again;
        }
    }

    /// Whether a request that failed so is run again: it had no effect.
    fn may_repeat(&self, failure: &Failure, attempts: u32) -> bool {
        failure.is_conflict()
            // The server may have closed a session while it waited. The first request on it finds that out.
            || (attempts == 1 && self.missed.is_none() && matches!(failure, Failure::Unreachable(_)))
    }

    async fn run(&mut self, requests: &[&[Statement]]) -> Vec<Result<Vec<Answer>, Failure>> {
        let generation = self.engine.generation.load(SeqCst);
        let usable = |(of, session): &(u64, Session)| *of == generation && !session.is_closed();
        let session = match self.session.take().filter(usable) {
            Some((_, session)) => Ok(session),
            None if self.missed.is_some_and(|missed| missed.elapsed() < PAUSE) => Err(missed()),
            None => self.engine.connector.session(self.role).await,
        };
        let mut session = match session {
            Ok(session) => session,
            Err(failure) => {
                self.missed = Some(Instant::now());
                let mut all = vec![Err(failure)];
                all.resize_with(requests.len(), || Err(missed()));
                return all;
            }
        };
        self.missed = None;
        let outcomes = session.run(requests).await;
        let failures = || outcomes.iter().filter_map(|outcome| outcome.as_ref().err());
        if failures().any(Failure::ends_all_sessions) {
            self.engine.generation.fetch_add(1, SeqCst);
        }
        if !failures().any(Failure::ends_session) {
            self.session = Some((generation, session));
        }
        outcomes
    }

    /// The caller's error. The first failure in a row is logged only.
    fn failed(&self, failure: Failure) -> StoreError {
        let error = rollcall_api::Chain(&failure).to_string();
        if self.role != Role::Write {
            tracing::debug!(error, "a query failed");
        } else if !failure.is_of_engine() {
            tracing::error!(error, "a change was refused");
        } else if self.engine.condition.fail() {
            tracing::error!(error, "commits fail; until they succeed again the health is degraded");
        } else {
            tracing::debug!(error, "a commit failed again");
        }
        failure.into()
    }
}

fn missed() -> Failure {
    Failure::Unreachable("it could not be reached a moment ago".into())
}
