//! Users by id, in shards, so that two users rarely wait for the same lock.

use std::{
    collections::{HashMap, VecDeque},
    hash::{BuildHasher as _, RandomState},
    iter,
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
};

use parking_lot::Mutex;
use rollcall_core::{id::UserId, time::Timestamp};

use super::entry::Entry;

const SHARDS: usize = 64;
/// Users without sockets that a shard keeps in memory, because their tokens may be asked about again.
const IDLE: usize = 160;

#[derive(Default)]
struct Shard {
    entries: HashMap<UserId, Arc<Entry>>,
    /// Users who became idle, the longest ago first. Some may be in use again.
    idle: VecDeque<UserId>,
}

/// The entries of all users. A user has one entry, and so one lock.
pub(super) struct Table {
    /// Apart from the others, so that every hash has a shard without an index that could miss.
    first: Mutex<Shard>,
    others: Vec<Mutex<Shard>>,
    hasher: RandomState,
    /// The latest opening of a user outside of memory, in milliseconds.
    forgotten_opening: AtomicI64,
}

impl Default for Table {
    fn default() -> Self {
        let others = (1..SHARDS).map(|_| Mutex::default()).collect();
        Self {
            first: Mutex::default(),
            others,
            hasher: RandomState::new(),
            forgotten_opening: AtomicI64::new(0),
        }
    }
}

impl Table {
    /// The user's entry, if it is in memory.
    pub(super) fn get(&self, id: &UserId) -> Option<Arc<Entry>> {
        self.shard(id).lock().entries.get(id).cloned()
    }

    /// The user's entry, created if it is not in memory. Return it with [`Table::leave`].
    pub(super) fn enter(&self, id: &UserId) -> Arc<Entry> {
        let fresh = || Arc::new(Entry::new(id.clone()));
        self.shard(id).lock().entries.entry(id.clone()).or_insert_with(fresh).clone()
    }

    /// Returns an entry. Beyond the bound, the idle entry that was unused for the longest leaves memory.
    pub(super) fn leave(&self, id: &UserId, entry: &Entry) {
        entry.used.store(true, Ordering::Relaxed);
        let mut shard = self.shard(id).lock();
        if entry.live.lock().is_idle() && !entry.queued.swap(true, Ordering::Relaxed) {
            shard.idle.push_back(id.clone());
        }
        // Before the shard is unlocked: the user may come back at once.
        self.forget_opening(shard.evict());
    }

    /// A date that no opening of a user outside of memory is after.
    pub(super) fn forgotten_opening(&self) -> Timestamp {
        Timestamp::from_millis(self.forgotten_opening.load(Ordering::Relaxed))
    }

    /// Users outside of memory opened connections until `at`.
    pub(super) fn forget_opening(&self, at: Timestamp) {
        self.forgotten_opening.fetch_max(at.millis(), Ordering::Relaxed);
    }

    /// Visits every entry.
    pub(super) fn each(&self, mut visit: impl FnMut(&Entry)) {
        for shard in iter::once(&self.first).chain(&self.others) {
            let entries: Vec<_> = shard.lock().entries.values().cloned().collect();
            entries.iter().for_each(|entry| visit(entry));
        }
    }

    fn shard(&self, id: &UserId) -> &Mutex<Shard> {
        let index = usize::try_from(self.hasher.hash_one(id) % (SHARDS as u64)).unwrap_or(0);
        index.checked_sub(1).and_then(|index| self.others.get(index)).unwrap_or(&self.first)
    }
}

impl Shard {
    /// Removes idle entries above the bound. Returns the latest opening of their users.
    fn evict(&mut self) -> Timestamp {
        let mut last_opened = Timestamp::default();
        // The second-chance algorithm. Twice around, since in the first round every entry may have been used lately.
        for _ in 0..2 * self.idle.len() {
            if self.idle.len() <= IDLE {
                break;
            }
            let Some(id) = self.idle.pop_front() else { break };
            let Some(entry) = self.entries.get(&id) else { continue };
            let is_idle = entry.live.lock().is_idle();
            // While the shard is locked, no task can take an entry that only the table holds.
            let is_held = Arc::strong_count(entry) > 1;
            if !is_idle {
                entry.queued.store(false, Ordering::Relaxed);
            } else if entry.used.swap(false, Ordering::Relaxed) || is_held {
                self.idle.push_back(id);
            } else {
                last_opened = last_opened.max(entry.live.lock().user.last_opened());
                self.entries.remove(&id);
            }
        }
        last_opened
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn user(n: usize) -> UserId {
        UserId::new(n.to_string()).unwrap()
    }

    fn in_memory(table: &Table) -> usize {
        let mut count = 0;
        table.each(|_| count += 1);
        count
    }

    #[test]
    fn idle_users_leave_memory_and_used_ones_stay() {
        let table = Table::default();
        for n in 0..10 * SHARDS * IDLE {
            table.leave(&user(n), &table.enter(&user(n)));
            table.leave(&user(0), &table.enter(&user(0)));
        }
        assert!(in_memory(&table) <= SHARDS * (IDLE + 1), "{}", in_memory(&table));
        assert!(table.get(&user(0)).is_some(), "an entry in use must stay");
    }

    #[test]
    fn what_left_memory_leaves_the_date_of_its_last_opening() {
        let table = Table::default();
        let entry = table.enter(&user(0));
        entry.live.lock().user.recall_opening(Timestamp::from_secs(7));
        table.leave(&user(0), &entry);
        drop(entry);
        assert_eq!(table.forgotten_opening(), Timestamp::default());
        for n in 1..4 * SHARDS * IDLE {
            table.leave(&user(n), &table.enter(&user(n)));
        }
        assert!(table.get(&user(0)).is_none());
        assert_eq!(table.forgotten_opening(), Timestamp::from_secs(7));
    }

    #[test]
    fn an_entry_that_was_held_when_it_was_looked_at_leaves_memory_later() {
        let table = Table::default();
        let crowd = || {
            for n in 1..4 * SHARDS * IDLE {
                table.leave(&user(n), &table.enter(&user(n)));
            }
        };
        let held = table.enter(&user(0));
        table.leave(&user(0), &held);
        crowd();
        drop(held);
        crowd();
        assert!(table.get(&user(0)).is_none());
    }

    #[test]
    fn an_entry_that_is_held_never_leaves_memory() {
        let table = Table::default();
        let held = table.enter(&user(0));
        for n in 1..4 * SHARDS * IDLE {
            table.leave(&user(n), &table.enter(&user(n)));
        }
        assert!(Arc::ptr_eq(&held, &table.enter(&user(0))), "two entries of one user would be two locks");
    }
}
