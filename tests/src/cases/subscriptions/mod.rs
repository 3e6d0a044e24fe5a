//! Following others: what is answered, and what is pushed when.

mod answers;
mod ends;
mod gob;
mod pushes;
mod watcher;
mod watchers;

use super::Case;

pub(super) fn cases() -> Vec<Case> {
    [answers::cases(), pushes::cases(), ends::cases(), gob::cases(), watchers::cases()].concat()
}
