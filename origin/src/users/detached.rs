//! Work that completes even when its caller is dropped: a client may leave in the middle of its request, and hyper then
//! drops the handler.

use std::{
    pin::Pin,
    task::{Context, Poll},
};

use futures_util::future::BoxFuture;
use tokio::runtime::Handle;

/// A future that moves to a task of its own when it is dropped unfinished. Its output then goes to `on_detached`.
///
/// Nothing bounds the number of such tasks but what they hold: start one only with something scarce in hand, such as a
/// user's lock.
pub(super) struct DetachedCompletion<T, L>
where
    T: Send + 'static,
    L: FnOnce(T) + Send + Unpin + 'static,
{
    running: Option<(BoxFuture<'static, T>, L)>,
}

impl<T, L> DetachedCompletion<T, L>
where
    T: Send + 'static,
    L: FnOnce(T) + Send + Unpin + 'static,
{
    pub(super) fn new(work: impl Future<Output = T> + Send + 'static, on_detached: L) -> Self {
        Self { running: Some((Box::pin(work), on_detached)) }
    }
}

impl<T, L> Future for DetachedCompletion<T, L>
where
    T: Send + 'static,
    L: FnOnce(T) + Send + Unpin + 'static,
{
    type Output = T;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<T> {
        // Taken out during the poll, so that work that panics is neither polled again nor detached.
        let Some((mut work, on_detached)) = self.running.take() else { return Poll::Pending };
        let polled = work.as_mut().poll(context);
        if polled.is_pending() {
            self.running = Some((work, on_detached));
        }
        polled
    }
}

impl<T, L> Drop for DetachedCompletion<T, L>
where
    T: Send + 'static,
    L: FnOnce(T) + Send + Unpin + 'static,
{
    fn drop(&mut self) {
        if let Some((work, on_detached)) = self.running.take()
            && let Ok(runtime) = Handle::try_current()
        {
            runtime.spawn(async move { on_detached(work.await) });
        }
    }
}

#[cfg(test)]
mod tests {
    use std::panic::AssertUnwindSafe;

    use futures_util::{FutureExt as _, poll};
    use tokio::sync::oneshot;

    use super::*;

    #[tokio::test]
    async fn a_caller_that_waits_gets_the_output() {
        let unexpected = |_| panic!("the caller waits");
        assert_eq!(DetachedCompletion::new(async { 7 }, unexpected).await, 7);
    }

    #[tokio::test]
    async fn work_whose_caller_left_completes() {
        let (go, gone) = oneshot::channel();
        let (tell, told) = oneshot::channel();
        let mut completion =
            DetachedCompletion::new(async move { gone.await.unwrap() }, move |n: i32| tell.send(n).unwrap());
        assert!(poll!(&mut completion).is_pending());
        drop(completion);
        go.send(7).unwrap();
        assert_eq!(told.await.unwrap(), 7);
    }

    #[tokio::test]
    async fn work_that_panics_is_not_polled_again() {
        let (tell, told) = oneshot::channel::<()>();
        let panics = DetachedCompletion::new(async { panic!("it panics") }, move |()| tell.send(()).unwrap());
        assert!(AssertUnwindSafe(panics).catch_unwind().await.is_err());
        assert!(told.await.is_err(), "`on_detached` is gone with it");
    }
}
