//! A transaction of several journeys, under a lock that all processes share.

use rollcall_core::{store::Statement, time::Timestamp};
use tokio::time::Instant;

use super::{
    super::{error::StoreError, job::Rows},
    Postgres,
    connection::Role,
    failure::Failure,
    pool::Lent,
    rows,
};

/// Attempts to begin. The wait for the lock of each ends after seconds.
const ATTEMPTS: u32 = 2;

/// A transaction that is open and holds the lock of a name. One that is dropped is rolled back.
pub struct Transaction {
    store: Postgres,
    lent: Lent,
    began: Timestamp,
}

/// When a commit has to survive a crash of the engine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Durability {
    /// From its answer on.
    Now,
    /// A moment later: it waits for no disk.
    Soon,
}

/// How long a command waits for a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Patience {
    /// Its caller may try again, and hears so after two seconds.
    Short,
    /// It has no caller, and would only be repeated.
    Long,
}

impl Postgres {
    /// Waits until no transaction of any process holds the lock of `name`, and begins one that holds it until its end. `statements`
    /// are asked in it, behind all that earlier holders committed.
    ///
    /// # Errors
    /// When the engine cannot be reached, no session or not the lock is free in time, or a statement fails.
    pub async fn begin(
        &self,
        name: &str,
        statements: &[Statement],
        patience: Patience,
    ) -> Result<(Transaction, Vec<Rows>), StoreError> {
        self.may_serve()?;
        let mut attempts = 0;
        loop {
            attempts += 1;
            let mut lent = self.writers.lend(patience).await?;
            let asked = Instant::now();
            let failure = match lent.session.begin(name, &self.engine.connector.schema, statements).await {
                Ok((clock, answers)) => {
                    let began = Timestamp::from_millis(clock);
                    self.engine.clock.set(began, asked.elapsed());
                    return Ok((Transaction { store: self.clone(), lent, began }, rows(answers)));
                }
                Err(failure) => failure,
            };
            lent.give_back_failed(&self.engine, &failure);
            // The server may have closed the session while it waited. The first request on it finds that out.
            if attempts >= ATTEMPTS || !(failure.is_conflict() || failure.is_unreachable()) {
                return Err(self.engine.failed(Role::Write, failure));
            }
        }
    }
}

impl Transaction {
    /// The engine's time once the lock was held. All processes go by this clock.
    pub const fn began(&self) -> Timestamp {
        self.began
    }

    /// Asks `statements` in the transaction. After an error it is over.
    ///
    /// # Errors
    /// When a statement fails. Nothing happened.
    pub async fn load(mut self, statements: &[Statement]) -> Result<(Self, Vec<Rows>), StoreError> {
        match self.lent.session.go_on(statements).await {
            Ok(answers) => Ok((self, rows(answers))),
            Err(failure) => Err(self.failed(failure)),
        }
    }

    /// Executes `statements`, and makes the transaction durable.
    ///
    /// # Errors
    /// When that fails. Then nothing happened, or it is [`StoreError::Unknown`].
    pub async fn commit(
        mut self,
        statements: &[Statement],
        durability: Durability,
    ) -> Result<(), StoreError> {
        match self.lent.session.finish(statements, durability).await {
            Ok(_) => {
                self.lent.give_back(false);
                self.store.must_not_be_paused()
            }
            Err(failure) => Err(self.failed(failure)),
        }
    }

    fn failed(self, failure: Failure) -> StoreError {
        self.lent.give_back_failed(&self.store.engine, &failure);
        self.store.engine.failed(Role::Write, failure)
    }

    /// Ends the transaction. Nothing of it happened. The lock is free soon after.
    pub fn roll_back(self) {
        self.lent.give_back(true);
    }
}
