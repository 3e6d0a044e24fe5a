//! The operators' commands against a running server: what people read, what programs read, and how they end.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    unreachable_pub,
    missing_docs,
    dead_code,
    reason = "a test"
)]

#[path = "../kit/mod.rs"]
mod kit;

mod backup;
mod import;
mod kick;
mod reaching;
mod reading;
mod selection;
mod shell;
mod top;
