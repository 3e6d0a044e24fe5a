//! Sockets: the upgrade, the task that owns each one, and the queue that others reach it through.

mod console;
mod gate;
mod outbox;
mod task;
mod timers;
mod upgrade;

pub use outbox::{Closed, Outbox};

use axum::{Router, middleware};
use rollcall_core::net::AllowedOrigins;

use self::gate::Gate;
use crate::backend::Origin;

/// Where sockets are opened, by programs and by pages that are allowed to.
pub fn routes(origin: &Origin, allowed: AllowedOrigins) -> Router<Origin> {
    let gate = middleware::from_fn_with_state(Gate::new(origin.clone(), allowed), gate::gate);
    upgrade::routes().merge(console::routes()).route_layer(gate)
}
