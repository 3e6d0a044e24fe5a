//! The caches of an isolate: administrators' verified tokens, the cutoffs of tenants, and the confirmed rows of the directory.
#![cfg_attr(
    not(target_arch = "wasm32"),
    allow(dead_code, reason = "used on the Workers runtime, tested on any")
)]

use std::{collections::HashMap, hash::Hash, sync::Arc, time::Duration};

use rollcall_core::{
    directory::view::ScopedCutoff,
    id::{RecordId, TenantId},
    serial::Serial,
    time::Timestamp,
};

/// How long a cached answer is used, counted from before the question. Orders that a cache could outlive answer no earlier than
/// this after they are durable.
pub(crate) const CACHE_SPAN: Duration = Duration::from_secs(1);
/// How long others wait for an answer that a request has asked for. A request may die while it waits.
pub(crate) const SHARED: Duration = Duration::from_millis(250);
/// The largest number of cached answers.
const MOST: usize = 1_000;

/// Answers, each with the instant of its question, and the beginnings of questions without an answer yet.
pub(crate) struct Recent<K, V> {
    answers: HashMap<K, (Timestamp, V)>,
    asking: HashMap<K, Timestamp>,
}

impl<K, V> Default for Recent<K, V> {
    fn default() -> Self {
        Self { answers: HashMap::new(), asking: HashMap::new() }
    }
}

impl<K: Clone + Eq + Hash, V> Recent<K, V> {
    /// The answer about `key`, if its question was asked within the last second.
    pub(crate) fn get(&self, key: &K, now: Timestamp) -> Option<&V> {
        let (asked, answer) = self.answers.get(key)?;
        // A clock that went back proves nothing.
        (*asked <= now && now.since(*asked) < CACHE_SPAN).then_some(answer)
    }

    /// Whether the caller is to ask about `key`, and counts as asking from `now` on; false while another caller asks.
    pub(crate) fn begin(&mut self, key: &K, now: Timestamp) -> bool {
        let is_fresh = |begun: &Timestamp| *begun <= now && now.since(*begun) < SHARED;
        if self.asking.get(key).is_some_and(is_fresh) {
            return false;
        }
        if self.asking.len() >= MOST {
            self.asking.retain(|_, begun| is_fresh(begun));
        }
        if self.asking.len() < MOST {
            self.asking.insert(key.clone(), now);
        }
        true
    }

    /// A question about `key` has ended, with or without an answer.
    pub(crate) fn end(&mut self, key: &K) {
        self.asking.remove(key);
    }

    /// Keeps the answer to a question of the instant `asked`.
    pub(crate) fn remember(&mut self, key: K, answer: V, asked: Timestamp) {
        if self.answers.len() >= MOST && !self.answers.contains_key(&key) {
            self.answers.retain(|_, (other, _)| asked.since(*other) < CACHE_SPAN);
        }
        if self.answers.len() < MOST || self.answers.contains_key(&key) {
            self.answers.insert(key, (asked, answer));
        }
    }
}

/// The largest number of users in all cached sets of orders.
const MOST_NAMED: usize = 2_000_000;

/// The sets of tenants' orders, by serial. A set under a serial never changes, so it is asked for once.
#[derive(Default)]
pub(crate) struct Sets(Vec<(TenantId, Arc<ScopedCutoff>)>);

impl Sets {
    /// The set of an order.
    pub(crate) fn get(&self, tenant: TenantId, serial: Serial) -> Option<Arc<ScopedCutoff>> {
        let known = self.0.iter().find(|(other, set)| *other == tenant && set.serial == serial);
        known.map(|(_, set)| set.clone())
    }

    /// Keeps a set. The ones that were kept first go where there is no room.
    pub(crate) fn remember(&mut self, tenant: TenantId, set: Arc<ScopedCutoff>) {
        self.0.push((tenant, set));
        let users = |sets: &[(TenantId, Arc<ScopedCutoff>)]| -> usize {
            sets.iter().map(|(_, set)| set.users.len()).sum()
        };
        while self.0.len() > 1 && (users(&self.0) > MOST_NAMED || self.0.len() > MOST) {
            self.0.remove(0);
        }
    }
}

/// How long a row that its user's object has confirmed is not compared with it again.
const CONFIRMED: Duration = Duration::from_secs(60);
/// The largest number of cached rows.
const MOST_ROWS: usize = 10_000;

/// Rows of the directory that were compared with their users' objects, with the instant.
#[derive(Default)]
pub(crate) struct Checked {
    rows: HashMap<(i64, RecordId), Timestamp>,
}

impl Checked {
    /// Whether this row of this user was checked lately.
    pub(crate) fn has(&self, user: i64, row: RecordId, now: Timestamp) -> bool {
        let checked = self.rows.get(&(user, row));
        checked.is_some_and(|checked| *checked <= now && now.since(*checked) < CONFIRMED)
    }

    /// Keeps that the row was checked at `now`.
    pub(crate) fn remember(&mut self, user: i64, row: RecordId, now: Timestamp) {
        if self.rows.len() >= MOST_ROWS {
            self.rows.retain(|_, checked| now.since(*checked) < CONFIRMED);
        }
        if self.rows.len() < MOST_ROWS {
            self.rows.insert((user, row), now);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn at(millis: i64) -> Timestamp {
        Timestamp::from_millis(millis)
    }

    #[test]
    fn nothing_is_cached_for_longer_than_its_span() {
        let mut recent = Recent::default();
        assert_eq!(recent.get(&1, at(0)), None);
        recent.remember(1, "yes", at(1_000));
        assert_eq!(recent.get(&1, at(1_000)), Some(&"yes"));
        assert_eq!(recent.get(&1, at(1_999)), Some(&"yes"));
        assert!(recent.get(&1, at(2_000)).is_none() && recent.get(&1, at(999)).is_none());
        assert_eq!(recent.get(&2, at(1_000)), None);
    }

    #[test]
    fn a_later_answer_replaces_an_earlier_one() {
        let mut recent = Recent::default();
        recent.remember(1, "no", at(0));
        recent.remember(1, "yes", at(500));
        assert_eq!(recent.get(&1, at(1_400)), Some(&"yes"));
    }

    #[test]
    fn memory_is_bounded_and_makes_room_when_time_passes() {
        let mut recent = Recent::default();
        for n in 0..2 * MOST {
            recent.remember(n, (), at(0));
        }
        assert_eq!(recent.answers.len(), MOST);
        recent.remember(0, (), at(500));
        assert!(recent.get(&0, at(1_400)).is_some(), "what is remembered already needs no room");
        recent.remember(usize::MAX, (), at(5_000));
        assert!(recent.get(&usize::MAX, at(5_000)).is_some());
        assert_eq!(recent.answers.len(), 1);
    }

    #[test]
    fn sets_of_orders_are_kept_as_long_as_there_is_room() {
        let mut sets = Sets::default();
        let set = |serial, users: i64| {
            let (serial, at) = (Serial::from_number(serial), at(0));
            Arc::new(ScopedCutoff { serial, at, users: (0..users).collect() })
        };
        sets.remember(TenantId(1), set(1, 3));
        sets.remember(TenantId(2), set(1, 4));
        let known = |sets: &Sets, tenant, serial| {
            sets.get(TenantId(tenant), Serial::from_number(serial)).map(|set| set.users.len())
        };
        assert_eq!((known(&sets, 1, 1), known(&sets, 2, 1), known(&sets, 1, 2)), (Some(3), Some(4), None));
        sets.remember(TenantId(1), set(2, i64::try_from(MOST_NAMED).unwrap() - 4));
        assert_eq!(
            (known(&sets, 1, 1), known(&sets, 2, 1), known(&sets, 1, 2).is_some()),
            (None, Some(4), true)
        );
    }

    #[test]
    fn one_asks_and_the_others_wait_but_not_for_one_that_never_ends() {
        let mut recent = Recent::<_, ()>::default();
        assert!(recent.begin(&1, at(1_000)));
        assert!(!recent.begin(&1, at(1_000)) && !recent.begin(&1, at(1_249)));
        assert!(recent.begin(&2, at(1_000)), "a question about another key");
        recent.end(&1);
        assert!(recent.begin(&1, at(1_100)), "a question that failed is asked again");
        assert!(recent.begin(&1, at(1_350)) && recent.begin(&1, at(1_349)));
        for n in 0..2 * MOST {
            assert!(recent.begin(&n, at(9_000)));
        }
        assert_eq!(recent.asking.len(), MOST);
    }

    #[test]
    fn a_row_is_checked_again_after_a_minute_and_those_of_others_on_their_own() {
        let mut checked = Checked::default();
        let row = |number| RecordId::from_number(number).unwrap();
        checked.remember(7, row(1), at(0));
        assert!(checked.has(7, row(1), at(59_999)) && !checked.has(7, row(1), at(60_000)));
        assert!(!checked.has(8, row(1), at(0)) && !checked.has(7, row(2), at(0)));
        for number in 1..=i64::try_from(MOST_ROWS).unwrap() + 1 {
            checked.remember(9, row(number), at(30_000));
        }
        assert_eq!(checked.rows.len(), MOST_ROWS);
        checked.remember(9, row(1), at(90_000));
        assert_eq!(checked.rows.len(), 1);
    }
}
