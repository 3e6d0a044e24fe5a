//! Thousands of clients, in processes of their own: one process may open 20,000 descriptors only, and the clients' cost
//! must not be counted as the server's.

pub(crate) mod child;
mod client;
pub(crate) mod codec;
mod command;
mod parent;
mod pool;

pub(crate) use command::{Endpoint, Heartbeat, Opened};
pub(crate) use parent::LoadClients;
