//! `cargo xtask`: the commands of this workspace that are not the product.
//!
//! Everything a fresh Debian or Ubuntu machine needs to build, run and test Rollcall is set up from here,
//! so that a person and a CI job type the same line. Nothing in this crate may be logic of the product.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a command-line tool speaks to its user")]

mod bench;
mod conformance;
mod descendants;
mod edge;
mod run;
mod setup;
mod supervise;
mod test;
mod workspace;

use std::io::Write as _;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use workspace::Workspace;

/// Builds, runs and tests Rollcall.
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask", max_term_width = 100)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Install everything that the other commands need, where it is missing.
    ///
    /// Compilers and a browser from Debian's packages (as root), rustfmt, clippy and the wasm target by rustup, and the
    /// npm packages of both lock files.
    Setup,
    Test(test::Args),
    #[command(hide = true)]
    Step(test::StepArgs),
    #[command(hide = true)]
    Supervise(supervise::Args),
    /// Build and run the worker under the real Workers runtime.
    #[command(subcommand)]
    Edge(edge::Command),
    Conformance(conformance::Args),
    Bench(bench::Args),
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    let outcome = match cli.command {
        // These stand between other processes and must not need a workspace.
        Command::Edge(edge::Command::Guard(args)) => edge::guard::run(&args),
        Command::Supervise(args) => supervise::run(&args),
        command => Workspace::find().and_then(|workspace| match command {
            Command::Setup => setup::everything(&workspace).map(|()| ExitCode::SUCCESS),
            Command::Test(args) => test::run(&workspace, &args),
            Command::Step(args) => test::run_step(&workspace, &args),
            Command::Supervise(args) => supervise::run(&args),
            Command::Edge(command) => edge::run(&workspace, command),
            Command::Conformance(args) => conformance::run(&workspace, &args),
            Command::Bench(args) => bench::run(&workspace, &args),
        }),
    };
    match outcome {
        Ok(code) => code,
        Err(error) => {
            // Standard error may be closed.
            let _ = writeln!(std::io::stderr(), "error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
