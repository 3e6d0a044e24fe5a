//! Metrics for operators, in the form that Prometheus reads (`docs/operating.md#watch`).
//!
//! Events are counted when they happen. State (connections, users, the store's queue) is looked up at each scrape, so that
//! no forgotten decrement can make it drift.

mod counters;
mod exposition;
mod listener;
mod process;
#[cfg(test)]
mod queries;
mod table;

pub use self::{
    counters::Metrics,
    table::{METRICS, Metric},
};
pub(crate) use self::{
    exposition::{Census, Exposition, State},
    listener::{Listener, PATH},
    process::Process,
};
