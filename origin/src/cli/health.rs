//! `rollcall health`

use anyhow::bail;
use clap::Args;
use rollcall_core::config::Settings;
use serde_json::json;

use super::{
    client::{ServerArgs, text},
    exit::{self, CliError},
    output::{print_json, print_line, sanitize},
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
    server: ServerArgs,
    /// Print one JSON document
    #[arg(long)]
    json: bool,
}

pub(super) fn health(settings: &Settings, args: &Health) -> anyhow::Result<()> {
    let server = args.server.server(settings)?;
    let answer = server.get("/health")?;
    let Some(status) = text(&answer.body, "status") else {
        bail!("{} answered {} without a status; is a rollcall there?", server.url(), answer.status);
    };
    let status = sanitize(status, None);
    if args.json {
        print_json(&json!({"status": status}))?;
    } else {
        print_line(&status)?;
    }
    if answer.status == 200 && status == "ok" {
        return Ok(());
    }
    bail!(CliError::Negative(format!("{} is {status}", server.url())))
}
