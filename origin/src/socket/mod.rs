//! Sockets: the upgrade, the task that owns each one, and the queue that others reach it through.

mod console;
mod outbox;
mod task;
mod timers;
mod upgrade;

pub use outbox::{Closed, Outbox};

use axum::Router;

use crate::backend::Origin;

/// Where sockets are opened.
pub fn routes() -> Router<Origin> {
    upgrade::routes().merge(console::routes())
}
