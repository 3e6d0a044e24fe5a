//! One user in memory.

use std::{
    borrow::Cow,
    collections::HashMap,
    sync::{Arc, Weak, atomic::AtomicBool},
};

use parking_lot::Mutex;
use rollcall_core::{
    id::{ConnId, UserId},
    time::Timestamp,
    token::{TokenHash, store::TokenRow},
    user::{Action, Command, SubscriptionQueue, User},
};
use tokio::sync::{Semaphore, oneshot};

use super::doubts::Doubted;
use crate::outbox::Outbox;

/// Cached token rows of one user; one more empties the cache.
const TOKENS: usize = 64;

/// A user in memory, with its locks.
pub(super) struct Entry {
    /// Serializes the user's changes ([`super::entry_guard::UserLock`]). Shared, so that a guard can outlive the task that
    /// took it.
    pub(super) lock: Arc<tokio::sync::Mutex<()>>,
    /// Held for moments only, never across an await: readers must not wait for a commit.
    pub(super) live: Mutex<Live>,
    /// Whether it was used since the table last looked for idle entries.
    pub(super) used: AtomicBool,
    /// Whether it is in the idle queue of its shard.
    pub(super) queued: AtomicBool,
    /// Held while a page of its watchers is notified.
    pub(super) fanning_out: tokio::sync::Mutex<()>,
    /// Whether a call waits for that.
    pub(super) fan_out_waits: AtomicBool,
    /// Places for the work of its clients' requests to follow users, while there are any.
    following: Mutex<Weak<Semaphore>>,
}

/// Sockets of one user by connection.
pub(super) type Sockets = HashMap<ConnId, Outbox>;

/// The state that readers see.
pub(super) struct Live {
    /// With the connections whose sockets are gone and whose ends are not durable yet: see [`Live::user_for`].
    pub(super) user: User,
    /// Of a connection whose socket is gone there is none.
    pub(super) sockets: Sockets,
    /// Requests of its clients to follow users.
    pub(super) subscribing: SubscriptionQueue,
    /// Whether the user knows of its openings before it came to memory.
    pub(super) knows_openings: bool,
    /// The next tick.
    pub(super) alarm: Option<Alarm>,
    /// What is kept until the store has it, or is known to have it not.
    pub(super) doubted: Option<Box<Doubted>>,
    /// The cache of token rows. A vector, since most users have one token and there may be very many users.
    tokens: Vec<(TokenHash, Option<TokenRow>)>,
    /// Counts the changes of tokens, so that a row that was read before a change is not cached after it.
    token_age: u64,
}

/// The wait for a user's next tick.
pub(super) struct Alarm {
    pub(super) at: Timestamp,
    /// Dropping it cancels the wait. It is closed once the tick has begun.
    hold: oneshot::Sender<()>,
    /// Whether a console's token expires then.
    is_expiry: bool,
}

impl Alarm {
    fn is_set(&self) -> bool {
        !self.hold.is_closed()
    }
}

impl Entry {
    pub(super) fn new(id: UserId) -> Self {
        let live = Live {
            user: User::new(id, Vec::new()),
            sockets: HashMap::new(),
            subscribing: SubscriptionQueue::default(),
            knows_openings: false,
            alarm: None,
            doubted: None,
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
            following: Mutex::default(),
        }
    }

    /// Places that all requests of the user's clients to follow users share.
    pub(super) fn following(&self, places: usize) -> Arc<Semaphore> {
        let mut kept = self.following.lock();
        kept.upgrade().unwrap_or_else(|| {
            let made = Arc::new(Semaphore::new(places));
            *kept = Arc::downgrade(&made);
            made
        })
    }

    /// Whether a command is changing the user.
    pub(super) fn is_changing(&self) -> bool {
        self.lock.try_lock().is_err()
    }
}

impl Live {
    /// Applies an action to the user's state. Sockets of retired connections stay reachable until they are closed.
    pub(super) fn settle(&mut self, action: &Action) {
        self.user.settle(action);
    }

    /// The user as a command finds it: with the connections that have a socket. A lost connection left the live set with its
    /// socket, however long the store takes to write its end, and only the command that ends it finds it still.
    pub(super) fn user_for(&self, command: &Command) -> Cow<'_, User> {
        let ending = match command {
            Command::Close { connection } => Some(*connection),
            _ => None,
        };
        self.user.only(|id| self.sockets.contains_key(&id) || Some(id) == ending)
    }

    pub(super) fn socket(&self, connection: ConnId) -> Option<Outbox> {
        self.sockets.get(&connection).cloned()
    }

    /// The cached row of a token; the inner `None` means that the token has no row.
    pub(super) fn token(&self, hash: &TokenHash) -> Option<Option<TokenRow>> {
        self.tokens.iter().find(|(known, _)| known == hash).map(|(_, row)| row.clone())
    }

    pub(super) fn token_age(&self) -> u64 {
        self.token_age
    }

    /// Caches a row that was read when the age was `age`, unless tokens have changed since.
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

    /// Empties the cache after a change of tokens.
    pub(super) fn forget_tokens(&mut self) {
        self.token_age += 1;
        self.tokens = Vec::new();
    }

    /// Sets the alarm, unless an earlier one is set. Returns what ends when the alarm is cancelled.
    pub(super) fn set_alarm(&mut self, at: Timestamp) -> Option<oneshot::Receiver<()>> {
        if self.alarm.as_ref().is_some_and(|alarm| alarm.at <= at && alarm.is_set()) {
            return None;
        }
        let (hold, cancelled) = oneshot::channel();
        self.alarm = Some(Alarm { at, hold, is_expiry: self.is_expiry(at) });
        Some(cancelled)
    }

    /// Whether the alarm is set for the expiry of consoles that have all gone.
    pub(super) fn has_needless_alarm(&self) -> bool {
        self.alarm
            .as_ref()
            .is_some_and(|alarm| alarm.is_expiry && alarm.is_set() && !self.is_expiry(alarm.at))
    }

    fn is_expiry(&self, at: Timestamp) -> bool {
        self.user.consoles().iter().any(|console| console.expires == Some(at))
    }

    /// Whether the entry holds nothing that the store does not have.
    pub(super) fn is_idle(&self) -> bool {
        !self.user.is_connected()
            && self.sockets.is_empty()
            && self.doubted.is_none()
            && self.alarm.as_ref().is_none_or(|alarm| !alarm.is_set())
    }
}
