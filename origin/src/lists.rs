//! How many lists are read at a time for one caller, of one tenant, and in all (`docs/rules/message-center.md#lists-under-way`). One that matches texts reads
//! all records of its tenant, and the store's readers are few.

use std::{collections::HashMap, hash::Hash, sync::Arc};

use parking_lot::Mutex;
use rollcall_api::{BackendError, Busy};
use rollcall_core::id::{TenantId, UserId};
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::timeout,
};

use crate::store::{QUERIES, QUERY_WITHIN};

/// Lists of all callers at a time: one reader is for what is no list.
const OF_ALL: usize = QUERIES - 1;
/// Lists of one tenant at a time: one place is always another's.
const OF_TENANT: usize = OF_ALL - 1;
/// Lists of one caller at a time: one place of its tenant is always another's.
const OF_CALLER: usize = OF_TENANT - 1;

/// The places of lists.
pub(crate) struct Lists {
    callers: Places<UserId>,
    tenants: Places<TenantId>,
    all: Arc<Semaphore>,
}

impl Default for Lists {
    fn default() -> Self {
        Self {
            callers: Places::new(OF_CALLER),
            tenants: Places::new(OF_TENANT),
            all: Arc::new(Semaphore::new(OF_ALL)),
        }
    }
}

impl Lists {
    /// Reads a list when its caller, its tenant and all together have a place for it. The place is taken until it is read, also when the caller is
    /// gone by then: the store's reader is.
    ///
    /// # Errors
    /// Busy when none of their places becomes free within the time that a list may take.
    pub(crate) async fn read<T: Send + 'static>(
        &self,
        caller: &UserId,
        tenant: TenantId,
        reading: impl Future<Output = T> + Send + 'static,
    ) -> Result<T, BackendError> {
        let places = async {
            let of_caller = self.callers.enter(caller.clone()).await;
            let of_tenant = self.tenants.enter(tenant).await;
            (of_caller, of_tenant, self.all.clone().acquire_owned().await)
        };
        let places = timeout(QUERY_WITHIN, places).await.map_err(|_| BackendError::new(Busy))?;
        let reading = tokio::spawn(async move {
            let read = reading.await;
            drop(places);
            read
        });
        reading.await.map_err(BackendError::new)
    }
}

/// As many places for each key. A key that nobody has or waits for takes no memory.
struct Places<K> {
    of_each: usize,
    taken: Arc<Mutex<HashMap<K, Arc<Semaphore>>>>,
}

/// A place, or a wait for one.
struct Place<K: Eq + Hash> {
    taken: Arc<Mutex<HashMap<K, Arc<Semaphore>>>>,
    key: K,
    semaphore: Arc<Semaphore>,
    permit: Option<OwnedSemaphorePermit>,
}

impl<K: Clone + Eq + Hash> Places<K> {
    fn new(of_each: usize) -> Self {
        Self { of_each, taken: Arc::default() }
    }

    async fn enter(&self, key: K) -> Place<K> {
        let made = || Arc::new(Semaphore::new(self.of_each));
        let semaphore = self.taken.lock().entry(key.clone()).or_insert_with(made).clone();
        let mut place = Place { taken: self.taken.clone(), key, semaphore, permit: None };
        // It is never closed.
        place.permit = place.semaphore.clone().acquire_owned().await.ok();
        place
    }
}

impl<K: Eq + Hash> Drop for Place<K> {
    fn drop(&mut self) {
        drop(self.permit.take());
        let mut taken = self.taken.lock();
        // That of the table, and this one.
        if Arc::strong_count(&self.semaphore) == 2 {
            taken.remove(&self.key);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use futures_util::{FutureExt as _, future::BoxFuture};
    use tokio::sync::oneshot;

    use super::*;

    /// A list that is read until its sender is gone.
    fn list(lists: &Arc<Lists>, caller: i64, tenant: i64) -> (oneshot::Sender<()>, BoxFuture<'static, bool>) {
        let (end, ended) = oneshot::channel();
        let lists = lists.clone();
        let reading = async move { drop(ended.await) };
        let listed =
            async move { lists.read(&UserId::from(caller), TenantId(tenant), reading).await.is_ok() };
        (end, listed.boxed())
    }

    fn under_way<K>(places: &Places<K>) -> usize {
        places.taken.lock().values().map(|one| places.of_each - one.available_permits()).sum()
    }

    #[tokio::test]
    async fn somebody_else_always_has_a_place() {
        let lists = Arc::new(Lists::default());
        let mut ends = Vec::new();
        let mut begun = Vec::new();
        let mut ask = |caller, tenant| {
            let (end, mut reading) = list(&lists, caller, tenant);
            assert!(reading.as_mut().now_or_never().is_none());
            begun.push(reading);
            ends.push(end);
            OF_ALL - lists.all.available_permits()
        };
        for _ in 0..3 {
            assert_eq!(ask(1, 5), 1, "the caller waits for itself");
        }
        for _ in 0..3 {
            assert_eq!(ask(2, 5), 2);
        }
        assert_eq!(ask(3, 5), 2, "the tenant waits for itself");
        assert_eq!(ask(4, 6), 3);
        assert_eq!((ask(5, 7), OF_ALL), (3, QUERIES - 1), "what is no list has a reader");
        drop(ends);
        for reading in begun {
            assert!(reading.await);
        }
        assert!(lists.callers.taken.lock().is_empty() && lists.tenants.taken.lock().is_empty());
        assert_eq!(lists.all.available_permits(), OF_ALL);
    }

    #[tokio::test]
    async fn a_caller_who_leaves_holds_its_place_until_its_list_is_read_and_waits_for_none() {
        let lists = Arc::new(Lists::default());
        let mut ends = Vec::new();
        for _ in 0..2 * OF_CALLER {
            let (end, mut reading) = list(&lists, 1, 5);
            assert!(reading.as_mut().now_or_never().is_none());
            ends.push(end);
        }
        assert_eq!(under_way(&lists.callers), OF_CALLER, "of those who left before they had one, none");
        let (end, mut waiting) = list(&lists, 1, 5);
        assert!(waiting.as_mut().now_or_never().is_none());
        drop((ends, end));
        assert!(waiting.await);
        assert_eq!(under_way(&lists.callers), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn a_list_that_waits_too_long_for_a_place_is_refused() {
        let lists = Arc::new(Lists::default());
        let held: Vec<_> = (0..OF_CALLER).map(|_| list(&lists, 1, 5)).collect();
        let (ends, mut begun): (Vec<_>, Vec<_>) = held.into_iter().unzip();
        for reading in &mut begun {
            assert!(reading.as_mut().now_or_never().is_none());
        }
        let (_end, mut waiting) = list(&lists, 1, 5);
        let early = timeout(QUERY_WITHIN - Duration::from_millis(1), waiting.as_mut());
        early.await.unwrap_err();
        assert!(!waiting.await, "busy");
        drop(ends);
    }
}
