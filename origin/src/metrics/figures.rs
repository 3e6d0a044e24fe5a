//! What is counted when it happens.

use std::{borrow::Cow, time::Duration};

use prometheus_client::{
    metrics::{counter::Counter, family::Family, histogram::Histogram},
    registry::{Metric as Registered, Registry},
};
use rollcall_core::gateway::Close;

use super::{
    CloseReason, ConnectionLimit, Kick, live,
    table::{
        CLOSES, COMMIT_DURATION, CONNECTS, DROPPED_MESSAGES, HANDSHAKE_FAILURES, KICKS, Metric, PANICS,
        REQUEST_DURATION, TCP_ACCEPTED, TCP_REJECTED,
    },
};

/// One label, whose values are written down here.
type OneOf = [(&'static str, &'static str); 1];
type Code = [(&'static str, Cow<'static, str>); 1];
type Answer = [(&'static str, Cow<'static, str>); 2];
type Durations = Family<Answer, Histogram, fn() -> Histogram>;

/// Upper bounds in seconds: from an answer out of memory to a request's own limit.
const SECONDS: [f64; 14] =
    [0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0, 30.0];

pub(super) struct Figures {
    connects: Family<OneOf, Counter>,
    closes: Family<OneOf, Counter>,
    kicks: Family<OneOf, Counter>,
    handshake_failures: Family<Code, Counter>,
    dropped: Counter,
    requests: Durations,
    commits: Histogram,
    accepted: Counter,
    rejected: Family<OneOf, Counter>,
    panics: Counter,
}

impl Default for Figures {
    /// Series whose labels are known are there from the beginning: a rate does not see the first of a series.
    fn default() -> Self {
        let figures = Self {
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
        };
        for protocol in live::PROTOCOLS {
            drop(figures.connects.get_or_create(&[("protocol", protocol)]));
        }
        for close in CLOSE_REASONS {
            drop(figures.closes.get_or_create(&reason(close)));
        }
        for kick in [Kick::Login, Kick::Order] {
            drop(figures.kicks.get_or_create(&cause(kick)));
        }
        for limit in [ConnectionLimit::Total, ConnectionLimit::PerAddress] {
            drop(figures.rejected.get_or_create(&bound(limit)));
        }
        figures
    }
}

fn add(registry: &mut Registry, metric: &Metric, registered: impl Registered) {
    registry.register(metric.bare(), metric.meaning, registered);
}

fn histogram() -> Histogram {
    Histogram::new(SECONDS)
}

impl Figures {
    /// Lets a registry know of all of them.
    pub(super) fn register(&self, registry: &mut Registry) {
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
    }

    pub(super) fn connected(&self, protocol: &'static str) {
        self.connects.get_or_create(&[("protocol", protocol)]).inc();
    }

    pub(super) fn closed(&self, close: CloseReason) {
        self.closes.get_or_create(&reason(close)).inc();
    }

    pub(super) fn kicked(&self, why: Kick) {
        self.kicks.get_or_create(&cause(why)).inc();
    }

    pub(super) fn refused(&self, code: Cow<'static, str>) {
        self.handshake_failures.get_or_create(&[("code", code)]).inc();
    }

    pub(super) fn answered(&self, route: &str, status: u16, within: Duration) {
        let labels = [("route", Cow::Owned(route.to_owned())), ("status", Cow::Owned(status.to_string()))];
        self.requests.get_or_create(&labels).observe(within.as_secs_f64());
    }

    pub(super) fn committed(&self, within: Duration) {
        self.commits.observe(within.as_secs_f64());
    }

    pub(super) fn dropped(&self, messages: usize) {
        self.dropped.inc_by(u64::try_from(messages).unwrap_or(u64::MAX));
    }

    pub(super) fn accepted(&self) {
        self.accepted.inc();
    }

    pub(super) fn rejected(&self, limit: ConnectionLimit) {
        self.rejected.get_or_create(&bound(limit)).inc();
    }

    pub(super) fn panicked(&self) {
        self.panics.inc();
    }
}

/// Every reason, in the order of the documented table.
const CLOSE_REASONS: [CloseReason; 14] = [
    CloseReason::Closed(Close::Done),
    CloseReason::Closed(Close::Undecodable),
    CloseReason::Closed(Close::Policy),
    CloseReason::Closed(Close::TooBig),
    CloseReason::Closed(Close::Draining),
    CloseReason::Closed(Close::Kicked),
    CloseReason::Closed(Close::ForcedOffline),
    CloseReason::Closed(Close::TokenExpired),
    CloseReason::Closed(Close::TooSlow),
    CloseReason::ClientClose,
    CloseReason::ConnectionLost,
    CloseReason::IdleTimeout,
    CloseReason::Abandoned,
    CloseReason::Failed,
];

const fn reason(close: CloseReason) -> OneOf {
    let reason = match close {
        CloseReason::Closed(Close::Done) => "done",
        CloseReason::Closed(Close::Undecodable) => "undecodable",
        CloseReason::Closed(Close::Policy) => "policy",
        CloseReason::Closed(Close::TooBig) => "too_big",
        CloseReason::Closed(Close::Draining) => "draining",
        CloseReason::Closed(Close::Kicked) => "kicked",
        CloseReason::Closed(Close::ForcedOffline) => "forced_offline",
        CloseReason::Closed(Close::TokenExpired) => "token_expired",
        CloseReason::Closed(Close::TooSlow) => "too_slow",
        CloseReason::ClientClose => "client_close",
        CloseReason::ConnectionLost => "connection_lost",
        CloseReason::IdleTimeout => "idle_timeout",
        CloseReason::Abandoned => "abandoned",
        CloseReason::Failed => "failed",
    };
    [("reason", reason)]
}

/// All of them, in the order in which they are documented.
#[cfg(test)]
pub(super) fn reasons() -> Vec<&'static str> {
    CLOSE_REASONS.map(|close| reason(close)[0].1).to_vec()
}

const fn cause(kick: Kick) -> OneOf {
    match kick {
        Kick::Login => [("cause", "login")],
        Kick::Order => [("cause", "order")],
    }
}

const fn bound(limit: ConnectionLimit) -> OneOf {
    match limit {
        ConnectionLimit::Total => [("bound", "all")],
        ConnectionLimit::PerAddress => [("bound", "address")],
    }
}
