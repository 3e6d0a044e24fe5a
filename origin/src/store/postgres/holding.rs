//! Which processes use a schema.
//!
//! Each session holds a lock of the schema together with all others. A process that is to be alone has it alone for a moment, so that
//! every session of the one before has ended, and ends all others' rows of `node`; one that may have company takes it with them. Either
//! has a row of its own then. A session that is made later, and each commit, looks for that row: where it has ended meanwhile, what the
//! process then did would be wrong.

use std::time::Duration;

use anyhow::{Context as _, bail};
use tokio::time::{Instant, sleep};
use tokio_postgres::{Client, SimpleQueryMessage};

use super::schema;

/// How long a start waits for the sessions of an earlier process to end. A server notices within a second that a process is gone.
const ENDED: Duration = Duration::from_secs(2);
/// The interval of attempts.
const LOOK: Duration = Duration::from_millis(50);

/// A server that is asked so notices soon that a process or its machine is gone; on some systems it cannot look at a client while it
/// works for it, and refuses to.
pub(super) const HEED_CLIENT: &str = "SET tcp_keepalives_idle TO 5; SET tcp_keepalives_interval TO 2; \
    SET tcp_keepalives_count TO 3; \
    DO $$ BEGIN SET client_connection_check_interval TO '1s'; EXCEPTION WHEN OTHERS THEN NULL; END $$";

/// Whether other processes may use the schema at the same time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Company {
    /// None may.
    None,
    /// Those may that know of it.
    Welcome,
}

/// That this process uses the schema.
pub(super) struct Holding {
    /// The lock's.
    key: i64,
    /// This process's number.
    number: i64,
    company: Company,
    /// Whether it was alone as it started.
    is_alone: bool,
}

/// The longest lease of those that may serve and know of another timeline of the engine.
pub(super) async fn longest_lease_of_former(
    client: &Client,
    timeline: &str,
) -> anyhow::Result<Option<Duration>> {
    let sql = "SELECT max(lease) FROM node WHERE state = 0 AND timeline NOT IN ('', $1)";
    let longest: Option<i64> = client.query_one(sql, &[&timeline]).await?.try_get(0)?;
    Ok(longest.map(|millis| Duration::from_millis(millis.unsigned_abs())))
}

/// How many processes may serve.
pub(super) async fn serving(client: &Client) -> anyhow::Result<i64> {
    Ok(client.query_one("SELECT count(*) FROM node WHERE state = 0", &[]).await?.try_get(0)?)
}

/// Whether a process may use the schema that knows of no others.
async fn is_of_one(client: &Client) -> anyhow::Result<bool> {
    let sql = "SELECT EXISTS (SELECT FROM node WHERE state = 0 AND alone = 1)";
    Ok(client.query_one(sql, &[]).await?.try_get(0)?)
}

impl Holding {
    /// Takes the lock: where there may be company together with others, else once no session of another process has it.
    ///
    /// # Errors
    /// When another process uses the schema by itself.
    pub(super) async fn take(client: &Client, schema: &str, company: Company) -> anyhow::Result<Self> {
        let number = i64::try_from(rand::random::<u64>() >> 1).unwrap_or(i64::MAX);
        let row = client.query_one("SELECT hashtextextended($1, 2)", &[&schema]).await?;
        let mut holding = Self { key: row.try_get(0)?, number, company, is_alone: true };
        let begun = Instant::now();
        loop {
            // Tables that are to be changed first belong to one process. Another may change them meanwhile.
            holding.is_alone = company == Company::None
                || !schema::may_be_shared(client, schema).await?
                || is_of_one(client).await?;
            let attempt =
                if holding.is_alone { "pg_try_advisory_lock" } else { "pg_try_advisory_lock_shared" };
            // A wait in the engine would let no session of the other process be made meanwhile.
            let row = client.query_one(&format!("SELECT {attempt}($1)"), &[&holding.key]).await?;
            if row.try_get(0)? {
                // One that knows of no others may have started in between.
                if holding.is_alone || !is_of_one(client).await? {
                    return Ok(holding);
                }
                client.execute("SELECT pg_advisory_unlock_shared($1)", &[&holding.key]).await?;
            }
            if begun.elapsed() > ENDED {
                bail!("another rollcall uses the schema {schema}; stop it, or choose another store.schema");
            }
            sleep(LOOK).await;
        }
    }

    /// The number of the lock, which is the schema's.
    pub(super) const fn key(&self) -> i64 {
        self.key
    }

    /// The number of this process.
    pub(super) const fn number(&self) -> i64 {
        self.number
    }

    /// Writes down that no earlier process uses the schema: a session that one makes later finds that.
    pub(super) async fn end_others(&self, client: &Client) -> Result<(), tokio_postgres::Error> {
        // A program of before the table of nodes goes by the number.
        client.execute("UPDATE version SET holder = $1", &[&self.number]).await?;
        client.execute("UPDATE node SET state = 1 WHERE state = 0", &[]).await.map(drop)
    }

    /// Writes this process down, and shares the lock with its other sessions.
    pub(super) async fn share(
        &self,
        client: &Client,
        name: &str,
        lease: Duration,
        timeline: Option<&str>,
    ) -> anyhow::Result<()> {
        if self.is_alone {
            self.end_others(client).await?;
        }
        let add = "INSERT INTO node (id, name, version, started_at, alive_at, alone, timeline, lease) \
                   VALUES ($1, $2, $3, clock(), clock(), $4, $5, $6)";
        let (version, timeline) = (env!("CARGO_PKG_VERSION"), timeline.unwrap_or_default());
        let alone = i64::from(self.company == Company::None);
        let lease = i64::try_from(lease.as_millis())?;
        client.execute(add, &[&self.number, &name, &version, &alone, &timeline, &lease]).await?;
        if !self.is_alone {
            return Ok(client.batch_execute(HEED_CLIENT).await?);
        }
        client.batch_execute(&self.joins()).await?;
        let row = client.query_one("SELECT pg_advisory_unlock($1)", &[&self.key]).await?;
        row.try_get::<_, bool>(0)?.then_some(()).context("the lock of the schema was lost")
    }

    /// What every session says first.
    pub(super) fn joins(&self) -> String {
        format!("{HEED_CLIENT}; SELECT pg_advisory_lock_shared({})", self.key)
    }

    /// The longest lease of all that may serve, unless another process has ended this one's row.
    pub(super) async fn longest_lease(
        &self,
        client: &Client,
    ) -> Result<Option<Duration>, tokio_postgres::Error> {
        let sql = format!(
            "SELECT max(lease) FROM node WHERE state = 0 HAVING count(*) FILTER (WHERE id = {}) > 0",
            self.number
        );
        let answer = client.simple_query(&sql).await?;
        let row = answer.iter().find_map(|message| match message {
            SimpleQueryMessage::Row(row) => row.get(0),
            _ => None,
        });
        Ok(row.and_then(|millis| millis.parse().ok()).map(Duration::from_millis))
    }
}
