//! How many connections there may be: altogether, and from one address.

use std::{
    collections::HashMap,
    net::{IpAddr, Ipv6Addr},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
};

use parking_lot::Mutex;
use rollcall_core::config::Settings;
use tokio::sync::Notify;

/// Lets connections in as long as there are places. Clones share them.
#[derive(Clone)]
pub(super) struct Admission {
    shared: Arc<Shared>,
}

struct Shared {
    most: usize,
    most_per_address: Option<usize>,
    /// Addresses that stand for many clients.
    proxies: Vec<IpAddr>,
    open: AtomicUsize,
    by_address: Mutex<HashMap<IpAddr, usize>>,
    left: Notify,
}

/// A connection's place, for as long as its socket is open: it moves with it from the HTTP connection to the WebSocket.
pub(super) struct Place {
    shared: Arc<Shared>,
    /// Where it counts, if it does.
    address: Option<IpAddr>,
}

/// Why there is no place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Full {
    /// `server.max_connections`.
    Altogether,
    /// `server.max_connections_per_address`.
    Address,
}

impl Admission {
    pub(super) fn new(settings: &Settings) -> Self {
        let server = &settings.server;
        let shared = Shared {
            most: usize::try_from(server.max_connections).unwrap_or(usize::MAX),
            most_per_address: server
                .max_connections_per_address
                .map(|most| usize::try_from(most).unwrap_or(usize::MAX)),
            proxies: server.trusted_proxies.iter().filter_map(|proxy| proxy.parse().ok()).collect(),
            open: AtomicUsize::new(0),
            by_address: Mutex::default(),
            left: Notify::new(),
        };
        Self { shared: Arc::new(shared) }
    }

    /// A place for a connection from `peer`. Only the accept loop asks.
    pub(super) fn enter(&self, peer: IpAddr) -> Result<Place, Full> {
        let shared = &self.shared;
        if shared.open.load(Relaxed) >= shared.most {
            return Err(Full::Altogether);
        }
        let counted = shared.most_per_address.filter(|_| !shared.proxies.contains(&peer.to_canonical()));
        let address = counted.map(|most| (network(peer), most));
        if let Some((address, most)) = address {
            let mut all = shared.by_address.lock();
            let here = all.entry(address).or_default();
            if *here >= most {
                return Err(Full::Address);
            }
            *here += 1;
        }
        shared.open.fetch_add(1, Relaxed);
        Ok(Place { shared: shared.clone(), address: address.map(|(address, _)| address) })
    }

    /// How many places are taken.
    pub(super) fn open(&self) -> usize {
        self.shared.open.load(Relaxed)
    }

    /// Waits until a connection leaves.
    pub(super) async fn left(&self) {
        self.shared.left.notified().await;
    }
}

impl Drop for Place {
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
        self.shared.left.notify_one();
    }
}

/// What counts as one address: of IPv6 the network, because everybody has 2^64 of them.
pub(super) fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(address) => address.into(),
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() & !u128::from(u64::MAX)).into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn admission(most: u32, per_address: Option<u32>, proxies: &[&str]) -> Admission {
        let mut settings = Settings::default();
        settings.server.max_connections = most;
        settings.server.max_connections_per_address = per_address;
        settings.server.trusted_proxies = proxies.iter().map(|proxy| (*proxy).to_owned()).collect();
        Admission::new(&settings)
    }

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[tokio::test]
    async fn there_are_as_many_places_as_configured_and_a_leaver_makes_room() {
        let admission = admission(2, None, &[]);
        let first = admission.enter(ip("192.0.2.1")).unwrap();
        let _second = admission.enter(ip("192.0.2.1")).unwrap();
        assert_eq!(admission.enter(ip("192.0.2.2")).err(), Some(Full::Altogether));
        drop(first);
        admission.left().await;
        assert!(admission.enter(ip("192.0.2.2")).is_ok());
    }

    #[test]
    fn an_address_has_its_own_bound_and_a_trusted_proxy_none() {
        let admission = admission(100, Some(1), &["10.0.0.1"]);
        let one = admission.enter(ip("192.0.2.1")).unwrap();
        assert_eq!(admission.enter(ip("::ffff:192.0.2.1")).err(), Some(Full::Address));
        let _other = admission.enter(ip("192.0.2.2")).unwrap();
        let _six = admission.enter(ip("2001:db8::1")).unwrap();
        assert_eq!(admission.enter(ip("2001:db8::2")).err(), Some(Full::Address), "one network");
        let _elsewhere = admission.enter(ip("2001:db8:0:1::1")).unwrap();
        let _proxied: Vec<_> = (0..9).map(|_| admission.enter(ip("10.0.0.1")).unwrap()).collect();
        drop(one);
        assert!(admission.enter(ip("192.0.2.1")).is_ok());
        assert_eq!(admission.open(), 12);
    }

    #[test]
    fn nothing_is_remembered_of_who_left() {
        let admission = admission(100, Some(5), &[]);
        let places: Vec<_> = (0..5).map(|n| admission.enter(ip(&format!("192.0.2.{n}"))).unwrap()).collect();
        drop(places);
        assert_eq!(admission.open(), 0);
        assert!(admission.shared.by_address.lock().is_empty());
    }
}
