//! Serving: accept, HTTP, and the end of the process.

mod accept;
mod lease;
mod serve;
mod shutdown;
mod sweep;

pub use accept::Peer;
pub use serve::{Running, open, start};
