//! `cargo xtask edge`: the worker, built and served on this machine.

pub(crate) mod build;
mod bundle;
mod dev;
pub(crate) mod guard;
mod ready;
mod stage;

use std::process::ExitCode;

use anyhow::Result;

use crate::setup;
use crate::workspace::Workspace;

/// Build and run the worker under the real Workers runtime.
#[derive(clap::Subcommand)]
pub(crate) enum Command {
    /// Install what building and serving the worker needs, where it is missing.
    ///
    /// The wasm target (by rustup, else Debian's compiler), the npm packages of package-lock.json (wrangler,
    /// the Workers runtime, Node.js, esbuild, binaryen), and worker-build and wasm-bindgen in `.tools/`.
    Setup,
    Build(build::Args),
    Dev(dev::Args),
    /// Keep the runtime's process group (internal; started by `edge dev`).
    #[command(hide = true)]
    Guard(guard::Args),
}

/// Carries out one of these commands.
pub(crate) fn run(workspace: &Workspace, command: Command) -> Result<ExitCode> {
    match command {
        Command::Setup => setup::edge_tools(workspace)?,
        Command::Build(args) => build::from_args(workspace, &args)?,
        Command::Dev(args) => return dev::run(workspace, &args),
        Command::Guard(args) => return guard::run(&args),
    }
    Ok(ExitCode::SUCCESS)
}
