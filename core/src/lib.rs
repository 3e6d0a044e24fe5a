//! The rules of Rollcall, once for both runtimes.
//!
//! Everything here is a pure function of what it is given: time, randomness and stored state come in with the
//! call, durable changes and ordered actions go out. The adapters (`origin`, `worker`) read clocks, keep
//! rows and move bytes; they hold no rule of their own.

#![forbid(unsafe_code)]

pub mod audit;
pub mod config;
pub mod deny;
pub mod directory;
pub mod gateway;
pub mod id;
pub mod json;
pub mod message_center;
pub mod net;
pub mod openim;
pub mod order;
pub mod ordered;
pub mod platform;
pub mod policy;
pub mod population;
pub mod secret;
pub mod serial;
pub mod shard;
#[cfg(test)]
mod size;
pub mod stomp;
pub mod store;
pub mod time;
pub mod token;
pub mod user;
