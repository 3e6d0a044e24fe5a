//! Sockets: the upgrade, the task that owns each one, and the queue that others reach it through.

mod console;
mod gate;
mod outbox;
mod task;
mod timers;
mod upgrade;

pub use outbox::{Closed, Outbox};

use axum::{Router, middleware};

use crate::backend::Origin;

/// Where sockets are opened.
pub fn routes(origin: &Origin) -> Router<Origin> {
    let gate = middleware::from_fn_with_state(origin.clone(), gate::gate);
    upgrade::routes().merge(console::routes()).route_layer(gate)
}
