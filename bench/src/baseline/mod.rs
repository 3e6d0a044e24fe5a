//! The baseline servers: the cost of the operating system, tokio, hyper, axum and tungstenite before any logic.

mod accept;
mod json;
mod layer;
mod sockets;

use std::io::Write as _;

use anyhow::Result;
use tokio::signal::unix::{SignalKind, signal};

pub(crate) use self::layer::Layer;

#[derive(clap::Args)]
pub(crate) struct Args {
    #[arg(long, value_enum, default_value = "ws")]
    layer: Layer,
}

/// Serves until SIGTERM.
pub(crate) fn run(args: &Args) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        let mut terminate = signal(SignalKind::terminate())?;
        let listener = accept::bind()?;
        let address = listener.local_addr()?;
        let serving = tokio::spawn(accept::accept(listener, args.layer));
        println!("listening on http://{address}");
        std::io::stdout().flush()?;
        tokio::select! {
            _ = terminate.recv() => Ok(()),
            ended = serving => Ok(ended?),
        }
    })
}
