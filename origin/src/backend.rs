//! The ports of `rollcall-api`, on this machine.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU8, Ordering},
    },
    time::{SystemTime, UNIX_EPOCH},
};

use rollcall_api::{Backend, Health, Unavailable};
use rollcall_core::{
    config::Settings,
    id::UserId,
    time::{Moment, Timestamp},
    token::Keys,
    user::{Command, Reply},
};

use crate::users::{Failure, Users};

/// The origin behind its routes.
#[derive(Clone)]
pub struct Origin {
    /// Every user.
    pub users: Users,
    state: Arc<AtomicU8>,
}

const SERVING: u8 = 0;
const DRAINING: u8 = 1;

impl Origin {
    /// A serving origin.
    pub fn new(users: Users) -> Self {
        Self { users, state: Arc::new(AtomicU8::new(SERVING)) }
    }

    /// From now on the process wants no more requests.
    pub fn drain(&self) {
        self.state.store(DRAINING, Ordering::Relaxed);
    }
}

impl Backend for Origin {
    fn settings(&self) -> &Settings {
        self.users.settings()
    }

    fn keys(&self) -> &Keys {
        &self.users.rules().keys
    }

    fn now(&self) -> Timestamp {
        now()
    }

    fn health(&self) -> Health {
        match self.state.load(Ordering::Relaxed) {
            SERVING => Health::Serving,
            _ => Health::Draining,
        }
    }

    async fn run(&self, user: &UserId, command: Command) -> Result<Reply, Unavailable> {
        self.users.run(user, command).await.map_err(unavailable)
    }

    async fn run_many(&self, users: Vec<UserId>, command: Command) -> Result<Vec<Reply>, Unavailable> {
        let mut replies = Vec::with_capacity(users.len());
        for user in users {
            replies.push(self.run(&user, command.clone()).await?);
        }
        Ok(replies)
    }
}

fn unavailable(failure: Failure) -> Unavailable {
    Unavailable(failure.to_string())
}

/// The clock. Before 1970 it stands still.
#[allow(clippy::disallowed_methods, reason = "this is the adapter's clock")]
pub fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp::from_millis(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}

/// The clock and fresh random bits.
pub fn moment() -> Moment {
    Moment { now: now(), entropy: rand::random() }
}
