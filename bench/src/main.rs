//! The load tool. It knows the wire, and none of the product's crates.
//!
//! Every figure is taken from a running server from outside, and in the same run from a baseline server: the state of the
//! machine affects both, and their ratio is the cost of the product.
#![forbid(unsafe_code)]
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a command-line tool speaks to its user")]

mod baseline;
mod clients;
mod clock;
mod figures;
mod http;
mod machine;
mod openim;
mod process;
mod report;
mod run;
mod server;
mod stats;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Measures a Rollcall origin under load, and baseline servers beside it.
#[derive(Parser)]
#[command(name = "rollcall-bench", max_term_width = 100)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    Run(run::Args),
    /// Serve as the baseline: accept and upgrade, and a JSON handler, without any logic
    #[command(hide = true)]
    Baseline(baseline::Args),
    /// Run a process of clients: commands as JSON lines on stdin, replies on stdout
    #[command(hide = true)]
    Clients,
}

fn main() -> ExitCode {
    let outcome = match Cli::parse().command {
        Command::Run(args) => run::run(&args),
        Command::Baseline(args) => baseline::run(&args).map(|()| ExitCode::SUCCESS),
        Command::Clients => clients::child::run().map(|()| ExitCode::SUCCESS),
    };
    outcome.unwrap_or_else(|error| {
        eprintln!("error: {error:#}");
        ExitCode::FAILURE
    })
}
