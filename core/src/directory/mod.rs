//! The directory: one record per connection, live or ended, and the questions that are asked of it.
//!
//! Records answer lists, searches and totals across users (`docs/rules/message-center.md#records`). This
//! module turns questions and changes into [`Statement`](crate::store::Statement)s of one SQL dialect and
//! reads the rows back; it never executes anything. Every question has a second, naive meaning over
//! [`record::Record`] values, and tests hold the two together.

pub mod filter;
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

#[cfg(test)]
pub(crate) mod tests;
