//! Answers that the requests of an isolate share: of those that ask at the same time, one asks.

use std::{
    future::Future,
    hash::Hash,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use crate::{
    cache::{Recent, SHARED},
    clock::{self, Pause},
};

/// How often a request looks for another's answer. The runtime lets no promise of one request wake another one.
const LOOK_AGAIN: Duration = Duration::from_millis(5);

/// Cached answers of one kind.
pub(crate) struct Shared<K, V>(Mutex<Option<Recent<K, V>>>);

impl<K: Clone + Eq + Hash, V: Clone> Shared<K, V> {
    pub(crate) const fn new() -> Self {
        Self(Mutex::new(None))
    }

    /// The cached answer about `key`, or that of `ask`, which is cached if `is_kept`. An answer that does not come soon is waited
    /// for by its own request only.
    pub(crate) async fn get<E>(
        &self,
        key: K,
        is_kept: impl Fn(&V) -> bool,
        ask: impl Future<Output = Result<V, E>>,
    ) -> Result<V, E> {
        let mut waited = Duration::ZERO;
        loop {
            let now = clock::now();
            if let Some(answer) = self.with(|recent| recent.get(&key, now).cloned()) {
                return Ok(answer);
            }
            if waited >= SHARED || self.with(|recent| recent.begin(&key, now)) {
                break;
            }
            Pause::of(LOOK_AGAIN).await;
            waited += LOOK_AGAIN;
        }
        let asked = clock::now();
        let answer = ask.await;
        self.with(|recent| {
            recent.end(&key);
            if let Some(answer) = answer.as_ref().ok().filter(|answer| is_kept(answer)) {
                recent.remember(key, answer.clone(), asked);
            }
        });
        answer
    }

    fn with<T>(&self, look: impl FnOnce(&mut Recent<K, V>) -> T) -> T {
        look(self.0.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert_default())
    }
}
