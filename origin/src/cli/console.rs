//! `rollcall console`: a way into the web console of a running server.

use anyhow::bail;
use clap::Args;
use rollcall_core::config::Settings;

use super::{client::ServerArgs, output::print_line, token};

const PAGE: &str = "/console/";

#[derive(Args)]
pub(crate) struct Console {
    #[command(flatten)]
    server: ServerArgs,
}

/// Prints a link with a token of its own in the fragment, which browsers send to no server.
pub(super) fn link(settings: &Settings, args: &Console) -> anyhow::Result<()> {
    let server = args.server.server(settings)?;
    let page = [server.url(), PAGE].concat();
    let status = server.get(PAGE)?.status;
    if status != 200 {
        bail!("{page} answered {status}; is console.enabled off there?");
    }
    let token = token::of_administrator(settings, server)?;
    Ok(print_line(&format!("{page}#token={}", token.expose()))?)
}
