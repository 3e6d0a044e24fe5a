//! Events, counted when they happen.

use std::{borrow::Cow, sync::Arc, time::Duration};

use prometheus_client::{
    metrics::{counter::Counter, family::Family, histogram::Histogram},
    registry::{Metric as Registered, Registry},
};
use rollcall_api::metrics::{CloseReason, ConnectionLimit, KickCause, PROTOCOLS};

use super::table::{
    CLOSES, COMMIT_DURATION, CONNECTS, DROPPED_MESSAGES, HANDSHAKE_FAILURES, KICKS, Metric, PANICS,
    REQUEST_DURATION, TCP_ACCEPTED, TCP_REJECTED, UNSEEN_FORGOTTEN,
};

/// A label whose values are written down in [`rollcall_api::metrics`].
type KnownLabel = [(&'static str, &'static str); 1];
type CodeLabel = [(&'static str, Cow<'static, str>); 1];
type RequestLabels = [(&'static str, Cow<'static, str>); 2];
type Durations = Family<RequestLabels, Histogram, fn() -> Histogram>;

/// Upper bounds in seconds: from an answer out of memory to a request's own limit.
const SECONDS: [f64; 14] =
    [0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0, 30.0];

/// Counts events. Clones share the counts; a disabled one counts nothing.
#[derive(Clone, Default)]
pub struct Metrics {
    counters: Option<Arc<Counters>>,
}

struct Counters {
    connects: Family<KnownLabel, Counter>,
    closes: Family<KnownLabel, Counter>,
    kicks: Family<KnownLabel, Counter>,
    handshake_failures: Family<CodeLabel, Counter>,
    dropped: Counter,
    requests: Durations,
    commits: Histogram,
    accepted: Counter,
    rejected: Family<KnownLabel, Counter>,
    panics: Counter,
    unseen_forgotten: Counter,
}

impl Metrics {
    /// Metrics that count only if `enabled`.
    pub fn new(enabled: bool) -> Self {
        Self { counters: enabled.then(Arc::default) }
    }

    /// Adds every counter to a registry.
    pub(super) fn register(&self, registry: &mut Registry) {
        self.count(|counters| counters.register(registry));
    }

    fn count(&self, count: impl FnOnce(&Counters)) {
        if let Some(counters) = &self.counters {
            count(counters);
        }
    }

    /// A connection became live.
    pub(crate) fn connected(&self, protocol: &'static str) {
        self.count(|counters| {
            counters.connects.get_or_create(&[("protocol", protocol)]).inc();
        });
    }

    /// A connection's socket closed.
    pub(crate) fn closed(&self, reason: CloseReason) {
        self.count(|counters| {
            counters.closes.get_or_create(&[("reason", reason.label())]).inc();
        });
    }

    /// A connection was taken offline.
    pub(crate) fn kicked(&self, cause: KickCause) {
        self.count(|counters| {
            counters.kicks.get_or_create(&[("cause", cause.label())]).inc();
        });
    }

    /// An upgrade was refused with this code: the gateway's `errCode`, the message center's `eKey`, else the HTTP status.
    pub(crate) fn refused(&self, code: impl Into<Cow<'static, str>>) {
        self.count(|counters| {
            counters.handshake_failures.get_or_create(&[("code", code.into())]).inc();
        });
    }

    /// A request was answered.
    pub(crate) fn answered(&self, route: &str, status: u16, within: Duration) {
        self.count(|counters| {
            let labels =
                [("route", Cow::Owned(route.to_owned())), ("status", Cow::Owned(status.to_string()))];
            counters.requests.get_or_create(&labels).observe(within.as_secs_f64());
        });
    }

    /// The store answered a commit.
    pub(crate) fn committed(&self, within: Duration) {
        self.count(|counters| counters.commits.observe(within.as_secs_f64()));
    }

    /// Messages were dropped because their client reads too slowly.
    pub(crate) fn dropped(&self, messages: usize) {
        if messages > 0 {
            self.count(|counters| {
                counters.dropped.inc_by(u64::try_from(messages).unwrap_or(u64::MAX));
            });
        }
    }

    /// A TCP connection was accepted.
    pub(crate) fn accepted(&self) {
        self.count(|counters| {
            counters.accepted.inc();
        });
    }

    /// A TCP connection was rejected.
    pub(crate) fn rejected(&self, limit: ConnectionLimit) {
        self.count(|counters| {
            counters.rejected.get_or_create(&[("bound", limit.label())]).inc();
        });
    }

    /// Orders about users who were never seen were forgotten early.
    pub(crate) fn forgot_unseen(&self, users: u64) {
        self.count(|counters| {
            counters.unseen_forgotten.inc_by(users);
        });
    }

    /// A handler panicked.
    pub(crate) fn panicked(&self) {
        self.count(|counters| {
            counters.panics.inc();
        });
    }
}

impl Default for Counters {
    /// Series whose labels are known exist from the start, since a rate does not see the first count of a new series.
    fn default() -> Self {
        let counters = Self {
            connects: Family::default(),
            closes: Family::default(),
            kicks: Family::default(),
            handshake_failures: Family::default(),
            dropped: Counter::default(),
            requests: Family::new_with_constructor(histogram),
            commits: histogram(),
            accepted: Counter::default(),
            rejected: Family::default(),
            panics: Counter::default(),
            unseen_forgotten: Counter::default(),
        };
        for protocol in PROTOCOLS {
            drop(counters.connects.get_or_create(&[("protocol", protocol)]));
        }
        for reason in CloseReason::ALL {
            drop(counters.closes.get_or_create(&[("reason", reason.label())]));
        }
        for cause in KickCause::ALL {
            drop(counters.kicks.get_or_create(&[("cause", cause.label())]));
        }
        for limit in ConnectionLimit::ALL {
            drop(counters.rejected.get_or_create(&[("bound", limit.label())]));
        }
        counters
    }
}

impl Counters {
    fn register(&self, registry: &mut Registry) {
        add(registry, &CONNECTS, self.connects.clone());
        add(registry, &CLOSES, self.closes.clone());
        add(registry, &KICKS, self.kicks.clone());
        add(registry, &HANDSHAKE_FAILURES, self.handshake_failures.clone());
        add(registry, &DROPPED_MESSAGES, self.dropped.clone());
        add(registry, &REQUEST_DURATION, self.requests.clone());
        add(registry, &COMMIT_DURATION, self.commits.clone());
        add(registry, &TCP_ACCEPTED, self.accepted.clone());
        add(registry, &TCP_REJECTED, self.rejected.clone());
        add(registry, &PANICS, self.panics.clone());
        add(registry, &UNSEEN_FORGOTTEN, self.unseen_forgotten.clone());
    }
}

fn add(registry: &mut Registry, metric: &Metric, registered: impl Registered) {
    registry.register(metric.bare_name(), metric.meaning, registered);
}

fn histogram() -> Histogram {
    Histogram::new(SECONDS)
}
