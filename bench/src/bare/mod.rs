//! The bare servers: what the operating system, tokio, hyper, axum and tungstenite cost before any logic.

mod accept;
mod json;
mod stages;

use std::io::Write as _;

use anyhow::Result;
use clap::ValueEnum;
use tokio::signal::unix::{SignalKind, signal};

/// How much of the stack is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Stage {
    /// A task that holds the TCP connection, after an upgrade made by hand.
    Tcp,
    /// hyper's upgrade; the upgraded stream is held.
    Upgrade,
    /// axum's WebSocket with a read buffer of 256 bytes and no write buffer; and the JSON handler.
    Ws,
}

impl Stage {
    /// As on the command line.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Tcp => "tcp",
            Self::Upgrade => "upgrade",
            Self::Ws => "ws",
        }
    }
}

#[derive(clap::Args)]
pub(crate) struct Args {
    #[arg(long, value_enum, default_value = "ws")]
    stage: Stage,
}

/// Serves until it is killed, or told to end.
pub(crate) fn run(args: &Args) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        let mut terminate = signal(SignalKind::terminate())?;
        let listener = accept::bind()?;
        let address = listener.local_addr()?;
        let serving = tokio::spawn(accept::accept(listener, args.stage));
        println!("listening on http://{address}");
        std::io::stdout().flush()?;
        tokio::select! {
            _ = terminate.recv() => Ok(()),
            ended = serving => Ok(ended?),
        }
    })
}
