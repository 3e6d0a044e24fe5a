//! Rollcall as one native process: sockets, a table of users, and a store (embedded SQLite, or PostgreSQL) behind core's rules.

#![forbid(unsafe_code)]

pub mod backend;
pub mod clock;
pub mod cluster;
pub mod configuration;
pub mod data_dir;
mod deadline;
mod lists;
pub mod metrics;
pub mod outbox;
mod outgoing;
mod pages;
mod peer;
mod private;
pub mod server;
pub mod socket;
pub mod store;
pub mod users;
mod verification_cache;
