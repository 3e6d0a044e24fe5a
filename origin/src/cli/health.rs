//! `rollcall health`

use anyhow::bail;
use clap::Args;
use rollcall_core::config::Settings;
use serde_json::json;

use super::{
    client::{Reach, text},
    exit::{self, Exit, plain},
    say,
    table::print_json,
};

const EXAMPLES: &str = "\
Examples:
  rollcall health && echo serving
  rollcall health --url https://presence.example.com --json

--json prints {\"status\":\"ok\"}; the others are \"degraded\" (commits fail) and \"draining\" (it is about to stop).";

#[derive(Args)]
#[command(after_help = exit::HELP, after_long_help = format!("{EXAMPLES}\n\n{}", exit::HELP))]
pub(crate) struct Health {
    #[command(flatten)]
    reach: Reach,
    /// Print one JSON document
    #[arg(long)]
    json: bool,
}

pub(super) fn health(settings: &Settings, asked: &Health) -> anyhow::Result<()> {
    let server = asked.reach.server(settings)?;
    let answer = server.look("/health")?;
    let Some(status) = text(&answer.body, "status") else {
        bail!("{} answered {} without a status; is a rollcall there?", server.url(), answer.status);
    };
    let status = plain(status, None);
    if asked.json {
        print_json(&json!({"status": status}))?;
    } else {
        say(&status)?;
    }
    if answer.status == 200 && status == "ok" {
        return Ok(());
    }
    bail!(Exit::No(format!("{} is {status}", server.url())))
}
