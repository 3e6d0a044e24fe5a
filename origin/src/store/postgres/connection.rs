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
    future::{BoxFuture, MaybeDone, maybe_done},
    pin_mut, stream,
};
use rollcall_core::{
    config,
    secret::Secret,
    store::{Statement, Value},
};
use tokio::{task::AbortHandle, time::timeout};
use tokio_postgres::{
    AsyncMessage, Client, Connection, NoTls, Socket, Statement as Prepared, tls::TlsStream,
};

use super::{
    super::job::Rows,
    convert::{Bound, Read, type_of},
    dialect,
    failure::{Failure, Late, NotReplicated},
    schema::quoted,
    tls::Tls,
    url::{self, Target},
};

/// Prepared statements that a session keeps; above it all are made anew.
const PREPARED: usize = 512;

/// What a session is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    /// Commits.
    Write,
    /// Short queries over one user's rows.
    Load,
    /// Lists.
    List,
}

impl Role {
    /// How long it may take to answer.
    const fn patience(self) -> Duration {
        match self {
            Self::Write | Self::Load => Duration::from_secs(5),
            Self::List => Duration::from_secs(10),
        }
    }

    const fn begin(self) -> &'static str {
        match self {
            Self::Write => "BEGIN",
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
    schema: String,
}

impl Connector {
    /// # Errors
    /// When `store.url` or `store.ca` does not read.
    pub(super) fn new(url: &Secret<String>, settings: &config::Store) -> anyhow::Result<Self> {
        let target = url::read(url)?;
        let ca = settings.ca.as_deref().map(Path::new);
        let tls = if target.is_encrypted { Some(Tls::load(ca)?) } else { None };
        Ok(Self { target, tls, schema: settings.schema.clone() })
    }

    /// The session's client, with the schema's tables in view, and what ends the session.
    ///
    /// # Errors
    /// When the engine cannot be reached, or refuses the session.
    pub(super) async fn connect(&self) -> Result<(Client, Driver), tokio_postgres::Error> {
        let is_unreplicated = Arc::new(AtomicBool::new(false));
        let (client, task) = match &self.tls {
            Some(tls) => {
                let (client, connection) = self.target.config.connect(tls.clone()).await?;
                (client, drive(connection, is_unreplicated.clone()))
            }
            None => {
                let (client, connection) = self.target.config.connect(NoTls).await?;
                (client, drive(connection, is_unreplicated.clone()))
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
    pub(super) async fn session(&self, role: Role) -> Result<Session, Failure> {
        let unreachable = |error: tokio_postgres::Error| Failure::Unreachable(error.into());
        let made = async {
            let (client, driver) = self.connect().await?;
            let patience = role.patience().as_secs();
            // Commits are durable before they are answered; a server that waits for its standby too is not told otherwise. A
            // session whose process is frozen gives its locks back.
            client
                .batch_execute(&format!(
                    "SET lock_timeout TO '5s'; SET statement_timeout TO '{patience}s'; \
                     SET idle_in_transaction_session_timeout TO '2s'; SET jit TO off; SET random_page_cost TO 1.1; \
                     SELECT set_config('synchronous_commit', 'on', false) \
                     WHERE current_setting('synchronous_commit') IN ('off', 'local')"
                ))
                .await?;
            if role == Role::List {
                client.batch_execute("SET plan_cache_mode TO force_custom_plan").await?;
            }
            Ok(Session { client, driver, role, prepared: HashMap::new() })
        };
        let late = Late(role.patience().as_secs());
        timeout(role.patience(), made)
            .await
            .map_err(|_| Failure::Unreachable(late.into()))?
            .map_err(unreachable)
    }
}

/// Moves a session's messages. Ends with this value.
pub(super) struct Driver {
    task: AbortHandle,
    is_unreplicated: Arc<AtomicBool>,
}

impl Drop for Driver {
    fn drop(&mut self) {
        // A session with a server that is gone would wait for its answers for ever.
        self.task.abort();
    }
}

fn drive<S>(mut connection: Connection<Socket, S>, is_unreplicated: Arc<AtomicBool>) -> AbortHandle
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

/// A request of the batch: it begins, does, or ends.
type Step<'a> = Pin<Box<MaybeDone<BoxFuture<'a, Result<Answer, tokio_postgres::Error>>>>>;

impl Session {
    /// Whether the server has closed it.
    pub(super) fn is_closed(&self) -> bool {
        self.client.is_closed()
    }

    /// Runs requests, each in a transaction of its own, all in one journey to the engine and back.
    pub(super) async fn run(&mut self, requests: &[&[Statement]]) -> Vec<Result<Vec<Answer>, Failure>> {
        let mut ready = Vec::with_capacity(requests.len());
        for statements in requests {
            ready.push(self.prepare(statements).await);
        }
        let outcomes = timeout(self.role.patience(), self.send(requests, &ready)).await;
        let mut outcomes = outcomes.ok().map(Vec::into_iter);
        let outcome = |ready: Result<_, Failure>| {
            ready.and_then(|_| match outcomes.as_mut() {
                Some(outcomes) => outcomes.next().unwrap_or_else(|| Ok(Vec::new())),
                None => Err(self.late()),
            })
        };
        ready.into_iter().map(outcome).collect()
    }

    /// No answer came in time.
    fn late(&self) -> Failure {
        let late = Late(self.role.patience().as_secs()).into();
        if self.role == Role::Write { Failure::Unanswered(late) } else { Failure::Unreachable(late) }
    }

    /// The statements in the engine's words. Nothing happens.
    async fn prepare(&mut self, statements: &[Statement]) -> Result<Vec<Prepared>, Failure> {
        let mut all = Vec::with_capacity(statements.len());
        for statement in statements {
            let key = Key::of(statement);
            if let Some(prepared) = self.prepared.get(&key) {
                all.push(prepared.clone());
                continue;
            }
            let rewritten = dialect::rewrite(&statement.sql)?;
            let types: Vec<_> = statement.params.iter().map(type_of).collect();
            let preparing = self.client.prepare_typed(&rewritten, &types);
            let late = Late(self.role.patience().as_secs());
            let prepared = timeout(self.role.patience(), preparing)
                .await
                .map_err(|_| Failure::Unreachable(late.into()))?
                .map_err(Failure::of_statement)?;
            if self.prepared.len() >= PREPARED {
                self.prepared.clear();
            }
            self.prepared.insert(key, prepared.clone());
            all.push(prepared);
        }
        Ok(all)
    }

    async fn send(
        &self,
        requests: &[&[Statement]],
        ready: &[Result<Vec<Prepared>, Failure>],
    ) -> Vec<Result<Vec<Answer>, Failure>> {
        self.driver.is_unreplicated.store(false, SeqCst);
        let mut steps: Vec<Step<'_>> = Vec::new();
        let mut shapes = Vec::with_capacity(requests.len());
        for (statements, prepared) in requests.iter().zip(ready) {
            let Ok(prepared) = prepared else { continue };
            let is_alone = statements.len() == 1 && self.role != Role::Write;
            if !is_alone {
                steps.push(self.simple(self.role.begin()));
            }
            for (statement, prepared) in statements.iter().zip(prepared) {
                steps.push(self.execute(statement, prepared));
            }
            if !is_alone {
                steps.push(self.simple("COMMIT"));
            }
            shapes.push((statements.len(), is_alone));
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
        let mut outcomes = Vec::with_capacity(shapes.len());
        for (count, is_alone) in shapes {
            let steps: Vec<_> = answers.by_ref().take(if is_alone { 1 } else { count + 2 }).collect();
            outcomes.push(self.outcome(steps, is_alone).await);
        }
        outcomes
    }

    /// The outcome of one transaction. Each step's own answer counts: COMMIT says that all is well after a rollback too.
    async fn outcome(&self, steps: Vec<Step<'_>>, is_alone: bool) -> Result<Vec<Answer>, Failure> {
        let last = steps.len().saturating_sub(1);
        let mut answers = Vec::with_capacity(steps.len());
        let mut failed = None;
        for (at, mut step) in steps.into_iter().enumerate() {
            step.as_mut().await;
            let is_commit = at == last && !is_alone;
            match step.as_mut().take_output().unwrap_or_else(|| Ok(Answer::default())) {
                Ok(answer) => {
                    if is_alone || (at > 0 && !is_commit) {
                        answers.push(answer);
                    }
                }
                // The first failure is the cause of the others.
                Err(_) if failed.is_some() => {}
                Err(error) if self.role != Role::Write => failed = Some(Failure::of_statement(error)),
                Err(error) if is_commit => failed = Some(Failure::of_commit(error)),
                Err(error) => failed = Some(Failure::of_batch(error)),
            }
        }
        if failed.is_none() && self.role == Role::Write && self.driver.is_unreplicated.load(SeqCst) {
            failed = Some(Failure::Unanswered(NotReplicated.into()));
        }
        failed.map_or(Ok(answers), Err)
    }

    fn simple<'a>(&'a self, sql: &'static str) -> Step<'a> {
        let run = async move { self.client.batch_execute(sql).await.map(|()| Answer::default()) };
        Box::pin(maybe_done(Box::pin(run) as BoxFuture<'a, _>))
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
        Box::pin(maybe_done(Box::pin(run) as BoxFuture<'a, _>))
    }
}
