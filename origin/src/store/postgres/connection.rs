//! One session of the engine.

use std::{
    borrow::Cow,
    collections::HashMap,
    path::Path,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::SeqCst},
    },
    time::Duration,
};

use futures_util::{
    StreamExt as _, TryStreamExt as _,
    future::{BoxFuture, MaybeDone, maybe_done, select_ok},
    pin_mut, stream,
};
use rollcall_core::{
    config,
    secret::Secret,
    store::{Statement, Value},
};
use tokio::{
    sync::watch,
    task::AbortHandle,
    time::{sleep, timeout},
};
use tokio_postgres::{
    AsyncMessage, Client, Connection, NoTls, Socket, Statement as Prepared,
    tls::{MakeTlsConnect, TlsStream},
};

use super::{
    super::{QUERY_WITHIN, error::Late, job::Rows},
    convert::{Bound, Read, type_of},
    dialect,
    failure::{Failure, NotReplicated},
    holding::Holding,
    schema::quoted,
    tls::Tls,
    transaction::Durability,
    url::{self, Target},
};

/// Prepared statements that a session keeps; above it all are made anew.
const PREPARED: usize = 512;

/// How long a sign of life may take.
const BELL: Duration = Duration::from_secs(2);

/// How much later than a host the next one is tried, which does not wait for it.
const NEXT_HOST: Duration = Duration::from_millis(100);

/// The history that a server is on, and its part of it, which grows with each promotion.
const TIMELINE: &str = "SELECT (SELECT system_identifier FROM pg_control_system())::text || '/' || \
                        left(pg_walfile_name(pg_current_wal_lsn()), 8)";

/// Where a process listens.
pub(super) fn bell_of(node: i64) -> String {
    format!("rollcall_{node}")
}

/// Where all processes of a schema listen.
pub(super) fn bell_of_all(holding: &Holding) -> String {
    format!("rollcall_all_{}", holding.key())
}

/// What a session is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    /// Commits.
    Write,
    /// Short queries over one user's rows.
    Load,
    /// Lists.
    List,
    /// Signs of life, one at a time, each soon or not at all; and what others ring for.
    Bell,
}

impl Role {
    const fn begin(self) -> &'static str {
        match self {
            // Said in full: a server may have other defaults.
            Self::Write | Self::Bell => "BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE",
            Self::Load | Self::List => "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY",
        }
    }
}

/// What one statement did.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Answer {
    pub(super) rows: Rows,
    pub(super) changed: u64,
}

/// Makes sessions.
pub(super) struct Connector {
    target: Target,
    tls: Option<Tls>,
    pub(super) schema: String,
    /// How long a sign of life may take, and how long the making of its session.
    bell: Duration,
    /// Changes when another process has rung for this one.
    pub(super) rung: watch::Sender<()>,
}

impl Connector {
    /// # Errors
    /// When `store.url` or `store.ca` does not read.
    pub(super) fn new(url: &Secret<String>, settings: &config::Store) -> anyhow::Result<Self> {
        let target = url::read(url)?;
        let ca = settings.ca.as_deref().map(Path::new);
        let tls = if target.is_encrypted { Some(Tls::load(ca)?) } else { None };
        let (schema, bell) = (settings.schema.clone(), BELL);
        Ok(Self { target, tls, schema, bell, rung: watch::Sender::default() })
    }

    /// For a process of this lease: a sign of life that is lost, and a session that is not made, leave time for another.
    pub(super) fn with_lease(self, lease: Duration) -> Self {
        Self { bell: lease * 2 / 5, ..self }
    }

    /// How long a session of this role may take to answer.
    const fn patience(&self, role: Role) -> Duration {
        match role {
            Role::Write | Role::Load => Duration::from_secs(5),
            Role::List => QUERY_WITHIN,
            Role::Bell => self.bell,
        }
    }

    /// Where the tables are, without the password.
    pub(super) fn place(&self) -> String {
        format!("the schema {} of {}", self.schema, self.target.place())
    }

    /// The first host that takes a session. One that is silent would use up the time of the others if it was waited for.
    async fn connect_any<T>(
        &self,
        tls: T,
    ) -> Result<(Client, Connection<Socket, T::Stream>), tokio_postgres::Error>
    where
        T: MakeTlsConnect<Socket> + Clone,
    {
        let attempts = self.target.hosts.iter().zip(0..).map(|(host, number)| {
            let tls = tls.clone();
            Box::pin(async move {
                sleep(NEXT_HOST * number).await;
                let addresses = url::each_address(host).await;
                let attempts = addresses.iter().zip(0..).map(|(address, number)| {
                    let tls = tls.clone();
                    Box::pin(async move {
                        sleep(NEXT_HOST * number).await;
                        address.connect(tls).await
                    })
                });
                select_ok(attempts).await.map(|(made, _)| made)
            })
        });
        select_ok(attempts).await.map(|(made, _)| made)
    }

    /// The session's client, with the schema's tables in view, and what ends the session.
    ///
    /// # Errors
    /// When the engine cannot be reached, or refuses the session.
    pub(super) async fn connect(&self) -> Result<(Client, Driver), tokio_postgres::Error> {
        let is_unreplicated = Arc::new(AtomicBool::new(false));
        let (client, task) = match &self.tls {
            Some(tls) => {
                let (client, connection) = self.connect_any(tls.clone()).await?;
                (client, drive(connection, is_unreplicated.clone(), self.rung.clone()))
            }
            None => {
                let (client, connection) = self.connect_any(NoTls).await?;
                (client, drive(connection, is_unreplicated.clone(), self.rung.clone()))
            }
        };
        let driver = Driver { task, is_unreplicated };
        client.batch_execute(&format!("SET search_path TO {}", quoted(&self.schema))).await?;
        Ok((client, driver))
    }

    /// A session of this role.
    ///
    /// # Errors
    /// As [`Connector::connect`].
    pub(super) async fn session(&self, role: Role, holding: &Holding) -> Result<Session, Failure> {
        let unreachable = |error: tokio_postgres::Error| Failure::Unreachable(error.into());
        let made = async {
            let (client, driver) = self.connect().await?;
            let patience = self.patience(role).as_millis();
            // Commits are durable before they are answered; a server that waits for its standby too is not told otherwise. A
            // session whose process is frozen gives its locks back.
            client
                .batch_execute(&format!(
                    "SET lock_timeout TO '4s'; SET statement_timeout TO '{patience}ms'; \
                     SET idle_in_transaction_session_timeout TO '2s'; SET jit TO off; SET random_page_cost TO 1.1; \
                     SELECT set_config('synchronous_commit', 'on', false) \
                     WHERE current_setting('synchronous_commit') IN ('off', 'local'); {}",
                    holding.joins()
                ))
                .await?;
            if role == Role::Bell {
                let (own, of_all) = (bell_of(holding.number()), bell_of_all(holding));
                let listen = format!("LISTEN {}; LISTEN {}", quoted(&own), quoted(&of_all));
                client.batch_execute(&listen).await?;
            }
            if role == Role::List {
                client.batch_execute("SET plan_cache_mode TO force_custom_plan").await?;
            }
            let timeline = timeline(&client).await;
            // Behind the wait for the lock.
            let longest_lease = holding.longest_lease(&client).await?;
            let fence = (role == Role::Write).then(|| Statement::new(FENCE, [holding.number().into()]));
            let patience = self.patience(role);
            let prepared = HashMap::new();
            Ok(longest_lease.map(|longest_lease| Session {
                client,
                driver,
                role,
                patience,
                timeline,
                longest_lease,
                fence,
                prepared,
            }))
        };
        let late = Late(self.patience(role).as_secs());
        timeout(self.patience(role), made)
            .await
            .map_err(|_| Failure::Unreachable(late.into()))?
            .map_err(unreachable)?
            .ok_or(Failure::Dead)
    }
}

/// The engine's timeline. Where a server does not tell, it is taken for the same.
pub(super) async fn timeline(client: &Client) -> Option<String> {
    let row = client.query_one(TIMELINE, &[]).await;
    row.and_then(|row| row.try_get(0))
        .inspect_err(|error| tracing::debug!(%error, "the engine's timeline is not known"))
        .ok()
}

/// Moves a session's messages. Ends with this value.
pub(super) struct Driver {
    task: AbortHandle,
    is_unreplicated: Arc<AtomicBool>,
}

impl Driver {
    /// Whether a commit of the session did not wait for the standby.
    pub(super) fn is_unreplicated(&self) -> bool {
        self.is_unreplicated.load(SeqCst)
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        // A session with a server that is gone would wait for its answers for ever.
        self.task.abort();
    }
}

fn drive<S>(
    mut connection: Connection<Socket, S>,
    is_unreplicated: Arc<AtomicBool>,
    rung: watch::Sender<()>,
) -> AbortHandle
where
    S: TlsStream + Unpin + Send + 'static,
{
    let moving = async move {
        let messages = stream::poll_fn(move |cx| connection.poll_message(cx));
        pin_mut!(messages);
        while let Some(message) = messages.next().await {
            match message {
                Ok(AsyncMessage::Notice(notice)) => {
                    // The engine commits all the same, after this warning.
                    if notice.message().contains("synchronous replication") {
                        is_unreplicated.store(true, SeqCst);
                    }
                    tracing::debug!(code = notice.code().code(), "the store: {}", notice.message());
                }
                Ok(AsyncMessage::Notification(_)) => rung.send_replace(()),
                Ok(_) => {}
                Err(error) => {
                    tracing::debug!(%error, "a session of the store has ended");
                    break;
                }
            }
        }
    };
    tokio::spawn(moving).abort_handle()
}

/// A session, and the statements that it knows.
pub(super) struct Session {
    client: Client,
    driver: Driver,
    role: Role,
    /// How long it may take to answer.
    patience: Duration,
    timeline: Option<String>,
    longest_lease: Duration,
    /// What each commit ends in.
    fence: Option<Statement>,
    prepared: HashMap<Key, Prepared>,
}

/// A statement's text with the types of its parameters, a bit for each: the engine plans each combination by itself.
#[derive(PartialEq, Eq, Hash)]
struct Key {
    sql: Cow<'static, str>,
    texts: u128,
    nulls: u128,
}

impl Key {
    fn of(statement: &Statement) -> Self {
        let bits = |is: fn(&Value) -> bool| {
            statement.params.iter().fold(0_u128, |bits, value| bits << 1 | u128::from(is(value)))
        };
        Self {
            sql: statement.sql.clone(),
            texts: bits(|value| matches!(value, Value::Text(_))),
            nulls: bits(|value| *value == Value::Null),
        }
    }
}

/// Whose words a statement is in.
#[derive(Clone, Copy)]
enum Words {
    Core,
    Own,
}

/// A request of the batch: it begins, does, or ends.
type Step<'a> = Pin<Box<MaybeDone<BoxFuture<'a, Result<Answer, tokio_postgres::Error>>>>>;

/// Statements that go to the engine together, and what begins and ends their transaction.
struct Batch<'a> {
    begin: Option<&'static str>,
    statements: Vec<(&'a Statement, Prepared)>,
    /// What is asked behind them. Nobody reads its answer.
    fence: Option<(Statement, Prepared)>,
    end: Option<&'static str>,
}

const COMMIT: &str = "COMMIT";

/// Waits until no other transaction holds the lock of a name in the schema, and holds it until the transaction ends. It is a
/// statement of its own, so that those behind it see what the holder before committed. The engine's clock is read behind the wait.
const LOCK: &str = "SELECT CASE WHEN pg_advisory_xact_lock(hashtextextended($1, hashtextextended($2, 3)))::text IS NOT NULL \
                    THEN clock() END";

/// The last statement of each commit: an error where another process has declared this one dead. None can do so before the commit is
/// done or not.
const FENCE: &str = "SELECT fence($1)";

/// Before a commit that the engine may lose when it crashes: no wait for its disk, nor for a standby.
const NOT_NOW: &str = "SET LOCAL synchronous_commit TO off";

impl Session {
    /// The engine's timeline when it was made.
    pub(super) fn timeline(&self) -> Option<&str> {
        self.timeline.as_deref()
    }

    /// The longest lease of those that might serve when it was made.
    pub(super) const fn longest_lease(&self) -> Duration {
        self.longest_lease
    }

    /// Whether the server has closed it.
    pub(super) fn is_closed(&self) -> bool {
        self.client.is_closed()
    }

    /// Runs requests, each in a transaction of its own, all in one journey to the engine and back.
    pub(super) async fn run(&mut self, requests: &[&[Statement]]) -> Vec<Result<Vec<Answer>, Failure>> {
        let mut batches = Vec::with_capacity(requests.len());
        for statements in requests {
            batches.push(self.batch(statements).await);
        }
        self.send(batches).await
    }

    /// Statements as a transaction of their own.
    async fn batch<'a>(&mut self, statements: &'a [Statement]) -> Result<Batch<'a>, Failure> {
        let is_alone = statements.len() == 1 && !self.writes();
        let (begin, end) = if is_alone { (None, None) } else { (Some(self.role.begin()), Some(COMMIT)) };
        let statements = self.prepare(statements, Words::Core).await?;
        Ok(Batch { begin, statements, fence: self.fence().await?, end })
    }

    /// Whether its transactions are commits.
    const fn writes(&self) -> bool {
        matches!(self.role, Role::Write | Role::Bell)
    }

    /// What a commit ends in.
    async fn fence(&mut self) -> Result<Option<(Statement, Prepared)>, Failure> {
        let Some(fence) = self.fence.clone() else { return Ok(None) };
        let prepared = self.prepare(std::slice::from_ref(&fence), Words::Own).await?.pop();
        Ok(prepared.map(|(_, prepared)| (fence.clone(), prepared)))
    }

    /// Begins a transaction that holds the lock of `name`, and asks `statements` in it. The engine's clock comes back with their
    /// answers.
    pub(super) async fn begin(
        &mut self,
        name: &str,
        schema: &str,
        statements: &[Statement],
    ) -> Result<(i64, Vec<Answer>), Failure> {
        let lock = [Statement::new(LOCK, [name.into(), schema.into()])];
        let mut ready = self.prepare(&lock, Words::Own).await?;
        ready.extend(self.prepare(statements, Words::Core).await?);
        let batch = Batch { begin: Some(self.role.begin()), statements: ready, fence: None, end: None };
        let mut answers = self.send_one(batch).await?.into_iter();
        let clock = answers.next().and_then(|answer| answer.rows.into_iter().flatten().next());
        let Some(Value::Int(clock)) = clock else {
            return Err(Failure::Unreachable("the engine's clock does not read".into()));
        };
        Ok((clock, answers.collect()))
    }

    /// An error where the server has closed the session, so that its transaction is over.
    fn is_there(&self) -> Result<(), Failure> {
        let ended = || Failure::Unreachable("the server has ended the session".into());
        if self.is_closed() { Err(ended()) } else { Ok(()) }
    }

    /// Asks `statements` in the transaction that is open.
    pub(super) async fn go_on(&mut self, statements: &[Statement]) -> Result<Vec<Answer>, Failure> {
        self.is_there()?;
        let statements = self.prepare(statements, Words::Core).await?;
        self.send_one(Batch { begin: None, statements, fence: None, end: None }).await
    }

    /// Executes `statements` in the transaction that is open, and commits it.
    pub(super) async fn finish(
        &mut self,
        statements: &[Statement],
        durability: Durability,
    ) -> Result<Vec<Answer>, Failure> {
        let statements = self.prepare(statements, Words::Core).await?;
        let fence = self.fence().await?;
        // Nothing of a commit that is not sent happens.
        self.is_there()?;
        let begin = (durability == Durability::Soon).then_some(NOT_NOW);
        self.send_one(Batch { begin, statements, fence, end: Some(COMMIT) }).await
    }

    /// Ends the transaction that is open. Nothing of it happened.
    pub(super) async fn roll_back(&mut self) -> Result<(), Failure> {
        let batch = Batch { begin: None, statements: Vec::new(), fence: None, end: Some("ROLLBACK") };
        self.send_one(batch).await.map(drop)
    }

    async fn send_one(&self, batch: Batch<'_>) -> Result<Vec<Answer>, Failure> {
        self.send(vec![Ok(batch)]).await.pop().unwrap_or_else(|| Ok(Vec::new()))
    }

    /// Sends the batches that are ready, and waits for the outcome of each.
    async fn send(&self, batches: Vec<Result<Batch<'_>, Failure>>) -> Vec<Result<Vec<Answer>, Failure>> {
        let ready: Vec<&Batch<'_>> = batches.iter().filter_map(|batch| batch.as_ref().ok()).collect();
        let outcomes = timeout(self.patience, self.exchange(&ready)).await;
        let mut outcomes = outcomes.ok().map(Vec::into_iter);
        let outcome = |batch: Result<Batch<'_>, Failure>| {
            batch.and_then(|batch| match outcomes.as_mut() {
                Some(outcomes) => outcomes.next().unwrap_or_else(|| Ok(Vec::new())),
                None => Err(self.late(&batch)),
            })
        };
        batches.into_iter().map(outcome).collect()
    }

    /// Whether it makes changes durable.
    fn commits(&self, batch: &Batch<'_>) -> bool {
        self.writes() && batch.end == Some(COMMIT)
    }

    /// No answer came in time.
    fn late(&self, batch: &Batch<'_>) -> Failure {
        let late = Late(self.patience.as_secs()).into();
        if self.commits(batch) { Failure::Unanswered(late) } else { Failure::Unreachable(late) }
    }

    /// The statements as the engine knows them. Nothing happens.
    async fn prepare<'a>(
        &mut self,
        statements: &'a [Statement],
        words: Words,
    ) -> Result<Vec<(&'a Statement, Prepared)>, Failure> {
        let mut all = Vec::with_capacity(statements.len());
        for statement in statements {
            let key = Key::of(statement);
            if let Some(prepared) = self.prepared.get(&key) {
                all.push((statement, prepared.clone()));
                continue;
            }
            let text = match words {
                Words::Core => Cow::Owned(dialect::rewrite(&statement.sql)?),
                Words::Own => Cow::Borrowed(statement.sql.as_ref()),
            };
            let types: Vec<_> = statement.params.iter().map(type_of).collect();
            let preparing = self.client.prepare_typed(&text, &types);
            let late = Late(self.patience.as_secs());
            let prepared = timeout(self.patience, preparing)
                .await
                .map_err(|_| Failure::Unreachable(late.into()))?
                .map_err(Failure::of_statement)?;
            if self.prepared.len() >= PREPARED {
                self.prepared.clear();
            }
            self.prepared.insert(key, prepared.clone());
            all.push((statement, prepared));
        }
        Ok(all)
    }

    async fn exchange(&self, batches: &[&Batch<'_>]) -> Vec<Result<Vec<Answer>, Failure>> {
        self.driver.is_unreplicated.store(false, SeqCst);
        let mut steps: Vec<Step<'_>> = Vec::new();
        for batch in batches {
            steps.extend(batch.begin.map(|begin| self.simple(begin)));
            steps.extend(
                batch.statements.iter().map(|(statement, prepared)| self.execute(statement, prepared)),
            );
            steps.extend(batch.fence.iter().map(|(statement, prepared)| self.execute(statement, prepared)));
            steps.extend(batch.end.map(|end| self.simple(end)));
        }
        // Every request is on its way before the first answer is waited for, in this order: a step is sent when it is first polled.
        std::future::poll_fn(|cx| {
            for step in &mut steps {
                let _ = step.as_mut().poll(cx);
            }
            std::task::Poll::Ready(())
        })
        .await;
        let mut answers = steps.into_iter();
        let mut outcomes = Vec::with_capacity(batches.len());
        for batch in batches {
            outcomes.push(self.outcome(&mut answers, batch).await);
        }
        outcomes
    }

    /// The outcome of one batch. Each step's own answer counts: COMMIT says that all is well after a rollback too.
    async fn outcome(
        &self,
        steps: &mut impl Iterator<Item = Step<'_>>,
        batch: &Batch<'_>,
    ) -> Result<Vec<Answer>, Failure> {
        let begins = usize::from(batch.begin.is_some());
        let count = batch.statements.len() + usize::from(batch.fence.is_some());
        let mut answers = Vec::with_capacity(batch.statements.len());
        let mut failed = None;
        for at in 0..begins + count + usize::from(batch.end.is_some()) {
            let Some(mut step) = steps.next() else { break };
            step.as_mut().await;
            let is_statement = (begins..begins + batch.statements.len()).contains(&at);
            match step.as_mut().take_output().unwrap_or_else(|| Ok(Answer::default())) {
                Ok(answer) => answers.extend(is_statement.then_some(answer)),
                // The first failure is the cause of the others.
                Err(_) if failed.is_some() => {}
                Err(error) if at < begins && error.as_db_error().is_some() => {
                    failed = Some(Failure::of_begin(error))
                }
                Err(error) if !self.commits(batch) => failed = Some(Failure::of_statement(error)),
                Err(error) if at == begins + count => failed = Some(Failure::of_commit(error)),
                Err(error) => failed = Some(Failure::of_batch(error)),
            }
        }
        if failed.is_none() && self.commits(batch) && self.driver.is_unreplicated() {
            failed = Some(Failure::Unanswered(NotReplicated.into()));
        }
        failed.map_or(Ok(answers), Err)
    }

    fn simple(&self, sql: &'static str) -> Step<'_> {
        let run = async move { self.client.batch_execute(sql).await.map(|()| Answer::default()) };
        Box::pin(maybe_done(Box::pin(run) as BoxFuture<'_, _>))
    }

    fn execute<'a>(&'a self, statement: &'a Statement, prepared: &'a Prepared) -> Step<'a> {
        let run = async move {
            let params = statement.params.iter().map(Bound);
            let answer = self.client.query_raw(prepared, params).await?;
            pin_mut!(answer);
            let mut rows = Rows::new();
            while let Some(row) = answer.as_mut().try_next().await? {
                let column = |column| row.try_get::<usize, Read>(column).map(|Read(value)| value);
                rows.push((0..row.len()).map(column).collect::<Result<_, _>>()?);
            }
            Ok(Answer { rows, changed: answer.rows_affected().unwrap_or(0) })
        };
        Box::pin(maybe_done(Box::pin(run) as BoxFuture<'_, _>))
    }
}
