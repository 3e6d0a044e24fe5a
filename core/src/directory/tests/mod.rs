//! Questions to the directory over a real SQLite store, beside a naive model.

mod filters;
mod merge;
mod parsing;
mod plans;
mod retention;
mod sets;
mod strategies;
pub(crate) mod support;
mod upserts;
mod vectors;
