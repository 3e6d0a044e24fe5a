//! One page of a list that is spread over several databases (`docs/rules/message-center.md#paging`).
//!
//! [`Merge`] asks and is answered; it executes nothing. For a deep page it finds the place where the page begins by
//! counting, so that no database ever sends more than the page's size and 1,000 keys.

mod merge;
mod split;

#[cfg(test)]
pub(super) use merge::Limits;
pub use merge::{Answer, Ask, Merge, MergeError, Step};
