//! Clients by the thousand, in processes of their own: one process may hold 20,000 descriptors only, and what the
//! clients cost must not be counted as the server's.

pub(crate) mod child;
mod client;
pub(crate) mod codec;
mod order;
mod parent;
mod pool;

pub(crate) use order::{Beat, Door, Opened};
pub(crate) use parent::Fleet;
