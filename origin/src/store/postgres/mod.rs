//! PostgreSQL as the store.
//!
//! A commit that succeeded is on the server's disk, and on that of its synchronous standby where it has one. Statements are core's,
//! in the words of [`dialect`].

mod connection;
mod convert;
mod dialect;
mod failure;
mod holding;
mod lease;
mod nodes;
mod pool;
mod schema;
mod shared_clock;
mod tls;
mod transaction;
mod transfer;
mod url;

use std::{
    path::Path,
    sync::{Arc, atomic::AtomicU64},
    time::Duration,
};

use anyhow::{Context as _, ensure};
use rollcall_core::{
    config, secret::Secret, serial::Serial, store::Statement, time::Timestamp, token::SKEW_SECS,
};
use tokio::{
    sync::Mutex,
    time::{Instant, sleep, timeout},
};
use tokio_postgres::Client;
use tokio_util::sync::CancellationToken;

use super::{QUERIES, condition::Condition, error::StoreError, job::Rows};
use crate::clock::{self, utc};

pub(crate) use self::lease::{since_boot, time_to_serve};
use self::{
    connection::{Answer, Connector, Driver, Role, Session, bell_of, timeline},
    holding::{Company, Holding},
    lease::{Lease, time_to_pause},
    pool::{Engine, Pool},
    shared_clock::SharedClock,
};
pub use self::{
    nodes::{Alive, Node, NodeState, nodes},
    transaction::{Durability, Patience, Transaction},
};
pub(super) use self::{
    schema::quoted,
    transfer::{CommitError, Filled, Whole},
};

/// Sessions for short queries. One carries thousands a second, since callers share its journeys.
const LOADERS: u32 = 2;
/// Sessions for lists.
const LISTS: u32 = QUERIES as u32;

/// Sessions beside those that write for commands: the readers, the one for signs of life, and the one for what others wait for.
const OTHERS: u32 = LOADERS + LISTS + 2;

/// The time within which a ring comes back at the start.
const ECHO: Duration = Duration::from_secs(2);

/// A handle; clones share the sessions.
#[derive(Clone)]
pub struct Postgres {
    engine: Arc<Engine>,
    writers: Pool,
    loaders: Pool,
    lists: Pool,
    /// For what other processes wait for, where there may be some: no load of commands holds it up.
    mail: Pool,
    /// For signs of life. From the start on it says that this process uses the schema.
    bell: Arc<Mutex<Option<(u64, Session)>>>,
    company: Company,
}

/// Reads what the settings say of the engine, and keeps nothing of it.
///
/// # Errors
/// When `store.url` or `store.ca` does not read.
pub fn check(settings: &config::Store) -> anyhow::Result<()> {
    settings.url.iter().try_for_each(|url| Connector::new(url, settings).map(drop))
}

impl Postgres {
    /// Connects, refuses a server that cannot keep this program's promises, and brings its tables up to date.
    ///
    /// # Errors
    /// When the server cannot be reached or is refused, or its schema does not have the data: `data_dir` has, or another place.
    pub(super) async fn open(
        url: &Secret<String>,
        settings: &config::Store,
        cluster: &config::Cluster,
        data_dir: &Path,
        condition: Condition,
    ) -> anyhow::Result<Self> {
        let lease = Duration::from_secs(cluster.lease_seconds.into());
        let connector = Connector::new(url, settings)?.with_lease(lease);
        let company = if cluster.several { Company::Welcome } else { Company::None };
        let Entered { client, driver, holding, clock, room } =
            enter(&connector, settings, Tables::Make, company).await.context("store.url")?;
        transfer::refuse_moved(&client, &settings.schema).await.context("store.url")?;
        transfer::refuse_unmoved(&client, &settings.schema, data_dir).await.context("store.url")?;
        let several = company == Company::Welcome;
        let timeline = timeline(&client).await;
        if let Some(timeline) = timeline.as_deref().filter(|_| several)
            && let Some(longest) =
                holding::longest_lease_of_former(&client, timeline).await.context("store.url")?
        {
            tracing::warn!(
                timeline,
                "another server of the engine has taken over: this one waits until none serves from the former"
            );
            sleep(time_to_pause(longest)).await;
        }
        let begun = since_boot();
        let shared = holding.share(&client, &name_of(cluster), lease, timeline.as_deref()).await;
        shared.context("store.url")?;
        let sessions = holding::serving(&client).await.context("store.url")? * sessions_of(settings);
        if sessions > room {
            tracing::warn!(
                sessions,
                room,
                "the servers of this store need more sessions than the database has room for: raise its max_connections, or lower \
                 store.connections; one that finds no room for its signs of life is taken for dead"
            );
        }
        let engine = Arc::new(Engine {
            connector,
            holding,
            dead: CancellationToken::new(),
            lease: Lease::default(),
            may_have_company: several,
            timeline: parking_lot::Mutex::new(timeline),
            condition,
            clock,
            generation: AtomicU64::new(0),
        });
        let lease = several.then(|| time_to_serve(lease));
        // Others see the row, and wait for a sign of life.
        if let Some(lease) = lease {
            engine.lease.renew(begun, lease);
        }
        let bell = engine.session(Role::Bell).await.context("store.url")?;
        let store = Self {
            writers: Pool::start(&engine, Role::Write, settings.connections),
            loaders: Pool::start(&engine, Role::Load, LOADERS),
            lists: Pool::start(&engine, Role::List, LISTS),
            mail: Pool::start(&engine, Role::Write, 1),
            engine: engine.clone(),
            bell: Arc::new(Mutex::new(Some((0, bell)))),
            company,
        };
        store.beat(&Alive { sockets: 0, settled: Serial::UNKNOWN, lease }).await?;
        // Others have seen a sign of life: this may take a moment.
        listen(&engine, &client).await.context("store.url")?;
        drop((client, driver));
        Ok(store)
    }

    pub(crate) async fn commit(&self, statements: Vec<Statement>) -> Result<Vec<Rows>, StoreError> {
        self.may_serve()?;
        let answers = self.writers.ask(statements).await?;
        self.must_not_be_paused()?;
        Ok(rows(answers))
    }

    pub(crate) async fn change(&self, statement: Statement) -> Result<u64, StoreError> {
        self.may_serve()?;
        let answers = self.writers.ask(vec![statement]).await?;
        self.must_not_be_paused()?;
        Ok(answers.iter().map(|answer| answer.changed).sum())
    }

    /// Resolves when another process has declared this one dead: it reads and writes nothing any more.
    pub(super) async fn dead(&self) {
        self.engine.dead.cancelled().await;
    }

    /// Whether other processes may use the schema at the same time.
    pub fn may_have_company(&self) -> bool {
        self.company == Company::Welcome
    }

    /// The time by the engine's clock, as far as it is known.
    pub fn now(&self) -> Timestamp {
        self.engine.clock.now()
    }

    /// The time at which this machine's clock shows what the engine's shows `at`.
    pub fn on_this_machine(&self, at: Timestamp) -> Timestamp {
        self.engine.clock.on_this_machine(at)
    }

    pub(super) fn queued(&self) -> usize {
        self.writers.queued()
    }

    pub(crate) async fn load(&self, statements: Vec<Statement>) -> Result<Vec<Rows>, StoreError> {
        self.read(&self.loaders, statements).await
    }

    pub(crate) async fn query(&self, statements: Vec<Statement>) -> Result<Vec<Rows>, StoreError> {
        self.read(&self.lists, statements).await
    }

    async fn read(&self, sessions: &Pool, statements: Vec<Statement>) -> Result<Vec<Rows>, StoreError> {
        self.may_serve()?;
        let answers = sessions.ask(statements).await?;
        // A process that was frozen meanwhile answers nothing that may be over.
        self.may_serve()?;
        Ok(rows(answers))
    }

    pub(super) async fn close(&self) {
        self.writers.close().await;
        self.loaders.close().await;
        self.lists.close().await;
        self.mail.close().await;
    }
}

/// A server that was examined, and tables that this process alone uses.
struct Entered {
    client: Client,
    driver: Driver,
    holding: Holding,
    clock: SharedClock,
    /// The sessions that the server has room for.
    room: i64,
}

/// The sessions that a process may have.
fn sessions_of(settings: &config::Store) -> i64 {
    i64::from(settings.connections + OTHERS)
}

/// What is expected of the schema.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tables {
    /// They are made where they are missing.
    Make,
    /// They are there.
    Expect,
}

/// Rings at this process, and refuses a server that does not bring the ring here.
async fn listen(engine: &Engine, client: &Client) -> anyhow::Result<()> {
    let mut rung = engine.connector.rung.subscribe();
    client.execute("SELECT pg_notify($1, '')", &[&bell_of(engine.holding.number())]).await?;
    let is_rung = timeout(ECHO, rung.changed()).await.is_ok();
    ensure!(
        is_rung,
        "the server brings no notifications (LISTEN) here; a pooler has to be in session mode, as pgBouncer by pool_mode = session"
    );
    Ok(())
}

/// Connects, refuses a server that cannot keep this program's promises, waits until no other process uses the schema, but for welcome
/// ones, and brings its tables up to date.
async fn enter(
    connector: &Connector,
    settings: &config::Store,
    tables: Tables,
    company: Company,
) -> anyhow::Result<Entered> {
    let (mut client, driver) = connector.connect().await.context("the engine cannot be reached")?;
    let room = examine(&client, sessions_of(settings)).await?;
    let schema = &settings.schema;
    let holding = Holding::take(&client, schema, company).await?;
    ensure!(
        tables == Tables::Make || schema::is_made(&client, schema).await?,
        "there is no store in the schema {schema}; name another database, or another store.schema"
    );
    schema::migrate(&mut client, schema).await?;
    let clock = compare_clocks(&client).await?;
    Ok(Entered { client, driver, holding, clock, room })
}

/// The name of this process.
fn name_of(cluster: &config::Cluster) -> String {
    let of_host = || rustix::system::uname().nodename().to_string_lossy().into_owned();
    cluster.name.clone().unwrap_or_else(of_host)
}

fn rows(answers: Vec<Answer>) -> Vec<Rows> {
    answers.into_iter().map(|answer| answer.rows).collect()
}

/// Refuses a server whose clock is far from this machine's: commands go by the one, and the times inside tokens by the other.
async fn compare_clocks(client: &Client) -> anyhow::Result<SharedClock> {
    let (before, asked) = (clock::now(), Instant::now());
    let row = client.query_one("SELECT clock()", &[]).await?;
    let (after, server) = (clock::now(), Timestamp::from_millis(row.try_get(0)?));
    let apart = before.since(server).max(server.since(after));
    ensure!(
        apart.as_secs() <= SKEW_SECS.unsigned_abs(),
        "the server's clock shows {}, this machine's {}; set the one that is wrong",
        utc(server),
        utc(after)
    );
    let shared = SharedClock::default();
    shared.set(server, asked.elapsed());
    Ok(shared)
}

/// The oldest server whose plans and settings this program knows, as the server writes it.
const OLDEST: i64 = 140_000;

/// Refuses a server on which an answered commit could be lost or texts would not come back. Returns how many sessions it has room for.
async fn examine(client: &Client, sessions: i64) -> anyhow::Result<i64> {
    let row = client
        .query_one(
            "SELECT current_setting('server_version_num')::bigint, current_setting('server_encoding'), \
             current_setting('fsync') = 'on', current_setting('full_page_writes') = 'on', \
             current_setting('synchronous_standby_names') = '', \
             current_setting('max_connections')::bigint - current_setting('superuser_reserved_connections')::bigint",
            &[],
        )
        .await?;
    let version: i64 = row.try_get(0)?;
    ensure!(version >= OLDEST, "PostgreSQL 14 or newer is needed; this is {}", version / 10_000);
    let encoding: String = row.try_get(1)?;
    ensure!(encoding == "UTF8", "the database's encoding is {encoding}; create it WITH ENCODING 'UTF8'");
    ensure!(
        row.try_get::<_, bool>(2)?,
        "the server runs with fsync off: a crash would lose what was answered"
    );
    ensure!(
        row.try_get::<_, bool>(3)?,
        "the server runs with full_page_writes off: a crash would damage what was answered"
    );
    if row.try_get(4)? {
        tracing::warn!("the store has no synchronous standby: a failover may lose what was answered");
    }
    let room: i64 = row.try_get(5)?;
    ensure!(
        sessions <= room,
        "this process needs {sessions} sessions, the server has room for {room}; raise its max_connections, or lower store.connections"
    );
    tracing::info!(sessions, room, "the store is PostgreSQL");
    Ok(room)
}
