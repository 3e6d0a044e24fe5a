//! The layers of the stack at which a baseline server can stop.

use clap::ValueEnum;

/// The topmost layer of a baseline server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Layer {
    /// A task that holds the TCP connection, after an upgrade made by hand.
    Tcp,
    /// hyper's upgrade; the upgraded stream is held.
    Upgrade,
    /// axum's WebSocket with a read buffer of 256 bytes and no write buffer; and the JSON handler.
    Ws,
}

impl Layer {
    /// Its value on the command line.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Tcp => "tcp",
            Self::Upgrade => "upgrade",
            Self::Ws => "ws",
        }
    }
}
