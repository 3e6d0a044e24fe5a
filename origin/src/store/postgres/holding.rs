//! One process uses a schema at a time.
//!
//! Each session holds a lock together with the other sessions of its process. A process that starts has it alone for a moment, so that
//! every session of the one before has ended, and writes its own number down. A session that is made later finds another number when
//! another process has started meanwhile: what this one then did would be wrong.

use std::time::Duration;

use anyhow::{Context as _, bail};
use tokio::time::{Instant, sleep};
use tokio_postgres::{Client, SimpleQueryMessage};

/// How long a start waits for the sessions of an earlier process to end. A server notices within a second that a process is gone.
const ENDED: Duration = Duration::from_secs(2);
/// The interval of attempts.
const LOOK: Duration = Duration::from_millis(50);

/// A server that is asked so notices soon that a process or its machine is gone; on some systems it cannot look at a client while it
/// works for it, and refuses to.
pub(super) const HEED_CLIENT: &str = "SET tcp_keepalives_idle TO 5; SET tcp_keepalives_interval TO 2; \
    SET tcp_keepalives_count TO 3; \
    DO $$ BEGIN SET client_connection_check_interval TO '1s'; EXCEPTION WHEN OTHERS THEN NULL; END $$";

/// That this process uses the schema.
pub(super) struct Holding {
    /// The lock's.
    key: i64,
    /// This process's number.
    number: i64,
}

impl Holding {
    /// Waits until no session of another process has the lock, and takes it.
    ///
    /// # Errors
    /// When another process uses the schema.
    pub(super) async fn alone(client: &Client, schema: &str) -> anyhow::Result<Self> {
        let number = i64::try_from(rand::random::<u64>() >> 1).unwrap_or(i64::MAX);
        let row = client.query_one("SELECT hashtextextended($1, 2)", &[&schema]).await?;
        let holding = Self { key: row.try_get(0)?, number };
        let begun = Instant::now();
        loop {
            // A wait in the engine would let no session of the other process be made meanwhile.
            let row = client.query_one("SELECT pg_try_advisory_lock($1)", &[&holding.key]).await?;
            if row.try_get(0)? {
                return Ok(holding);
            }
            if begun.elapsed() > ENDED {
                bail!("another rollcall uses the schema {schema}; stop it, or choose another store.schema");
            }
            sleep(LOOK).await;
        }
    }

    /// Writes the number down: a session that an earlier process makes later finds it.
    pub(super) async fn write_down(&self, client: &Client) -> Result<(), tokio_postgres::Error> {
        client.execute("UPDATE version SET holder = $1", &[&self.number]).await.map(drop)
    }

    /// Writes the number down, and shares the lock with the sessions of this process.
    pub(super) async fn share(&self, client: &Client) -> anyhow::Result<()> {
        self.write_down(client).await?;
        client.batch_execute(&self.joins()).await?;
        let row = client.query_one("SELECT pg_advisory_unlock($1)", &[&self.key]).await?;
        row.try_get::<_, bool>(0)?.then_some(()).context("the lock of the schema was lost")
    }

    /// What every session says first.
    pub(super) fn joins(&self) -> String {
        format!("{HEED_CLIENT}; SELECT pg_advisory_lock_shared({})", self.key)
    }

    /// Whether no other process has started since.
    pub(super) async fn is_ours(&self, client: &Client) -> Result<bool, tokio_postgres::Error> {
        let answer = client.simple_query("SELECT holder FROM version").await?;
        let number = answer.iter().find_map(|message| match message {
            SimpleQueryMessage::Row(row) => row.get(0),
            _ => None,
        });
        Ok(number == Some(self.number.to_string().as_str()))
    }
}
