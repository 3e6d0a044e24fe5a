//! The commands from the parent to a process of clients, and the replies: one JSON line each.

use std::{collections::BTreeMap, net::SocketAddr, ops::Range};

use serde::{Deserialize, Serialize};

use crate::clock::Instant;

/// The address and the request of a client's upgrade.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Endpoint {
    /// The server.
    pub(crate) address: SocketAddr,
    /// Path and query of the upgrade.
    pub(crate) target: String,
    /// Whether the server greets: a connection counts only once its greeting has arrived.
    pub(crate) greets: bool,
}

/// The form of a client's heartbeat.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Heartbeat {
    /// Control pings, as native clients send them.
    Control,
    /// A text message, as the published JavaScript client sends it.
    Text,
}

/// A command to a process of clients. Ranges count its own clients, from 0.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum ClientCommand {
    /// Add these clients, unconnected.
    Add(Vec<Endpoint>),
    /// Connect the unconnected clients of a range, `at_once` at a time.
    Open { range: Range<usize>, at_once: usize },
    /// Disconnect, by a reset or by a Close frame; the latter waits for the server's own.
    Drop { range: Range<usize>, reset: bool },
    /// Wait until the server has closed every connection of a range, at most `seconds`.
    AwaitCloses { range: Range<usize>, seconds: u64 },
    /// Send a heartbeat on every connection once in `every_seconds`, spread evenly over that time.
    Heartbeat { every_seconds: u64, how: Heartbeat },
    /// Count the connected clients.
    Live,
}

/// The reply to a command.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum ClientReply {
    /// Done.
    Done,
    /// On [`ClientCommand::Open`].
    Opened(Opened),
    /// On [`ClientCommand::AwaitCloses`].
    Closes(Closes),
    /// On [`ClientCommand::Live`].
    Live(usize),
}

/// How connecting went.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Opened {
    /// Seconds from the SYN to the connection, of each client that connected.
    pub(crate) took: Vec<f64>,
    /// When the first attempt began, and when the last client connected.
    pub(crate) span: Option<(Instant, Instant)>,
    /// Failed attempts by reason.
    pub(crate) failed: BTreeMap<String, usize>,
}

/// How connections were closed by the server.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Closes {
    /// Counts by close code; 0 is an end without one.
    pub(crate) codes: BTreeMap<u16, usize>,
    /// When the last Close frame came.
    pub(crate) last: Option<Instant>,
    /// Connections that were still open after the timeout.
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
