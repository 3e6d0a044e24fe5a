//! Orders to whole tenants that are given by this process, or come to the sockets here.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering::SeqCst},
};

use tokio::sync::Notify;

/// How many there are.
#[derive(Default)]
pub(super) struct OrdersUnderWay(Arc<Count>);

#[derive(Default)]
struct Count {
    orders: AtomicUsize,
    fewer: Notify,
}

/// One of them, until this is dropped.
pub(super) struct UnderWay(Arc<Count>);

impl OrdersUnderWay {
    /// An order is about to be known here.
    pub(super) fn begin(&self) -> UnderWay {
        self.0.orders.fetch_add(1, SeqCst);
        UnderWay(self.0.clone())
    }

    pub(super) fn is_none(&self) -> bool {
        self.0.orders.load(SeqCst) == 0
    }

    /// Resolves when there is one less than before. One waits at a time.
    pub(super) async fn fewer(&self) {
        self.0.fewer.notified().await;
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.0.orders.fetch_sub(1, SeqCst);
        self.0.fewer.notify_one();
    }
}
