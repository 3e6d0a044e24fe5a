//! `cargo xtask edge`: the worker, built and served on this machine.

mod alike;
pub(crate) mod build;
mod bundle;
mod cost;
mod dev;
pub(crate) mod earlier;
pub(crate) mod guard;
mod health;
mod manifest;
mod runtime;
pub(crate) mod smoke;
mod startup;
mod variables;

use std::process::ExitCode;

use anyhow::Result;

use crate::workspace::Workspace;
use crate::{conformance, setup};

/// Build and run the worker under the real Workers runtime.
#[derive(clap::Subcommand)]
pub(crate) enum Command {
    /// Install what building and serving the worker needs, where it is missing.
    ///
    /// The wasm target, and the npm packages of package-lock.json: wrangler, the Workers runtime, Node.js, esbuild, binaryen.
    Setup,
    Build(build::Args),
    Dev(dev::Args),
    Cost(Box<cost::Args>),
    /// Try the plain path of the ecosystem: `wrangler dev` serves, `wrangler deploy --dry-run` is content.
    Smoke,
    /// Become the runtime (internal; started by `edge dev`).
    #[command(hide = true)]
    Guard(guard::Args),
}

/// Carries out one of these commands.
pub(crate) fn run(workspace: &Workspace, command: Command) -> Result<ExitCode> {
    match command {
        Command::Setup => setup::edge(workspace)?,
        Command::Build(args) => build::from_args(workspace, &args)?,
        Command::Dev(args) => return dev::run(workspace, &args),
        Command::Cost(args) => return cost::run(workspace, &args),
        Command::Smoke => smoke::run(workspace, conformance::suite(workspace, []))?,
        Command::Guard(args) => return guard::run(&args),
    }
    Ok(ExitCode::SUCCESS)
}
