//! What the parent says to a process of clients, and what it hears. One JSON line each.

use std::{collections::BTreeMap, net::SocketAddr, ops::Range};

use serde::{Deserialize, Serialize};

use crate::clock::Instant;

/// Where a client connects.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Door {
    /// The server.
    pub(crate) address: SocketAddr,
    /// Path and query of the upgrade.
    pub(crate) target: String,
    /// Whether the server sends a message first, without which the connection does not count.
    pub(crate) greets: bool,
}

/// How a client shows that it lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Beat {
    /// Control pings, as native clients send them.
    Control,
    /// A text message, as the published JavaScript client sends it.
    Text,
}

/// An order to a process of clients. Ranges are of its own clients, from 0.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum Order {
    /// Know these clients too. They are not connected yet.
    Add(Vec<Door>),
    /// Connect those of a range that are not connected, so many at a time.
    Open { range: Range<usize>, at_once: usize },
    /// Disconnect: with a Close frame and the wait for the server's, or with a reset.
    Drop { range: Range<usize>, reset: bool },
    /// Wait until the server has closed every connection of a range.
    AwaitCloses { range: Range<usize>, seconds: u64 },
    /// Send a sign of life on every connection once in so many seconds, spread over them.
    Beat { every_seconds: u64, how: Beat },
    /// How many are connected?
    Live,
}

/// The report on an order.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum Report {
    /// Done, and there is nothing to tell.
    Done,
    /// On [`Order::Open`].
    Opened(Opened),
    /// On [`Order::AwaitCloses`].
    Closes(Closes),
    /// On [`Order::Live`].
    Live(usize),
}

/// How connecting went.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Opened {
    /// Seconds from the SYN to the connection, of each client that connected.
    pub(crate) took: Vec<f64>,
    /// The first and the last moment.
    pub(crate) span: Option<(Instant, Instant)>,
    /// Who could not connect, by reason.
    pub(crate) failed: BTreeMap<String, usize>,
}

/// How connections were closed by the server.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Closes {
    /// Counts by close code; 0 is an end without one.
    pub(crate) codes: BTreeMap<u16, usize>,
    /// When the last Close frame came.
    pub(crate) last: Option<Instant>,
    /// Who is still open though the time is over.
    pub(crate) open: usize,
}

impl Opened {
    pub(super) fn merge(mut self, other: Self) -> Self {
        self.took.extend(other.took);
        self.span = match (self.span, other.span) {
            (Some(one), Some(two)) => Some((one.0.min(two.0), one.1.max(two.1))),
            (one, two) => one.or(two),
        };
        for (reason, count) in other.failed {
            *self.failed.entry(reason).or_default() += count;
        }
        self
    }

    /// How many clients could not connect.
    pub(crate) fn failures(&self) -> usize {
        self.failed.values().sum()
    }
}

impl Closes {
    pub(super) fn merge(mut self, other: Self) -> Self {
        for (code, count) in other.codes {
            *self.codes.entry(code).or_default() += count;
        }
        self.last = self.last.max(other.last);
        self.open += other.open;
        self
    }
}
