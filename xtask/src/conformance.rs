//! `cargo xtask conformance`: the black-box suite against a server that is already running.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;

use crate::run;
use crate::workspace::Workspace;

/// Run the black-box suite against a server that is already running, whichever it is.
///
/// Cases that the server's configuration cannot exercise are counted as 'not applicable', apart from
/// passed, failed and skipped. Example:
///
///   cargo xtask conformance --base-url http://127.0.0.1:10002 --config rollcall.toml
#[derive(clap::Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct Args {
    /// Where the server listens.
    #[arg(long, value_name = "URL")]
    base_url: String,
    /// The configuration file that the server was started with.
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
}

/// Builds and runs the suite.
pub(crate) fn run(workspace: &Workspace, args: &Args) -> Result<ExitCode> {
    // Cargo runs in the root, so the file's name must not depend on where we are.
    let config = std::path::absolute(&args.config)?;
    let mut command = suite(workspace, ["run", "--base-url", &args.base_url, "--config"]);
    command.arg(config);
    run::passed_through(&mut command, "")?;
    Ok(ExitCode::SUCCESS)
}

/// A command that builds the suite's program when needed and runs it with these arguments.
pub(crate) fn suite<'a>(
    workspace: &Workspace,
    args: impl IntoIterator<Item = &'a str>,
) -> std::process::Command {
    let mut command =
        workspace.cargo(["run", "--quiet", "--locked", "--package", "rollcall-conformance", "--"]);
    command.args(args);
    command
}
