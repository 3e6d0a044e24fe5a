//! Pages of a list that is spread over several databases (`docs/rules/message-center.md#paging`).
//!
//! [`Merge`] returns questions and takes their answers; it executes nothing. For a deep page it finds the beginning of the
//! page by counts, so that no database sends more than the page's size and 1,000 keys.

mod merge;
mod question;
mod split;

#[cfg(test)]
pub(super) use merge::Limits;
pub use merge::{Answer, Ask, Merge, MergeError, Step};
pub use question::{Found, Question, ShardQuery};
