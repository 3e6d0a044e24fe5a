//! The user aggregate over a real store: its rules by example, and sequences of commands against a naive model.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    unreachable_pub,
    reason = "tests"
)]

mod accounts;
mod consoles;
mod followers;
mod harness;
mod orders;
mod properties;
mod rules;
mod scoped;
#[path = "../../src/size.rs"]
mod size;
mod snapshots;
mod watchers;
