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
    time::{Instant, timeout, timeout_at},
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::{
    super::{QUERY_TURN, condition::Condition, error::StoreError},
    connection::{Answer, Connector, Role, Session},
    failure::Failure,
    holding::Holding,
    lease::{Lease, since_boot, time_to_pause},
    shared_clock::SharedClock,
    transaction::Patience,
};

/// Requests that wait for a session; further callers wait to enter the queue.
const QUEUE: usize = 4096;
/// The most loads of one journey.
const GROUP: usize = 64;
/// Attempts of a request that meets other transactions. Each meets fewer of them.
const ATTEMPTS: u32 = 8;
/// How long a command whose caller waits may wait for a session.
const SHORT: Duration = QUERY_TURN;
/// The same of one that would be repeated at once.
const LONG: Duration = Duration::from_secs(60);
/// Without the engine, requests are answered at once for so long, and then a session is tried again.
const PAUSE: Duration = Duration::from_millis(100);

/// What the sessions of all roles have in common.
pub(super) struct Engine {
    pub(super) connector: Connector,
    pub(super) holding: Holding,
    /// Ends when another process has declared this one dead.
    pub(super) dead: CancellationToken,
    /// For how long this process may serve.
    pub(super) lease: Lease,
    /// Whether others may serve.
    pub(super) may_have_company: bool,
    /// The engine's timeline, as far as it is known.
    pub(super) timeline: parking_lot::Mutex<Option<String>>,
    pub(super) condition: Condition,
    pub(super) clock: SharedClock,
    /// Grows when all sessions are of no use any more.
    pub(super) generation: AtomicU64,
}

/// What a caller waits for.
enum Job {
    /// The answers to statements in a transaction of their own. One with a time is not run later than that, nor for a caller who left.
    Run { statements: Vec<Statement>, by: Option<Instant>, done: Done<Vec<Answer>> },
    /// A session.
    Lend(Done<Lent>),
}

type Done<T> = oneshot::Sender<Result<T, StoreError>>;

/// A session in the hands of a caller. One that is not given back is closed, and so is its transaction.
pub(super) struct Lent {
    pub(super) session: Session,
    back: oneshot::Sender<Returned>,
}

struct Returned {
    session: Session,
    is_open: bool,
}

impl Lent {
    /// Gives the session back; `is_open` where its transaction is still to be rolled back.
    pub(super) fn give_back(self, is_open: bool) {
        // The pool may be gone.
        let _ = self.back.send(Returned { session: self.session, is_open });
    }

    /// The same after a failure, which may have ended the session, or all of them. Its transaction was not committed.
    pub(super) fn give_back_failed(self, engine: &Engine, failure: &Failure) {
        engine.heed(failure);
        if !failure.ends_session() {
            self.give_back(true);
        }
    }
}

impl Engine {
    /// A session of this role.
    ///
    /// # Errors
    /// As [`Connector::session`].
    pub(super) async fn session(&self, role: Role) -> Result<Session, Failure> {
        let session = self.connector.session(role, &self.holding).await?;
        match session.timeline() {
            Some(timeline) if !self.meet(timeline, session.longest_lease()) => {
                Err(Failure::Unreachable("another server of the engine has taken over from this one".into()))
            }
            _ => Ok(session),
        }
    }

    /// Takes note of the engine's timeline. On another one than before, a process that reaches the former primary alone may still answer
    /// what that one has, until its lease is over: so nothing is answered here before. False of a former one.
    fn meet(&self, timeline: &str, longest_lease: Duration) -> bool {
        let mut known = self.timeline.lock();
        if known.as_deref().is_some_and(|known| is_former(timeline, known)) {
            return false;
        }
        let is_other = known.as_deref().is_some_and(|known| known != timeline);
        if self.may_have_company && is_other {
            tracing::warn!(
                timeline,
                "another server of the engine has taken over: nothing is served for a moment"
            );
            self.lease.pause(since_boot() + time_to_pause(longest_lease));
            // Sessions with the former one.
            self.generation.fetch_add(1, SeqCst);
        }
        // Another session that meets it finds the pause.
        *known = Some(timeline.to_owned());
        true
    }

    /// Takes note of a failure of a session of this role, and words it for the caller. The first failure in a row is logged only.
    pub(super) fn failed(&self, role: Role, failure: Failure) -> StoreError {
        let error = rollcall_api::Chain(&failure).to_string();
        if role != Role::Write {
            tracing::debug!(error, "a query failed");
        } else if failure.is_conflict() {
            tracing::debug!(error, "a change met another one");
        } else if !failure.is_of_engine() {
            tracing::error!(error, "a change was refused");
        } else if self.condition.fail() {
            tracing::error!(error, "commits fail; until they succeed again the health is degraded");
        } else {
            tracing::debug!(error, "a commit failed again");
        }
        failure.into()
    }

    /// Gives all sessions up where a failure says that none is of use any more, and the process where it was declared dead.
    pub(super) fn heed(&self, failure: &Failure) {
        if matches!(failure, Failure::Dead) {
            self.dead.cancel();
        }
        if failure.ends_all_sessions() {
            self.generation.fetch_add(1, SeqCst);
        }
    }
}

#[derive(Clone)]
pub(super) struct Pool {
    role: Role,
    /// Of those who wait.
    jobs: mpsc::Sender<Job>,
    /// Of ends and what else has no caller: a queue of their own, so that the ends of a crowd hold up no login, and no load of
    /// commands holds up ends.
    ends: mpsc::Sender<Job>,
    closing: CancellationToken,
    workers: TaskTracker,
}

impl Pool {
    /// Sessions are made when they are first needed.
    pub(super) fn start(engine: &Arc<Engine>, role: Role, sessions: u32) -> Self {
        let ((jobs, of_jobs), (ends, of_ends)) = (mpsc::channel(QUEUE), mpsc::channel(QUEUE));
        let queue = Arc::new(Mutex::new(Receivers { jobs: of_jobs, ends: of_ends }));
        let (closing, workers) = (CancellationToken::new(), TaskTracker::new());
        for number in 0..sessions {
            let prefers = match (sessions, number) {
                (1, _) => Prefers::Turns,
                (_, 1) => Prefers::Ends,
                _ => Prefers::Jobs,
            };
            let worker = Worker { engine: engine.clone(), role, prefers, session: None, missed: None };
            workers.spawn(worker.work(queue.clone(), closing.clone()));
        }
        workers.close();
        Self { role, jobs, ends, closing, workers }
    }

    pub(super) async fn ask(&self, statements: Vec<Statement>) -> Result<Vec<Answer>, StoreError> {
        self.ask_in(&self.jobs, statements).await
    }

    /// The same for what has no caller, and is waited for by others: no load of commands holds it up.
    pub(super) async fn ask_as_end(&self, statements: Vec<Statement>) -> Result<Vec<Answer>, StoreError> {
        self.ask_in(&self.ends, statements).await
    }

    async fn ask_in(
        &self,
        queue: &mpsc::Sender<Job>,
        statements: Vec<Statement>,
    ) -> Result<Vec<Answer>, StoreError> {
        let (done, answer) = oneshot::channel();
        let by = (self.role != Role::Write).then(|| Instant::now() + SHORT);
        let asking = queue.send(Job::Run { statements, by, done });
        let asked = match by {
            None => asking.await,
            Some(by) => timeout_at(by, asking).await.map_err(|_| StoreError::Busy)?,
        };
        asked.map_err(|_| StoreError::Closed)?;
        answer.await.map_err(|_| StoreError::Closed)?
    }

    /// A session for a transaction of several journeys.
    pub(super) async fn lend(&self, patience: Patience) -> Result<Lent, StoreError> {
        let (queue, within) = match patience {
            Patience::Short => (&self.jobs, SHORT),
            Patience::Long => (&self.ends, LONG),
        };
        let lending = async {
            let (done, answer) = oneshot::channel();
            queue.send(Job::Lend(done)).await.map_err(|_| StoreError::Closed)?;
            answer.await.map_err(|_| StoreError::Closed)?
        };
        // A place in the queue that is given up gets no session.
        timeout(within, lending).await.unwrap_or(Err(StoreError::Busy))
    }

    pub(super) fn queued(&self) -> usize {
        let queued = |queue: &mpsc::Sender<Job>| queue.max_capacity() - queue.capacity();
        queued(&self.jobs) + queued(&self.ends)
    }

    /// Waits until every accepted request is answered, and ends the sessions.
    pub(super) async fn close(&self) {
        self.closing.cancel();
        self.workers.wait().await;
    }
}

/// What a session takes first, where both wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Prefers {
    /// Those who wait, as most sessions do.
    Jobs,
    /// Ends, as one of several sessions does.
    Ends,
    /// The one and the other in turn, as the only session does: nothing that goes on waits for what keeps coming.
    Turns,
}

type Queue = Arc<Mutex<Receivers>>;

struct Receivers {
    jobs: mpsc::Receiver<Job>,
    ends: mpsc::Receiver<Job>,
}

impl Receivers {
    /// The next requests, as many as are there, up to `most`. None once the pool is closed and all were taken.
    async fn next(&mut self, prefers_ends: bool, most: usize, closing: &CancellationToken) -> Vec<Job> {
        let Self { jobs, ends } = self;
        let (first, second) = if prefers_ends { (ends, jobs) } else { (jobs, ends) };
        let mut group = Vec::new();
        tokio::select! {
            biased;
            Some(job) = first.recv() => group.push(job),
            Some(job) = second.recv() => group.push(job),
            () = closing.cancelled() => {
                first.close();
                second.close();
            }
            else => {}
        }
        while group.len() < most {
            let Ok(job) = first.try_recv().or_else(|_| second.try_recv()) else { break };
            group.push(job);
        }
        group
    }
}

/// A request, and who waits for its answer.
type Asked = (Vec<Statement>, Done<Vec<Answer>>);

struct Worker {
    engine: Arc<Engine>,
    role: Role,
    prefers: Prefers,
    session: Option<(u64, Session)>,
    /// When the engine could last not be reached.
    missed: Option<Instant>,
}

impl Worker {
    async fn work(mut self, queue: Queue, closing: CancellationToken) {
        let most = if self.role == Role::Load { GROUP } else { 1 };
        let mut is_turn_of_ends = self.prefers == Prefers::Ends;
        loop {
            let group = queue.lock().await.next(is_turn_of_ends, most, &closing).await;
            is_turn_of_ends ^= self.prefers == Prefers::Turns;
            if group.is_empty() {
                return;
            }
            let mut asked = Vec::with_capacity(group.len());
            for job in group {
                match job {
                    // A caller who left waits for nothing.
                    Job::Run { by: Some(_), done, .. } if done.is_closed() => {}
                    Job::Run { by: Some(by), done, .. } if by < Instant::now() => {
                        drop(done.send(Err(StoreError::Busy)));
                    }
                    Job::Run { statements, done, .. } => asked.push((statements, done)),
                    Job::Lend(done) => self.lend(done).await,
                }
            }
            self.answer(asked).await;
        }
    }

    async fn answer(&mut self, mut asked: Vec<Asked>) {
        let mut attempts = 0;
        while !asked.is_empty() {
            attempts += 1;
            let requests: Vec<_> = asked.iter().map(|(statements, _)| statements.as_slice()).collect();
            let outcomes = self.run(&requests).await;
            let mut again = Vec::new();
            for ((statements, done), outcome) in asked.drain(..).zip(outcomes) {
                match outcome {
                    Err(failure) if attempts < ATTEMPTS && self.may_repeat(&failure, attempts) => {
                        again.push((statements, done));
                    }
                    // A caller who left does not undo its commit.
                    outcome => {
                        drop(done.send(outcome.map_err(|failure| self.engine.failed(self.role, failure))))
                    }
                }
            }
            asked = again;
        }
    }

    /// Lends the session, and waits until it is back.
    async fn lend(&mut self, to: Done<Lent>) {
        if to.is_closed() {
            return;
        }
        let (generation, session) = match self.session().await {
            Ok(session) => session,
            // A caller who left waits for nothing.
            Err(failure) => return drop(to.send(Err(self.engine.failed(self.role, failure)))),
        };
        let (back, returned) = oneshot::channel();
        if let Err(Ok(unused)) = to.send(Ok(Lent { session, back })) {
            self.session = Some((generation, unused.session));
            return;
        }
        // Of a session that is not given back nothing is left.
        let Ok(Returned { mut session, is_open }) = returned.await else { return };
        if !is_open || session.roll_back().await.is_ok() {
            self.session = Some((generation, session));
        }
    }

    /// Whether a request that failed so is run again: it had no effect.
    fn may_repeat(&self, failure: &Failure, attempts: u32) -> bool {
        failure.is_conflict()
            // The server may have closed a session while it waited. The first request on it finds that out.
            || (attempts == 1 && self.missed.is_none() && failure.is_unreachable())
    }

    /// The session that is there, or a new one, with the generation that it is of.
    async fn session(&mut self) -> Result<(u64, Session), Failure> {
        let generation = self.engine.generation.load(SeqCst);
        let usable = |(of, session): &(u64, Session)| *of == generation && !session.is_closed();
        if let Some(session) = self.session.take().filter(usable) {
            return Ok(session);
        }
        if self.missed.is_some_and(|missed| missed.elapsed() < PAUSE) {
            return Err(missed());
        }
        if self.engine.dead.is_cancelled() {
            return Err(Failure::Dead);
        }
        match self.engine.session(self.role).await {
            Ok(session) => {
                self.missed = None;
                Ok((generation, session))
            }
            Err(failure) => {
                self.engine.heed(&failure);
                if !matches!(failure, Failure::Dead) {
                    self.missed = Some(Instant::now());
                }
                Err(failure)
            }
        }
    }

    async fn run(&mut self, requests: &[&[Statement]]) -> Vec<Result<Vec<Answer>, Failure>> {
        let (generation, mut session) = match self.session().await {
            Ok(session) => session,
            Err(failure) => {
                let is_dead = matches!(failure, Failure::Dead);
                let mut all = vec![Err(failure)];
                let others = || Err(if is_dead { Failure::Dead } else { missed() });
                all.resize_with(requests.len(), others);
                return all;
            }
        };
        let outcomes = session.run(requests).await;
        let failures = || outcomes.iter().filter_map(|outcome| outcome.as_ref().err());
        failures().for_each(|failure| self.engine.heed(failure));
        if !failures().any(Failure::ends_session) {
            self.session = Some((generation, session));
        }
        outcomes
    }
}

/// Whether a timeline comes before another one of the same history. One of another history is of a server that was made anew.
fn is_former(timeline: &str, known: &str) -> bool {
    let parts = timeline.split_once('/').zip(known.split_once('/'));
    parts.is_some_and(|((history, part), (known_history, known_part))| {
        history == known_history && part < known_part
    })
}

fn missed() -> Failure {
    Failure::Unreachable("it could not be reached a moment ago".into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timelines_of_one_history_grow() {
        assert!(is_former("7/00000009", "7/0000000A"));
        for timeline in ["7/0000000A", "7/0000000B", "8/00000001", ""] {
            assert!(!is_former(timeline, "7/0000000A"), "{timeline}");
        }
    }
}
