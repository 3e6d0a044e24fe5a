//! A worker that cannot be configured as it should.

use std::process::Stdio;

use anyhow::{Context as _, Result};
use tokio::process::Command;

use super::setup::Setup;
use crate::{check::holds, profile::Profile, settings::Settings, subject::edge_command};

/// Words that name the missing key and the places to put it.
const EXPLAINED: [&str; 3] = ["auth.secret", "npx wrangler secret put ROLLCALL__AUTH__SECRET", ".dev.vars"];

pub(super) async fn it_refuses_to_serve_without_a_secret(setup: Setup) -> Result<String> {
    let settings = Settings { secret: None, ..Settings::default() };
    let command = edge_command(setup.command(), &settings, setup.home())?;
    refused(command, &EXPLAINED).await
}

pub(super) async fn it_refuses_to_serve_in_a_time_zone_that_is_none(setup: Setup) -> Result<String> {
    let mut command = edge_command(setup.command(), &Profile::Policy1.settings(), setup.home())?;
    command.env("ROLLCALL__MESSAGE_CENTER__TIME_ZONE", "Mars/Olympus");
    refused(command, &["message_center.time_zone: expected the IANA name"]).await
}

/// The variables of the manifest; the command takes no such name from the environment.
const MISNAMED: &str = "\n[vars]\nROLLCALL_AUTH_TOKEN_TTL_DAYS = \"7\"\n";

pub(super) async fn a_variable_with_one_underscore_is_told_of_with_the_one_that_is_meant(
    setup: Setup,
) -> Result<String> {
    let setup = setup.with_manifest(&format!("{}{MISNAMED}", include_str!("../../../wrangler.toml")))?;
    let runtime = setup.start(&Profile::Policy1.settings()).await?;
    runtime.world().issue("anybody", 5).await?;
    runtime.stop().await?;
    let told = "the variable ROLLCALL_AUTH_TOKEN_TTL_DAYS is not read; ROLLCALL__AUTH__TOKEN_TTL_DAYS is";
    let log = setup.log()?;
    holds(log.contains(told), || format!("{told:?} is not in the log:\n{log}"))?;
    Ok("one warning".to_owned())
}

/// Runs a command that must end without having served, and must say these words.
async fn refused(mut command: Command, words: &[&str]) -> Result<String> {
    let ended = command
        // What the tester's own environment holds is not what is tested.
        .env_remove("ROLLCALL__AUTH__SECRET")
        .env_remove("ROLLCALL_CONFIG")
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output()
        .await
        .context("running the edge command")?;
    let said =
        format!("{}{}", String::from_utf8_lossy(&ended.stdout), String::from_utf8_lossy(&ended.stderr));
    holds(!ended.status.success(), || "it ended with success".to_owned())?;
    holds(!said.contains("listening on"), || format!("it said that it serves:\n{said}"))?;
    for word in words {
        holds(said.contains(word), || format!("nothing is said of {word}:\n{said}"))?;
    }
    // The worker itself refuses every request: the command only passes on its answer.
    holds(said.contains("answered 503"), || format!("the worker's own refusal is not told:\n{said}"))?;
    Ok(format!("{}, {} texts found", ended.status, words.len()))
}
