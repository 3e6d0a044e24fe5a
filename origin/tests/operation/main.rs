//! What an operator relies on, seen from outside a server process.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    unreachable_pub,
    missing_docs,
    dead_code,
    reason = "a test"
)]

mod bodies;
mod consoles;
mod descriptors;
mod drain;
mod encryption;
mod figures;
mod heads;
mod http2;
mod junk_tokens;
#[path = "../kit/mod.rs"]
mod kit;
mod liveness;
mod logins;
mod memory;
mod oversize;
mod pages;
mod places;
mod rates;
mod requests;
mod slow_reader;
mod slowness;
mod sockjs;
mod unread;
