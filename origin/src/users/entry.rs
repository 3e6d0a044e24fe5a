//! What is kept in memory of one user.

use std::{
    collections::HashMap,
    sync::{Arc, atomic::AtomicBool},
};

use parking_lot::Mutex;
use rollcall_core::{
    id::{ConnId, UserId},
    time::Timestamp,
    token::{TokenHash, store::TokenRow},
    user::{Action, User},
};
use tokio::sync::oneshot;

use crate::outbox::Outbox;

/// Token rows remembered of one user; beyond it the memory starts anew.
const TOKENS: usize = 64;

pub(super) struct Entry {
    /// Serializes the user's changes ([`super::entry_guard::UserLock`]). Shared, so that a guard can outlive the task that
    /// took it.
    pub(super) lock: Arc<tokio::sync::Mutex<()>>,
    pub(super) live: Mutex<Live>,
    /// Whether it was used since the table last looked for idle entries.
    pub(super) used: AtomicBool,
    /// Whether it is in the idle queue of its shard.
    pub(super) queued: AtomicBool,
    /// Held while a page of its watchers is notified.
    pub(super) fanning_out: tokio::sync::Mutex<()>,
    /// Whether a call waits for that.
    pub(super) fan_out_waits: AtomicBool,
}

/// Sockets of one user by connection.
pub(super) type Sockets = HashMap<ConnId, Outbox>;

pub(super) struct Live {
    pub(super) user: User,
    pub(super) sockets: Sockets,
    /// Held while the user waits for its tick; dropped, the wait is over.
    pub(super) alarm: Option<(Timestamp, oneshot::Sender<()>)>,
    /// Hardly ever more than one, and there may be very many users: no table.
    tokens: Vec<(TokenHash, Option<TokenRow>)>,
    /// Counts the changes of tokens, so that a row read before one is not remembered after it.
    token_age: u64,
}

impl Entry {
    pub(super) fn new(id: UserId) -> Self {
        let live = Live {
            user: User::new(id, Vec::new()),
            sockets: HashMap::new(),
            alarm: None,
            tokens: Vec::new(),
            token_age: 0,
        };
        Self {
            lock: Arc::default(),
            live: Mutex::new(live),
            used: AtomicBool::new(false),
            queued: AtomicBool::new(false),
            fanning_out: tokio::sync::Mutex::new(()),
            fan_out_waits: AtomicBool::new(false),
        }
    }

    /// Whether a command is changing the user.
    pub(super) fn is_changing(&self) -> bool {
        self.lock.try_lock().is_err()
    }
}

impl Live {
    /// Carries an action into memory. Sockets of retired connections stay reachable until they are closed.
    pub(super) fn settle(&mut self, action: &Action) {
        self.user.settle(action);
    }

    pub(super) fn socket(&self, connection: ConnId) -> Option<Outbox> {
        self.sockets.get(&connection).cloned()
    }

    /// What is remembered of a token: its row, or that it has none.
    pub(super) fn token(&self, hash: &TokenHash) -> Option<Option<TokenRow>> {
        self.tokens.iter().find(|(known, _)| known == hash).map(|(_, row)| row.clone())
    }

    pub(super) fn token_age(&self) -> u64 {
        self.token_age
    }

    /// Remembers a row that was read when the age was `age`.
    pub(super) fn remember(&mut self, age: u64, hash: TokenHash, row: Option<TokenRow>) {
        if age != self.token_age {
            return;
        }
        if self.tokens.len() >= TOKENS {
            self.tokens.clear();
        }
        self.tokens.retain(|(known, _)| *known != hash);
        self.tokens.reserve_exact(1);
        self.tokens.push((hash, row));
    }

    /// Forgets every row: some of them changed.
    pub(super) fn forget_tokens(&mut self) {
        self.token_age += 1;
        self.tokens = Vec::new();
    }

    /// Whether nothing but memory would be lost with this entry.
    pub(super) fn is_idle(&self) -> bool {
        !self.user.is_connected()
            && self.sockets.is_empty()
            && self.alarm.as_ref().is_none_or(|(_, hold)| hold.is_closed())
    }
}
