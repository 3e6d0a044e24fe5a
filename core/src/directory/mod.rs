//! The directory: one record per connection, live or ended, and the queries over them.
//!
//! Records answer lists, searches and totals across users (`docs/rules/message-center.md#records`). This module turns
//! queries and changes into [`Statement`](crate::store::Statement)s of one SQL dialect and parses the rows; it executes
//! nothing. Every query has a second, naive meaning over [`record::Record`] values, and tests compare the two.

pub mod filter;
pub mod holding;
pub mod import;
pub mod membership;
pub mod page;
pub mod query;
pub mod record;
pub mod row;
pub mod upsert;
pub mod view;
pub mod zone;

mod index;
mod sql;

pub(crate) use sql::clean;

#[cfg(test)]
pub(crate) mod tests;
