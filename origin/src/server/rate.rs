//! Rate limits for each client address, on requests that are expensive or could guess secrets: sockets and tokens.

use std::{
    collections::HashMap,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    num::NonZeroU32,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use anyhow::Context as _;
use axum::{extract::Request, middleware::Next, response::Response};
use governor::{
    Quota, RateLimiter,
    clock::{Clock as _, DefaultClock},
    state::keyed::HashMapStateStore,
};
use http::{Method, StatusCode};
use parking_lot::Mutex;
use rollcall_api::{
    Counted, FailedProof, Stranger, message_center, openim::gateway, respond, too_many_requests,
};
use rollcall_core::{config::Settings, net::counted_address};

use crate::{backend::Origin, socket::sockjs};

/// Addresses with a count of their own; further ones share the count of their neighbourhood.
const ADDRESSES: usize = 100_000;
/// Counts are swept after as many requests as there are addresses, but at least this many.
const SWEEP: usize = 1024;

/// Both limits; an unconfigured one is `None`.
pub(super) struct Rates {
    handshakes: Option<Arc<Rate>>,
    tokens: Option<Arc<Rate>>,
}

/// A number of requests a minute for each address, in a burst or evenly.
struct Rate {
    limiter: RateLimiter<IpAddr, HashMapStateStore<IpAddr>, DefaultClock>,
    clock: DefaultClock,
    most_addresses: usize,
    /// Addresses that have spent their quota, each until it may send one more request.
    spent: Mutex<HashMap<IpAddr, Instant>>,
    /// Requests since the last sweep of addresses that have their whole quota back.
    unswept: AtomicUsize,
}

/// The limit for a client that proves itself after its upgrade. An extension of the request, where that limit is set.
#[derive(Clone)]
pub(crate) struct LaterProof {
    rate: Arc<Rate>,
    address: IpAddr,
}

impl LaterProof {
    /// How long unknown tokens of the address are refused. Counts nothing.
    pub(crate) fn wait(&self) -> Option<Duration> {
        self.rate.wait(self.address)
    }

    /// Counts a token that is not good.
    ///
    /// # Errors
    /// How long to wait, if the limit is reached.
    pub(crate) fn failed(&self) -> Result<(), Duration> {
        self.rate.take(self.address)
    }
}

impl Rates {
    /// # Errors
    /// When a limit is 0; the key is named.
    pub(super) fn new(settings: &Settings) -> anyhow::Result<Self> {
        let limits = &settings.limits;
        let rate = |key: &'static str, configured: Option<u32>| {
            let most =
                configured.map(|most| NonZeroU32::new(most).context("expected at least 1").context(key));
            Ok::<_, anyhow::Error>(most.transpose()?.map(|most| Arc::new(Rate::new(most, ADDRESSES))))
        };
        Ok(Self {
            handshakes: rate("limits.handshakes_per_minute", limits.handshakes_per_minute)?,
            tokens: rate("limits.token_requests_per_minute", limits.token_requests_per_minute)?,
        })
    }

    pub(super) fn is_limited(&self) -> bool {
        self.handshakes.is_some() || self.tokens.is_some()
    }

    /// The limit that a request counts for.
    fn of(&self, request: &Request, origin: &Origin) -> Option<&Rate> {
        match Counted::of(request.method(), request.uri(), request.headers()) {
            Some(Counted::Token) => self.tokens.as_deref(),
            Some(Counted::Handshake) => self.handshakes.as_deref(),
            None if sockjs::opens(origin, request.uri(), request.headers()) => self.handshakes.as_deref(),
            None => None,
        }
    }

    /// The limit that a request counts for if its token is not good.
    fn of_proofs(&self, request: &Request) -> Option<&Arc<Rate>> {
        self.tokens.as_ref().filter(|_| Counted::by_proof(request.method(), request.uri()))
    }

    /// Counts a request where it counts, and carries it out if no limit is reached.
    pub(super) async fn limit(&self, origin: &Origin, mut request: Request, next: Next) -> Response {
        let Some(Stranger { address, .. }) = request.extensions().get().copied() else {
            return respond(origin, request, next).await;
        };
        let uri = request.uri().clone();
        if let Some(rate) = self.of(&request, origin)
            && let Err(wait) = rate.take(address)
        {
            if request.method() == Method::GET && gateway::wants_upgrade(request.headers()) {
                origin.users.metrics().refused(StatusCode::TOO_MANY_REQUESTS.as_str());
            }
            return too_many_requests(origin, &uri, wait);
        }
        let Some(proofs) = self.of_proofs(&request).cloned() else {
            return respond(origin, request, next).await;
        };
        request.extensions_mut().insert(Stranger { address, wait: proofs.wait(address) });
        if message_center::answers(&uri) {
            request.extensions_mut().insert(LaterProof { rate: proofs.clone(), address });
        }
        let response = respond(origin, request, next).await;
        match response.extensions().get::<FailedProof>().map(|FailedProof| proofs.take(address)) {
            Some(Err(wait)) => too_many_requests(origin, &uri, wait),
            _ => response,
        }
    }
}

impl Rate {
    fn new(a_minute: NonZeroU32, most_addresses: usize) -> Self {
        let clock = DefaultClock::default();
        let limiter =
            RateLimiter::new(Quota::per_minute(a_minute), HashMapStateStore::default(), clock.clone());
        Self { limiter, clock, most_addresses, spent: Mutex::default(), unswept: AtomicUsize::new(0) }
    }

    /// Counts a request.
    ///
    /// # Errors
    /// How long to wait, if the limit is reached.
    fn take(&self, address: IpAddr) -> Result<(), Duration> {
        let addresses = self.limiter.len();
        if self.unswept.fetch_add(1, Relaxed) >= addresses.max(SWEEP) {
            self.unswept.store(0, Relaxed);
            self.limiter.retain_recent();
            self.limiter.shrink_to_fit();
            let now = Instant::now();
            self.spent.lock().retain(|_, until| *until > now);
        }
        let key = self.key(address);
        self.limiter.check_key(&key).map_err(|refused| {
            let wait = refused.wait_time_from(self.clock.now());
            let (mut spent, now) = (self.spent.lock(), Instant::now());
            if spent.len() >= self.most_addresses {
                spent.retain(|_, until| *until > now);
            }
            if spent.len() < self.most_addresses {
                spent.insert(key, now + wait);
            }
            wait
        })
    }

    /// How long an address that has spent its quota has to wait. Counts nothing.
    fn wait(&self, address: IpAddr) -> Option<Duration> {
        let key = self.key(address);
        let mut spent = self.spent.lock();
        let wait = spent.get(&key)?.saturating_duration_since(Instant::now());
        if wait.is_zero() {
            spent.remove(&key);
        }
        Some(wait).filter(|wait| !wait.is_zero())
    }

    fn key(&self, address: IpAddr) -> IpAddr {
        let address = counted_address(address);
        if self.limiter.len() < self.most_addresses { address } else { neighbourhood(address) }
    }
}

/// The network that shares a count when there are too many addresses: no client owns many of these.
fn neighbourhood(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(address) => Ipv4Addr::from_bits(address.to_bits() & !0xffff).into(),
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() & !(u128::MAX >> 32)).into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rate(a_minute: u32, most_addresses: usize) -> Rate {
        Rate::new(NonZeroU32::new(a_minute).unwrap(), most_addresses)
    }

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn an_address_may_spend_its_minute_at_once_and_is_told_how_long_to_wait_then() {
        let rate = rate(3, ADDRESSES);
        assert!((0..3).all(|_| rate.take(ip("192.0.2.1")).is_ok()));
        let wait = rate.take(ip("192.0.2.1")).unwrap_err();
        assert!(wait > Duration::from_secs(15) && wait <= Duration::from_secs(20), "{wait:?}");
        assert!(rate.take(ip("192.0.2.2")).is_ok());
        assert!((0..9).all(|_| rate.wait(ip("192.0.2.1")).is_some_and(|left| left <= wait)));
        assert_eq!(rate.wait(ip("192.0.2.2")), None);
    }

    #[test]
    fn of_ipv6_a_network_counts_as_one_and_a_mapped_address_as_itself() {
        let rate = rate(1, ADDRESSES);
        assert!(rate.take(ip("2001:db8::1")).is_ok());
        assert!(rate.take(ip("2001:db8::ffff:1")).is_err());
        assert!(rate.take(ip("2001:db8:0:1::1")).is_ok());
        assert!(rate.take(ip("192.0.2.1")).is_ok());
        assert!(rate.take(ip("::ffff:192.0.2.1")).is_err());
    }

    #[test]
    fn a_crowd_of_addresses_does_not_grow_the_store_without_bound() {
        let rate = rate(1000, 50);
        for n in 0..10_000_u32 {
            rate.take(Ipv4Addr::from_bits(0x0a00_0000 + n).into()).unwrap_or_default();
        }
        assert!(rate.limiter.len() <= 51, "{} addresses", rate.limiter.len());
    }

    #[test]
    fn who_has_the_whole_quota_back_is_forgotten() {
        // A thousandth of a second each.
        let rate = rate(60_000, ADDRESSES);
        for n in 0..100_u32 {
            rate.take(Ipv4Addr::from_bits(0x0a00_0000 + n).into()).unwrap();
        }
        let deadline = std::time::Instant::now() + Duration::from_secs(10);
        while rate.limiter.len() > 50 {
            rate.take(ip("192.0.2.1")).unwrap_or_default();
            assert!(std::time::Instant::now() < deadline, "{} addresses", rate.limiter.len());
        }
    }
}
