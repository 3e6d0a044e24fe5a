//! The processes of a schema: their rows, signs of life, and ends.

use std::{sync::atomic::Ordering::SeqCst, time::Duration};

use rollcall_core::{
    config,
    secret::Secret,
    serial::Serial,
    store::{Statement, Value},
    time::Timestamp,
};
use tokio::sync::watch;

use super::{
    Connector, Postgres,
    connection::{Role, Session, bell_of, bell_of_all},
    convert::Read,
    lease::since_boot,
    rows, schema,
};
use crate::store::{StoreError, job::Rows};

/// A process's row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Node {
    /// The number that its start drew.
    pub id: i64,
    /// `cluster.name`.
    pub name: String,
    /// The program's version.
    pub version: String,
    /// When it started.
    pub started_at: Timestamp,
    /// The time of its last sign of life.
    pub alive_at: Timestamp,
    /// The number of that.
    pub beat: i64,
    /// Sockets that it had then.
    pub sockets: i64,
    /// For how long it may be silent: `cluster.lease_seconds` as it was started with.
    pub lease: Duration,
    /// Whether it serves.
    pub state: NodeState,
    /// Whether nothing is left of one that serves no longer.
    pub is_swept: bool,
}

/// Whether a process serves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NodeState {
    /// It does.
    Serving,
    /// It was declared dead.
    Dead,
    /// It has left.
    Left,
}

/// What a process says of itself.
pub struct Alive {
    /// Its open sockets.
    pub sockets: usize,
    /// The newest order up to which nothing is left to be brought to them.
    pub settled: Serial,
    /// How long it may serve from then on; none where nobody would declare it dead.
    pub lease: Option<Duration>,
}

const COLUMNS: &str = "id, name, version, started_at, alive_at, beat, sockets, lease, state, swept";

impl Postgres {
    /// The number of this process.
    pub fn node(&self) -> i64 {
        self.engine.holding.number()
    }

    /// Says that this process is alive, which renews its lease, and reads all processes.
    ///
    /// # Errors
    /// When the engine does not hear it, or another process has declared this one dead.
    pub async fn beat(&self, alive: &Alive) -> Result<Vec<Node>, StoreError> {
        let mut bell = self.bell.lock().await;
        let sent = since_boot();
        let engine = &self.engine;
        let generation = engine.generation.load(SeqCst);
        let is_usable = |(of, session): &(u64, Session)| *of == generation && !session.is_closed();
        let session = match bell.take().filter(is_usable) {
            Some((_, session)) => Ok(session),
            None => engine.session(Role::Bell).await,
        };
        let failed = |failure| {
            engine.heed(&failure);
            engine.failed(Role::Bell, failure)
        };
        let mut session = session.map_err(failed)?;
        let sockets = i64::try_from(alive.sockets).unwrap_or(i64::MAX);
        let renew = Statement::new(
            "UPDATE node SET beat = beat + 1, alive_at = clock(), sockets = ?2, timeline = ?3, \
             settled = max(settled, ?4) WHERE id = ?1 AND state = 0 RETURNING beat",
            [
                self.node().into(),
                sockets.into(),
                session.timeline().unwrap_or_default().into(),
                alive.settled.number().into(),
            ],
        );
        let look = Statement::new(format!("SELECT {COLUMNS} FROM node ORDER BY started_at, id"), []);
        let answers = match session.run(&[&[renew, look]]).await.pop() {
            Some(Ok(answers)) => answers,
            Some(Err(failure)) => {
                if !failure.ends_session() {
                    *bell = Some((generation, session));
                }
                return Err(failed(failure));
            }
            None => return Err(StoreError::Unanswered),
        };
        *bell = Some((generation, session));
        let mut answers = answers.into_iter().map(|answer| answer.rows);
        if answers.next().is_none_or(|rows| rows.is_empty()) {
            engine.dead.cancel();
            return Err(StoreError::Closed);
        }
        if let Some(time) = alive.lease {
            engine.lease.renew(sent, time);
        }
        read(&answers.next().unwrap_or_default()).ok_or(StoreError::Unanswered)
    }

    /// Says that this process has left, behind its commits. Where one is not decided in time, it is declared dead later.
    pub(in crate::store) async fn leave(&self) {
        let engine = &self.engine;
        // A beat that was cut off has ended its session.
        let session = match self.bell.lock().await.take() {
            Some((_, session)) => Ok(session),
            None => engine.session(Role::Bell).await,
        };
        let leave = Statement::new("SELECT leave(?1)", [self.node().into()]);
        let left = match session {
            Ok(mut session) => session.run(&[&[leave]]).await.pop().unwrap_or_else(|| Ok(Vec::new())),
            Err(failure) => Err(failure),
        };
        if let Err(failure) = left {
            let error = rollcall_api::Chain(&failure);
            tracing::debug!(%error, "that this process has left is not written down");
        }
    }

    /// Declares a process dead that has given no sign of life since `beat`, unless a commit of it is under way. Whether it did.
    ///
    /// # Errors
    /// As [`crate::store::Store::commit`].
    pub async fn declare_dead(&self, node: i64, beat: i64) -> Result<bool, StoreError> {
        let declare = Statement::new("SELECT declare_dead(?1, ?2)", [node.into(), beat.into()]);
        let answers = self.commit_for_others(vec![declare]).await?;
        Ok(answers.first().and_then(|rows| rows.first()?.first()) == Some(&Value::Int(1)))
    }

    /// Rings at these processes: there is something for them.
    ///
    /// # Errors
    /// When the engine does not hear it. They look by themselves too.
    pub async fn ring(&self, nodes: &[i64]) -> Result<(), StoreError> {
        for node in nodes {
            self.ring_at(bell_of(*node)).await?;
        }
        Ok(())
    }

    /// Rings at all processes: there is an order.
    ///
    /// # Errors
    /// As [`Postgres::ring`].
    pub async fn ring_everywhere(&self) -> Result<(), StoreError> {
        self.ring_at(bell_of_all(&self.engine.holding)).await
    }

    async fn ring_at(&self, bell: String) -> Result<(), StoreError> {
        // In no transaction: they would wait for each other's disk.
        let ring = Statement::new("SELECT count(*) FROM pg_notify(?1, '')", [bell.into()]);
        self.load(vec![ring]).await.map(drop)
    }

    /// Changes when another process has rung here.
    pub fn rung(&self) -> watch::Receiver<()> {
        self.engine.connector.rung.subscribe()
    }

    /// A commit that the engine may lose if it crashes. It waits for no disk.
    ///
    /// # Errors
    /// As [`crate::store::Store::commit`].
    pub async fn commit_soon(&self, statement: Statement) -> Result<(), StoreError> {
        let soon = Statement::new("SELECT set_config('synchronous_commit', 'off', TRUE)", []);
        self.commit_for_others(vec![soon, statement]).await.map(drop)
    }

    /// A commit that other processes wait for.
    async fn commit_for_others(&self, statements: Vec<Statement>) -> Result<Vec<Rows>, StoreError> {
        if !self.may_have_company() {
            return self.commit_as_end(statements).await;
        }
        self.may_serve()?;
        let answers = self.mail.ask(statements).await?;
        self.must_not_be_paused()?;
        Ok(rows(answers))
    }

    /// A commit that has no caller and that others wait for: no load of commands holds it up.
    ///
    /// # Errors
    /// As [`crate::store::Store::commit`].
    pub(crate) async fn commit_as_end(&self, statements: Vec<Statement>) -> Result<Vec<Rows>, StoreError> {
        self.may_serve()?;
        let answers = self.writers.ask_as_end(statements).await?;
        self.must_not_be_paused()?;
        Ok(rows(answers))
    }

    /// # Errors
    /// When another timeline was met meanwhile: what was done may not be answered yet.
    pub(super) fn must_not_be_paused(&self) -> Result<(), StoreError> {
        if self.engine.lease.is_paused(since_boot()) { Err(StoreError::too_late()) } else { Ok(()) }
    }

    /// How long this process has had no lease; none while it may serve.
    pub fn suspended(&self) -> Option<Duration> {
        self.engine.lease.over(since_boot())
    }

    /// # Errors
    /// When this process may not serve: the engine has not heard it for too long, or another one has declared it dead.
    pub fn may_serve(&self) -> Result<(), StoreError> {
        if self.engine.dead.is_cancelled() {
            return Err(StoreError::Closed);
        }
        self.suspended().map_or(Ok(()), |_| Err(StoreError::Suspended))
    }
}

/// The processes of the schema that the settings name, and the time by the engine's clock.
///
/// # Errors
/// When the server cannot be reached, or there is no such store.
pub async fn nodes(url: &Secret<String>, settings: &config::Store) -> anyhow::Result<(Timestamp, Vec<Node>)> {
    let (client, _driver) = Connector::new(url, settings)?.connect().await?;
    anyhow::ensure!(
        schema::may_be_shared(&client, &settings.schema).await?,
        "there is no store of this version in the schema {}",
        settings.schema
    );
    let now: i64 = client.query_one("SELECT clock()", &[]).await?.try_get(0)?;
    let mut rows = Rows::new();
    for row in client.query(&format!("SELECT {COLUMNS} FROM node ORDER BY started_at, id"), &[]).await? {
        let column = |at| row.try_get::<usize, Read>(at).map(|Read(value)| value);
        rows.push((0..row.len()).map(column).collect::<Result<_, _>>()?);
    }
    let nodes = read(&rows).ok_or_else(|| anyhow::anyhow!("a row of a process does not read"))?;
    Ok((Timestamp::from_millis(now), nodes))
}

fn read(rows: &Rows) -> Option<Vec<Node>> {
    let node = |row: &Vec<Value>| {
        let [Value::Int(id), Value::Text(name), Value::Text(version), rest @ ..] = row.as_slice() else {
            return None;
        };
        let [
            Value::Int(started_at),
            Value::Int(alive_at),
            Value::Int(beat),
            Value::Int(sockets),
            Value::Int(lease),
            Value::Int(state),
            Value::Int(swept),
        ] = rest
        else {
            return None;
        };
        Some(Node {
            id: *id,
            name: name.clone(),
            version: version.clone(),
            started_at: Timestamp::from_millis(*started_at),
            alive_at: Timestamp::from_millis(*alive_at),
            beat: *beat,
            sockets: *sockets,
            lease: Duration::from_millis(lease.unsigned_abs()),
            // One that a later version knows serves in no way that is known here.
            state: match state {
                0 => NodeState::Serving,
                2 => NodeState::Left,
                _ => NodeState::Dead,
            },
            is_swept: *swept != 0,
        })
    };
    rows.iter().map(node).collect()
}
