//! Serving: accept, HTTP, and the end of the process.

mod accept;
pub(crate) mod admission;
mod answers;
mod bodies;
mod connection;
mod descriptors;
pub(crate) mod lease;
mod pace;
pub(crate) mod rate;
mod requests;
mod serve;
mod shutdown;
mod stopping;
pub(crate) mod sweep;
mod timeouts;
mod tls;

pub use serve::{Running, check, open, start};
