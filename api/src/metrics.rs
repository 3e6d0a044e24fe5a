//! What both runtimes count: the names of metrics, and the values of their labels (`docs/operating.md#watch`).
//!
//! All values are written down here, so that no label holds what a client chose.

use rollcall_core::{
    gateway::{Close, Encoding, Wire},
    user::{Command, Console},
};

/// Connections that became live, by `protocol`.
pub const CONNECTS: &str = "rollcall_connects_total";
/// Sockets of live connections that are gone, by `reason`.
pub const CLOSES: &str = "rollcall_closes_total";
/// Connections that were taken offline, by `cause`.
pub const KICKS: &str = "rollcall_kicks_total";
/// Upgrades that were refused, by `code`.
pub const HANDSHAKE_FAILURES: &str = "rollcall_handshake_failures_total";
/// Seconds from a request's head to its answer, by `route` and `status`.
pub const REQUEST_DURATION: &str = "rollcall_request_duration_seconds";
/// Transactions that the store could not commit.
pub const COMMIT_FAILURES: &str = "rollcall_store_commit_failures_total";

/// Why a socket closed: the label `reason` of `rollcall_closes_total`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CloseReason {
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

/// Why a connection was taken offline: the label `cause` of `rollcall_kicks_total`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KickCause {
    /// Another login of its user.
    Login,
    /// A forced logout.
    Order,
}

/// The limit that a rejected TCP connection was above: the label `bound` of `rollcall_tcp_rejected_total`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConnectionLimit {
    /// `server.max_connections`
    Total,
    /// `server.max_connections_per_address`
    PerAddress,
}

/// Every value of [`protocol`] and [`console_protocol`].
pub const PROTOCOLS: [&str; 6] = ["gob", "gob_gzip", "json", "json_gzip", "stomp", "text"];
/// The platform of consoles, which OpenIM does not number.
pub const CONSOLE: &str = "console";

/// The protocol of a connection.
pub const fn protocol(wire: Wire) -> &'static str {
    match (wire.encoding, wire.gzip) {
        (Encoding::Gob, false) => "gob",
        (Encoding::Gob, true) => "gob_gzip",
        (Encoding::Json, false) => "json",
        (Encoding::Json, true) => "json_gzip",
    }
}

/// The protocol of a console.
pub fn console_protocol(console: &Console) -> &'static str {
    if console.speaks_stomp() { "stomp" } else { "text" }
}

impl CloseReason {
    /// Every reason, in the order of the documented table.
    pub const ALL: [Self; 14] = [
        Self::Closed(Close::Done),
        Self::Closed(Close::Undecodable),
        Self::Closed(Close::Policy),
        Self::Closed(Close::TooBig),
        Self::Closed(Close::Draining),
        Self::Closed(Close::Kicked),
        Self::Closed(Close::ForcedOffline),
        Self::Closed(Close::TokenExpired),
        Self::Closed(Close::TooSlow),
        Self::ClientClose,
        Self::ConnectionLost,
        Self::IdleTimeout,
        Self::Abandoned,
        Self::Failed,
    ];

    /// The label's value.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Closed(Close::Done) => "done",
            Self::Closed(Close::Undecodable) => "undecodable",
            Self::Closed(Close::Policy) => "policy",
            Self::Closed(Close::TooBig) => "too_big",
            Self::Closed(Close::Draining) => "draining",
            Self::Closed(Close::Kicked) => "kicked",
            Self::Closed(Close::ForcedOffline) => "forced_offline",
            Self::Closed(Close::TokenExpired) => "token_expired",
            Self::Closed(Close::TooSlow) => "too_slow",
            Self::ClientClose => "client_close",
            Self::ConnectionLost => "connection_lost",
            Self::IdleTimeout => "idle_timeout",
            Self::Abandoned => "abandoned",
            Self::Failed => "failed",
        }
    }
}

impl KickCause {
    /// The cause of the kicks that a command leads to.
    pub const fn of(command: &Command) -> Self {
        match command {
            Command::ForceOff(_) | Command::Audited { .. } => Self::Order,
            _ => Self::Login,
        }
    }

    /// Every cause.
    pub const ALL: [Self; 2] = [Self::Login, Self::Order];

    /// The label's value.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Login => "login",
            Self::Order => "order",
        }
    }
}

impl ConnectionLimit {
    /// Both limits.
    pub const ALL: [Self; 2] = [Self::Total, Self::PerAddress];

    /// The label's value.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Total => "all",
            Self::PerAddress => "address",
        }
    }
}
