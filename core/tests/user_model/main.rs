//! The user aggregate against a naive model of it, over a real store.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    unreachable_pub,
    reason = "tests"
)]

mod commands;
#[allow(dead_code, reason = "the examples use the rest")]
mod harness;
mod model;
mod pair;
mod properties;
#[path = "../../src/size.rs"]
mod size;
