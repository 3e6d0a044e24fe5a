//! What has been begun is carried out, whoever waits for it: a client may leave in the middle of its request, and hyper drops
//! the handler with it.

use std::{
    pin::Pin,
    task::{Context, Poll},
};

use futures_util::future::BoxFuture;
use tokio::runtime::Handle;

/// Work that goes on in a task of its own when whoever waits for it is dropped. Its outcome goes to `left` then.
///
/// Such tasks are as few as what they hold: begin it with something of which there is a bounded number, such as a user's lock.
pub(super) struct Finish<T, L>
where
    T: Send + 'static,
    L: FnOnce(T) + Send + Unpin + 'static,
{
    under_way: Option<(BoxFuture<'static, T>, L)>,
}

impl<T, L> Finish<T, L>
where
    T: Send + 'static,
    L: FnOnce(T) + Send + Unpin + 'static,
{
    pub(super) fn new(work: impl Future<Output = T> + Send + 'static, left: L) -> Self {
        Self { under_way: Some((Box::pin(work), left)) }
    }
}

impl<T, L> Future for Finish<T, L>
where
    T: Send + 'static,
    L: FnOnce(T) + Send + Unpin + 'static,
{
    type Output = T;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<T> {
        // Taken out for the time of the poll: work that breaks is not begun again.
        let Some((mut work, left)) = self.under_way.take() else { return Poll::Pending };
        let polled = work.as_mut().poll(context);
        if polled.is_pending() {
            self.under_way = Some((work, left));
        }
        polled
    }
}

impl<T, L> Drop for Finish<T, L>
where
    T: Send + 'static,
    L: FnOnce(T) + Send + Unpin + 'static,
{
    fn drop(&mut self) {
        if let Some((work, left)) = self.under_way.take()
            && let Ok(runtime) = Handle::try_current()
        {
            runtime.spawn(async move { left(work.await) });
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
    async fn who_waits_gets_the_outcome() {
        let nobody = |_| panic!("somebody waits");
        assert_eq!(Finish::new(async { 7 }, nobody).await, 7);
    }

    #[tokio::test]
    async fn who_leaves_leaves_it_to_be_finished() {
        let (go, gone) = oneshot::channel();
        let (tell, told) = oneshot::channel();
        let mut finish = Finish::new(async move { gone.await.unwrap() }, move |n: i32| tell.send(n).unwrap());
        assert!(poll!(&mut finish).is_pending());
        drop(finish);
        go.send(7).unwrap();
        assert_eq!(told.await.unwrap(), 7);
    }

    #[tokio::test]
    async fn what_breaks_is_not_begun_again() {
        let (tell, told) = oneshot::channel::<()>();
        let breaks = Finish::new(async { panic!("it breaks") }, move |()| tell.send(()).unwrap());
        assert!(AssertUnwindSafe(breaks).catch_unwind().await.is_err());
        assert!(told.await.is_err(), "`left` is gone with it");
    }
}
