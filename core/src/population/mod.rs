//! A population: what moves from one server to another, as lines (`docs/rules/users.md#populations`).
//!
//! The lines are of core's terms, not of a store's tables: each runtime writes and reads the same.

mod line;
mod walk;

pub use line::{
    FIRST_LINE, LAST_LINE, Line, LineError, UnwrittenLine, cutoff_line, page_line, record_line, token_line,
    user_line,
};
pub use walk::{
    Cursor, PAGE, Part, Position, merge, read_users, records_after, records_of_users_after, users_after,
};
