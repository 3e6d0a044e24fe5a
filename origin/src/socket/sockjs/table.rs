//! The sessions over requests, by name.

use std::{
    collections::{HashMap, hash_map},
    sync::Arc,
};

use parking_lot::Mutex;
use rollcall_core::token::TokenHash;
use tokio::sync::mpsc;

use super::SessionRequest;

/// Requests that wait for one session; further ones wait to be queued.
const QUEUE: usize = 8;

/// The name of a session. A client draws it, so that it proves nothing: it counts for the token alone that opened the
/// session.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(super) struct Key {
    token: TokenHash,
    name: String,
}

impl Key {
    pub(super) fn new(token: TokenHash, name: &str) -> Self {
        Self { token, name: name.to_owned() }
    }
}

/// Every session. Clones share it.
#[derive(Clone)]
pub(crate) struct Table {
    sessions: Arc<Mutex<HashMap<Key, mpsc::Sender<SessionRequest>>>>,
    most: usize,
}

/// What is found under a name.
pub(super) enum Entered {
    /// A session.
    Open(mpsc::Sender<SessionRequest>),
    /// The place of a new one.
    New(Place),
    /// Nothing, and no place either.
    Full,
}

/// The place of a session in the table, which it leaves when this is dropped.
pub(super) struct Place {
    table: Table,
    key: Key,
    sender: mpsc::Sender<SessionRequest>,
    /// The requests to the session.
    pub(super) receiver: mpsc::Receiver<SessionRequest>,
}

impl Table {
    /// A table of at most so many sessions.
    pub(crate) fn new(most: usize) -> Self {
        Self { sessions: Arc::default(), most }
    }

    pub(super) fn get(&self, key: &Key) -> Option<mpsc::Sender<SessionRequest>> {
        self.sessions.lock().get(key).cloned()
    }

    pub(super) fn enter(&self, key: Key) -> Entered {
        let mut sessions = self.sessions.lock();
        let is_full = sessions.len() >= self.most;
        match sessions.entry(key) {
            hash_map::Entry::Occupied(session) => Entered::Open(session.get().clone()),
            hash_map::Entry::Vacant(_) if is_full => Entered::Full,
            hash_map::Entry::Vacant(vacant) => {
                let key = vacant.key().clone();
                let (sender, receiver) = mpsc::channel(QUEUE);
                vacant.insert(sender.clone());
                Entered::New(Place { table: self.clone(), key, sender, receiver })
            }
        }
    }
}

impl Place {
    /// The way to the session.
    pub(super) fn requests(&self) -> mpsc::Sender<SessionRequest> {
        self.sender.clone()
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut sessions = self.table.sessions.lock();
        sessions.remove(&self.key);
        if sessions.is_empty() {
            sessions.shrink_to_fit();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_counts_for_its_token_alone_and_places_are_bounded_and_returned() {
        let table = Table::new(2);
        let key = |token: &str| Key::new(TokenHash::of(token), "abcd1234");
        let Entered::New(first) = table.enter(key("a")) else { panic!("no place") };
        assert!(matches!(table.enter(key("a")), Entered::Open(_)));
        assert!(table.get(&key("b")).is_none());
        let Entered::New(_second) = table.enter(key("b")) else { panic!("no place for another token") };
        assert!(matches!(table.enter(key("c")), Entered::Full));
        assert!(matches!(table.enter(key("a")), Entered::Open(_)), "a session that is there");
        drop(first);
        assert!(table.get(&key("a")).is_none());
        assert!(matches!(table.enter(key("c")), Entered::New(_)));
    }
}
