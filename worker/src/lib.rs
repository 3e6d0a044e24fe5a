//! Rollcall at the edge: a Cloudflare Worker, one Durable Object per user, and the directory's shards.
//!
//! The entry serves `rollcall_api::router`, the same as the origin's. A user's object keeps its tokens in SQL and
//! its connections as hibernating sockets; it rehydrates `core::user::User` for each event, commits what follows
//! in one transaction and carries out the rest in order. Nothing here is a rule: what the origin would have to
//! decide too is decided in `rollcall-core`.
//!
//! No code path may panic: a panic throws away the memory of every object in the isolate.

mod attachment;
mod cache;
#[cfg(test)]
mod golden;
mod place;
mod wire;

#[cfg(target_arch = "wasm32")]
mod alarm;
#[cfg(target_arch = "wasm32")]
mod backend;
#[cfg(target_arch = "wasm32")]
mod clock;
#[cfg(target_arch = "wasm32")]
mod config;
#[cfg(target_arch = "wasm32")]
mod console;
#[cfg(target_arch = "wasm32")]
mod cutoff_object;
#[cfg(target_arch = "wasm32")]
mod cutoffs;
#[cfg(target_arch = "wasm32")]
mod directory;
#[cfg(target_arch = "wasm32")]
mod directory_object;
#[cfg(target_arch = "wasm32")]
mod entry;
#[cfg(target_arch = "wasm32")]
mod fullness;
#[cfg(target_arch = "wasm32")]
mod health;
#[cfg(target_arch = "wasm32")]
mod http_types;
#[cfg(target_arch = "wasm32")]
mod log;
#[cfg(target_arch = "wasm32")]
mod metrics;
#[cfg(target_arch = "wasm32")]
mod outgoing;
#[cfg(target_arch = "wasm32")]
mod pages;
#[cfg(all(target_arch = "wasm32", feature = "probe"))]
mod probe;
#[cfg(target_arch = "wasm32")]
mod rate;
#[cfg(target_arch = "wasm32")]
mod raw;
#[cfg(target_arch = "wasm32")]
mod shared;
#[cfg(target_arch = "wasm32")]
mod sql;
#[cfg(target_arch = "wasm32")]
mod stub;
#[cfg(target_arch = "wasm32")]
mod upgrade;
#[cfg(target_arch = "wasm32")]
mod user_object;
mod zone;
