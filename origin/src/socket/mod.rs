//! Sockets: the upgrade, the task that owns each one, and the queue that others reach it through.

mod outbox;
mod task;
mod upgrade;

pub use outbox::{Closed, Outbox};
pub use upgrade::routes;
