//! Limits on what is open: in total, and of one address.

use std::{
    collections::HashMap,
    net::IpAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
};

use parking_lot::Mutex;
use rollcall_core::{
    config::Settings,
    net::{Network, counted_address},
};
use tokio::sync::Notify;

/// Hands out a permit for each connection up to the configured limits. Clones share the count.
#[derive(Clone)]
pub(crate) struct Admission {
    shared: Arc<Shared>,
}

struct Shared {
    most: usize,
    most_per_address: Option<usize>,
    /// Addresses that carry many clients, and therefore have no limit of their own.
    proxies: Vec<Network>,
    open: AtomicUsize,
    by_address: Mutex<HashMap<IpAddr, usize>>,
    returned: Notify,
}

/// Held while a connection's socket is open; it moves with the socket from the HTTP connection to the WebSocket.
pub(crate) struct ConnectionPermit {
    shared: Arc<Shared>,
    /// The address that the connection counts for, if addresses are limited.
    address: Option<IpAddr>,
}

/// Why a connection gets no permit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum AdmissionError {
    /// All connections together are at their limit.
    #[error("server.max_connections is reached")]
    Full,
    /// The connections of one address are at their limit.
    #[error("server.max_connections_per_address is reached")]
    AddressFull,
}

impl Admission {
    pub(super) fn new(settings: &Settings) -> Self {
        let server = &settings.server;
        let size = |most: u32| usize::try_from(most).unwrap_or(usize::MAX);
        let proxies = server.trusted_proxies.clone();
        Self::with_limits(size(server.max_connections), server.max_connections_per_address.map(size), proxies)
    }

    /// At most so many in all and of one address, which does not count where it lies in one of `proxies`.
    pub(crate) fn with_limits(most: usize, most_per_address: Option<usize>, proxies: Vec<Network>) -> Self {
        let shared = Shared {
            most,
            most_per_address,
            proxies,
            open: AtomicUsize::new(0),
            by_address: Mutex::default(),
            returned: Notify::new(),
        };
        Self { shared: Arc::new(shared) }
    }

    /// A permit for a connection from `peer`.
    ///
    /// # Errors
    /// When a limit is reached.
    pub(crate) fn enter(&self, peer: IpAddr) -> Result<ConnectionPermit, AdmissionError> {
        let shared = &self.shared;
        // Held to the end, so that no other check comes between this one and its count.
        let mut all = shared.by_address.lock();
        if shared.open.load(Relaxed) >= shared.most {
            return Err(AdmissionError::Full);
        }
        let counted =
            shared.most_per_address.filter(|_| !shared.proxies.iter().any(|network| network.contains(peer)));
        let address = counted.map(|most| (counted_address(peer), most));
        if let Some((address, most)) = address {
            let here = all.entry(address).or_default();
            if *here >= most {
                return Err(AdmissionError::AddressFull);
            }
            *here += 1;
        }
        shared.open.fetch_add(1, Relaxed);
        Ok(ConnectionPermit { shared: shared.clone(), address: address.map(|(address, _)| address) })
    }

    /// How many permits are held.
    pub(super) fn open(&self) -> usize {
        self.shared.open.load(Relaxed)
    }

    /// Waits until a permit is returned.
    pub(super) async fn returned(&self) {
        self.shared.returned.notified().await;
    }
}

impl Drop for ConnectionPermit {
    fn drop(&mut self) {
        self.shared.open.fetch_sub(1, Relaxed);
        if let Some(address) = self.address {
            let mut all = self.shared.by_address.lock();
            if let Some(here) = all.get_mut(&address) {
                *here -= 1;
                if *here == 0 {
                    all.remove(&address);
                }
            }
        }
        self.shared.returned.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn admission(most: u32, per_address: Option<u32>, proxies: &[&str]) -> Admission {
        let mut settings = Settings::default();
        settings.server.max_connections = most;
        settings.server.max_connections_per_address = per_address;
        settings.server.trusted_proxies = proxies.iter().map(|proxy| proxy.parse().unwrap()).collect();
        Admission::new(&settings)
    }

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[tokio::test]
    async fn there_are_as_many_permits_as_configured_and_a_closed_connection_returns_its_own() {
        let admission = admission(2, None, &[]);
        let first = admission.enter(ip("192.0.2.1")).unwrap();
        let _second = admission.enter(ip("192.0.2.1")).unwrap();
        assert_eq!(admission.enter(ip("192.0.2.2")).err(), Some(AdmissionError::Full));
        drop(first);
        admission.returned().await;
        assert!(admission.enter(ip("192.0.2.2")).is_ok());
    }

    #[test]
    fn an_address_has_its_own_bound_and_a_trusted_proxy_none() {
        let admission = admission(100, Some(1), &["10.0.0.1", "10.244.0.0/16"]);
        let one = admission.enter(ip("192.0.2.1")).unwrap();
        assert_eq!(admission.enter(ip("::ffff:192.0.2.1")).err(), Some(AdmissionError::AddressFull));
        let _other = admission.enter(ip("192.0.2.2")).unwrap();
        let _six = admission.enter(ip("2001:db8::1")).unwrap();
        assert_eq!(
            admission.enter(ip("2001:db8::2")).err(),
            Some(AdmissionError::AddressFull),
            "one network"
        );
        let _elsewhere = admission.enter(ip("2001:db8:0:1::1")).unwrap();
        let _proxied: Vec<_> = (0..9).map(|_| admission.enter(ip("10.0.0.1")).unwrap()).collect();
        let _network: Vec<_> = (0..9).map(|_| admission.enter(ip("::ffff:10.244.1.2")).unwrap()).collect();
        drop(one);
        assert!(admission.enter(ip("192.0.2.1")).is_ok());
        assert_eq!(admission.open(), 21);
    }

    #[test]
    fn nothing_is_kept_of_an_address_without_connections() {
        let admission = admission(100, Some(5), &[]);
        let permits: Vec<_> = (0..5).map(|n| admission.enter(ip(&format!("192.0.2.{n}"))).unwrap()).collect();
        drop(permits);
        assert_eq!(admission.open(), 0);
        assert!(admission.shared.by_address.lock().is_empty());
    }
}
