//! Work in the background: one round of each key runs at a time.

use std::{collections::HashSet, hash::Hash, sync::Arc};

use parking_lot::Mutex;

/// The rounds that run: one for each key.
pub(super) struct Background<K>(Arc<Mutex<HashSet<K>>>);

impl<K> Default for Background<K> {
    fn default() -> Self {
        Self(Arc::default())
    }
}

/// Ends the round, if need be with the panic of its task.
struct Round<K: Eq + Hash> {
    rounds: Arc<Mutex<HashSet<K>>>,
    key: K,
}

impl<K: Eq + Hash> Drop for Round<K> {
    fn drop(&mut self) {
        self.rounds.lock().remove(&self.key);
    }
}

impl<K: Copy + Eq + Hash + Send + 'static> Background<K> {
    /// Starts a round, unless one of that key runs.
    pub(super) fn start(&self, key: K, work: impl Future<Output = ()> + Send + 'static) {
        if self.0.lock().insert(key) {
            let round = Round { rounds: self.0.clone(), key };
            tokio::spawn(async move {
                work.await;
                drop(round);
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::{sync::oneshot, task::yield_now};

    use super::*;

    #[tokio::test]
    async fn one_round_runs_at_a_time_and_one_that_panics_is_over() {
        let background = Background::default();
        let (go, gone) = oneshot::channel::<()>();
        background.start(1, async move {
            gone.await.ok();
            panic!("it panics");
        });
        let (tell, mut told) = oneshot::channel();
        background.start(1, async move { tell.send(()).unwrap() });
        assert!(told.try_recv().is_err(), "the first one runs");
        let (tell, of_other) = oneshot::channel();
        background.start(2, async move { tell.send(()).unwrap() });
        of_other.await.unwrap();
        go.send(()).unwrap();
        while !background.0.lock().is_empty() {
            yield_now().await;
        }
        let (tell, told) = oneshot::channel();
        background.start(1, async move { tell.send(()).unwrap() });
        told.await.unwrap();
    }
}
