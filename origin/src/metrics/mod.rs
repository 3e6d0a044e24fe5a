//! What an operator watches: figures in the form that Prometheus reads (`docs/operating.md#watch`).
//!
//! What happens is counted when it happens. What *is* (connections, users, the store's queue) is looked up when somebody
//! asks, so that no forgotten decrement can make it drift. No label holds what a client chose: labels come from lists
//! that are written down in the code.

mod figures;
mod listener;
mod live;
mod table;

use std::{borrow::Cow, sync::Arc, time::Duration};

use rollcall_core::gateway::Close;

use self::figures::Figures;

pub use self::table::{METRICS, Metric};
pub(crate) use self::{
    listener::{Listener, PATH},
    live::{Census, Live, console_protocol, protocol},
};

/// Where everything is counted; clones share it. One that is off counts nothing.
#[derive(Clone, Default)]
pub struct Metrics {
    figures: Option<Arc<Figures>>,
}

/// Why a socket closed: the label `reason` of `rollcall_closes_total`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum CloseReason {
    /// The server closed it.
    Closed(Close),
    /// Its client sent a Close frame.
    ClientClose,
    /// Its TCP connection broke without a Close frame.
    ConnectionLost,
    /// Its client sent nothing within the time limit.
    IdleTimeout,
    /// Its client left between the acceptance and the upgrade.
    Abandoned,
    /// A message of its client could not be processed.
    Failed,
}

/// Why a connection was taken offline.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kick {
    /// Another login of its user.
    Login,
    /// A forced logout.
    Order,
}

/// The limit that a rejected TCP connection was above: the label `bound` of `rollcall_tcp_rejected_total`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ConnectionLimit {
    /// `server.max_connections`
    Total,
    /// `server.max_connections_per_address`
    PerAddress,
}

impl Metrics {
    /// Those of a server that somebody watches, or none.
    pub fn new(watched: bool) -> Self {
        Self { figures: watched.then(Arc::default) }
    }

    fn count(&self, count: impl FnOnce(&Figures)) {
        if let Some(figures) = &self.figures {
            count(figures);
        }
    }

    /// A connection is live from now on.
    pub(crate) fn connected(&self, protocol: &'static str) {
        self.count(|figures| figures.connected(protocol));
    }

    /// A connection's socket closed.
    pub(crate) fn closed(&self, reason: CloseReason) {
        self.count(|figures| figures.closed(reason));
    }

    /// A connection was taken offline.
    pub(crate) fn kicked(&self, why: Kick) {
        self.count(|figures| figures.kicked(why));
    }

    /// An upgrade was refused with this code: the gateway's `errCode`, the message center's `eKey`, else the HTTP status.
    pub(crate) fn refused(&self, code: impl Into<Cow<'static, str>>) {
        self.count(|figures| figures.refused(code.into()));
    }

    /// A request was answered.
    pub(crate) fn answered(&self, route: &str, status: u16, within: Duration) {
        self.count(|figures| figures.answered(route, status, within));
    }

    /// The store answered a commit.
    pub(crate) fn committed(&self, within: Duration) {
        self.count(|figures| figures.committed(within));
    }

    /// Messages were dropped because their client reads too slowly.
    pub(crate) fn dropped(&self, messages: usize) {
        if messages > 0 {
            self.count(|figures| figures.dropped(messages));
        }
    }

    /// A TCP connection was accepted.
    pub(crate) fn accepted(&self) {
        self.count(Figures::accepted);
    }

    /// A TCP connection was rejected.
    pub(crate) fn rejected(&self, limit: ConnectionLimit) {
        self.count(|figures| figures.rejected(limit));
    }

    /// A handler broke.
    pub(crate) fn panicked(&self) {
        self.count(Figures::panicked);
    }
}
