//! Queries to one database: a list with its total, the details of a user, records by id or by age.
//!
//! Every query but [`imported_in`] concerns one tenant and one [`View`](super::view::View). Where a tenant is spread over several databases,
//! [`super::page`] queries each and merges.

mod choice;
mod imported;
mod list;
mod lookup;
mod order;
mod params;
mod plan;
mod stretch;

pub use imported::{imported_in, read_imported_in};
pub use list::{Listed, list, read_list};
pub use lookup::{by_ids, detail, open_records, read_records};
pub use order::{Direction, Order, OrderBy, Position, SortValue};
pub use params::{InfoScope, ListQuery, PAGE_NUMBER_LIMIT, PAGE_SIZE_LIMIT, PageRequest, pairs};
pub use stretch::Stretch;

pub(super) use list::window;
pub(super) use plan::Plan;
