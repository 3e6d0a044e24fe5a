//! The origin's data in PostgreSQL: the same rows as in the embedded store, and nothing answered that did not happen.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    unreachable_pub,
    missing_docs,
    reason = "a test"
)]

mod commits;
mod directory_rows;
mod engines;
#[path = "../kit/mod.rs"]
mod kit;
mod leases;
mod live;
mod migrate;
mod nodes;
mod orders;
mod orders_across;
mod parcels;
mod plans;
mod proxy;
#[path = "../operators/shell.rs"]
#[allow(dead_code, reason = "its own tests use all of it")]
mod shell;
mod start;
mod tables;
mod transactions;
mod unanswered;
mod user_rows;

#[path = "../../../core/src/directory/tests/strategies.rs"]
#[allow(dead_code, reason = "core's tests use all of it")]
mod strategies;

// What `strategies` calls its own crate's.
use rollcall_core::{directory, id, serial, time};
