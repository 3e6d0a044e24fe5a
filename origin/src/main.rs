//! The `rollcall` command.

#![forbid(unsafe_code)]

mod cli;

use std::process::ExitCode;

use clap::Parser as _;

/// A request allocates some dozen small values on one thread and frees them on another, at which the system's allocator is
/// slow. Huge pages are off, since they are resident from their first byte.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    cli::log();
    match cli::Cli::parse().run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            cli::report_error(&error);
            ExitCode::from(cli::status(&error))
        }
    }
}
