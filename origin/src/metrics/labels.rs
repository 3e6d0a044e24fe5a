//! The values of labels. All of them are written down here, so that no label holds what a client chose.

use rollcall_core::{
    gateway::{Close, Encoding, Wire},
    user::Console,
};

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

/// Why a connection was taken offline: the label `cause` of `rollcall_kicks_total`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum KickCause {
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

/// Every value of [`protocol`] and [`console_protocol`].
pub(super) const PROTOCOLS: [&str; 6] = ["gob", "gob_gzip", "json", "json_gzip", "stomp", "text"];
/// The platform of consoles, which OpenIM does not number.
pub(super) const CONSOLE: &str = "console";

/// The protocol of a connection.
pub(crate) const fn protocol(wire: Wire) -> &'static str {
    match (wire.encoding, wire.gzip) {
        (Encoding::Gob, false) => "gob",
        (Encoding::Gob, true) => "gob_gzip",
        (Encoding::Json, false) => "json",
        (Encoding::Json, true) => "json_gzip",
    }
}

/// The protocol of a console.
pub(crate) fn console_protocol(console: &Console) -> &'static str {
    if console.speaks_stomp() { "stomp" } else { "text" }
}

impl CloseReason {
    /// Every reason, in the order of the documented table.
    pub(super) const ALL: [Self; 14] = [
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

    pub(super) const fn label(self) -> &'static str {
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
    pub(super) const ALL: [Self; 2] = [Self::Login, Self::Order];

    pub(super) const fn label(self) -> &'static str {
        match self {
            Self::Login => "login",
            Self::Order => "order",
        }
    }
}

impl ConnectionLimit {
    pub(super) const ALL: [Self; 2] = [Self::Total, Self::PerAddress];

    pub(super) const fn label(self) -> &'static str {
        match self {
            Self::Total => "all",
            Self::PerAddress => "address",
        }
    }
}
