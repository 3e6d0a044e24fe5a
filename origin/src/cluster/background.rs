//! Work of which one round runs at a time, beside what asks for it.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering::SeqCst},
};

/// Whether a round runs.
#[derive(Default)]
pub(super) struct Background(Arc<AtomicBool>);

/// Ends the round, if need be with the panic of its task.
struct Round(Arc<AtomicBool>);

impl Drop for Round {
    fn drop(&mut self) {
        self.0.store(false, SeqCst);
    }
}

impl Background {
    /// Starts a round, unless one runs.
    pub(super) fn start(&self, work: impl Future<Output = ()> + Send + 'static) {
        if !self.0.swap(true, SeqCst) {
            let round = Round(self.0.clone());
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
        background.start(async move {
            gone.await.ok();
            panic!("it panics");
        });
        let (tell, mut told) = oneshot::channel();
        background.start(async move { tell.send(()).unwrap() });
        assert!(told.try_recv().is_err(), "the first one runs");
        go.send(()).unwrap();
        while background.0.load(SeqCst) {
            yield_now().await;
        }
        let (tell, told) = oneshot::channel();
        background.start(async move { tell.send(()).unwrap() });
        told.await.unwrap();
    }
}
